//! [`EventLog`] on the brokers.

use crate::{Kafka, KafkaSink, Message, Start, Tail};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use std::sync::Arc;
use tfx_domain::event::Topic;
use tfx_ports::{
    StoreError,
    event_log::{self, EventLog, From, Holds, LogMessage},
    ingestion::{Lag, group_of},
};

/// The log as operators see it.
pub(crate) struct Log {
    pub(crate) kafka: Kafka,
    pub(crate) sink: Arc<KafkaSink>,
}

#[async_trait]
impl EventLog for Log {
    async fn lag(&self, groups: &str, topics: &[Topic]) -> Result<Vec<Lag>, StoreError> {
        let of = async |topic: &Topic| self.kafka.lag(&group_of(groups, *topic), &[*topic]).await;
        let lags = try_join_all(topics.iter().map(of)).await?;
        // Where nothing was ever written there is nothing to read, and ClickHouse commits nothing.
        let written = lags.iter().flat_map(|lag| &lag.partitions).any(|lag| lag.end > 0);
        if written && !lags.iter().any(|lag| lag.is_known) {
            return Err(StoreError::NotFound);
        }
        Ok(lags.into_iter().flat_map(|lag| lag.partitions).collect())
    }

    async fn holds(&self) -> Result<Vec<(String, Holds)>, StoreError> {
        self.kafka.topic_admin().holds().await
    }

    async fn tail(&self, topics: &[Topic], from: From) -> Result<Box<dyn event_log::Tail>, StoreError> {
        let start = match from {
            From::End => Start::End,
            From::Beginning => Start::Beginning,
            From::At(time) => Start::At(time),
        };
        Ok(Box::new(self.kafka.tail(topics, start).await?))
    }

    async fn republish(&self, topic: &str, key: Option<&[u8]>, payload: &[u8]) -> Result<(), StoreError> {
        self.sink.republish(topic, key, payload).await
    }
}

#[async_trait]
impl event_log::Tail for Tail {
    async fn next(&mut self) -> Result<LogMessage, StoreError> {
        let Message { topic, partition, offset, timestamp, key, payload } = Self::next(self).await?;
        Ok(LogMessage { topic, partition, offset, at: timestamp, key, payload })
    }
}
