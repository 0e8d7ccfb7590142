//! Follows topics, from a place that is known to the message, so that it can be taken up again there: nothing is lost
//! and nothing repeated, across reconnections and restarts.

use crate::{
    complaints::Complaints,
    config::KafkaConfig,
    connect::{self, Client, Context},
    error,
    message::{Message, Positions},
    probe::{self, Probe},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::sync::Arc;
use tfx_domain::{Timestamp, event::Topic};
use tfx_ports::StoreError;

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the next message that is written.
    End,
    /// With the first message there is.
    Beginning,
    /// With the messages that are not older than this, by the log's time.
    At(Timestamp),
    /// At these offsets, in these partitions alone.
    Positions(Positions),
}

/// Follows topics.
pub struct Tail {
    consumer: Client<StreamConsumer<Context>>,
    positions: Positions,
    since: Option<Timestamp>,
}

impl Tail {
    pub(crate) async fn open(
        config: Arc<KafkaConfig>,
        topics: &[Topic],
        start: Start,
    ) -> Result<Self, StoreError> {
        let names: Vec<String> = topics.iter().map(|t| config.topics.name(*t).to_owned()).collect();
        let since = match &start {
            Start::At(time) => Some(*time),
            Start::End | Start::Beginning | Start::Positions(_) => None,
        };
        let positions =
            probe::ask(Arc::clone(&config), None, move |probe| place(probe, &names, start)).await?;
        let complaints = Arc::<Complaints>::default();
        // librdkafka reads assigned partitions only for clients with a group's name; nobody joins the group.
        let options = connect::consumer(&config, Some("tfx-tail"));
        let consumer: StreamConsumer<Context> = connect::connect(&options, &complaints)?;
        let mut list = TopicPartitionList::new();
        let failed = |e| error::of_request(&config, &complaints, "begin to read", e);
        for ((topic, partition), offset) in &positions {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).map_err(failed)?;
        }
        consumer.assign(&list).map_err(failed)?;
        Ok(Self { consumer: Client::new(consumer), positions, since })
    }

    /// The next message; waits for it, also while brokers are away. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Messages that were to be read are gone (the retention was faster), a topic was deleted, or reading is not allowed.
    pub async fn next(&mut self) -> Result<Message, StoreError> {
        loop {
            match self.consumer.recv().await {
                Ok(message) => {
                    let place =
                        (rdkafka::Message::topic(&message).to_owned(), rdkafka::Message::partition(&message));
                    let Some(next) = self.positions.get_mut(&place) else { continue };
                    let message = Message::from(&message);
                    if message.offset < *next {
                        continue;
                    }
                    *next = message.offset + 1;
                    // The log finds a time by its batches, which may begin earlier.
                    if self.since.is_some_and(|since| message.timestamp.is_some_and(|at| at < since)) {
                        continue;
                    }
                    return Ok(message);
                }
                Err(error) => weather(error, "the topics")?,
            }
        }
    }

    /// Where the next message of each partition is read; [`Start::Positions`] goes on there.
    pub const fn positions(&self) -> &Positions {
        &self.positions
    }
}

/// The first offsets to read.
fn place(probe: &Probe, topics: &[String], start: Start) -> Result<Positions, StoreError> {
    if let Start::Positions(positions) = start {
        return check(probe, topics, positions);
    }
    let partitions = probe.partitions(topics)?;
    // First: what is written while we ask is then never skipped.
    let ends = probe.ends(&partitions)?;
    let begins = match start {
        Start::Beginning => probe.begins(&partitions)?,
        Start::At(time) => probe.at_time(&partitions, time.as_millisecond())?,
        Start::End | Start::Positions(_) => Vec::new(),
    };
    let mut positions: Positions = ends.into_iter().map(|(place, end)| (place, end.unwrap_or(0))).collect();
    positions.extend(begins.into_iter().filter_map(|(place, offset)| Some((place, offset?))));
    Ok(positions)
}

/// Refuses offsets that are gone, or were never there.
fn check(probe: &Probe, topics: &[String], positions: Positions) -> Result<Positions, StoreError> {
    let broken = |what| Err(StoreError::Broken { what, source: None });
    let all = probe.partitions(topics)?;
    let mut asked = TopicPartitionList::new();
    for (topic, partition) in positions.keys() {
        if all.find_partition(topic, *partition).is_none() {
            return broken(format!("{topic}/{partition} is not among the partitions to read"));
        }
        asked.add_partition(topic, *partition);
    }
    let bounds = probe.begins(&asked)?.into_iter().zip(probe.ends(&asked)?);
    for ((place, begin), (_, end)) in bounds {
        let (begin, end) = (begin.unwrap_or(0), end.unwrap_or(0));
        let Some(offset) = positions.get(&place) else { continue };
        let (topic, partition) = place;
        if *offset < begin {
            return broken(format!(
                "messages {offset} to {} of {topic}/{partition} are gone: the retention has removed them",
                begin - 1
            ));
        }
        if *offset > end {
            return broken(format!(
                "{topic}/{partition} ends before {offset}: its next message will be {end}"
            ));
        }
    }
    Ok(positions)
}

/// Whether reading goes on after an error: brokers that are away come back, and librdkafka has logged it.
pub(crate) fn weather(error: KafkaError, what: &str) -> Result<(), StoreError> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            let what =
                format!("messages of {what} are gone: the retention removed them before they were read");
            Err(StoreError::Broken { what, source: Some(Box::new(error)) })
        }
        Some(
            RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed,
        ) => Err(StoreError::broken(format!("read {what}"), error)),
        _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
            Err(StoreError::broken(format!("read {what}"), error))
        }
        _ => Ok(()),
    }
}
