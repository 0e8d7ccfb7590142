//! The adapter on librdkafka's mock cluster of three brokers that fail on demand: nothing is lost, the order of a key
//! stays, and only a message that is itself to blame is refused.

mod journal;
mod outages;
mod requests;

use crate::support::{config, kafka};
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use std::time::Duration;
use tfx_domain::event::Topic;
use tfx_kafka::{Kafka, KafkaConfig};

/// Three brokers with the topics made.
struct Cluster {
    mock: MockCluster<'static, DefaultProducerContext>,
    config: KafkaConfig,
    kafka: Kafka,
}

impl Cluster {
    fn new(answer_within: Duration) -> Self {
        let mock = MockCluster::new(3).expect("a cluster");
        let mut config = KafkaConfig { answer_within, ..config(mock.bootstrap_servers()) };
        // The mock brokers do not check the sequence of requests, as real ones do for a producer with idempotence. So that
        // none overtakes another that fails, what is given together goes in one request a partition.
        config.options.insert("linger.ms".into(), "60".into());
        for topic in Topic::ALL {
            mock.create_topic(config.topics.name(topic), 12, 3).expect("a topic");
        }
        let kafka = kafka(&config);
        Self { mock, config, kafka }
    }

    /// The next requests to write fail in these ways.
    fn fail(&self, errors: &[RDKafkaRespErr]) {
        self.mock.request_errors(RDKafkaApiKey::Produce, errors);
    }

    /// Gives all partitions of a topic to one broker.
    fn lead(&self, topic: Topic, broker: i32) {
        for partition in 0..12 {
            self.mock.partition_leader(self.config.topics.name(topic), partition, Some(broker)).expect("led");
        }
    }
}
