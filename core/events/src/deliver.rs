//! The deliverer: takes batches from the journal to the sink, in order, until the sink has them.

use crate::{
    ProducerConfig,
    journal::{Batch, Reader, Shared},
    refused,
    stats::{Counters, log},
};
use smol_str::SmolStr;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tfx_ports::{
    clock,
    sink::{Envelope, EventSink, Refused},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Most bytes of one batch, about.
const BATCH_BYTES: usize = 4 << 20;
/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Takes batches from the journal to the sink; there is one.
pub(crate) struct Deliverer {
    pub(crate) config: Arc<ProducerConfig>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) reader: Arc<Mutex<Reader>>,
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) counters: Arc<Counters>,
    /// Nothing more will be written: end when everything is delivered.
    pub(crate) closing: Arc<AtomicBool>,
}

/// The runtime is going away, or a file operation panicked: delivery ends, the journal keeps the rest.
struct Stopped;

enum Answer {
    Taken(Vec<Refused>),
    /// Never, as it is.
    Rejected(String),
}

impl Deliverer {
    /// Delivers until closed and empty.
    pub(crate) async fn run(self) {
        while self.gather().await {
            if let Err(Stopped) = self.round().await {
                return;
            }
        }
    }

    async fn round(&self) -> Result<(), Stopped> {
        let mut pause = Pause::new(self.config.retry_backoff);
        let batch = loop {
            let size = self.config.batch_size.max(1);
            match self.with_reader(move |r| r.read(size, BATCH_BYTES)).await? {
                Ok(batch) => break batch,
                Err(error) => self.trouble("the event journal cannot be read", &error, &mut pause).await,
            }
        };
        let refused = self.deliver(&batch.events).await?;
        self.commit(batch, refused).await
    }

    /// Waits until there is something to deliver, and for more of it as long as the settings allow. False when closed and
    /// empty.
    async fn gather(&self) -> bool {
        let size = self.config.batch_size.max(1) as u64;
        let oldest = loop {
            let arrived = {
                let mut layout = self.shared.layout();
                if layout.depth() > 0 {
                    break layout.oldest_at;
                }
                layout.wake_at = layout.cursor + 1;
                self.shared.arrived.notified()
            };
            if self.closing.load(Relaxed) {
                return false;
            }
            arrived.await;
        };
        let waited = clock::now().as_millisecond() - oldest.unwrap_or(0);
        let waited = Duration::from_millis(u64::try_from(waited).unwrap_or(0));
        let until = Instant::now() + self.config.batch_timeout.saturating_sub(waited);
        loop {
            let arrived = {
                let mut layout = self.shared.layout();
                if layout.depth() >= size || self.closing.load(Relaxed) {
                    return true;
                }
                layout.wake_at = layout.cursor + size;
                self.shared.arrived.notified()
            };
            if timeout_at(until, arrived).await.is_err() {
                return true;
            }
        }
    }

    /// Returns when the sink has every event or refused it: the ids of those.
    async fn deliver(&self, events: &[Envelope]) -> Result<Vec<SmolStr>, Stopped> {
        let mut all_refused = Vec::new();
        // A batch that is rejected as a whole is halved until the events to blame stand alone; the order stays.
        let mut parts = vec![events];
        while let Some(part) = parts.pop().filter(|p| !p.is_empty()) {
            match self.attempt(part).await {
                Answer::Taken(refused) => {
                    self.counters.delivered.add(part.len().saturating_sub(refused.len()) as u64);
                    for r in refused {
                        match part.get(r.index) {
                            Some(event) => {
                                self.refuse(event, r.reason).await?;
                                all_refused.push(event.id.clone());
                            }
                            None => {
                                log!(error, self.counters, { index = r.index, }, "the event sink refused an event it was not given");
                            }
                        }
                    }
                }
                Answer::Rejected(reason) => match part {
                    [event] => {
                        self.refuse(event, reason).await?;
                        all_refused.push(event.id.clone());
                    }
                    _ => {
                        let (left, right) = part.split_at(part.len() / 2);
                        parts.extend([right, left]);
                    }
                },
            }
        }
        Ok(all_refused)
    }

    /// Gives events to the sink until it answers.
    async fn attempt(&self, events: &[Envelope]) -> Answer {
        let mut pause = Pause::new(self.config.retry_backoff);
        let mut failures: u32 = 0;
        loop {
            self.counters.attempts.add(1);
            let error = match timeout(self.config.write_timeout, self.sink.deliver(events)).await {
                Ok(Ok(refused)) => {
                    self.counters.successes.add(1);
                    self.counters.succeeded();
                    if self.counters.sink_down.swap(false, Relaxed) {
                        let waiting = self.shared.layout().depth();
                        log!(info, self.counters, { waiting, }, "the event sink takes events again");
                    }
                    return Answer::Taken(refused);
                }
                // One event alone is to blame only if the sink is well.
                Ok(Err(error))
                    if !error.is_retryable() && (events.len() > 1 || self.sink_is_well().await) =>
                {
                    self.counters.failed(&error);
                    return Answer::Rejected(error.to_string());
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} ms", self.config.write_timeout.as_millis()),
            };
            self.counters.failed(&error);
            failures += 1;
            if failures.is_multiple_of(self.config.max_attempts.max(1)) {
                self.counters.failures.add(1);
                self.counters.sink_down.store(true, Relaxed);
                let waiting = self.shared.layout().depth();
                log!(warn, self.counters, { failures, waiting, %error, }, "the event sink does not take events; they wait in the journal");
            }
            sleep(pause.next()).await;
            self.counters.retries.add(1);
        }
    }

    async fn sink_is_well(&self) -> bool {
        matches!(timeout(self.config.write_timeout, self.sink.ping()).await, Ok(Ok(())))
    }

    /// Keeps an event that the sink will never take. Delivery waits until that is done: it must not be lost.
    async fn refuse(&self, event: &Envelope, reason: String) -> Result<(), Stopped> {
        log!(error, self.counters, { topic = event.topic.as_str(), id = %event.id, %reason, }, "the event sink refused an event; kept in refused.jsonl");
        let mut pause = Pause::new(self.config.retry_backoff);
        loop {
            let (event, reason, shared) = (event.clone(), reason.clone(), Arc::clone(&self.shared));
            match self.with_reader(move |_| refused::keep(&shared.dir, &event, &reason)).await? {
                Ok(()) => break,
                Err(error) => self.trouble("refused.jsonl cannot be written", &error, &mut pause).await,
            }
        }
        self.counters.refused.add(1);
        self.counters.refused_waiting.fetch_add(1, Relaxed);
        Ok(())
    }

    async fn commit(&self, batch: Batch, refused: Vec<SmolStr>) -> Result<(), Stopped> {
        if let Err(error) = self.with_reader(move |r| r.commit(&batch, &refused)).await? {
            // Nothing is lost: at the next start events are delivered again, and count once.
            self.counters.failed(&error);
            log!(warn, self.counters, { %error, }, "the event journal's cursor cannot be kept");
        }
        Ok(())
    }

    async fn trouble(&self, what: &'static str, error: &std::io::Error, pause: &mut Pause) {
        self.counters.sink_down.store(true, Relaxed);
        self.counters.failed(&format_args!("{what}: {error}"));
        log!(error, self.counters, { %error, }, "{what}; trying again");
        sleep(pause.next()).await;
    }

    /// Runs a file operation where it may block.
    async fn with_reader<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Reader) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let reader = Arc::clone(&self.reader);
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            let _in = span.entered();
            run(&mut reader.lock().unwrap_or_else(PoisonError::into_inner))
        });
        task.await.map_err(|error| {
            if error.is_panic() {
                self.counters.sink_down.store(true, Relaxed);
                self.counters.failed(&"delivery ended by a panic; restart the service");
                log!(
                    error,
                    self.counters,
                    {},
                    "delivery of events ended by a panic; they wait in the journal until a restart"
                );
            }
            Stopped
        })
    }
}

/// The pause before the next attempt: doubled each time, and less by chance so that daemons do not knock in step.
struct Pause(Duration, Duration);

impl Pause {
    fn new(first: Duration) -> Self {
        Self(first, first.max(LONGEST_PAUSE))
    }

    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(self.1);
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }
}
