//! Reads from the analytics store that are done again and again: how many, how many failed, and who is told.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use tfx_ports::StoreError;
use tokio::time::Instant;

/// A failure that goes on is told this often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Of one kind.
#[derive(Default)]
pub struct Reads {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Reads {
    /// Reads that were done, failed ones among them.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// Reads that failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Counts one, and tells the log of it where that is news. `told` is when it was told last, while reads fail.
    pub(super) fn count(&self, what: &str, read: Result<(), StoreError>, told: &mut Option<Instant>) {
        self.done.fetch_add(1, Relaxed);
        match read {
            Ok(()) if told.take().is_some() => tracing::info!("{what} is read again"),
            Ok(()) => {}
            Err(error) => {
                self.failed.fetch_add(1, Relaxed);
                if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                    tracing::warn!(%error, "{what} cannot be read; the last values go on, and own clicks since");
                    *told = Some(Instant::now());
                }
            }
        }
    }
}
