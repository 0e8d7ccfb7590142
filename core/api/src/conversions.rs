//! Conversions. Their shape is the domain's, with money for who may see it.

use serde::{Deserialize, Serialize};
use tfx_domain::{
    Timestamp,
    event::{ClickDims, TestTraffic},
    id::{ClickId, ConversionId, NetworkId},
    money::Money,
};
pub use tfx_domain::{postback::ConversionStatus, report::ReportFilter};

/// A conversion as it is answered: [`tfx_domain::postback::Conversion`], without what it brings for who may not see money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Conversion {
    /// Never changes.
    pub id: ConversionId,
    /// 1 when recorded, one more with every change.
    pub version: u64,
    /// Who reported it.
    pub network: NetworkId,
    /// Unique within the network.
    pub key: String,
    /// The click whose only sale it is, or might be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_claim: Option<String>,
    /// Another conversion's sale took its click.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub displaced: bool,
    /// The network's transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The click.
    pub click_id: ClickId,
    /// Its status.
    pub status: ConversionStatus,
    /// The network's word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_status: Option<String>,
    /// What it brings; with the scope `read:money`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<Money>,
    /// What it costs as it stands, where its click is paid by the sale or by a share; with that scope too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// When it was first reported.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub created_at: Timestamp,
    /// When it last changed.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub updated_at: Timestamp,
    /// Facts of the click.
    pub click: ClickDims,
}

/// Which conversions are to be published once more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// First reported from, inclusive; none: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub since: Option<Timestamp>,
    /// First reported to, exclusive; none: to the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub until: Option<Timestamp>,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// How many conversions are published once more, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishAnswer {
    /// Whether they were only counted.
    pub dry_run: bool,
    /// How many; those that wait to be published already are none of them.
    pub conversions: u64,
}

/// Which conversions to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionQuery {
    /// First reported from, inclusive.
    pub since: Option<Timestamp>,
    /// First reported to, exclusive.
    pub until: Option<Timestamp>,
    /// Only of this campaign: id or slug.
    pub campaign: Option<String>,
    /// Only reported by this network: id or slug.
    pub network: Option<String>,
    /// Only with this status.
    pub status: Option<ConversionStatus>,
    /// Only of this click.
    pub click: Option<ClickId>,
    /// Whether those of test clicks are among them; left out unless said otherwise.
    pub test: Option<TestTraffic>,
    /// What must hold of each: all of them.
    pub filters: Vec<ReportFilter>,
    /// IANA name of the zone in which conditions on days, hours and the like are meant; UTC unless said otherwise.
    pub timezone: Option<String>,
    /// At most this many, 1 to 1,000.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}
