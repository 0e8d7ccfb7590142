//! Revisions of the configuration that were: each entity as it was at any of them, by whom it was made so, and what changed with
//! it. Kept by whoever keeps the configuration, in the transaction of the change ([`crate::config::ConfigStore`]), and for good:
//! nothing deletes them by age. Secrets lie in them as they lie in the entities themselves ([`crate::sealing`]).
//!
//! The number of the revision grows by one with each changed entity; several that change at once make one revision, whose number
//! is that of the last of them. The numbers between were never to be seen.

use crate::{
    config::{Change, Record},
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tfx_domain::{Timestamp, entity::Kind};

/// A revision that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub revision: u64,
    /// When it was made; of the first that is kept: since when revisions are.
    pub at: Timestamp,
    /// The name of who made it; empty of the first that is kept.
    pub by: String,
    /// What was done in it, summed up; nothing of the first that is kept.
    pub sums: Vec<ChangeSum>,
}

/// How many entities of a kind something was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSum {
    /// What was done: the verb of its lines in the audit log.
    pub action: String,
    /// The noun of the kind.
    pub kind: String,
    /// To how many.
    pub count: u64,
}

/// One entity that changed with a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionChange {
    /// What was done: the verb of its line in the audit log.
    pub action: String,
    /// The noun of its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The version it got.
    pub version: u64,
}

/// A version of an entity as it lies in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptVersion {
    /// Where it lies, for [`Revisions::reseal_kept`].
    pub place: i64,
    /// The entity.
    pub record: Record,
}

/// Keeps revisions.
#[async_trait]
pub trait Revisions: Send + Sync {
    /// A page of them, the newest first.
    async fn revisions(&self, page: &PageRequest) -> Result<Page<Revision>, StoreError>;

    /// One, with every change of it in the order in which they were made.
    ///
    /// # Errors
    /// [`StoreError::NoRevision`]: it is not kept, or never was.
    async fn revision(&self, number: u64) -> Result<(Revision, Vec<RevisionChange>), StoreError>;

    /// Everything as [`crate::config::ConfigStore::load`] gave it when this was the newest revision.
    ///
    /// # Errors
    /// As [`Self::revision`].
    async fn at_revision(&self, number: u64) -> Result<Vec<Record>, StoreError>;

    /// Versions of entities of a kind, the oldest first, for who seals the secrets in them anew.
    async fn kept_versions(&self, kind: Kind, page: &PageRequest) -> Result<Page<KeptVersion>, StoreError>;

    /// Puts the spec of the record, sealed anew, in place of the one that lies there. Nothing happens if that is not there any
    /// more.
    async fn reseal_kept(&self, version: &KeptVersion) -> Result<(), StoreError>;
}

/// A revision that changes make.
///
/// None where there are none.
pub fn made_by(changes: &[Change], revision: u64) -> Option<Revision> {
    let first = &changes.first()?.audit;
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for Change { record, audit, .. } in changes {
        *counts.entry((audit.action.as_str(), record.kind.noun())).or_default() += 1;
    }
    let sum = |((action, kind), count): ((&str, &str), u64)| ChangeSum {
        action: action.to_owned(),
        kind: kind.to_owned(),
        count,
    };
    let sums = counts.into_iter().map(sum).collect();
    Some(Revision { revision, at: first.at, by: first.caller.name.clone(), sums })
}

/// Why there is no such revision, by those that are kept: the first, the newest, and those before and after it.
pub fn missing(number: u64, kept: Option<(u64, u64)>, around: Option<(u64, u64)>) -> StoreError {
    let what = match (kept, around) {
        (None, _) => format!("there is no revision {number}: none is kept yet"),
        (Some((_, newest)), _) if number > newest => {
            format!("there is no revision {number} yet: the newest is {newest}")
        }
        (Some((first, newest)), _) if number < first => {
            format!("revision {number} is not kept: those from {first} to {newest} are")
        }
        (_, Some((before, after))) => {
            format!(
                "there was no revision {number}: {after} came after {before}, with several changes at once"
            )
        }
        (Some((first, newest)), None) => {
            format!("there was no revision {number} among those that are kept, {first} to {newest}")
        }
    };
    StoreError::NoRevision { what }
}
