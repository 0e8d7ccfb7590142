//! What the services accepted, held against what is stored.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tfx_domain::{Timestamp, ledger::Outbox, money::Money, postback::ConversionStatus};

/// Of which time, and how much is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReconciliationQuery {
    /// From, inclusive: its hour counts whole. A day before the end unless said otherwise.
    pub since: Option<Timestamp>,
    /// To, exclusive: its hour counts whole. Now unless said otherwise.
    pub until: Option<Timestamp>,
    /// At most so many ids of each kind and fault, 0 to 1,000; 10 unless said otherwise.
    pub ids: Option<usize>,
    /// What was accepted or changed since then may be on its way, and is not missing. Now unless said otherwise.
    pub as_of: Option<Timestamp>,
}

/// What was accepted and what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reconciliation {
    /// When it was asked, by the clock of api-service.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// Everything that services had accepted by then is counted. None: no service that runs has told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub counted_until: Option<Timestamp>,
    /// From, inclusive: the beginning of an hour.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub since: Timestamp,
    /// To, exclusive: the end of an hour, or when it was asked.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub until: Timestamp,
    /// What is held against what, each kind by itself.
    pub kinds: Vec<ReconciledKind>,
    /// Services of which it is not known what they have accepted lately, and since when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<String>,
    /// Who accepts: each instance that runs, that fell silent in that time, or in whose journal something waits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<ReconciledInstance>,
    /// What of the time asked for is not compared, or in part, and why: that the rest balances says nothing of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncompared: Vec<String>,
    /// What else is to be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An instance of a service that accepts events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReconciledInstance {
    /// The service.
    pub service: String,
    /// Its name among all, that of its journal.
    pub id: String,
    /// When it told last.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// It was stopped then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// It has told nothing for so long that it is away, or cut off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// What waited in its journal then, and why; none: it is of a version that does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<Outbox>,
}

/// Events of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReconciledKind {
    /// Of which kind.
    pub kind: Reconciled,
    /// All hours together.
    #[serde(flatten)]
    pub sum: ReconciledCounts,
    /// Those that were accepted and are not stored, as far as they can be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_ids: Vec<String>,
    /// Those that are stored and were not accepted, or that reports count twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surplus_ids: Vec<String>,
    /// Those of which there are several rows, which reports count once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubled_ids: Vec<String>,
    /// Those that are stored otherwise than they are: conversions in another state, events in rows that say different things.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differing_ids: Vec<String>,
    /// Of such conversions, both states.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differing_states: Vec<DifferingStates>,
    /// The oldest first; hours without events are left out.
    pub hours: Vec<ReconciledHour>,
}

/// A conversion that reports count in another state than it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DifferingStates {
    /// Which one.
    pub id: String,
    /// As reports count it.
    pub stored: ConversionState,
    /// As it is.
    pub is: ConversionState,
}

/// A state of a conversion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConversionState {
    /// 1 when recorded, one more with every change.
    pub version: u64,
    /// Its status.
    pub status: ConversionStatus,
    /// What it brings.
    pub revenue: Money,
    /// What it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

/// Events of one kind in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReconciledHour {
    /// When it begins; events count in that of their own time.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub hour: Timestamp,
    /// How many.
    #[serde(flatten)]
    pub counts: ReconciledCounts,
}

/// What is held against what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reconciled {
    /// Clicks that were answered, against those in reports.
    Clicks,
    /// Conversions of the configuration store, against those in reports.
    Conversions,
    /// Lines of the postback log, against those in it.
    Postbacks,
    /// Changes of the health of destinations, against those in the events' store.
    HealthChanges,
}

impl Reconciled {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clicks => "clicks",
            Self::Conversions => "conversions",
            Self::Postbacks => "postbacks",
            Self::HealthChanges => "health_changes",
        }
    }
}

/// `accepted` is `stored` with `missing` and `erased`, without `surplus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReconciledCounts {
    /// Events that somebody was answered for, with those that the journal then did not take.
    pub accepted: u64,
    /// Those of them that the event log, or where there is none the store, took. None: it is not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<u64>,
    /// Events that are stored, as reports count them.
    pub stored: u64,
    /// Accepted, and not stored.
    pub missing: u64,
    /// Stored, and not accepted, or counted twice by reports.
    pub surplus: u64,
    /// Rows more than events: reports count them once.
    pub doubled: u64,
    /// Stored otherwise than they are: conversions in another state, events in rows that say different things.
    #[serde(default)]
    pub differing: u64,
    /// Accepted, and erased since at a person's wish.
    pub erased: u64,
    /// Of postbacks: how many were answered with which result, or how many were told to sources with which.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<String, u64>,
    /// Of postbacks that were answered before: what became of how many, when their click came or they were taken again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub later: BTreeMap<String, u64>,
}

impl ReconciledCounts {
    /// Others too.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.published = match (self.published, other.published) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0) + b.unwrap_or(0)),
        };
        self.stored += other.stored;
        self.missing += other.missing;
        self.surplus += other.surplus;
        self.doubled += other.doubled;
        self.differing += other.differing;
        self.erased += other.erased;
        for (sums, more) in [(&mut self.results, &other.results), (&mut self.later, &other.later)] {
            more.iter().for_each(|(result, n)| *sums.entry(result.clone()).or_default() += n);
        }
    }

    /// Events by which it does not balance.
    pub const fn gap(&self) -> u64 {
        self.missing + self.surplus + self.differing
    }
}
