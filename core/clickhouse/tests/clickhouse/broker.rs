//! Topics of their own for each test, and what is written to them.

use crate::kit::engine;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    producer::{FutureProducer, FutureRecord},
};
use std::time::Duration;
use tfx_clickhouse::PipelineConfig;
use tfx_domain::event::Topic;
use tfx_ports::{entropy::random_u128, ingestion::group_of};

/// Partitions of each topic.
pub(crate) const PARTITIONS: i32 = 2;

/// A set of topics, and the pipeline that reads them.
pub(crate) struct Broker {
    pub(crate) pipeline: PipelineConfig,
    producer: FutureProducer,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl Broker {
    pub(crate) async fn new() -> Self {
        let suffix = format!("{:08x}", random_u128() as u32);
        let pipeline = PipelineConfig {
            topics: Topic::ALL.map(|t| format!("tfx-{suffix}.{}", t.as_str())),
            groups: format!("tfx-{suffix}"),
            ..PipelineConfig::new(engine("EVENT_BROKERS"))
        };
        let admin: AdminClient<DefaultClientContext> = config(&pipeline).create().expect("an admin client");
        let topics =
            pipeline.topics.each_ref().map(|t| NewTopic::new(t, PARTITIONS, TopicReplication::Fixed(1)));
        let made = admin.create_topics(&topics, &AdminOptions::new()).await.expect("create topics");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        let producer = config(&pipeline).set("message.max.bytes", "4000000").create().expect("a producer");
        Self { pipeline, producer }
    }

    pub(crate) fn topic(&self, topic: Topic) -> &str {
        let place = Topic::ALL.iter().position(|t| *t == topic).expect("one of all");
        &self.pipeline.topics[place]
    }

    pub(crate) async fn write(&self, topic: Topic, key: &str, payload: &[u8]) -> Place {
        let record = FutureRecord::to(self.topic(topic)).key(key).payload(payload);
        let written = self.producer.send(record, Duration::from_secs(30)).await.expect("written");
        Place { topic: self.topic(topic).to_owned(), partition: written.partition, offset: written.offset }
    }

    /// Waits until these groups, one a topic, have taken everything that there is now.
    pub(crate) async fn taken_by(&self, groups: &str) {
        let limit = Duration::from_secs(10);
        for (topic, name) in Topic::ALL.iter().zip(&self.pipeline.topics) {
            let consumer: BaseConsumer = config(&self.pipeline)
                .set("group.id", group_of(groups, *topic))
                .set("enable.auto.commit", "false")
                .create()
                .expect("a consumer");
            let mut wanted = TopicPartitionList::new();
            for partition in 0..PARTITIONS {
                let (_, end) = consumer.fetch_watermarks(name, partition, limit).expect("watermarks");
                if end > 0 {
                    wanted.add_partition_offset(name, partition, Offset::Offset(end)).expect("a place");
                }
            }
            crate::kit::until("the group has taken everything", async || {
                let committed = consumer.committed_offsets(wanted.clone(), limit).ok()?;
                let done = wanted.elements().iter().all(|w| {
                    let at = committed.find_partition(w.topic(), w.partition()).map(|c| c.offset());
                    at == Some(w.offset())
                });
                done.then_some(())
            })
            .await;
        }
    }
}

fn config(pipeline: &PipelineConfig) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &pipeline.brokers).set("allow.auto.create.topics", "false");
    config
}
