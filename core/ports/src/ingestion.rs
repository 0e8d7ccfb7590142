//! What the analytics store could not take from the event log, and how far behind it is.

use crate::{
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use tfx_domain::{Timestamp, event::Topic};

/// A message that became no event. Read again, it is the same one, observed when it was first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestionError {
    /// When the store met it.
    pub observed_at: Timestamp,
    /// The whole name of the topic.
    pub topic: String,
    /// Where it stands there.
    pub partition: i32,
    /// Where it stands there.
    pub offset: i64,
    /// The message as it is; may be anything.
    pub raw: Vec<u8>,
    /// Why; quotes the message, so it need not be UTF-8.
    pub error: Vec<u8>,
}

/// Which errors to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestionQuery {
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// Only of this topic (whole name).
    pub topic: Option<String>,
    /// True: oldest first, so that a follower misses and repeats nothing; the last seconds are left out, since what a
    /// store is just writing may be older than what it shows. False: newest first, up to now.
    pub ascending: bool,
    /// Which part. A list that ascends always gives a `next`, also at its present end, to go on from there later.
    pub page: PageRequest,
}

/// The consumer group with which the store reads a topic, by what the names of its groups begin with. Each topic has
/// one of its own: in a shared one the readers of all topics stop and begin anew whenever one of them comes or goes.
pub fn group_of(groups: &str, topic: Topic) -> String {
    format!("{groups}.{}", topic.as_str())
}

/// How far behind the store is in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// The whole name of the topic.
    pub topic: String,
    /// Which partition.
    pub partition: i32,
    /// The offset after the last message there is.
    pub end: i64,
    /// The offset after the last message the store has taken; none: it has taken nothing yet.
    pub taken: Option<i64>,
}

impl Lag {
    /// Messages that are not taken yet.
    pub fn messages(&self) -> u64 {
        u64::try_from(self.end - self.taken.unwrap_or(0)).unwrap_or(0)
    }
}

/// Broken messages, as the analytics store keeps them.
#[async_trait]
pub trait IngestionErrors: Send + Sync {
    /// A page.
    async fn list(&self, query: &IngestionQuery) -> Result<Page<IngestionError>, StoreError>;

    /// How many were met since a time, inclusive.
    async fn count(&self, since: Timestamp) -> Result<u64, StoreError>;
}
