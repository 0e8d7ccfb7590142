//! From the publishers to the writer thread: events framed into one buffer, one sleeper per publisher.
//!
//! Publishers frame straight into the buffer that is written, so the writer copies nothing, and everything that
//! gathers while it writes goes out with its next write.

use crate::journal::{AppendError, record::Encoded};
use std::{
    mem,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, Thread},
};
use tokio::sync::oneshot;

/// Most bytes that wait for the writer; more means that the disk has stalled.
const MAX_BYTES: usize = 64 << 20;
/// Buffers larger than this are given back after use.
const KEEP_BYTES: usize = 4 << 20;

/// What a publisher hears.
pub(crate) type AppendResult = Result<(), AppendError>;

/// A publisher that waits.
pub(crate) struct Waiter {
    /// Where its records end in the buffer; they begin where those of the one before end.
    pub(crate) end: usize,
    /// How many they are.
    pub(crate) events: u64,
    /// Whether it waits for the disk.
    pub(crate) durable: bool,
    /// Whether its events were counted when they came first.
    pub(crate) again: bool,
    /// Wakes it.
    pub(crate) done: oneshot::Sender<AppendResult>,
}

/// Why the queue takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The producer is closed.
    Closed,
    /// The writer does not keep up.
    Stalled,
}

/// What waits for the writer.
#[derive(Default)]
pub(crate) struct Waiting {
    /// Framed records.
    pub(crate) bytes: Vec<u8>,
    /// Whose they are.
    pub(crate) waiters: Vec<Waiter>,
    /// They go into a new segment.
    pub(crate) turn: bool,
}

#[derive(Default)]
struct Inner {
    waiting: Waiting,
    writer_sleeps: bool,
    closed: bool,
}

/// From the publishers to the writer thread.
#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    writer: OnceLock<Thread>,
    /// Events in line and in the writer's hands.
    unwritten: AtomicU64,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts events in line, together; none: asks whether they could be written.
    pub(crate) fn push(
        &self,
        events: &[Encoded],
        durable: bool,
    ) -> Result<oneshot::Receiver<AppendResult>, Refusal> {
        self.put(events, durable, false)
    }

    /// Puts events in line that were in the journal before, and that the sink had refused.
    pub(crate) fn push_again(&self, events: &[Encoded]) -> Result<oneshot::Receiver<AppendResult>, Refusal> {
        self.put(events, true, true)
    }

    fn put(
        &self,
        events: &[Encoded],
        durable: bool,
        again: bool,
    ) -> Result<oneshot::Receiver<AppendResult>, Refusal> {
        let (done, answer) = oneshot::channel();
        let wake = {
            let mut inner = self.lock();
            if inner.closed {
                return Err(Refusal::Closed);
            }
            let size: usize = events.iter().map(Encoded::size).sum();
            let waiting = &mut inner.waiting;
            if !waiting.bytes.is_empty() && waiting.bytes.len() + size > MAX_BYTES {
                return Err(Refusal::Stalled);
            }
            for event in events {
                event.push(&mut waiting.bytes);
            }
            let end = waiting.bytes.len();
            let events = events.len() as u64;
            self.unwritten.fetch_add(events, Relaxed);
            waiting.waiters.push(Waiter { end, events, durable, again, done });
            mem::take(&mut inner.writer_sleeps)
        };
        if wake {
            self.wake();
        }
        Ok(answer)
    }

    /// Has the writer begin a new segment. Answered when it has, or cannot.
    pub(crate) fn turn(&self) -> Result<oneshot::Receiver<AppendResult>, Refusal> {
        self.lock().waiting.turn = true;
        self.push(&[], true)
    }

    /// Takes everything in line into `taken`, sleeping until there is something. False if the queue is closed and empty.
    /// Only the writer thread calls this.
    pub(crate) fn take(&self, taken: &mut Waiting) -> bool {
        self.writer.get_or_init(thread::current);
        taken.waiters.clear();
        taken.bytes.clear();
        taken.bytes.shrink_to(KEEP_BYTES);
        // Publishers that are about to come go with this write: on a busy machine that spares a switch of threads and a
        // write for each click; on an idle one it returns at once.
        thread::yield_now();
        loop {
            {
                let mut inner = self.lock();
                if !inner.waiting.waiters.is_empty() {
                    mem::swap(&mut inner.waiting, taken);
                    return true;
                }
                if inner.closed {
                    return false;
                }
                inner.writer_sleeps = true;
            }
            thread::park();
            thread::yield_now();
        }
    }

    /// Events that were put in line and are not written yet.
    pub(crate) fn unwritten(&self) -> u64 {
        self.unwritten.load(Relaxed)
    }

    /// The writer is done with so many, well or not.
    pub(crate) fn done_with(&self, events: u64) {
        self.unwritten.fetch_sub(events, Relaxed);
    }

    /// Takes no more; the writer ends when it has written what is in line.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake();
    }

    fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}
