//! The producer: what the daemons hold.

use crate::{
    FailurePolicy, OpenError, ProducerConfig, ProducerStats,
    deliver::Deliverer,
    journal::{AppendError, Disk, Journal, Limits, Reader, RealDisk, Shared, record::Encoded},
    ledger,
    queue::{AppendResult, Queue, Refusal},
    refused,
    stats::{Counters, log},
    writer::Writer,
};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};
use tfx_domain::event::Event;
use tfx_ports::{clock, sink::EventSink};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::{Instrument as _, Span};

/// How long a cancelled delivery may take to stop.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Where an event is when the publisher goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// With the operating system: it survives a crash of the process, not the loss of power.
    Written,
    /// On disk.
    Durable,
    /// In memory: the disk did not take it within the write timeout, and will get it as soon as it does.
    Late,
    /// Lost, counted and logged: the journal did not take it.
    Dropped,
}

/// Why events are not known to be in the journal.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// The event has no JSON, or is too large for the journal. It would fail again.
    #[error("{0}")]
    Unencodable(String),
    /// The journal has its largest size; it takes events again when the sink has taken some.
    #[error(
        "the event journal is full: undelivered events take {used} of {max} bytes (EVENT_JOURNAL_MAX_BYTES)"
    )]
    Full {
        /// Bytes in use.
        used: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// The disk does not take them; nothing of them is in the journal, unless it was the sync that failed.
    #[error("the event journal cannot be written: {0}")]
    Io(#[source] Arc<io::Error>),
    /// The disk has stalled; nothing of them is in the journal.
    #[error("the event journal has stalled: too many events wait for the disk")]
    Stalled,
    /// Not within the write timeout; they are written when the disk allows it.
    #[error("the event journal did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The producer is closed.
    #[error("the event producer is closed")]
    Closed,
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full { used, max } => Self::Full { used, max },
            AppendError::Io(error) => Self::Io(error),
        }
    }
}

impl From<Refusal> for PublishError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed => Self::Closed,
            Refusal::Stalled => Self::Stalled,
        }
    }
}

/// What [`Producer::close`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushReport {
    /// Everything that was taken is on disk.
    pub written: bool,
    /// Events delivered while closing.
    pub delivered: u64,
    /// Events that stay in the journal for the next start.
    pub left: u64,
}

/// Takes events and brings them to the sink. Dropped without [`Producer::close`], it delivers no more; what was taken
/// is still written, and delivered after the next start.
pub struct Producer {
    config: Arc<ProducerConfig>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) reader: Arc<Mutex<Reader>>,
    pub(crate) counters: Arc<Counters>,
    closing: Arc<AtomicBool>,
    running: Mutex<Option<Running>>,
    /// Held while refused events are given to the journal again.
    pub(crate) replaying: tokio::sync::Mutex<()>,
}

struct Running {
    writer_ended: oneshot::Receiver<()>,
    deliverer: JoinHandle<()>,
    /// Brings the ledger to disk.
    keeper: JoinHandle<()>,
}

impl Producer {
    /// Opens the journal and begins to deliver what is in it. Reads files: meant for a program's start.
    ///
    /// # Errors
    /// The folder is used by another process or cannot be used, or this is not inside a tokio runtime.
    pub fn open(config: ProducerConfig, sink: Arc<dyn EventSink>) -> Result<Arc<Self>, OpenError> {
        Self::open_on(config, sink, Arc::new(RealDisk))
    }

    pub(crate) fn open_on(
        mut config: ProducerConfig,
        sink: Arc<dyn EventSink>,
        disk: Arc<dyn Disk>,
    ) -> Result<Arc<Self>, OpenError> {
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        config.segment_bytes = config.segment_bytes.min(config.max_bytes / 4).max(1);
        let limits = Limits { max_bytes: config.max_bytes, segment_bytes: config.segment_bytes };
        let counters = Arc::new(Counters::default());
        let Journal { shared, appender, reader } =
            Journal::open(&config.dir, limits, disk, Arc::clone(&counters))?;
        let kept = refused::count(&config.dir).map_err(|source| OpenError::Unusable {
            dir: config.dir.display().to_string(),
            what: "read refused.jsonl",
            source,
        })?;
        counters.refused_waiting.store(kept, Relaxed);
        let waiting = shared.layout().depth();
        if waiting > 0 {
            log!(info, counters, { dir = %config.dir.display(), waiting, }, "events of the last run wait in the journal");
        }
        let queue = Arc::new(Queue::default());
        let writer = Writer::new(Arc::clone(&queue), appender, Arc::clone(&counters), config.segment_bytes);
        let (ended, writer_ended) = oneshot::channel();
        let span = Span::current();
        let run = move || span.in_scope(|| writer.run(ended));
        let spawned = thread::Builder::new().name("event-journal".into()).spawn(run);
        spawned.map_err(|source| OpenError::Unusable {
            dir: config.dir.display().to_string(),
            what: "start its thread",
            source,
        })?;
        let config = Arc::new(config);
        let reader = Arc::new(Mutex::new(reader));
        let closing = Arc::new(AtomicBool::new(false));
        let deliverer = Deliverer {
            config: Arc::clone(&config),
            shared: Arc::clone(&shared),
            reader: Arc::clone(&reader),
            sink,
            counters: Arc::clone(&counters),
            closing: Arc::clone(&closing),
        };
        let deliverer = runtime.spawn(deliverer.run().in_current_span());
        let keeper = runtime.spawn(keep_ledger(Arc::clone(&shared)).in_current_span());
        let running = Mutex::new(Some(Running { writer_ended, deliverer, keeper }));
        let replaying = tokio::sync::Mutex::default();
        Ok(Arc::new(Self { config, queue, shared, reader, counters, closing, running, replaying }))
    }

    /// Writes an event as the policy says. Dropping the future does not take the event back.
    ///
    /// # Errors
    /// Under `fail_closed`: the event is not known to be on disk. Under `fail_open` never.
    pub async fn publish(&self, event: &Event) -> Result<Published, PublishError> {
        let durable = self.config.policy == FailurePolicy::FailClosed;
        let queued = self.encode(event).and_then(|e| Ok(self.queue.push(&[e], durable)?));
        let outcome = match queued {
            Ok(answer) => self.wait(answer).await,
            Err(error) => {
                if !durable {
                    self.counters.drop_events(1, &error);
                    self.shared.ledger.dropped_event(event);
                }
                Err(error)
            }
        };
        match outcome {
            Ok(()) if durable => Ok(Published::Durable),
            Ok(()) => Ok(Published::Written),
            Err(error) if durable => Err(error),
            Err(PublishError::Timeout(_)) => {
                self.counters.late.add(1);
                Ok(Published::Late)
            }
            Err(_) => Ok(Published::Dropped), // counted where it failed
        }
    }

    /// Writes events to disk, whatever the policy: when this answers well, all are there, in their order. A crash before
    /// the answer may leave the first of them.
    ///
    /// # Errors
    /// They are not known to be on disk.
    pub async fn publish_durable(&self, events: &[Event]) -> Result<(), PublishError> {
        let encoded = events.iter().map(|e| self.encode(e)).collect::<Result<Vec<_>, _>>()?;
        if encoded.is_empty() {
            return Ok(());
        }
        let answer = self.queue.push(&encoded, true)?;
        self.wait(answer).await
    }

    /// Writes records to disk that were in the journal before, and that the sink had refused.
    pub(crate) async fn append_again(&self, encoded: &[Encoded]) -> Result<(), PublishError> {
        let answer = self.queue.push_again(encoded)?;
        self.wait(answer).await
    }

    /// Whether an event could be written to disk now. Writes a page if nothing was written within the last second: not to
    /// be asked more often than that.
    ///
    /// # Errors
    /// Why not.
    pub async fn probe(&self) -> Result<(), PublishError> {
        let answer = self.queue.push(&[], true)?;
        Ok(timeout(self.config.write_timeout, answer)
            .await
            .map_err(|_| PublishError::Timeout(self.config.write_timeout))?
            .map_err(|_| PublishError::Closed)??)
    }

    /// Where the next event goes in the journal: what went into it so far stands before.
    pub fn place(&self) -> u64 {
        self.shared.layout().next
    }

    /// The counters and the state of the journal.
    pub fn stats(&self) -> ProducerStats {
        let (depth, bytes, oldest) = {
            let layout = self.shared.layout();
            (layout.depth(), layout.depth_bytes(), layout.oldest_at.filter(|_| layout.depth() > 0))
        };
        let age = oldest.map_or(0, |at| clock::now().as_millisecond() - at);
        let unwritten = self.queue.unwritten();
        let stalled = unwritten > 0 && self.counters.stalled.load(Relaxed);
        let counted = self.counters.stats();
        ProducerStats {
            unwritten_events: unwritten,
            degraded: counted.degraded || stalled,
            outbox_depth_events: depth,
            outbox_depth_bytes: bytes,
            oldest_undelivered_age_ms: u64::try_from(age).unwrap_or(0),
            ..counted
        }
    }

    /// Takes no more events, brings those taken to disk, and delivers until the journal is empty or the deadline is over.
    /// What is left waits for the next start. The folder is free afterwards, unless the disk has stalled.
    pub async fn close(&self, deadline: Duration) -> FlushReport {
        let until = Instant::now() + deadline;
        let before = self.counters.delivered.get();
        self.queue.close();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut written = true;
        if let Some(Running { writer_ended, mut deliverer, keeper }) = running {
            written = timeout_at(until, writer_ended).await.is_ok();
            self.closing.store(true, Relaxed);
            self.shared.arrived.notify_one();
            if timeout_at(until, &mut deliverer).await.is_err() {
                deliverer.abort();
                let _ = timeout(STOP_GRACE, deliverer).await; // cancelled is what was asked for
            }
            keeper.abort();
            let (reader, shared) = (Arc::clone(&self.reader), Arc::clone(&self.shared));
            let counters = Arc::clone(&self.counters);
            let end = spawn_blocking(move || {
                // Waits for a file operation that the cancelled delivery began.
                if let Err(error) = reader.lock().unwrap_or_else(PoisonError::into_inner).sync() {
                    log!(warn, counters, { %error, }, "the event journal's cursor could not be synced at the end");
                }
                shared.ledger.save_places();
                if written {
                    shared.unlock();
                }
            });
            let _ = end.await; // fails only if the runtime ends first; the lock ends with the process then
        }
        let left = self.shared.layout().depth();
        let delivered = self.counters.delivered.get() - before;
        log!(info, self.counters, { written, delivered, left, }, "events flushed");
        FlushReport { written, delivered, left }
    }

    fn encode(&self, event: &Event) -> Result<Encoded, PublishError> {
        self.counters.calls.add(1);
        Encoded::of(event).map_err(|error| {
            self.counters.marshal_failures.add(1);
            PublishError::Unencodable(error.to_string())
        })
    }

    pub(crate) async fn wait(&self, answer: oneshot::Receiver<AppendResult>) -> Result<(), PublishError> {
        let mut unanswered = Unanswered { counters: &self.counters, armed: true };
        let outcome = timeout(self.config.write_timeout, answer).await;
        unanswered.armed = false;
        match outcome {
            Ok(Ok(outcome)) => Ok(outcome?),
            Ok(Err(_)) => Err(PublishError::Closed),
            Err(_) => {
                let error = PublishError::Timeout(self.config.write_timeout);
                self.counters.stalled(&error);
                Err(error)
            }
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.queue.close();
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.deliverer.abort();
            running.keeper.abort();
        }
    }
}

/// Brings what the ledger counts to disk, again and again.
async fn keep_ledger(shared: Arc<Shared>) {
    loop {
        sleep(ledger::SAVE_EVERY).await;
        let shared = Arc::clone(&shared);
        // It ends when the runtime does.
        if spawn_blocking(move || shared.ledger.save()).await.is_err() {
            return;
        }
    }
}

/// Counts a publisher that goes away while it waits.
struct Unanswered<'a> {
    counters: &'a Counters,
    armed: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.counters.cancels.add(1);
        }
    }
}
