//! What the appender and the reader know of each other: which segments there are, how far they are good, and how far
//! delivery got.

use crate::{
    ledger::Ledger,
    stats::{Counters, log},
};
use std::{
    collections::VecDeque,
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// A segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Sequence of its first record; its name.
    pub(crate) first: u64,
    /// Its good length in bytes, header included.
    pub(crate) length: u64,
}

/// The state of the journal.
#[derive(Debug)]
pub(crate) struct Layout {
    /// In order; each begins where the one before ends.
    pub(crate) segments: VecDeque<Segment>,
    /// Bytes in all of them.
    pub(crate) bytes: u64,
    /// The sequence the next record gets.
    pub(crate) next: u64,
    /// The sequence of the next record to deliver.
    pub(crate) cursor: u64,
    /// Bytes of `segments` that are delivered.
    pub(crate) delivered_bytes: u64,
    /// Milliseconds since 1970 at which the oldest undelivered record was written, as far as known.
    pub(crate) oldest_at: Option<i64>,
    /// The reader wants to be woken when `next` gets here.
    pub(crate) wake_at: u64,
}

/// A segment as the reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The segment.
    pub(crate) segment: Segment,
    /// No record in it has this sequence or a later one.
    pub(crate) end: u64,
    /// The first sequence of the segment after it.
    pub(crate) following: Option<u64>,
}

impl Layout {
    /// The segment with that first sequence; if it is gone, the oldest.
    pub(crate) fn span(&self, first: u64) -> Option<Span> {
        let at = self.segments.binary_search_by_key(&first, |s| s.first).unwrap_or(0);
        let segment = *self.segments.get(at)?;
        let following = self.segments.get(at + 1).map(|s| s.first);
        Some(Span { segment, end: following.unwrap_or(self.next), following })
    }

    /// Records that are not delivered.
    pub(crate) fn depth(&self) -> u64 {
        self.next.saturating_sub(self.cursor)
    }

    /// Bytes that are not delivered.
    pub(crate) fn depth_bytes(&self) -> u64 {
        if self.depth() == 0 { 0 } else { self.bytes.saturating_sub(self.delivered_bytes) }
    }
}

/// Shared by the appender, the reader and the producer.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The journal's folder.
    pub(crate) dir: PathBuf,
    layout: Mutex<Layout>,
    /// Rings when `wake_at` is reached.
    pub(crate) arrived: Notify,
    /// Held as long as anybody may touch the files.
    lock: File,
    pub(crate) counters: Arc<Counters>,
    /// Counts what is written.
    pub(crate) ledger: Ledger,
}

impl Shared {
    pub(crate) fn new(
        dir: PathBuf,
        layout: Layout,
        lock: File,
        counters: Arc<Counters>,
        ledger: Ledger,
    ) -> Self {
        Self { dir, layout: Mutex::new(layout), arrived: Notify::new(), lock, counters, ledger }
    }

    /// The state, for a moment: no input or output while it is held.
    pub(crate) fn layout(&self) -> MutexGuard<'_, Layout> {
        self.layout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets another producer have the folder; only when nobody here touches it any more.
    pub(crate) fn unlock(&self) {
        if let Err(error) = self.lock.unlock() {
            log!(warn, self.counters, { %error, }, "the event journal's lock is held until the process ends");
        }
    }
}
