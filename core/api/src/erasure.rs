//! Erasing a person, and the receipt of it.

use serde::{Deserialize, Serialize};
use tfx_domain::Timestamp;

/// Who is to be erased: one of the first four.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ErasureRequest {
    /// A visitor, by his id: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::id::VisitorId>"))]
    pub visitor: Option<String>,
    /// Whoever clicked, by the id of a click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::id::ClickId>"))]
    pub click: Option<String>,
    /// Whoever clicked from an address on the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<std::net::IpAddr>"))]
    pub ip: Option<String>,
    /// With `ip`: also where addresses are kept cut short (`IP_STORAGE=truncated`), so that everybody of the same range is
    /// erased with him.
    #[serde(default)]
    pub whole_range: bool,
    /// Everybody who was erased and may have come back.
    #[serde(default)]
    pub again: bool,
    /// Only say how much there is.
    #[serde(default)]
    pub dry_run: bool,
}

/// What an erasure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErasureOf {
    /// A visitor.
    Visitor,
    /// The visitor of a click.
    Click,
    /// An address on the network.
    Ip,
    /// Everybody who was erased before.
    Again,
}

impl ErasureOf {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Click => "click",
            Self::Ip => "ip",
            Self::Again => "again",
        }
    }
}

/// Rows of one kind in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasedRows {
    /// `events.db`, `ClickHouse`, `config.db`, `MongoDB`, or a service.
    pub store: String,
    /// What they are.
    pub what: String,
    /// What became of them: `removed` or `blanked`.
    pub how: String,
    /// How many held something of him; with `dry_run`: hold.
    pub rows: u64,
}

/// How long a topic holds what was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TopicHolds {
    /// Its whole name.
    pub topic: String,
    /// Until when at least, by its retention as the brokers have it; none: no end is set, or they do not say.
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub until: Option<Timestamp>,
}

/// Why nothing was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureRefused {
    /// `not_found`, `too_much`, `whole_range`, `unavailable`, or `broke_off` by a fault of the program.
    pub code: String,
    /// What is wrong, and what to do.
    pub detail: String,
}

/// Addresses that are stored alike, because they are kept cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasedRange {
    /// So many leading bits of the address are stored: 24 of 203.0.113.9 mean all of 203.0.113.0/24.
    pub bits: u8,
    /// Clicks that are stored of the range.
    pub clicks: u64,
}

/// What was erased, and what holds it still. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureReceipt {
    /// The request, as the logs of api-service name it.
    pub id: String,
    /// Who asked.
    pub by: String,
    /// What it was about.
    pub of: ErasureOf,
    /// Whom, as a hash with a key of the installation.
    pub hash: String,
    /// Whether it was only counted.
    pub dry_run: bool,
    /// What was done before this is erased.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub asked_at: Timestamp,
    /// When it ended; none: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub ended_at: Option<Timestamp>,
    /// Whose addresses are stored alike: they are of one range, and all of it is or would be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<ErasedRange>,
    /// How many visitors left the clicks.
    pub visitors: u64,
    /// Per store and kind.
    pub rows: Vec<ErasedRows>,
    /// Whether everything was reached; else `missing` says what was not.
    pub complete: bool,
    /// What could not be reached: do it again when that is mended.
    pub missing: Vec<String>,
    /// What holds it still and cannot give it up record by record.
    pub topics: Vec<TopicHolds>,
    /// What else may hold it, in words.
    pub left: Vec<String>,
    /// Why nothing was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<ErasureRefused>,
}

impl ErasureReceipt {
    /// All rows.
    pub fn total(&self) -> u64 {
        self.rows.iter().map(|row| row.rows).sum()
    }
}

/// The erasure that goes on, and the last one that ended in this process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureStatus {
    /// It goes on.
    pub running: Option<ErasureReceipt>,
    /// It ended.
    pub last: Option<ErasureReceipt>,
}
