//! What a producer counts.

use serde::Serialize;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tfx_domain::Timestamp;
use tfx_ports::clock;

/// Drops are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The state of a producer: `GET /internal/event-producer/stats`. Totals count from the start of the process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProducerStats {
    /// When it started.
    pub started_at: Timestamp,
    /// Events given to the producer.
    pub write_calls_total: u64,
    /// Deliveries to the sink that were begun, one per batch and attempt.
    pub write_attempts_total: u64,
    /// Deliveries the sink took.
    pub write_success_total: u64,
    /// Final failures: the sink failed as often in a row as the settings allow. The batch is tried on all the same.
    pub write_failure_total: u64,
    /// Deliveries that were repetitions.
    pub write_retry_total: u64,
    /// Events that could not be encoded.
    pub marshal_failure_total: u64,
    /// Publishers that went away before their answer; the events are written all the same.
    pub context_cancel_total: u64,
    /// Events that are lost: `fail_open`, and the journal did not take them.
    pub dropped_total: u64,
    /// Events that the disk did not take within the write timeout, under `fail_open`: their publishers went on, and they
    /// are written when the disk allows it.
    pub late_total: u64,
    /// Events in memory that the journal does not have yet; they are lost if the process dies now.
    pub unwritten_events: u64,
    /// Events the sink took.
    pub delivered_total: u64,
    /// Events the sink refused for good; they are in `refused.jsonl`.
    pub refused_total: u64,
    /// Events that stand in `refused.jsonl` now, of earlier runs too: `tfx events replay-refused`.
    pub refused_waiting: u64,
    /// Places in the journal that could not be read; their bytes are in `.damaged` files.
    pub damaged_total: u64,
    /// Bytes written to the journal.
    pub bytes_written_total: u64,
    /// Events in the journal that are not delivered.
    pub outbox_depth_events: u64,
    /// Their bytes.
    pub outbox_depth_bytes: u64,
    /// How long the oldest of them has waited, milliseconds; 0 if there is none.
    pub oldest_undelivered_age_ms: u64,
    /// The sink failed finally and did not recover, or the journal does not take events, or not in time.
    pub degraded: bool,
    /// When the sink last took a batch.
    pub last_success_at: Option<Timestamp>,
    /// When a delivery or a write to the journal last failed.
    pub last_failure_at: Option<Timestamp>,
    /// Why that failed; kept after it works again.
    pub last_error: Option<String>,
}

/// A line in the log of a producer: with its cumulative counters, whatever it is about.
macro_rules! log {
    ($level:ident, $counters:expr, { $($fields:tt)* }, $($message:tt)+) => {{
        let total = $counters.stats();
        tracing::$level!(
            $($fields)*
            write_calls_total = total.write_calls_total,
            delivered_total = total.delivered_total,
            write_failure_total = total.write_failure_total,
            write_retry_total = total.write_retry_total,
            marshal_failure_total = total.marshal_failure_total,
            context_cancel_total = total.context_cancel_total,
            dropped_total = total.dropped_total,
            refused_total = total.refused_total,
            damaged_total = total.damaged_total,
            $($message)+
        );
    }};
}
pub(crate) use log;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Everything counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    started: Started,
    pub(crate) calls: Counter,
    pub(crate) attempts: Counter,
    pub(crate) successes: Counter,
    pub(crate) failures: Counter,
    pub(crate) retries: Counter,
    pub(crate) marshal_failures: Counter,
    pub(crate) cancels: Counter,
    pub(crate) dropped: Counter,
    pub(crate) late: Counter,
    pub(crate) delivered: Counter,
    pub(crate) refused: Counter,
    /// Lines of `refused.jsonl`.
    pub(crate) refused_waiting: AtomicU64,
    pub(crate) damaged: Counter,
    pub(crate) bytes: Counter,
    /// The sink failed finally.
    pub(crate) sink_down: AtomicBool,
    /// The last write to the journal failed.
    pub(crate) journal_down: AtomicBool,
    /// Somebody waited in vain for the disk; over as soon as nothing waits for it.
    pub(crate) stalled: AtomicBool,
    last: Mutex<Last>,
    drops: Mutex<Drops>,
}

/// When counting began.
#[derive(Debug)]
struct Started(Timestamp);

impl Default for Started {
    fn default() -> Self {
        Self(clock::now())
    }
}

/// Drops that are not logged yet.
#[derive(Debug, Default)]
struct Drops {
    events: u64,
    logged: Option<Instant>,
}

#[derive(Debug, Clone, Default)]
struct Last {
    success_at: Option<Timestamp>,
    failure_at: Option<Timestamp>,
    error: Option<String>,
}

impl Counters {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn succeeded(&self) {
        self.last().success_at = Some(clock::now());
    }

    pub(crate) fn failed(&self, error: &dyn std::fmt::Display) {
        let mut last = self.last();
        last.failure_at = Some(clock::now());
        last.error = Some(error.to_string());
    }

    /// Counts events that are lost under `fail_open`; says so, but not for each.
    pub(crate) fn drop_events(&self, events: u64, why: &dyn std::fmt::Display) {
        self.dropped.add(events);
        let mut drops = self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        drops.events += events;
        if drops.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            log!(warn, self, { events = drops.events, error = %why, }, "events dropped: the event journal did not take them");
            *drops = Drops { events: 0, logged: Some(Instant::now()) };
        }
    }

    /// A publisher gave up waiting for the disk.
    pub(crate) fn stalled(&self, why: &dyn std::fmt::Display) {
        self.failed(why);
        if !self.stalled.swap(true, Relaxed) {
            log!(warn, self, { late_total = self.late.get(), error = %why, }, "the disk of the event journal has stalled");
        }
    }

    /// The writer has written something.
    pub(crate) fn moves_again(&self) {
        if self.stalled.load(Relaxed) && self.stalled.swap(false, Relaxed) {
            log!(info, self, { late_total = self.late.get(), }, "the disk of the event journal answers again");
        }
    }

    /// The counters, without the journal's depth and what waits for the disk.
    pub(crate) fn stats(&self) -> ProducerStats {
        let last = self.last().clone();
        ProducerStats {
            started_at: self.started.0,
            write_calls_total: self.calls.get(),
            write_attempts_total: self.attempts.get(),
            write_success_total: self.successes.get(),
            write_failure_total: self.failures.get(),
            write_retry_total: self.retries.get(),
            marshal_failure_total: self.marshal_failures.get(),
            context_cancel_total: self.cancels.get(),
            dropped_total: self.dropped.get(),
            late_total: self.late.get(),
            unwritten_events: 0,
            delivered_total: self.delivered.get(),
            refused_total: self.refused.get(),
            refused_waiting: self.refused_waiting.load(Relaxed),
            damaged_total: self.damaged.get(),
            bytes_written_total: self.bytes.get(),
            outbox_depth_events: 0,
            outbox_depth_bytes: 0,
            oldest_undelivered_age_ms: 0,
            degraded: self.sink_down.load(Relaxed) || self.journal_down.load(Relaxed),
            last_success_at: last.success_at,
            last_failure_at: last.failure_at,
            last_error: last.error,
        }
    }
}
