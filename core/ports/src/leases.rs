//! Leases: of several processes one does something at a time, for a while, by the store's clock.

use crate::error::StoreError;
use async_trait::async_trait;
use std::time::Duration;

/// A lease as its holder has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// Higher than that of everybody who held it before.
    pub fence: u64,
}

/// Gives leases. A lease is lost by expiry, whoever is late; one of more than [`crate::queue::LONGEST_WAIT`] is cut to
/// that.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes a lease for a time from now; none while somebody holds it.
    async fn take(&self, name: &str, time: Duration) -> Result<Option<Lease>, StoreError>;

    /// Holds it for a time from now; false if it was lost.
    async fn renew(&self, lease: &Lease, time: Duration) -> Result<bool, StoreError>;

    /// Gives it back; false if it was lost.
    async fn release(&self, lease: &Lease) -> Result<bool, StoreError>;
}
