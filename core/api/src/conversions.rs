//! Conversions. Their shape is the domain's: [`tfx_domain::postback::Conversion`].

use serde::{Deserialize, Serialize};
use tfx_domain::{Timestamp, event::TestTraffic, id::ClickId};
pub use tfx_domain::{
    postback::{Conversion, ConversionStatus},
    report::ReportFilter,
};

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
