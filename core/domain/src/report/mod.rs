//! Reports: what can be asked, and the arithmetic on what the store returns.
//!
//! Stores return [`RawRow`]s: counts, and sums of money per currency. Everything derived (ROI, CR, EPC, totals,
//! currencies) is computed here, once, so that all stores give the same report.

mod compute;
mod dimension;
mod metric;

pub use compute::{Report, Row, compute};
pub use dimension::Dimension;
pub use metric::{Metric, Unit};

use crate::{
    Timestamp,
    money::{Amount, Currency},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Which time a conversion is counted at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// At its click's time.
    #[default]
    Click,
    /// At the time it was first reported.
    Conversion,
}

/// A condition on a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFilter {
    /// Which fact. Not a time dimension.
    pub dimension: Dimension,
    /// One of these (ids for entities, compared without regard to case otherwise; empty text: unknown).
    pub values: Vec<String>,
    /// True for none of these.
    #[serde(default)]
    pub negate: bool,
}

/// What a store is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportQuery {
    /// From, inclusive.
    pub since: Timestamp,
    /// To, exclusive.
    pub until: Timestamp,
    /// IANA name of the time zone of hours, days, weeks and months.
    pub timezone: String,
    /// What rows are grouped by, in order. None: one row.
    pub dimensions: Vec<Dimension>,
    /// What must hold of every counted event.
    pub filters: Vec<ReportFilter>,
    /// When conversions count.
    pub attribution: Attribution,
}

/// One group as a store returns it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RawRow {
    /// The value of each dimension asked for; empty text: unknown. Entities by id; `bot` is `true`/`false`;
    /// hour `2026-01-31T14:00`, day `2026-01-31`, week `2026-W05` (ISO), month `2026-01`, in the query's zone.
    pub key: Vec<SmolStr>,
    /// All requests on tracking links: the sum of the next four.
    pub hits: u64,
    /// Visits of people that a stream took.
    pub clicks: u64,
    /// Requests of bots, whatever became of them (prefetches and HEAD excepted).
    pub bots: u64,
    /// Prefetches and HEAD requests, whatever became of them.
    pub prefetches: u64,
    /// Visits of people that no stream took: trafficback, not found, loop.
    pub trafficbacks: u64,
    /// Clicks of visitors new to the campaign.
    pub unique_campaign: u64,
    /// Clicks of visitors new to the stream.
    pub unique_stream: u64,
    /// Clicks of visitors new to the destination.
    pub unique_destination: u64,
    /// What clicks cost (all hits that carry a cost).
    pub cost: BTreeMap<Currency, Amount>,
    /// Conversions now `lead`, and custom statuses.
    pub leads: u64,
    /// Conversions now `sale`.
    pub sales: u64,
    /// Conversions now `rejected`.
    pub rejected: u64,
    /// Conversions now `rebill`.
    pub rebills: u64,
    /// Revenue of leads and custom statuses.
    pub revenue_hold: BTreeMap<Currency, Amount>,
    /// Revenue of sales and rebills.
    pub revenue_confirmed: BTreeMap<Currency, Amount>,
}
