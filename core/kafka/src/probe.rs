//! Questions about topics, asked with a consumer that follows nothing. They block; [`ask`] runs them where that is no
//! harm.

use crate::{
    complaints::Complaints,
    config::KafkaConfig,
    connect::{self, Context},
    error,
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{Metadata, MetadataPartition, MetadataTopic},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_ports::StoreError;

/// Longest time of one request.
pub(crate) const REQUEST: Duration = Duration::from_secs(10);

/// Part of it, after which it is asked again unless there is nobody to ask.
const SLICE: Duration = Duration::from_secs(1);

/// Events of librdkafka looked at when something has failed. OpenSSL alone makes a hundred lines of log in a second.
const EVENTS: usize = 1024;

/// Longest time to make sure of the ends of partitions.
const ENDS: Duration = Duration::from_secs(3);

/// A consumer that follows nothing.
pub(crate) struct Probe {
    pub(crate) config: Arc<KafkaConfig>,
    pub(crate) complaints: Arc<Complaints>,
    pub(crate) consumer: BaseConsumer<Context>,
}

/// Asks something where it may block.
pub(crate) async fn ask<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    config: Arc<KafkaConfig>,
    group: Option<String>,
    question: impl FnOnce(&Probe) -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let asked = tokio::task::spawn_blocking(move || {
        let complaints = Arc::<Complaints>::default();
        let mut options = connect::consumer(&config, Some(group.as_deref().unwrap_or("tfx-probe")));
        options.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "20");
        let consumer = connect::connect::<BaseConsumer<Context>>(&options, &complaints)?;
        question(&Probe { config, complaints, consumer })
    });
    asked.await.unwrap_or_else(|e| Err(StoreError::unavailable("ask the brokers of EVENT_BROKERS", e).into()))
}

impl Probe {
    /// What a failure means. What librdkafka said about it waits in the queue until somebody polls.
    pub(crate) fn failed(&self, what: &str, error: KafkaError) -> StoreError {
        self.listen();
        error::of_request(&self.config, &self.complaints, what, error)
    }

    fn listen(&self) {
        // A poll that met a line of the log looks like one that met nothing.
        for _ in 0..EVENTS {
            let _ = self.consumer.poll(Duration::ZERO);
        }
    }

    /// Metadata of a topic. Gives up early when librdkafka has found that no broker is there.
    fn metadata(&self, topic: &str) -> Result<Metadata, KafkaError> {
        let until = Instant::now() + REQUEST;
        loop {
            match self.consumer.fetch_metadata(Some(topic), SLICE) {
                Err(error) => {
                    self.listen();
                    if self.complaints.is_down() || Instant::now() > until {
                        return Err(error);
                    }
                }
                found => return found,
            }
        }
    }

    /// A topic, or none if it is missing.
    pub(crate) fn topic<T>(
        &self,
        name: &str,
        read: impl FnOnce(&MetadataTopic) -> T,
    ) -> Result<Option<T>, StoreError> {
        let what = format!("ask for the topic {name}");
        let metadata = self.metadata(name).map_err(|e| self.failed(&what, e))?;
        let Some(topic) = metadata.topics().iter().find(|t| t.name() == name) else { return Ok(None) };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(read(topic))),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(code) => Err(error::of_code(&what, code)),
        }
    }

    /// Every partition of these topics. A missing topic is an error.
    pub(crate) fn partitions(&self, topics: &[String]) -> Result<TopicPartitionList, StoreError> {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            let ids =
                self.topic(topic, |t| t.partitions().iter().map(MetadataPartition::id).collect::<Vec<_>>())?;
            let missing = || StoreError::Broken { what: error::missing_topic(topic), source: None };
            for id in ids.ok_or_else(missing)? {
                list.add_partition(topic, id);
            }
        }
        Ok(list)
    }

    /// The offset of the first message not older than a time, per partition; none where there is no such message.
    pub(crate) fn at_time(&self, partitions: &TopicPartitionList, ms: i64) -> Result<Offsets, StoreError> {
        self.offsets(partitions, Offset::Offset(ms.max(0)), "find the offsets of a time")
    }

    /// The first offset there is, per partition.
    pub(crate) fn begins(&self, partitions: &TopicPartitionList) -> Result<Offsets, StoreError> {
        self.offsets(partitions, Offset::Beginning, "find the first offsets")
    }

    /// The offset after the last message, per partition.
    ///
    /// Not every broker tells it exactly (Tansu tells where the last batch begins); so what follows is read, which is
    /// nothing where it was exact.
    pub(crate) fn ends(&self, partitions: &TopicPartitionList) -> Result<Offsets, StoreError> {
        let what = "find the last offsets";
        let told = self.offsets(partitions, Offset::End, what)?;
        let mut list = TopicPartitionList::new();
        for ((topic, partition), end) in &told {
            let end = Offset::Offset(end.unwrap_or(0));
            list.add_partition_offset(topic, *partition, end).map_err(|e| self.failed(what, e))?;
        }
        self.consumer.assign(&list).map_err(|e| self.failed(what, e))?;
        let mut ends: BTreeMap<(String, i32), i64> = BTreeMap::new();
        let (until, mut open) = (Instant::now() + ENDS, told.len());
        while open > 0 && Instant::now() < until {
            match self.consumer.poll(SLICE / 10) {
                Some(Ok(m)) => {
                    ends.insert((m.topic().to_owned(), m.partition()), m.offset() + 1);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(_)) | None => {}
            }
        }
        self.consumer.unassign().map_err(|e| self.failed(what, e))?;
        let exact = |(place, told)| {
            let end = ends.get(&place).copied().or(told);
            (place, end)
        };
        Ok(told.into_iter().map(exact).collect())
    }

    /// The protocol asks for the beginning and the end as if they were times; so all partitions cost one request a broker.
    fn offsets(
        &self,
        partitions: &TopicPartitionList,
        at: Offset,
        what: &str,
    ) -> Result<Offsets, StoreError> {
        if partitions.count() == 0 {
            return Ok(Vec::new());
        }
        let mut list = partitions.clone();
        list.set_all_offsets(at).map_err(|e| self.failed(what, e))?;
        let found = self.consumer.offsets_for_times(list, REQUEST).map_err(|e| self.failed(what, e))?;
        let mut offsets = Vec::with_capacity(found.count());
        for e in found.elements() {
            e.error()
                .map_err(|error| self.failed(&format!("{what} in {}/{}", e.topic(), e.partition()), error))?;
            let offset = match e.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            offsets.push(((e.topic().to_owned(), e.partition()), offset));
        }
        Ok(offsets)
    }
}

/// An offset by topic and partition.
pub(crate) type Offsets = Vec<((String, i32), Option<i64>)>;
