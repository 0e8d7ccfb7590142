//! Postbacks: what a network reports, and what it changes.
//!
//! [`interpret`] turns parameters into a [`Postback`]; [`apply`] is the status machine that decides what a report
//! does to a conversion that may exist already. Stores enforce the keys with unique indexes and call [`apply`]
//! inside their transaction; they decide nothing themselves (`docs/decisions/0006-one-status-machine.md`).

mod interpret;
mod params;
mod status;

pub use interpret::{Interpreted, Postback, Refusal, interpret};
pub use params::Unreadable;
pub use status::{Applied, ConversionStatus, apply};

use crate::{
    Timestamp,
    event::ClickDims,
    id::{ClickId, ConversionId, NetworkId},
    money::Money,
};
use serde::{Deserialize, Serialize};

/// What a network reported about a click, ready to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incoming {
    /// The id it gets if it is new.
    pub new_id: ConversionId,
    /// Who reports.
    pub network: NetworkId,
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
}

/// A conversion as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversion {
    /// Never changes.
    pub id: ConversionId,
    /// 1 when recorded, one more with every change.
    pub version: u64,
    /// Who reported it.
    pub network: NetworkId,
    /// Unique within the network.
    pub key: String,
    /// Unique within the network while set: `{click_id}` for the one sale of a click that takes only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_claim: Option<String>,
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
    /// What it brings.
    pub revenue: Money,
    /// When it was first reported.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Facts of the click.
    pub click: ClickDims,
}
