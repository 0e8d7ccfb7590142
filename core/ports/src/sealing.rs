//! The secrets of the configuration as they lie in its store: sealed with keys that are not there.

use crate::{audit::Caller, error::StoreError};
use async_trait::async_trait;
use std::collections::BTreeMap;

/// How secrets lie in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealingStatus {
    /// The ids of the keys that this process has; the first seals. None: what is saved lies there in the clear.
    pub keys: Vec<String>,
    /// How many secrets are sealed with which key.
    pub sealed: BTreeMap<String, u64>,
    /// How many lie there in the clear.
    pub clear: u64,
    /// What cannot be opened: the entity, its field and the key that is not here, in words.
    pub unreadable: Vec<String>,
}

/// Which secrets are sealed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reseal {
    /// Those that lie in the clear.
    Clear,
    /// Those too that are sealed with another key than the first.
    All,
}

/// Seals the secrets of the configuration.
#[async_trait]
pub trait Sealing: Send + Sync {
    /// How they lie in the store.
    async fn status(&self) -> Result<SealingStatus, StoreError>;

    /// Seals them with the first key; how many entities changed by it. The audit log tells of each. Nothing happens where
    /// there is no key, and to what cannot be opened.
    async fn reseal(&self, which: Reseal, caller: &Caller) -> Result<u64, StoreError>;
}
