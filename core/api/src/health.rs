//! The health of destinations.

use serde::{Deserialize, Serialize};
use tfx_domain::Timestamp;
pub use tfx_domain::{event::HealthEvent, routing::Health};

/// How a destination with a health check is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthRow {
    /// The id of the destination.
    pub destination_id: String,
    /// Its slug.
    pub slug: String,
    /// `up`, `down`, or `unknown`: not probed yet.
    pub state: Health,
    /// Since when, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub since: Option<Timestamp>,
    /// When it was last probed, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub probed_at: Option<Timestamp>,
    /// How many of the last probes in a row saw the same.
    pub in_a_row: u32,
    /// The HTTP status of the last probe; none: there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// One word for why there was no answer: `timed_out`, `connect`, `tls_expired`, `refused_address` …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failure: String,
    /// What is wrong, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How long the last probe took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u32>,
}

/// All destinations that are active and have a health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthList {
    /// In the order of their slugs.
    pub items: Vec<HealthRow>,
    /// Give it as `cursor` to get more; none: these were the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many have a health check, whatever was asked for.
    pub watched: u64,
    /// How many of these are down.
    pub down: u64,
    /// How many of these were never probed.
    pub unknown: u64,
    /// How many of these were probed, but not as often with the same outcome as their health check asks for.
    #[serde(default)]
    pub undecided: u64,
    /// When the newest probe of all was over, UTC; none: nothing was probed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub newest_probe_at: Option<Timestamp>,
    /// A newest probe that is older means that nobody probes, in seconds; none: traffic-service does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_after_s: Option<u64>,
    /// Probes that traffic-service put off through a fault of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub put_off: Vec<PutOff>,
    /// Rows that cannot be read: each is probed anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Probes that one traffic-service put off for one reason of its own, and has not made since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PutOff {
    /// One word for the reason: `busy`, `name_servers`, `setup`.
    pub failure: String,
    /// Of how many destinations.
    pub destinations: u64,
    /// The reason of the last of them, for people.
    pub reason: String,
    /// When that was, UTC.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
}

/// What traffic-service answers to who asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PutOffs {
    /// By reason.
    pub items: Vec<PutOff>,
    /// A newest probe that is older means that nobody probes, in seconds: three intervals and what it takes to know of it.
    #[serde(default)]
    pub late_after_s: Option<u64>,
}

/// Which changes of health to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthQuery {
    /// Only of this destination, by slug or id.
    pub destination: Option<String>,
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// At most this many, 1 to 1,000.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}
