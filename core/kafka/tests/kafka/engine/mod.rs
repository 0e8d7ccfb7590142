//! The adapter on a real broker: what is written is what is read, topics, lag, bad input.

mod absent;
mod lag;
mod sink;
mod tail;
mod topics;

use crate::support::{config, engine, kafka};
use tfx_kafka::{Kafka, KafkaConfig};
use tfx_ports::migrate::Migrations;

/// The broker, with topics that are this test's alone and are not made yet.
fn bare() -> (Kafka, KafkaConfig) {
    let config = config(engine("EVENT_BROKERS"));
    (kafka(&config), config)
}

/// The same with the topics made.
async fn ready() -> (Kafka, KafkaConfig) {
    let (kafka, config) = bare();
    kafka.topic_admin().up(&|_| {}).await.expect("topics are made");
    (kafka, config)
}
