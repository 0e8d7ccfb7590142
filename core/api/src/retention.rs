//! How long events are kept, and deleting what is older.

use serde::{Deserialize, Serialize};
use tfx_domain::Timestamp;
pub use tfx_domain::event::EventCounts;

/// What is to be deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PruneRequest {
    /// Events older than this; none: as old as `ANALYTICS_TTL_DAYS` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub before: Option<Timestamp>,
    /// Only say how many there are.
    #[serde(default)]
    pub dry_run: bool,
    /// Write the store's files anew afterwards, without what is free in them.
    #[serde(default)]
    pub vacuum: bool,
}

/// What would be deleted, or is being deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PruneAnswer {
    /// Events older than this.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub before: Timestamp,
    /// How many there are; none: more than could be counted in time.
    pub found: Option<EventCounts>,
    /// The run that deletes them; none of a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<PruneRun>,
}

/// One deletion of what is older than a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PruneRun {
    /// Events older than this.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub before: Timestamp,
    /// Who asked for it: a token's name, or `ANALYTICS_TTL_DAYS`.
    pub by: String,
    /// Whether the store's files are written anew.
    pub vacuum: bool,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub started_at: Timestamp,
    /// When it ended; none: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub ended_at: Option<Timestamp>,
    /// What was deleted so far.
    pub deleted: EventCounts,
    /// Bytes given back to the device so far.
    pub bytes: u64,
    /// Why it ended before all was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How long events are kept, and what of it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetentionStatus {
    /// `ANALYTICS_TTL_DAYS`; none: for ever.
    pub days: Option<u32>,
    /// Bytes that the stored events take.
    pub bytes: u64,
    /// Bytes of them that are free, and used before the store grows.
    pub free_bytes: u64,
    /// Whether the store gives room back by itself when events leave; else `tfx prune --vacuum` does.
    pub gives_back: bool,
    /// The deletion that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<PruneRun>,
    /// The last one that ended in this process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<PruneRun>,
}

/// Something that grows with time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GrowingKind {
    /// What it is.
    pub what: String,
    /// Where it is kept.
    pub store: String,
    /// When it goes, in words: `after 90 days`, `when delivered`, `never`.
    pub ends: String,
    /// After how many days it goes; none: not by days, or never.
    pub days: Option<u32>,
    /// The setting that says when; empty: there is none.
    pub setting: String,
    /// The command that makes an end of it sooner, or now; empty: there is none.
    pub command: String,
    /// What deletes it.
    pub deletes: String,
    /// How many there are; none: not known.
    pub rows: Option<u64>,
    /// The room they take; none: not known.
    pub bytes: Option<u64>,
    /// When the oldest came; none: not known.
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub oldest: Option<Timestamp>,
}

/// Everything that grows with time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GrowingKinds {
    /// Store by store.
    pub kinds: Vec<GrowingKind>,
    /// What could not be asked.
    pub missing: Vec<String>,
}

/// Forgetting now what is forgotten by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// How much of a kind went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AppliedKind {
    /// What it is, as in [`GrowingKind::what`]; `events` are all of them.
    pub what: String,
    /// How many; none: not counted.
    pub rows: Option<u64>,
}

/// What went, or would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Applied {
    /// Whether it was only counted.
    pub dry_run: bool,
    /// Kind by kind; what is kept for ever is not among them.
    pub kinds: Vec<AppliedKind>,
}
