//! What all instances of the services accepted, to be held against what is stored: each tells what its journal's ledger
//! counts, and whoever asks adds it up, also that of instances which are gone.

use crate::error::StoreError;
use async_trait::async_trait;
use tfx_domain::{
    Timestamp,
    ledger::{Hour, HourLedger, LedgerKind, Outbox},
};

/// Who counts: the journal of an instance of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerInstance {
    /// Its name among all.
    pub id: String,
    /// Which process told last under that name; empty: one of a version before.
    pub process: String,
    /// The service.
    pub service: String,
    /// When it told last; everything it had accepted by then is counted.
    pub at: Timestamp,
    /// Nothing is counted of what it accepted before; none: it counts everything that it ever accepted.
    pub from: Option<Timestamp>,
    /// It was stopped then, and accepts nothing.
    pub ended: bool,
    /// What waits in its journal, and why; none: a version before does not tell.
    pub outbox: Option<Outbox>,
}

/// What a process of an instance counts of a kind in an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPage {
    /// Its name among all pages of the hour: that of the process that counts it. It never becomes less.
    pub by: String,
    /// Of which kind.
    pub kind: LedgerKind,
    /// In which hour.
    pub hour: Hour,
    /// How many, and by which ids they are known.
    pub ledger: HourLedger,
}

/// Keeps the ledgers of all instances.
#[async_trait]
pub trait Ledgers: Send + Sync {
    /// Keeps an instance, and some pages, each in place of the one before unless that counts more events: then it was told
    /// by somebody who knew more, and whoever tells it now had its disk set back.
    async fn publish(&self, instance: &LedgerInstance, pages: &[LedgerPage]) -> Result<(), StoreError>;

    /// All instances, by their ids.
    async fn instances(&self) -> Result<Vec<LedgerInstance>, StoreError>;

    /// The pages of all instances from one hour, inclusive, to another, exclusive. One that cannot be read says that it is
    /// torn.
    async fn pages(&self, from: Hour, to: Hour) -> Result<Vec<LedgerPage>, StoreError>;

    /// Forgets the pages of hours before, and instances that told last before.
    async fn forget(&self, before: Hour) -> Result<(), StoreError>;
}
