//! What the configuration store keeps that grows with time: how much there is of each, and forgetting what is no money when it
//! is old enough.

use crate::error::StoreError;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tfx_domain::Timestamp;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grows {
    /// Conversions. They are money: nothing deletes them.
    Conversions,
    /// Lines of the audit log.
    Audit,
    /// Versions of entities, of which revisions are made. Nothing deletes them.
    Versions,
    /// When destinations went down and came up.
    HealthHistory,
    /// What happened to alerts.
    AlertLog,
    /// Postbacks that wait for their click.
    Parked,
    /// Postbacks whose click never came.
    Unmatched,
    /// What sources are still to be told.
    SourcePostbacks,
    /// What sources were to be told and was given up.
    SourcePostbacksDead,
    /// Notices of alerts that were given up.
    AlertsDead,
    /// Login codes, sessions, and answers that are kept under an idempotency key.
    Expiring,
    /// Names of what sources were told, so that each is told once.
    Told,
    /// What was erased.
    Erased,
}

impl Grows {
    /// All of it.
    pub const ALL: [Self; 13] = [
        Self::Conversions,
        Self::Audit,
        Self::Versions,
        Self::HealthHistory,
        Self::AlertLog,
        Self::Parked,
        Self::Unmatched,
        Self::SourcePostbacks,
        Self::SourcePostbacksDead,
        Self::AlertsDead,
        Self::Expiring,
        Self::Told,
        Self::Erased,
    ];
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Of what.
    pub of: Grows,
    /// How many rows.
    pub rows: u64,
    /// When the oldest came; none: there is none, or it bears no time.
    pub oldest: Option<Timestamp>,
}

/// What is forgotten by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Lines of the audit log.
    Audit,
    /// Changes of the health of destinations, but for those that wait to be published.
    Health,
}

/// Keeps histories.
#[async_trait]
pub trait Histories: Send + Sync {
    /// How much there is of everything, in the order of [`Grows::ALL`].
    async fn kept(&self) -> Result<Vec<Kept>, StoreError>;

    /// How much of a history is older than a time.
    async fn older(&self, history: History, before: Timestamp) -> Result<u64, StoreError>;

    /// Forgets it, a little at a time. How much it was.
    async fn forget(&self, history: History, before: Timestamp) -> Result<u64, StoreError>;
}
