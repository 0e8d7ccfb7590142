//! Reports: what can be asked, and the arithmetic on what the store returns.
//!
//! Stores return [`RawRow`]s: counts, and sums of money per currency. Everything derived (ROI, CR, EPC, totals,
//! currencies) is computed here, once, so that all stores give the same report.

mod compute;
#[cfg(test)]
mod compute_tests;
mod dimension;
mod key;
mod metric;
mod rates;
mod taking;

pub use compute::{LeftOut, Report, Row, compute};
pub use dimension::Dimension;
pub(crate) use key::one_of;
pub use key::{hour_label, key_order, known_value, time_label, weekday_label};
pub use metric::{Metric, Unit};
pub use rates::{Converted, Rates};
pub use taking::{Conditions, split_condition, write_condition};

use crate::{
    Date, Timestamp,
    event::TestTraffic,
    money::{Currency, Total},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Most groups that a report has unless a setting says otherwise.
pub const MAX_GROUPS: usize = 100_000;

/// Which time a conversion is counted at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// At its click's time (`click_at`).
    #[default]
    Click,
    /// At the time it was first reported (`created_at`).
    Conversion,
}

/// A condition on a dimension, compared with the whole value: no patterns, no trimming.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportFilter {
    /// Which fact. Times are meant in the zone of whoever asks.
    pub dimension: Dimension,
    /// One of these: ids for entities, compared as they are; otherwise texts, compared without regard to case in any
    /// script. The empty text is the unknown, as in [`RawRow::key`]; a device type that is `unknown` is asked for by
    /// that word too. Of no values there is none.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1000)))]
    pub values: Vec<String>,
    /// True for none of these; of no values everything is.
    #[serde(default)]
    pub negate: bool,
}

/// What a store is asked.
///
/// A click counts at the time of its id, whatever else its event says. A conversion counts once, in the highest
/// version there is of it, with the facts of its click that this version carries, whether or not the store has the
/// click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportQuery {
    /// From, inclusive.
    pub since: Timestamp,
    /// To, exclusive.
    pub until: Timestamp,
    /// IANA name of the time zone of hours, days, weeks and months; an unknown one is an error that is not
    /// retryable.
    pub timezone: String,
    /// What rows are grouped by, in order; one may stand twice. None: one row, also when nothing counts.
    pub dimensions: Vec<Dimension>,
    /// What must hold of every counted event: all of them.
    pub filters: Vec<ReportFilter>,
    /// When conversions count.
    pub attribution: Attribution,
    /// Whether test clicks and their conversions count.
    #[serde(default)]
    pub test: TestTraffic,
    /// More groups than this are an error.
    #[serde(default = "max_groups")]
    pub max_groups: usize,
    /// Amounts in these currencies are summed apart from each of these days on, which ascend: see [`RawRow::dated`]. The
    /// day of a cost is that of its click, that of revenue the one on which its conversion was first reported, whatever
    /// `attribution` says; both in UTC. More such sums than [`ReportQuery::max_dated`] are an error.
    #[serde(default)]
    pub apart: BTreeMap<Currency, Vec<Date>>,
}

impl ReportQuery {
    /// Most [`Dated`] sums of all groups together: so many that what is converted by a rate a day fits for months of many
    /// rows and years of few.
    pub const fn max_dated(&self) -> usize {
        let most = self.max_groups.saturating_mul(8);
        if most < MIN_DATED { MIN_DATED } else { most }
    }

    /// From which of the days an amount of that day is summed apart; none: before the first. None at all: the currency is
    /// not summed apart.
    pub fn since(&self, currency: Currency, day: Date) -> Option<Option<Date>> {
        let days = self.apart.get(&currency)?;
        Some(days.partition_point(|from| *from <= day).checked_sub(1).map(|place| days[place]))
    }
}

/// [`ReportQuery::max_dated`] of reports of few groups.
const MIN_DATED: usize = 50_000;

const fn max_groups() -> usize {
    MAX_GROUPS
}

/// One group as a store returns it. Only groups in which something counts are returned; in the order of their keys
/// ([`key_order`]).
///
/// In sums of money a currency that is not summed apart stands if anything counted carries an amount in it, be the sum nought.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RawRow {
    /// The value of each dimension asked for, as it is in the event: texts that differ in case are two groups. Empty
    /// text: unknown; but a device type says `unknown`. Entities by id; `bot` is `true`/`false`; hour
    /// `2026-01-31T14:00+01:00`, day `2026-01-31`, week `2026-W05` (ISO, with the year the week belongs to), month
    /// `2026-01`, hour of day `14`, weekday `6 Sat`, in the query's zone. An hour that a clock change repeats is two
    /// groups: its offset differs.
    pub key: Vec<SmolStr>,
    /// All requests on tracking links: the sum of the next four.
    pub hits: u64,
    /// Visits of people that a stream took.
    pub clicks: u64,
    /// Requests of bots, whatever became of them (prefetches and HEAD excepted, which count there).
    pub bots: u64,
    /// Prefetches and HEAD requests, whatever became of them.
    pub prefetches: u64,
    /// Visits of people that no stream took: trafficback, not found, loop.
    pub trafficbacks: u64,
    /// Clicks (as above: no bots, no prefetches) of visitors new to the campaign.
    pub unique_campaign: u64,
    /// Clicks of visitors new to the stream.
    pub unique_stream: u64,
    /// Clicks of visitors new to the destination.
    pub unique_destination: u64,
    /// What visits of people cost, whatever became of them: of clicks and of trafficbacks.
    pub cost: BTreeMap<Currency, Total>,
    /// What the requests counted under `bots` would have cost: their `bot_cost`, or what stands as their cost in
    /// events of before there was one.
    pub bot_cost: BTreeMap<Currency, Total>,
    /// Visits of people whose link says a cost that is none: what they cost is not in `cost`, or the campaign's is.
    #[serde(default)]
    pub costs_refused: u64,
    /// Conversions now `lead`, and custom statuses.
    pub leads: u64,
    /// Conversions now `sale`.
    pub sales: u64,
    /// Conversions now `rejected`.
    pub rejected: u64,
    /// Conversions now `rebill`.
    pub rebills: u64,
    /// Revenue of leads and custom statuses.
    pub revenue_hold: BTreeMap<Currency, Total>,
    /// Revenue of sales and rebills.
    pub revenue_confirmed: BTreeMap<Currency, Total>,
    /// Money in the currencies that are summed apart, in the order of currencies and days; of each what anything counted
    /// carries an amount in.
    #[serde(default)]
    pub dated: Vec<Dated>,
}

/// Sums in one currency, from a day on until the next of [`ReportQuery::apart`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated {
    /// Which currency.
    pub currency: Currency,
    /// From which day on; none: before the first.
    pub since: Option<Date>,
    /// As [`RawRow::cost`].
    pub cost: Total,
    /// As [`RawRow::bot_cost`].
    pub bot_cost: Total,
    /// As [`RawRow::revenue_hold`].
    pub revenue_hold: Total,
    /// As [`RawRow::revenue_confirmed`].
    pub revenue_confirmed: Total,
}

impl Dated {
    /// Nothing yet.
    pub const fn new(currency: Currency, since: Option<Date>) -> Self {
        let none = Total::ZERO;
        Self { currency, since, cost: none, bot_cost: none, revenue_hold: none, revenue_confirmed: none }
    }
}
