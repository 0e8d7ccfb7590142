//! A change of a destination's health.

use crate::{
    Timestamp,
    id::{ClickId, DestinationId},
    routing::Health,
};
use serde::{Deserialize, Serialize};

/// From when on a destination counts as up or down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthEvent {
    /// [`crate::event::SCHEMA`].
    pub schema: u16,
    /// A ULID, as click ids are.
    pub id: ClickId,
    /// When the probe that decided it was over, UTC.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub at: Timestamp,
    /// Whose health.
    pub destination_id: DestinationId,
    /// How it counted before.
    pub from: Health,
    /// How it counts now.
    pub to: Health,
    /// How many probes in a row saw the same.
    pub in_a_row: u32,
    /// The HTTP status of the last one; none: there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// One word for why there was no answer; empty: there was one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failure: String,
    /// What is wrong, for people; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How long the last probe took, in milliseconds.
    pub latency_ms: u32,
}
