//! Revisions of the configuration that were: listing, showing and comparing them, and putting one back.

use crate::sets::SetChange;
use serde::{Deserialize, Serialize};
use tfx_domain::Timestamp;

/// A revision in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevisionRow {
    /// Its number. It grows by one with each changed entity; several that change at once make one revision, with the number of
    /// the last.
    pub revision: u64,
    /// When it was made; of the first that is kept: since when they are.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// Who made it, as the audit log names him; empty of the first that is kept.
    pub by: String,
    /// What was done in it; nothing of the first that is kept.
    pub did: Vec<RevisionSum>,
}

/// How many entities of a kind something was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevisionSum {
    /// What was done, as the audit log says it: `create`, `update`, `pause`, `rollback`, ….
    pub action: String,
    /// To which kind.
    pub kind: String,
    /// To how many.
    pub count: u64,
}

/// A revision with all that changed with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevisionShown {
    /// Its number.
    pub revision: u64,
    /// When it was made; of the first that is kept: since when they are.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// Who made it, as the audit log names him; empty of the first that is kept.
    pub by: String,
    /// Each entity that changed, in order; none of the first that is kept.
    pub changes: Vec<RevisionChange>,
}

/// An entity that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevisionChange {
    /// What was done, as the audit log says it.
    pub action: String,
    /// To which kind.
    pub kind: String,
    /// To which one: its slug at that revision, of a stream `campaign/stream`, of a template `network/template`.
    pub reference: String,
    /// Its id.
    pub id: String,
    /// The version it got.
    pub version: u64,
}

/// What is different between two revisions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevisionDiff {
    /// The one.
    pub from: u64,
    /// The other.
    pub to: u64,
    /// What would lead from the one to the other. Entities are the same by their ids, also where they are called otherwise.
    pub changes: Vec<SetChange>,
}

/// A revision to be put back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// Only if the configuration is at this revision now: that of what was looked at before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}
