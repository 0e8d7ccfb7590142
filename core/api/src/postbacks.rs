//! The postback log, and trying a postback without recording it.

use crate::page::EntityRef;
use serde::{Deserialize, Serialize};
pub use tfx_domain::event::{PostbackLogEvent, PostbackResult};
use tfx_domain::{
    Timestamp,
    id::{ClickId, ConversionId},
    money::Money,
    postback::ConversionStatus,
};

/// Which postbacks to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostbackQuery {
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// Only to this network's slug, known or not.
    pub network: Option<String>,
    /// Only with this result.
    pub result: Option<PostbackResult>,
    /// At most this many, 1 to 1,000.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// A postback to try. Nothing is stored, and no secret is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostbackTest {
    /// The network: id or slug.
    pub network: String,
    /// The template: slug within the network, or id; none: the network's `default`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What the network would send.
    #[serde(default)]
    pub params: Vec<(String, String)>,
}

/// What would become of a postback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostbackTestAnswer {
    /// What it would be answered: recorded, updated, duplicate, stale, ignored, parked or rejected.
    pub result: PostbackResult,
    /// The HTTP status it would get.
    pub status: u16,
    /// Why, in a sentence.
    pub reason: String,
    /// The parameter that is wrong, when it would be rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The network.
    pub network: EntityRef,
    /// The template used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<EntityRef>,
    /// What it was understood to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub understood: Option<Understood>,
    /// Whether its click is known; absent when it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_found: Option<bool>,
    /// The conversion it would meet, as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingConversion>,
}

/// What a postback was understood to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Understood {
    /// The click.
    pub click_id: ClickId,
    /// The network's transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The status.
    pub status: ConversionStatus,
    /// The network's word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_status: Option<String>,
    /// What it would bring; absent while the click is not known and the postback names no payout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<Money>,
    /// What makes it the same conversion again.
    pub key: String,
}

/// A conversion that a tried postback would meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExistingConversion {
    /// Its id.
    pub id: ConversionId,
    /// Its status.
    pub status: ConversionStatus,
    /// What it brings.
    pub revenue: Money,
}
