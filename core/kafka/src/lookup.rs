//! Reads single messages back: what `tfx ingest replay` starts from.

use crate::{
    complaints::Complaints,
    config::KafkaConfig,
    connect::{self, Client, Context},
    error,
    message::Message,
    probe::{self, REQUEST},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
};
use std::sync::Arc;
use tfx_ports::StoreError;
use tokio::time::{Instant, timeout_at};

/// Reads single messages. Keeps its connection between them.
pub struct Lookup {
    config: Arc<KafkaConfig>,
    complaints: Arc<Complaints>,
    consumer: Client<StreamConsumer<Context>>,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffsetContent {
    /// The message.
    Message(Message),
    /// Nothing any more: the retention has removed it.
    Gone {
        /// The first offset that is still there.
        first: i64,
    },
    /// Nothing yet.
    NotYet {
        /// The offset after the last message.
        end: i64,
    },
}

impl Lookup {
    pub(crate) fn new(config: Arc<KafkaConfig>) -> Result<Self, StoreError> {
        let complaints = Arc::<Complaints>::default();
        let options = connect::consumer(&config, Some("tfx-lookup"));
        let consumer = Client::new(connect::connect(&options, &complaints)?);
        Ok(Self { config, complaints, consumer })
    }

    /// What stands at a place; the topic by its whole name.
    ///
    /// # Errors
    /// There is no such topic or partition ([`StoreError::Broken`]), or no broker answers.
    pub async fn read(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<OffsetContent, StoreError> {
        let (first, end) = self.bounds(topic, partition).await?;
        if offset < first {
            return Ok(OffsetContent::Gone { first });
        }
        if offset >= end {
            return Ok(OffsetContent::NotYet { end });
        }
        let mut place = TopicPartitionList::new();
        let what = format!("read {topic}/{partition} at {offset}");
        let failed = |e| error::of_request(&self.config, &self.complaints, &what, e);
        place.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(failed)?;
        self.consumer.assign(&place).map_err(failed)?;
        let read = self.receive(topic, partition, offset).await;
        self.consumer.unassign().map_err(failed)?;
        read
    }

    async fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), StoreError> {
        let topic = topic.to_owned();
        probe::ask(Arc::clone(&self.config), None, move |probe| {
            let mut all = probe.partitions(std::slice::from_ref(&topic))?;
            if all.find_partition(&topic, partition).is_none() {
                let what =
                    format!("the topic {topic} has {} partitions, none of number {partition}", all.count());
                return Err(StoreError::Broken { what, source: None });
            }
            all = TopicPartitionList::new();
            all.add_partition(&topic, partition);
            let only = |offsets: probe::Offsets| offsets.first().and_then(|(_, o)| *o).unwrap_or(0);
            Ok((only(probe.begins(&all)?), only(probe.ends(&all)?)))
        })
        .await
    }

    async fn receive(&self, topic: &str, partition: i32, offset: i64) -> Result<OffsetContent, StoreError> {
        let until = Instant::now() + REQUEST;
        loop {
            match timeout_at(until, self.consumer.recv()).await {
                Ok(Ok(m)) if m.topic() != topic || m.partition() != partition || m.offset() < offset => {}
                Ok(Ok(m)) if m.offset() == offset => return Ok(OffsetContent::Message(Message::from(&m))),
                // What stood there was no message (a transaction's marker) or was compacted away.
                Ok(Ok(m)) => return Ok(OffsetContent::Gone { first: m.offset() }),
                Ok(Err(error)) => crate::tail::weather(error, topic)?,
                Err(_) => return Err(error::no_broker(&self.config, &self.complaints)),
            }
        }
    }
}
