//! The event log as operators see it: what is in it, who is behind, what is put back. Events go in through
//! [`crate::sink::EventSink`].

use crate::{error::StoreError, ingestion::Lag};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tfx_domain::{Timestamp, event::Topic};

/// A message as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMessage {
    /// The whole name of the topic.
    pub topic: String,
    /// Where it stands there.
    pub partition: i32,
    /// Where it stands there.
    pub offset: i64,
    /// When it was written, by the log's clock.
    pub at: Option<Timestamp>,
    /// Its key; may be anything.
    pub key: Option<Bytes>,
    /// The message; may be anything.
    pub payload: Bytes,
}

/// Where to begin to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the next message that is written.
    End,
    /// With the first message there is.
    Beginning,
    /// With the messages that are not older than this.
    At(Timestamp),
}

/// How long a topic holds a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// At least so long.
    For(Duration),
    /// No end is set.
    ForEver,
    /// The brokers do not say, or the topic is not there.
    Unknown,
}

/// The log.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// How far the groups of [`group_of`](crate::ingestion::group_of) are behind, in each partition of these topics.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: none of them has read anything yet, and there is something to read.
    async fn lag(&self, groups: &str, topics: &[Topic]) -> Result<Vec<Lag>, StoreError>;

    /// Reads topics on and on. Nobody else's reading is changed by it.
    async fn tail(&self, topics: &[Topic], from: From) -> Result<Box<dyn Tail>, StoreError>;

    /// How long each of our topics holds its messages, by its whole name, as the brokers have it now.
    async fn holds(&self) -> Result<Vec<(String, Holds)>, StoreError>;

    /// Writes bytes to one of our topics (whole name), as if they had come from a producer.
    async fn republish(&self, topic: &str, key: Option<&[u8]>, payload: &[u8]) -> Result<(), StoreError>;
}

/// Topics being read.
#[async_trait]
pub trait Tail: Send {
    /// The next message; waits for it, also while the log is away. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<LogMessage, StoreError>;
}
