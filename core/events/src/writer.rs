//! The writer thread: takes what the publishers queued, writes it at once, syncs once, wakes each.

use crate::{
    journal::Appender,
    queue::{AppendResult, Queue, Waiter, Waiting},
    stats::{Counters, log},
};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tfx_ports::clock;
use tokio::sync::oneshot;

/// Most bytes of one write, unless one publisher's events are more.
const WRITE_BYTES: usize = 1 << 20;
/// Who asks whether events could be written is answered from the last write within this.
const PROVED_FOR: Duration = Duration::from_secs(1);

/// The writer thread's state.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    appender: Appender,
    counters: Arc<Counters>,
    write_bytes: usize,
    /// When records were last written.
    written: Option<Instant>,
    /// Bytes of the records that the journal last did not take.
    wanted: u64,
}

impl Writer {
    /// A write is no larger than a segment.
    pub(crate) fn new(
        queue: Arc<Queue>,
        appender: Appender,
        counters: Arc<Counters>,
        segment_bytes: u64,
    ) -> Self {
        let write_bytes = usize::try_from(segment_bytes).unwrap_or(WRITE_BYTES).min(WRITE_BYTES);
        Self { queue, appender, counters, write_bytes, written: None, wanted: 0 }
    }

    /// Writes until the queue is closed and empty; then everything is synced and `ended` hears of it.
    pub(crate) fn run(mut self, ended: oneshot::Sender<()>) {
        let mut taken = Waiting::default();
        while self.queue.take(&mut taken) {
            self.write(&mut taken);
        }
        if let Err(error) = self.appender.sync() {
            log!(warn, self.counters, { %error, }, "the event journal could not be synced at the end");
        }
        drop(self);
        let _ = ended.send(()); // nobody waits if the producer was dropped
    }

    fn write(&mut self, taken: &mut Waiting) {
        let now = clock::now().as_millisecond();
        if std::mem::take(&mut taken.turn)
            && let Err(error) = self.appender.turn()
        {
            // The next write says it too, to those who wait for it.
            log!(warn, self.counters, { %error, }, "the event journal could not begin a new segment");
        }
        let mut waiters = taken.waiters.drain(..).peekable();
        let mut rest = taken.bytes.as_mut_slice();
        let mut start = 0;
        let mut group: Vec<Waiter> = Vec::new();
        while let Some(first) = waiters.next() {
            let (mut end, again) = (first.end, first.again);
            group.push(first);
            while let Some(more) = waiters.next_if(|w| w.again == again && w.end - start <= self.write_bytes)
            {
                end = more.end;
                group.push(more);
            }
            let (records, after) = rest.split_at_mut(end - start);
            rest = after;
            self.write_group(records, start, &mut group, now);
            start = end;
        }
    }

    /// Writes what belongs to `group`, whose records begin at `start`, and answers everybody in it; who does not wait for the
    /// disk, before the sync.
    fn write_group(&mut self, records: &mut [u8], start: usize, group: &mut Vec<Waiter>, now: i64) {
        let events = group.iter().map(|w| w.events).sum();
        let again = group.first().is_some_and(|w| w.again);
        let mut outcome = if records.is_empty() { self.probe() } else { self.append(records, again, now) };
        match &outcome {
            Ok(()) => {
                self.counters.bytes.add(records.len() as u64);
                group.extract_if(.., |w| !w.durable).for_each(|w| answer(w, &Ok(())));
                if !group.is_empty() {
                    outcome = self.appender.sync();
                }
            }
            Err(error) => {
                let (mut dropped, mut from) = (0, start);
                for waiter in group.iter() {
                    let own = from - start..waiter.end - start;
                    from = waiter.end;
                    if !waiter.durable {
                        dropped += waiter.events;
                        self.appender.dropped(records.get(own).unwrap_or_default());
                    }
                }
                if dropped > 0 {
                    self.counters.drop_events(dropped, error);
                }
            }
        }
        if outcome.is_err() {
            self.written = None;
        }
        self.queue.done_with(events);
        group.drain(..).for_each(|w| answer(w, &outcome));
        self.counters.moves_again();
        self.note(&outcome);
    }

    fn append(&mut self, records: &mut [u8], again: bool, now: i64) -> AppendResult {
        let outcome = match again {
            true => self.appender.append_again(records, now),
            false => self.appender.append(records, now),
        };
        match &outcome {
            Ok(()) => (self.written, self.wanted) = (Some(Instant::now()), 0),
            Err(_) => (self.written, self.wanted) = (None, records.len() as u64),
        }
        outcome
    }

    /// Whether records could be written: they just were, or as much room as the last ones lacked is there and the disk
    /// takes a page.
    fn probe(&mut self) -> AppendResult {
        let proved = self.written.is_some_and(|at| at.elapsed() < PROVED_FOR);
        self.appender.probe(self.wanted, !proved)
    }

    fn note(&self, outcome: &AppendResult) {
        let down = &self.counters.journal_down;
        match outcome {
            Ok(()) if !down.load(Relaxed) => {}
            Ok(()) => {
                down.store(false, Relaxed);
                log!(info, self.counters, {}, "the event journal takes events again");
            }
            Err(error) => {
                down.store(true, Relaxed);
                self.counters.failed(error);
            }
        }
    }
}

fn answer(waiter: Waiter, outcome: &AppendResult) {
    // A publisher that went away counted itself.
    let _ = waiter.done.send(outcome.clone());
}
