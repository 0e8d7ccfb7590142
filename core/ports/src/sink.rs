//! Where events go.

use crate::error::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use smol_str::SmolStr;
use tfx_domain::event::Topic;

/// An event on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Where it goes.
    pub topic: Topic,
    /// Counts it once however often it is delivered.
    pub id: SmolStr,
    /// Events of one key stay in order.
    pub key: SmolStr,
    /// JSON.
    pub payload: Bytes,
}

/// An event that will never be taken: too large, not readable, of another schema than [`tfx_domain::event::SCHEMA`].
/// The others of its batch are in. A sink that does not read events refuses none of these; whoever reads them keeps
/// them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the batch.
    pub index: usize,
    /// Why it will never be taken.
    pub reason: String,
}

/// Takes events.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Takes a batch, in order. When it answers, every event that is not refused is durable: it survives the
    /// loss of power. The same event again (by id) must not count again.
    ///
    /// # Errors
    /// The batch may be in, in part or not at all; if retryable, the whole batch is given again.
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError>;

    /// Answers if the sink does.
    async fn ping(&self) -> Result<(), StoreError>;
}
