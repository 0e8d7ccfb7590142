//! Takes events: each acknowledged by all replicas in sync, in order per key, none twice while this process lives.
//!
//! librdkafka retries for as long as it takes and keeps the order while it does; a call here only waits for it, and
//! says why when it stops waiting. An event fails only where waiting is no use: its own size, a missing topic, a right
//! that is missing, a producer that is beyond repair or forgotten by the brokers (and is replaced; what it had on its
//! way may then be there twice).

use crate::{
    complaints::Complaints,
    config::KafkaConfig,
    connect::{self, Client},
    error::{self, Blame},
    ledger::{Claim, Delivery, Ledger},
};
use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    metadata::MetadataTopic,
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer},
};
use smol_str::format_smolstr;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tfx_domain::event::Topic;
use tfx_ports::{
    StoreError,
    sink::{Envelope, EventSink, Refused},
};
use tokio::time::timeout;

/// Longest time of a ping.
const PING: Duration = Duration::from_secs(2);

/// Time-outs in a row, each with brokers that answer, after which a producer counts as forgotten by them.
const STRIKES: u32 = 6;

/// Messages handed to librdkafka before others on this thread get a turn.
const TURN: usize = 1024;

/// Enters what librdkafka answers.
struct Listener {
    ledger: Arc<Ledger>,
    complaints: Arc<Complaints>,
    strikes: Arc<AtomicU32>,
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.complaints.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.note(&error, reason);
    }
}

impl ProducerContext for Listener {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let outcome = match result {
            Ok(_) => {
                self.complaints.clear();
                self.strikes.store(0, Relaxed);
                Delivery::Taken
            }
            Err((error, _)) => {
                Delivery::Failed(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown))
            }
        };
        self.ledger.settle(ticket, outcome);
    }
}

type Producer = Client<ThreadedProducer<Listener>>;

/// Takes events.
pub struct KafkaSink {
    config: Arc<KafkaConfig>,
    ledger: Arc<Ledger>,
    complaints: Arc<Complaints>,
    producer: Mutex<Arc<Producer>>,
    strikes: Arc<AtomicU32>,
    republished: AtomicU64,
}

impl KafkaSink {
    pub(crate) fn new(config: Arc<KafkaConfig>) -> Result<Self, StoreError> {
        let (ledger, complaints) = (Arc::<Ledger>::default(), Arc::<Complaints>::default());
        let strikes = Arc::<AtomicU32>::default();
        let producer = Mutex::new(produce(&config, &ledger, &complaints, &strikes)?);
        Ok(Self { config, ledger, complaints, producer, strikes, republished: AtomicU64::new(0) })
    }

    /// Writes bytes to one of the product's topics (whole name), as if a producer had. When it answers well, they are
    /// there; a failure for want of time may still be followed by them.
    ///
    /// # Errors
    /// Not one of the product's topics, too large for it ([`StoreError::Broken`]), or not taken in time.
    pub async fn republish(&self, topic: &str, key: Option<&[u8]>, payload: &[u8]) -> Result<(), StoreError> {
        let Some(kind) = self.config.topics.topic(topic) else {
            return Err(StoreError::Broken {
                what: format!("{topic} is not a topic of this product"),
                source: None,
            });
        };
        // An id that is not given again: the same bytes again are sent again.
        let id = format_smolstr!("republished {}", self.republished.fetch_add(1, Relaxed));
        let claim =
            self.ledger.claim(&[&Envelope { topic: kind, id, key: "".into(), payload: Bytes::new() }]);
        let producer = self.producer()?;
        for (_, ticket) in claim.to_send() {
            let mut record = BaseRecord::with_opaque_to(topic, ticket).payload(payload);
            record.key = key;
            let _ = self.send(&producer, &claim, record); // the outcome says it, too
        }
        self.wait(&claim).await?;
        let outcome = claim.outcomes().pop();
        claim.close();
        match outcome {
            Some(Delivery::Taken) => Ok(()),
            Some(Delivery::Failed(code)) if Blame::of(code) == Blame::Message => {
                Err(StoreError::Broken { what: error::refusal(code, payload.len(), topic), source: None })
            }
            Some(Delivery::Failed(code)) => Err(self.not_taken(code, topic).await),
            _ => Err(error::no_answer(&self.config, &self.complaints, 1)),
        }
    }

    /// Why a message was not taken, though it is not to blame.
    async fn not_taken(&self, code: RDKafkaErrorCode, topic: &str) -> StoreError {
        if Blame::is_of_topic(code) {
            // librdkafka asks again only after minutes; the next try shall know whether the topic has been mended.
            if let (Ok(producer), name) = (self.producer(), topic.to_owned()) {
                let asked =
                    tokio::task::spawn_blocking(move || producer.client().fetch_metadata(Some(&name), PING));
                let _ = asked.await; // what it says is in librdkafka's memory
            }
        }
        // When a producer is beyond repair, its messages are purged; why, it alone knows.
        let fatal = self.producer.lock().unwrap_or_else(PoisonError::into_inner).client().fatal_error();
        let code = fatal.map_or(code, |(code, _)| code);
        error::not_taken(&self.config, &self.complaints, code, topic)
    }

    /// The producer, or a new one if it is beyond repair or the brokers have forgotten it.
    fn producer(&self) -> Result<Arc<Producer>, StoreError> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = self.strikes.load(Relaxed) >= STRIKES;
        let fatal = producer.client().fatal_error();
        if let Some((code, why)) = &fatal {
            tracing::warn!(target: "librdkafka", %code, why, "the producer is beyond repair; starting another");
        } else if forgotten {
            tracing::warn!(target: "librdkafka", "brokers answer but acknowledge nothing; starting another producer");
            // Its messages fail by this, and are sent anew when they are given again.
            producer.purge(PurgeConfig::default().queue().inflight());
        }
        if fatal.is_some() || forgotten {
            self.strikes.store(0, Relaxed);
            *producer = produce(&self.config, &self.ledger, &self.complaints, &self.strikes)?;
        }
        Ok(Arc::clone(&producer))
    }

    /// Nothing was acknowledged in time. Brokers that answer all the same may have forgotten this producer: those that
    /// lost their state do not know its id, and some refuse it for ever, while librdkafka insists on it.
    fn strike(&self) {
        let producer = Arc::clone(&self.producer.lock().unwrap_or_else(PoisonError::into_inner));
        let (strikes, complaints) = (Arc::clone(&self.strikes), Arc::clone(&self.complaints));
        let topic = self.config.topics.name(Topic::ClickEvents).to_owned();
        // Behind the caller's back, whose time is up.
        tokio::task::spawn_blocking(move || {
            if producer.client().fetch_metadata(Some(&topic), PING).is_ok() {
                complaints.clear();
                strikes.fetch_add(1, Relaxed);
            } else {
                strikes.store(0, Relaxed);
            }
        });
    }

    /// Hands a message to librdkafka. It may be refused on the spot; the ledger knows why.
    fn send(
        &self,
        producer: &Producer,
        claim: &Claim<'_>,
        record: BaseRecord<'_, [u8], [u8], usize>,
    ) -> Result<(), RDKafkaErrorCode> {
        let ticket = record.delivery_opaque;
        let sent = producer.send(record);
        claim.is_sent(ticket);
        let Err((error, _)) = sent else { return Ok(()) };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        self.ledger.settle(ticket, Delivery::Failed(code));
        Err(code)
    }

    /// Hands over what is not yet. Stops where a message fails that is not to blame: none of its key may overtake it.
    async fn send_all(&self, claim: &Claim<'_>, batch: &[&Envelope]) -> Result<(), StoreError> {
        let producer = self.producer()?;
        for (n, (index, ticket)) in claim.to_send().enumerate() {
            if n > 0 && n.is_multiple_of(TURN) {
                tokio::task::yield_now().await;
            }
            let Some(event) = batch.get(index) else { continue };
            let topic = self.config.topics.name(event.topic);
            let record = BaseRecord::with_opaque_to(topic, ticket)
                .key(event.key.as_bytes())
                .payload(&event.payload[..]);
            match self.send(&producer, claim, record) {
                Err(code) if Blame::of(code) == Blame::Other => {
                    return Err(self.not_taken(code, topic).await);
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Waits until everything is settled, or until nothing more will come for now.
    async fn wait(&self, claim: &Claim<'_>) -> Result<(), StoreError> {
        let alarm = self.complaints.alarm.notified();
        tokio::select! {
            biased;
            settled = timeout(self.config.answer_within, claim.settled()) => match settled {
                Ok(()) => Ok(()),
                Err(_) => {
                    self.strike();
                    Err(error::no_answer(&self.config, &self.complaints, claim.open()))
                }
            },
            () = alarm => Err(error::no_broker(&self.config, &self.complaints)),
        }
    }

    /// Sends what is not sent yet and waits: what became of each event. Whatever fails here is the event's own fault.
    async fn settle(&self, claim: &Claim<'_>, batch: &[&Envelope]) -> Result<Vec<Delivery>, StoreError> {
        self.send_all(claim, batch).await?;
        self.wait(claim).await?;
        let outcomes = claim.outcomes();
        for (outcome, event) in outcomes.iter().zip(batch) {
            match outcome {
                Delivery::Taken => {}
                Delivery::Failed(code) if Blame::of(*code) == Blame::Message => {}
                Delivery::Failed(code) => {
                    let topic = self.config.topics.name(event.topic);
                    return Err(self.not_taken(*code, topic).await);
                }
                Delivery::Open | Delivery::NotSent => {
                    return Err(error::no_answer(&self.config, &self.complaints, 1));
                }
            }
        }
        Ok(outcomes)
    }
}

fn produce(
    config: &KafkaConfig,
    ledger: &Arc<Ledger>,
    complaints: &Arc<Complaints>,
    strikes: &Arc<AtomicU32>,
) -> Result<Arc<Producer>, StoreError> {
    let listener = Listener {
        ledger: Arc::clone(ledger),
        complaints: Arc::clone(complaints),
        strikes: Arc::clone(strikes),
    };
    let producer = connect::producer(config).create_with_context(listener);
    producer.map(|p| Arc::new(Client::new(p))).map_err(|e| error::of_options(&e))
}

#[async_trait]
impl EventSink for KafkaSink {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        let all: Vec<&Envelope> = batch.iter().collect();
        // Claims are closed only at the end: until then the batch may be given again, and what is in stays in.
        let whole = self.ledger.claim(&all);
        let outcomes = self.settle(&whole, &all).await?;
        let (mut claims, mut refused) = (vec![whole], Vec::new());
        for (index, (outcome, event)) in outcomes.iter().zip(&all).enumerate() {
            if *outcome == Delivery::Taken {
                continue;
            }
            // The brokers refuse whole requests; the innocent ones in it pass when they are sent alone.
            let claim = self.ledger.claim(&[event]);
            if let Some(Delivery::Failed(code)) = self.settle(&claim, &[event]).await?.first() {
                let reason = error::refusal(*code, event.payload.len(), self.config.topics.name(event.topic));
                refused.push(Refused { index, reason });
            }
            claims.push(claim);
        }
        claims.into_iter().for_each(Claim::close);
        Ok(refused)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let (producer, config) = (self.producer()?, Arc::clone(&self.config));
        let complaints = Arc::clone(&self.complaints);
        let asked = tokio::task::spawn_blocking(move || {
            let what = "ask the brokers of EVENT_BROKERS for their topics";
            let until = Instant::now() + PING;
            for topic in Topic::ALL {
                let topic = config.topics.name(topic);
                let left = until.saturating_duration_since(Instant::now());
                let metadata = producer
                    .client()
                    .fetch_metadata(Some(topic), left)
                    .map_err(|e| error::of_request(&config, &complaints, what, e))?;
                let found = metadata.topics().iter().find(|t| t.name() == topic);
                if let Some(code) = found.and_then(MetadataTopic::error) {
                    return Err(error::not_taken(&config, &complaints, code.into(), topic));
                }
            }
            Ok(())
        });
        asked.await.unwrap_or_else(|e| Err(StoreError::unavailable("ask the brokers of EVENT_BROKERS", e)))
    }
}
