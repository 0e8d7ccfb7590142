//! Postbacks: what a network reports, and what it changes.
//!
//! [`interpret`] turns parameters into a [`Postback`]; [`report`] says whose click it is and what it brings; [`decide`]
//! says which conversion it speaks of and what becomes of it, by [`apply`], the status machine. Stores enforce the keys
//! with unique indexes and call [`decide`] inside their transaction; they decide nothing themselves
//! (`docs/decisions/0006-one-status-machine.md`).

pub mod advice;
mod decide;
mod differs;
mod guess;
mod interpret;
mod params;
mod parked;
mod report;
mod reread;
mod signature;
mod status;
mod unread;
mod words;

pub use decide::{Decided, Standing, decide};
pub use differs::differs;
pub use interpret::{
    Interpreted, Postback, Refusal, interpret, interpret_ours, is_mapped_since, still_stands, unknown_word,
};
pub use params::{Field, Unreadable, with_numbers};
pub use parked::{FileRow, Parked};
pub use report::{Terms, report};
pub use reread::{AnotherReading, read_otherwise};
pub use signature::{
    Request, Signatures, Signed, Unsigned, Verified, sign, unreadable_key, verify, written_time,
};
pub use status::{Applied, ConversionStatus, apply};
pub use unread::{LeftMacro, WrittenBy, left_macros, unread_payout, written_by};
pub(crate) use words::meaning;

use crate::{
    Timestamp,
    entity::Due,
    event::ClickDims,
    id::{ClickId, ConversionId, NetworkId},
    money::Money,
    source_postback::Subscription,
};
use serde::{Deserialize, Serialize};

/// What a network's transaction ids number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TransactionScope {
    /// Orders: an id is one conversion of the network.
    #[default]
    Network,
    /// Steps of a click (`PURCHASE`, `2`): each click has its own.
    Click,
}

impl TransactionScope {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Network, Self::Click];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Click => "click",
        }
    }
}

/// What a network reported about a click, ready to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incoming {
    /// The id it gets if it is new.
    pub new_id: ConversionId,
    /// Who reports.
    pub network: NetworkId,
    /// What its transaction ids number.
    pub scope: TransactionScope,
    /// The dedupe key within the network: see [`Postback::key`].
    pub key: String,
    /// The network's transaction id.
    pub transaction_id: Option<String>,
    /// The click.
    pub click_id: ClickId,
    /// The reported status.
    pub status: ConversionStatus,
    /// The network's word for it.
    pub raw_status: Option<String>,
    /// The word is nobody's: see [`Postback::unmapped`].
    pub unmapped: bool,
    /// What it brings: from the postback, else the template's or the destination's payout.
    pub revenue: Money,
    /// True when the postback itself named a payout; only then can it change a recorded one.
    pub revenue_given: bool,
    /// Whether the click may have several sales.
    pub allow_upsell: bool,
    /// When it came in.
    pub at: Timestamp,
    /// Facts of the click.
    pub click: ClickDims,
    /// What conversions of the click cost.
    #[serde(default, skip_serializing_if = "Due::is_none")]
    pub cost_terms: Due,
    /// What the click's source asks to be told; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tell: Option<Subscription>,
    /// The network's signature of it, where it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// Whether it came in earlier and waited for its click.
    #[serde(default)]
    pub waited: bool,
    /// The key of the conversion of its click that it was read as before: where it has another key by now, that one gives way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

impl Incoming {
    /// Its key where another click has the transaction id; none without one.
    pub fn click_key(&self) -> Option<String> {
        self.transaction_id.as_ref().map(|id| click_key(self.click_id, id))
    }
}

fn click_key(click: ClickId, transaction_id: &str) -> String {
    format!("click:{click}:tx:{transaction_id}")
}

const fn is_zero(version: &u64) -> bool {
    *version == 0
}

/// A conversion as it stands.
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
    /// Unique within the network while set: `{click_id}` for the one sale of a click that takes only one, and for what
    /// might be one, a word that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_claim: Option<String>,
    /// A word that nobody knows had brought it, until another conversion's sale took its click, or what had brought it was read
    /// anew as another conversion: it stands as rejected, and the next report of its key is taken as if it were the first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub displaced: bool,
    /// The network's transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The click.
    pub click_id: ClickId,
    /// Its status.
    pub status: ConversionStatus,
    /// The version with which it came into its status; 0: that was before this was kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since_version: u64,
    /// The network's word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_status: Option<String>,
    /// What it brings.
    pub revenue: Money,
    /// What it costs as it stands, where its click is paid by the sale or by a share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// What that is made of: the terms of its click.
    #[serde(default, skip_serializing_if = "Due::is_none")]
    pub cost_terms: Due,
    /// The signatures of what was reported of it.
    #[serde(default, skip_serializing_if = "Signatures::is_empty")]
    pub signatures: Signatures,
    /// When it was first reported.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub created_at: Timestamp,
    /// When it last changed.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub updated_at: Timestamp,
    /// Facts of the click.
    pub click: ClickDims,
}
