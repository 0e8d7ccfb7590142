//! What probes found out about destinations: how each of them counts, and every change of that.

use crate::{
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use tfx_domain::{
    Timestamp,
    event::HealthEvent,
    health::DestinationHealth,
    id::{ClickId, DestinationId},
};

/// What one probe made of what was known.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// What is known now; its version is one more than that of what it was made of.
    pub health: DestinationHealth,
    /// The change, if the destination counts otherwise from now on.
    pub change: Option<HealthEvent>,
}

/// Which changes to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthQuery {
    /// Only of this destination.
    pub destination: Option<DestinationId>,
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// Which part.
    pub page: PageRequest,
}

/// Keeps the health of destinations. What a method has answered survives the loss of power.
#[async_trait]
pub trait HealthStore: Send + Sync {
    /// Saves what probes found out, each together with its change. One whose version is not one more than that which
    /// is kept was made of what is over: another instance was faster, and it is passed over.
    async fn save(&self, probed: &[Probed]) -> Result<(), StoreError>;

    /// Everything that is known, by the id of the destination.
    async fn all(&self) -> Result<Vec<DestinationHealth>, StoreError>;

    /// What is known of these, in any order; nothing of one that was never probed.
    async fn of(&self, destinations: &[DestinationId]) -> Result<Vec<DestinationHealth>, StoreError>;

    /// Which destinations are down, in the order of their ids. Cheap: every instance asks every second or so.
    async fn down(&self) -> Result<Vec<DestinationId>, StoreError>;

    /// A page of changes, newest first.
    async fn history(&self, query: &HealthQuery) -> Result<Page<HealthEvent>, StoreError>;

    /// Changes that are not marked as published, oldest first.
    async fn unpublished(&self, limit: usize) -> Result<Vec<HealthEvent>, StoreError>;

    /// Marks changes as published; one that is not there is passed over.
    async fn mark_published(&self, changes: &[ClickId]) -> Result<(), StoreError>;

    /// Forgets what is known of destinations that are not probed any more; their changes stay.
    async fn forget(&self, destinations: &[DestinationId]) -> Result<(), StoreError>;

    /// Why rows that were met since the start cannot be read: what is read goes on without them, at most a hundred are
    /// named. What cannot be read counts as never probed, and is replaced by the next probe.
    fn left_out(&self) -> Vec<String>;
}
