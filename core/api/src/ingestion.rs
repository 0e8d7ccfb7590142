//! What the analytics store could not take from the event log, and how far behind it is.

use serde::{Deserialize, Serialize};
use tfx_domain::Timestamp;

/// Which errors to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestionQuery {
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// Only of this topic (whole name).
    pub topic: Option<String>,
    /// Oldest first, with a `next` also at the present end: for following.
    pub ascending: bool,
    /// At most this many, 1 to 100: a message may be large.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// A message that became no event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IngestionError {
    /// When the store met it.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub observed_at: Timestamp,
    /// The whole name of the topic.
    pub topic: String,
    /// Where it stands there.
    pub partition: i32,
    /// Where it stands there.
    pub offset: i64,
    /// Why; what is no text is escaped: `\xff`.
    pub error: String,
    /// The message, its first 4 KiB; what is no text is escaped: `\xff`.
    pub message: String,
    /// Its whole length in bytes.
    pub bytes: usize,
}

/// How far behind the analytics store is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IngestionLag {
    /// How the names of the consumer groups begin, with which it reads: `groups.click_events` …
    pub groups: String,
    /// Messages not taken yet, over all partitions.
    pub messages: u64,
    /// Each partition.
    pub partitions: Vec<PartitionLag>,
}

/// How far behind it is in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PartitionLag {
    /// The whole name of the topic.
    pub topic: String,
    /// Which partition.
    pub partition: i32,
    /// The offset after the last message there is.
    pub end: i64,
    /// The offset after the last message it has taken; none: it has taken nothing yet.
    pub taken: Option<i64>,
    /// Messages not taken yet.
    pub messages: u64,
}

/// Which broken messages to put into the log again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ReplayRequest {
    /// Those met from then on, inclusive; else all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub since: Option<Timestamp>,
    /// Only of this topic (whole name).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Only the one at this partition and offset; needs `topic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<(i32, i64)>,
    /// Only count them.
    pub dry_run: bool,
    /// Those met before, exclusive; else now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub until: Option<Timestamp>,
    /// The `next` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What was put into the log again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReplayAnswer {
    /// Messages that were found.
    pub found: u64,
    /// Messages that were written to their topic again.
    pub replayed: u64,
    /// Where to go on: the time of one request was over before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
