//! What services accepted, hour by hour, as they keep it to be held against what is stored: how many events of each kind,
//! and a [`Digest`] of their ids by which those are named that are missing or too many. Conversions are not in it: their
//! store has each of them.

mod digest;
#[cfg(test)]
mod tests;

pub use digest::{Difference, Digest};

use crate::{
    Timestamp,
    event::{PostbackResult, Topic},
    id::ClickId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the bytes of an [`HourLedger`], and of those that also say what became of something later.
const VERSION: u8 = 1;
const WITH_LATER: u8 = 2;
/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LedgerKind {
    /// Clicks, whether a stream took them or not.
    Clicks,
    /// Lines of the postback log.
    Postbacks,
    /// Changes of a destination's health.
    HealthChanges,
}

impl LedgerKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Clicks, Self::Postbacks, Self::HealthChanges];

    /// As what an event of a topic counts.
    pub const fn of(topic: Topic) -> Option<Self> {
        match topic {
            Topic::ClickEvents | Topic::TrafficbackEvents => Some(Self::Clicks),
            Topic::PostbackLogEvents => Some(Self::Postbacks),
            Topic::DestinationHealthEvents => Some(Self::HealthChanges),
            Topic::ConversionEvents => None,
        }
    }

    /// The word used in JSON, for stores and files: it never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clicks => "clicks",
            Self::Postbacks => "postbacks",
            Self::HealthChanges => "health_changes",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// An hour in UTC: so many after the beginning of 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub i64);

impl Hour {
    /// The one in which an event of that id happened.
    pub fn of(id: ClickId) -> Self {
        Self::at(id.timestamp())
    }

    /// The one that a time is in.
    pub fn at(time: Timestamp) -> Self {
        Self(time.as_millisecond().div_euclid(HOUR))
    }

    /// The first that begins at or after a time.
    pub fn from(time: Timestamp) -> Self {
        let Self(hour) = Self::at(time);
        if Self(hour).start() < time { Self(hour + 1) } else { Self(hour) }
    }

    /// When it begins.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millisecond(self.0.saturating_mul(HOUR)).unwrap_or(Timestamp::MAX)
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What was accepted of one kind in one hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HourLedger {
    /// Those that somebody was answered for, whatever became of them.
    pub accepted: Digest,
    /// How many the event sink has taken.
    pub published: u64,
    /// Of postbacks: how many were answered with which result.
    pub results: BTreeMap<&'static str, u64>,
    /// Of postbacks that had been answered before: what became of how many, when their click came or they were taken again.
    pub later: BTreeMap<&'static str, u64>,
    /// A part of what was counted is lost.
    pub torn: bool,
}

/// What stands at the way of an instance's events out of its journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Outbox {
    /// Events that wait in the journal.
    pub waiting: u64,
    /// Why the last delivery failed, while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Events that the sink refused, and that are kept.
    pub refused: u64,
    /// Events that the journal did not take since the process began: they are lost.
    pub dropped: u64,
    /// Places of the journal that could not be read since then.
    pub damaged: u64,
}

/// These bytes are no ledger of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no ledger of an hour that this version reads")]
pub struct NoLedger;

impl HourLedger {
    /// One more was accepted.
    pub fn accept(&mut self, id: ClickId, result: Option<PostbackResult>) {
        self.accepted.add(id);
        if let Some(result) = result {
            *self.results.entry(result.as_str()).or_default() += 1;
        }
    }

    /// Of one that was answered before it is known what became of it.
    pub fn accept_later(&mut self, id: ClickId, result: PostbackResult) {
        self.accepted.add(id);
        *self.later.entry(result.as_str()).or_default() += 1;
    }

    /// What another counted too.
    pub fn merge(&mut self, other: &Self) {
        self.accepted.merge(&other.accepted);
        self.published += other.published;
        other.results.iter().for_each(|(result, n)| *self.results.entry(result).or_default() += n);
        other.later.iter().for_each(|(result, n)| *self.later.entry(result).or_default() += n);
        self.torn |= other.torn;
    }

    /// As files and stores keep it.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Versions before read those of which nothing became later.
        let version = if self.later.is_empty() { VERSION } else { WITH_LATER };
        let mut out = vec![version, u8::from(self.torn)];
        out.extend(self.published.to_le_bytes());
        write_results(&self.results, &mut out);
        if version == WITH_LATER {
            write_results(&self.later, &mut out);
        }
        self.accepted.write(&mut out);
        out
    }

    /// Out of those bytes.
    ///
    /// # Errors
    /// They are something else, or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoLedger> {
        let [version @ (VERSION | WITH_LATER), torn @ (0 | 1), rest @ ..] = bytes else {
            return Err(NoLedger);
        };
        let (published, rest) = rest.split_first_chunk().ok_or(NoLedger)?;
        let (results, rest) = read_results(rest).ok_or(NoLedger)?;
        let (later, rest) = match *version {
            WITH_LATER => read_results(rest).ok_or(NoLedger)?,
            _ => (BTreeMap::new(), rest),
        };
        let accepted = Digest::read(rest).ok_or(NoLedger)?;
        Ok(Self { accepted, published: u64::from_le_bytes(*published), results, later, torn: *torn == 1 })
    }
}

fn write_results(results: &BTreeMap<&'static str, u64>, out: &mut Vec<u8>) {
    let of = |result: PostbackResult| results.get(result.as_str()).copied().unwrap_or(0);
    let results: Vec<_> = PostbackResult::ALL.into_iter().map(of).collect();
    let used = results.iter().rposition(|n| *n > 0).map_or(0, |last| last + 1);
    out.push(u8::try_from(used).unwrap_or(0));
    results.iter().take(used).for_each(|n| out.extend(n.to_le_bytes()));
}

/// The results, and what is behind them.
fn read_results(bytes: &[u8]) -> Option<(BTreeMap<&'static str, u64>, &[u8])> {
    let (used, mut rest) = bytes.split_first()?;
    let mut results = BTreeMap::new();
    for place in 0..usize::from(*used) {
        let (n, after) = rest.split_first_chunk()?;
        let (result, n) = (PostbackResult::ALL.get(place)?, u64::from_le_bytes(*n));
        if n > 0 {
            results.insert(result.as_str(), n);
        }
        rest = after;
    }
    Some((results, rest))
}
