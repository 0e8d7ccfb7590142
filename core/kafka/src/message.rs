//! A message as it stands in the log, and places in the log.

use bytes::Bytes;
use rdkafka::{Message as _, message::BorrowedMessage};
use std::collections::BTreeMap;
use tfx_domain::Timestamp;

/// A message as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The whole name of the topic.
    pub topic: String,
    /// Where it stands there.
    pub partition: i32,
    /// Where it stands there.
    pub offset: i64,
    /// When it was written, if the log says so.
    pub timestamp: Option<Timestamp>,
    /// Its key; may be anything.
    pub key: Option<Bytes>,
    /// Its payload; may be anything, also nothing.
    pub payload: Bytes,
}

impl From<&BorrowedMessage<'_>> for Message {
    fn from(m: &BorrowedMessage<'_>) -> Self {
        Self {
            topic: m.topic().to_owned(),
            partition: m.partition(),
            offset: m.offset(),
            timestamp: m.timestamp().to_millis().and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            key: m.key().map(Bytes::copy_from_slice),
            payload: m.payload().map(Bytes::copy_from_slice).unwrap_or_default(),
        }
    }
}

/// The offset to read next, by topic (whole name) and partition.
pub type Positions = BTreeMap<(String, i32), i64>;
