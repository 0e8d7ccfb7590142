//! How events are written.

use crate::{source::Reader, vars};
use std::{str::FromStr, time::Duration};

/// What a visitor's redirect waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The event is handed to the operating system; if that fails, the redirect goes out and the drop is counted.
    #[default]
    FailOpen,
    /// The event is on disk; if that fails, 503.
    FailClosed,
}

impl FromStr for FailurePolicy {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "fail_open" => Ok(Self::FailOpen),
            "fail_closed" => Ok(Self::FailClosed),
            _ => Err(()),
        }
    }
}

/// How events are written.
#[derive(Debug, Clone)]
pub struct EventsSettings {
    /// `EVENT_WRITE_FAILURE_POLICY`.
    pub policy: FailurePolicy,
    /// `EVENT_BATCH_SIZE`.
    pub batch_size: usize,
    /// `EVENT_BATCH_TIMEOUT_MS`.
    pub batch_timeout: Duration,
    /// `EVENT_WRITE_TIMEOUT_MS`.
    pub write_timeout: Duration,
    /// `EVENT_WRITE_MAX_ATTEMPTS`.
    pub max_attempts: u32,
    /// `EVENT_WRITE_RETRY_BACKOFF_MS`.
    pub retry_backoff: Duration,
    /// `EVENT_JOURNAL_MAX_BYTES`.
    pub journal_max_bytes: u64,
}

impl EventsSettings {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        Self {
            policy: r.parse(&vars::EVENT_WRITE_FAILURE_POLICY),
            batch_size: r.number(&vars::EVENT_BATCH_SIZE, 1, 10_000),
            batch_timeout: r.millis(&vars::EVENT_BATCH_TIMEOUT_MS, 1, 60_000),
            write_timeout: r.millis(&vars::EVENT_WRITE_TIMEOUT_MS, 10, 600_000),
            max_attempts: r.number(&vars::EVENT_WRITE_MAX_ATTEMPTS, 1, 1000),
            retry_backoff: r.millis(&vars::EVENT_WRITE_RETRY_BACKOFF_MS, 1, 60_000),
            journal_max_bytes: r.number(&vars::EVENT_JOURNAL_MAX_BYTES, 1 << 20, 1 << 40),
        }
    }
}
