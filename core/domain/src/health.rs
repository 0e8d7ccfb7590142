//! Whether a destination answers: what its probes say, one after the other.

use crate::{
    Timestamp,
    entity::HealthCheck,
    event::{HealthEvent, SCHEMA},
    id::{ClickId, DestinationId},
    routing::Health,
};
use serde::{Deserialize, Serialize};

/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 256;

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// When the answer was there, or it was clear that there is none; UTC.
    pub at: Timestamp,
    /// Whether it is as the health check expects.
    pub healthy: bool,
    /// The HTTP status; none: there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// One word for why there was no answer, as of the client that sends probes (`timed_out`); empty: there was one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failure: String,
    /// What is wrong, for people; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// From the request to the head of the answer, or to the failure, in milliseconds.
    pub latency_ms: u32,
}

impl Probe {
    /// A probe that was answered.
    pub fn answered(check: &HealthCheck, status: u16, latency_ms: u32, at: Timestamp) -> Self {
        let healthy = check.expects(status);
        let reason = if healthy { String::new() } else { format!("it answers {status}") };
        Self { at, healthy, status: Some(status), failure: String::new(), reason, latency_ms }
    }

    /// A probe that was not.
    pub fn failed(failure: &str, reason: &str, latency_ms: u32, at: Timestamp) -> Self {
        let reason = reason.chars().take(MAX_REASON).collect();
        Self { at, healthy: false, status: None, failure: failure.to_owned(), reason, latency_ms }
    }
}

/// What is known of a destination's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationHealth {
    /// The destination that was probed.
    pub destination_id: DestinationId,
    /// How it counts.
    pub state: Health,
    /// Since when it counts so, UTC.
    pub since: Timestamp,
    /// How many of the last probes in a row saw the same, good or bad.
    pub in_a_row: u32,
    /// The last probe.
    pub probe: Probe,
    /// Grows by one with each probe.
    pub version: u64,
}

impl DestinationHealth {
    /// What is known after one more probe, and the event if the destination counts otherwise from now on.
    ///
    /// The first probe that is answered well makes it up, `failures` bad ones in a row make it down, and `successes`
    /// good ones in a row make it up again.
    pub fn after(
        before: Option<&Self>,
        destination: &DestinationId,
        check: &HealthCheck,
        probe: Probe,
        event_id: impl FnOnce() -> ClickId,
    ) -> (Self, Option<HealthEvent>) {
        let same = before.filter(|b| b.probe.healthy == probe.healthy);
        let in_a_row = same.map_or(0, |b| b.in_a_row).saturating_add(1);
        let from = before.map_or(Health::Unknown, |b| b.state);
        let to = match (from, probe.healthy) {
            (Health::Unknown, true) => Health::Up,
            (Health::Down, true) if in_a_row >= check.successes => Health::Up,
            (Health::Unknown | Health::Up, false) if in_a_row >= check.failures => Health::Down,
            (state, _) => state,
        };
        let changed = from != to;
        let after = Self {
            destination_id: destination.clone(),
            state: to,
            since: before.filter(|_| !changed).map_or(probe.at, |b| b.since),
            in_a_row,
            version: before.map_or(0, |b| b.version).saturating_add(1),
            probe,
        };
        let event = changed.then(|| HealthEvent {
            schema: SCHEMA,
            id: event_id(),
            at: after.probe.at,
            destination_id: destination.clone(),
            from,
            to,
            in_a_row,
            status: after.probe.status,
            failure: after.probe.failure.clone(),
            reason: after.probe.reason.clone(),
            latency_ms: after.probe.latency_ms,
        });
        (after, event)
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
