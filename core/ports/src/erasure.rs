//! Erasing a person: finding what he left, and removing it from a store of events; and the list of what was erased, by which
//! it is removed again when it comes back (`docs/decisions/0047-erasing-a-person.md`). What other stores hold of him is in
//! their own ports: [`ConversionStore::erase`](crate::conversions::ConversionStore::erase),
//! [`Queue::remove`](crate::queue::Queue::remove).

use crate::error::StoreError;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tfx_domain::{
    Timestamp,
    event::EventCounts,
    id::{ClickId, ConversionId, VisitorId},
};

/// The most clicks that one erasure takes: more are of no person.
pub const MOST_CLICKS: usize = 200_000;

/// Whose clicks are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Those of a visitor.
    Visitor(VisitorId),
    /// Those that came from an address, in the forms in which it may be stored.
    Address(Vec<String>),
}

/// A click of him.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FoundClick {
    /// Its id.
    pub click: ClickId,
    /// Whose it is.
    pub visitor: VisitorId,
}

/// What a person left, as far as it is known by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// His clicks.
    pub clicks: Vec<ClickId>,
    /// What they brought.
    pub conversions: Vec<ConversionId>,
    /// His ids and addresses, as they may stand in what networks said and in messages that are no events. None is short.
    pub texts: Vec<String>,
}

/// Erases in a store of events.
#[async_trait]
pub trait EventErasure: Send + Sync {
    /// The clicks of somebody before a time. Reads as much as there is.
    ///
    /// # Errors
    /// [`StoreError::TooMuch`]: they are more than [`MOST_CLICKS`].
    async fn find(&self, whom: &Whom, until: Timestamp) -> Result<Vec<FoundClick>, StoreError>;

    /// Removes clicks, takes his facts off what reports count of conversions, and what was said and answered off lines of
    /// the postback log about his clicks or with his texts; removes messages that are no events and name him (`other`).
    /// How many rows held something; `dry_run`: would be changed. When it returns nothing reads them any more.
    async fn erase(&self, traces: &Traces, dry_run: bool) -> Result<EventCounts, StoreError>;

    /// What was removed leaves the store's files too, as far as it is the store's to say.
    async fn wipe(&self) -> Result<(), StoreError>;
}

/// What was erased. It names nobody: a click's id leads to nothing when the click is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedEntry {
    /// Whom it was about, as a keyed hash.
    pub id: String,
    /// When it was asked for first.
    pub at: Timestamp,
    /// Until when it may come back; none: for ever.
    pub until: Option<Timestamp>,
    /// Whether it came to its end.
    pub complete: bool,
    /// His clicks.
    pub clicks: Vec<ClickId>,
}

/// Keeps the list of what was erased, beside the configuration.
#[async_trait]
pub trait ErasedList: Send + Sync {
    /// Keeps an entry in place of the one of its id.
    async fn keep(&self, entry: &ErasedEntry) -> Result<(), StoreError>;

    /// All of them.
    async fn entries(&self) -> Result<Vec<ErasedEntry>, StoreError>;

    /// Forgets those that cannot come back any more. How many it were.
    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// What was removed of conversions and jobs leaves the store's files too, as far as it is the store's to say.
    async fn wipe(&self) -> Result<(), StoreError>;
}
