//! The event log on Kafka (Redpanda, or whatever speaks its protocol), by librdkafka.
//!
//! | what | where |
//! |---|---|
//! | [`KafkaSink`] | takes events: idempotent, acknowledged by all replicas, in order per key |
//! | [`TopicAdmin`] | makes the topics that are missing, tells of those that differ |
//! | [`Kafka::lag`] | how far a consumer group is behind |
//! | [`Kafka::tail`] | follows topics from their end, a time or given offsets |
//! | [`Kafka::lookup`] | reads single messages back |
//!
//! What is not here: the settings' names (wiring fills [`KafkaConfig`]), retries and the journal (`core/events`), what
//! an event means. Nothing else in the product knows librdkafka.

mod complaints;
mod config;
mod connect;
mod error;
mod event_log;
mod lag;
mod ledger;
mod lookup;
mod message;
mod probe;
mod security;
mod sink;
mod tail;
mod topics;

pub use config::{KafkaConfig, PARTITIONS, TopicNames};
pub use lag::GroupLag;
pub use lookup::{Lookup, OffsetContent};
pub use message::{Message, Positions};
pub use sink::KafkaSink;
pub use tail::{Start, Tail};
pub use topics::TopicAdmin;

use std::sync::Arc;
use tfx_domain::event::Topic;
use tfx_ports::{StoreError, event_log::EventLog};

/// The brokers and the product's topics there. Connects when something is asked of it.
#[derive(Debug, Clone)]
pub struct Kafka {
    config: Arc<KafkaConfig>,
}

impl Kafka {
    /// Takes a configuration. Connects to nothing yet.
    ///
    /// # Errors
    /// [`StoreError::Broken`]: an option that librdkafka does not know or that is ours, a topic name that Kafka does not
    /// allow, no brokers.
    pub fn new(config: KafkaConfig) -> Result<Self, StoreError> {
        config.check()?;
        Ok(Self { config: Arc::new(config) })
    }

    /// A sink with a producer of its own, which connects in the background.
    ///
    /// # Errors
    /// [`StoreError::Broken`]: librdkafka refuses the options.
    pub fn sink(&self) -> Result<Arc<KafkaSink>, StoreError> {
        Ok(Arc::new(KafkaSink::new(Arc::clone(&self.config))?))
    }

    /// What the sink tells librdkafka, so that a benchmark can compare it with a bare producer of the same options.
    #[doc(hidden)]
    pub fn producer_options(&self) -> rdkafka::ClientConfig {
        connect::producer(&self.config)
    }

    /// The log as operators see it.
    ///
    /// # Errors
    /// [`StoreError::Broken`]: librdkafka refuses the options.
    pub fn event_log(&self) -> Result<Arc<dyn EventLog>, StoreError> {
        Ok(Arc::new(event_log::Log { kafka: self.clone(), sink: self.sink()? }))
    }

    /// The topics as a migration target.
    pub fn topic_admin(&self) -> TopicAdmin {
        TopicAdmin::new(Arc::clone(&self.config))
    }

    /// How far a consumer group is behind in each partition of these topics, in order.
    ///
    /// # Errors
    /// A topic is missing; no broker answers.
    pub async fn lag(&self, group: &str, topics: &[Topic]) -> Result<GroupLag, StoreError> {
        lag::lag(Arc::clone(&self.config), group.to_owned(), topics).await
    }

    /// Follows topics. Belongs to no consumer group's members and commits nothing.
    ///
    /// # Errors
    /// A topic is missing, no broker answers, or a given offset is no longer there.
    pub async fn tail(&self, topics: &[Topic], start: Start) -> Result<Tail, StoreError> {
        Tail::open(Arc::clone(&self.config), topics, start).await
    }

    /// Reads single messages.
    ///
    /// # Errors
    /// [`StoreError::Broken`]: librdkafka refuses the options.
    pub fn lookup(&self) -> Result<Lookup, StoreError> {
        Lookup::new(Arc::clone(&self.config))
    }
}
