//! Telling traffic sources of conversions.

use crate::{source::Reader, vars};
use std::time::Duration;

/// Postbacks to traffic sources.
#[derive(Debug, Clone)]
pub struct SourcePostbackSettings {
    /// `OUTBOUND_TIMEOUT_MS`.
    pub timeout: Duration,
    /// `OUTBOUND_MAX_ATTEMPTS`.
    pub max_attempts: u16,
    /// `OUTBOUND_RETRY_BACKOFF_MS`.
    pub backoff: Duration,
    /// `OUTBOUND_PER_TARGET`.
    pub per_target: usize,
    /// `OUTBOUND_CIRCUIT_FAILURES`.
    pub circuit_failures: u32,
    /// `OUTBOUND_CIRCUIT_PAUSE_MS`.
    pub circuit_pause: Duration,
}

impl SourcePostbackSettings {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        Self {
            timeout: r.millis(&vars::OUTBOUND_TIMEOUT_MS, 100, 60_000),
            max_attempts: r.number(&vars::OUTBOUND_MAX_ATTEMPTS, 1, 1_000),
            backoff: r.millis(&vars::OUTBOUND_RETRY_BACKOFF_MS, 10, 3_600_000),
            per_target: r.number(&vars::OUTBOUND_PER_TARGET, 1, 256),
            circuit_failures: r.number(&vars::OUTBOUND_CIRCUIT_FAILURES, 1, 1_000),
            circuit_pause: r.millis(&vars::OUTBOUND_CIRCUIT_PAUSE_MS, 10, 3_600_000),
        }
    }
}
