//! How long events are kept: what is older than a time is deleted a little at a time, so that nobody who stores or reads
//! waits for it. What caps and limits are counted from is kept apart, and stays
//! (`docs/decisions/0014-the-use-of-caps-survives.md`).

use crate::error::StoreError;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tfx_domain::{Timestamp, event::EventCounts};

/// What one step of pruning did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneStep {
    /// Events that were deleted, or that the store has begun to delete.
    pub deleted: EventCounts,
    /// Bytes of the store's files that were given back to the device.
    pub bytes: u64,
    /// Whether there is more to do: [`Retention::prune`] is to be called again.
    pub more: bool,
}

/// The room that stored events take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreSize {
    /// Bytes on the device.
    pub bytes: u64,
    /// Bytes of them that hold nothing, and are used before the store grows.
    pub free_bytes: u64,
    /// Whether the store gives room back by itself when events leave; else only [`Retention::rewrite`] does.
    pub gives_back: bool,
}

/// Deletes events by age. The time of a click or postback is that of its id, of a conversion that of its first report.
#[async_trait]
pub trait Retention: Send + Sync {
    /// How many events are older than `before`. Reads as much as it counts.
    async fn count(&self, before: Timestamp) -> Result<EventCounts, StoreError>;

    /// Deletes some of what is older than `before`, then gives room back: for a few milliseconds only, where others wait
    /// for it. Whoever wants all of it done calls again after a pause, while there is `more`.
    ///
    /// # Errors
    /// [`StoreError::TooMuch`]: what caps are counted from would leave uncounted; an earlier time helps. What was deleted
    /// by earlier calls stays so.
    async fn prune(&self, before: Timestamp) -> Result<PruneStep, StoreError>;

    /// The room that events take.
    async fn size(&self) -> Result<StoreSize, StoreError>;

    /// Writes the store's files anew without what is free in them, and so that they give room back by themselves from then
    /// on. Takes long and as much room again; what is delivered meanwhile is told to come again later. A store that always
    /// gives room back does nothing.
    async fn rewrite(&self) -> Result<StoreSize, StoreError>;
}
