//! From raw rows to a report. Every figure is exact until its one rounding, half to even, at the end.

use super::{Converted, Dated, Metric, Rates, RawRow, ReportQuery, Unit};
use crate::{
    Date,
    money::{Currency, Total},
};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{cmp::Ordering, collections::BTreeMap};

/// One row: its key and the value of each metric; a ratio without a denominator is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// As in [`RawRow::key`].
    pub key: Vec<SmolStr>,
    /// Decimal texts by metric.
    pub metrics: BTreeMap<Metric, Decimal>,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was asked.
    pub query: ReportQuery,
    /// Of all amounts.
    pub currency: Currency,
    /// The rows, in the store's order of keys until sorted.
    pub rows: Vec<Row>,
    /// The same over all rows: computed from their raw sums, so that a ratio is not an average of ratios.
    pub totals: Row,
    /// Amounts in other currencies for which there is no rate: left out of the figures, said here.
    pub unconverted: BTreeMap<Currency, LeftOut>,
    /// Amounts in other currencies for which there is one, by currency and rate: they are in the figures.
    pub converted: Vec<Converted>,
}

/// What is left out of the figures in one currency. Each by itself: what came in and what was paid do not add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LeftOut {
    /// On hold and confirmed.
    pub revenue: Total,
    /// Of visits of people.
    pub cost: Total,
    /// What bots would have cost.
    pub bot_cost: Total,
}

impl Report {
    /// Orders the rows by a metric. Rows in which it is absent come last either way; equal rows keep their order.
    pub fn sort(&mut self, metric: Metric, descending: bool) {
        let value = |row: &Row| row.metrics.get(&metric).copied();
        self.rows.sort_by(|a, b| match (value(a), value(b)) {
            (Some(a), Some(b)) if descending => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
    }

    /// Keeps the first `rows` rows and says how many were left out. The totals stay those of all rows.
    pub fn limit(&mut self, rows: usize) -> usize {
        let left_out = self.rows.len().saturating_sub(rows);
        self.rows.truncate(rows);
        left_out
    }
}

/// Computes a report in the currency of the rates. What there is no rate for goes to [`Report::unconverted`]. The rows are
/// those of a query whose [`ReportQuery::apart`] is [`Rates::days`].
pub fn compute(query: ReportQuery, raw: &[RawRow], rates: &Rates) -> Report {
    let currency = rates.to();
    let mut all = Sums::default();
    let mut others = Others { rates, unconverted: BTreeMap::new(), converted: BTreeMap::new() };
    let mut rows = Vec::with_capacity(raw.len());
    for r in raw {
        let sums = Sums::of(r, &mut others);
        all.add(&sums);
        rows.push(Row { key: r.key.clone(), metrics: sums.metrics() });
    }
    let totals = Row { key: Vec::new(), metrics: all.metrics() };
    let (unconverted, converted) = (others.unconverted, others.converted.into_values().collect());
    Report { query, currency, rows, totals, unconverted, converted }
}

/// What becomes of amounts in other currencies.
struct Others<'r> {
    rates: &'r Rates,
    unconverted: BTreeMap<Currency, LeftOut>,
    converted: BTreeMap<(Currency, Date), Converted>,
}

impl Others<'_> {
    /// The rate of a currency that holds from a day on, with what was converted by it so far.
    fn converted(&mut self, currency: Currency, since: Date) -> Option<&mut Converted> {
        use std::collections::btree_map::Entry;
        match self.converted.entry((currency, since)) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(new) => Some(new.insert(self.rates.since_day(currency, since)?)),
        }
    }
}

/// What all metrics are made of. Decimals hold 28 digits, so that sums of any real size are exact; beyond that
/// they saturate.
#[derive(Debug, Default)]
struct Sums {
    /// In the order of [`COUNTS`].
    counts: [Decimal; COUNTS.len()],
    hold: Decimal,
    confirmed: Decimal,
    cost: Decimal,
    bot_cost: Decimal,
}

/// Takes one count out of a row.
type Count = fn(&RawRow) -> u64;

/// The counts a store returns.
const COUNTS: [(Metric, Count); 12] = [
    (Metric::Hits, |r| r.hits),
    (Metric::Clicks, |r| r.clicks),
    (Metric::UniqueCampaign, |r| r.unique_campaign),
    (Metric::UniqueStream, |r| r.unique_stream),
    (Metric::UniqueDestination, |r| r.unique_destination),
    (Metric::Bots, |r| r.bots),
    (Metric::Prefetches, |r| r.prefetches),
    (Metric::Trafficbacks, |r| r.trafficbacks),
    (Metric::Leads, |r| r.leads),
    (Metric::Sales, |r| r.sales),
    (Metric::Rejected, |r| r.rejected),
    (Metric::Rebills, |r| r.rebills),
];

impl Sums {
    fn of(row: &RawRow, others: &mut Others<'_>) -> Self {
        let currency = others.rates.to();
        let mut in_currency = |amounts: &BTreeMap<Currency, Total>, of: fn(&mut LeftOut) -> &mut Total| {
            for (other, amount) in amounts.iter().filter(|(c, a)| **c != currency && **a != Total::ZERO) {
                *of(others.unconverted.entry(*other).or_default()) += *amount;
            }
            amounts.get(&currency).map_or(Decimal::ZERO, |a| a.to_decimal())
        };
        let mut sums = Self {
            counts: COUNTS.map(|(_, count)| Decimal::from(count(row))),
            hold: in_currency(&row.revenue_hold, |left| &mut left.revenue),
            confirmed: in_currency(&row.revenue_confirmed, |left| &mut left.revenue),
            cost: in_currency(&row.cost, |left| &mut left.cost),
            bot_cost: in_currency(&row.bot_cost, |left| &mut left.bot_cost),
        };
        for dated in &row.dated {
            sums.convert(dated, others);
        }
        sums
    }

    /// Adds what was summed apart, if there is a rate; each sum is converted once.
    fn convert(&mut self, dated: &Dated, others: &mut Others<'_>) {
        let revenue = dated.revenue_hold + dated.revenue_confirmed;
        if [revenue, dated.cost, dated.bot_cost, dated.revenue_hold] == [Total::ZERO; 4] {
            return;
        }
        if let Some(rate) = dated.since.and_then(|since| others.converted(dated.currency, since)) {
            rate.revenue += revenue;
            rate.cost += dated.cost;
            rate.bot_cost += dated.bot_cost;
            self.hold = self.hold.saturating_add(rate.of(dated.revenue_hold));
            self.confirmed = self.confirmed.saturating_add(rate.of(dated.revenue_confirmed));
            self.cost = self.cost.saturating_add(rate.of(dated.cost));
            self.bot_cost = self.bot_cost.saturating_add(rate.of(dated.bot_cost));
        } else {
            let left = others.unconverted.entry(dated.currency).or_default();
            left.revenue += revenue;
            left.cost += dated.cost;
            left.bot_cost += dated.bot_cost;
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum = sum.saturating_add(count);
        }
        self.hold = self.hold.saturating_add(other.hold);
        self.confirmed = self.confirmed.saturating_add(other.confirmed);
        self.cost = self.cost.saturating_add(other.cost);
        self.bot_cost = self.bot_cost.saturating_add(other.bot_cost);
    }

    fn metrics(&self) -> BTreeMap<Metric, Decimal> {
        let count =
            |metric| COUNTS.iter().position(|(m, _)| *m == metric).map_or(Decimal::ZERO, |i| self.counts[i]);
        let (clicks, leads, sales) = (count(Metric::Clicks), count(Metric::Leads), count(Metric::Sales));
        let confirmed_conversions = sales.saturating_add(count(Metric::Rebills));
        let conversions = confirmed_conversions.saturating_add(leads);
        let judged = sales.saturating_add(leads).saturating_add(count(Metric::Rejected));
        let (hold, confirmed, cost) = (self.hold, self.confirmed, self.cost);
        let revenue = hold.saturating_add(confirmed);
        let profit = revenue.saturating_sub(cost);
        let profit_confirmed = confirmed.saturating_sub(cost);

        let mut out: BTreeMap<Metric, Decimal> = COUNTS.iter().map(|(m, _)| *m).zip(self.counts).collect();
        let mut put = |metric: Metric, value: Option<Decimal>| {
            if let Some(value) = value {
                out.insert(metric, rounded(value, metric.unit()));
            }
        };
        put(Metric::Conversions, Some(conversions));
        put(Metric::RevenueHold, Some(hold));
        put(Metric::RevenueConfirmed, Some(confirmed));
        put(Metric::Revenue, Some(revenue));
        put(Metric::Cost, Some(cost));
        put(Metric::BotCost, Some(self.bot_cost));
        put(Metric::Profit, Some(profit));
        put(Metric::ProfitConfirmed, Some(profit_confirmed));
        put(Metric::Roi, ratio(profit, 100, cost));
        put(Metric::RoiConfirmed, ratio(profit_confirmed, 100, cost));
        put(Metric::Cr, ratio(conversions, 100, clicks));
        put(Metric::CrConfirmed, ratio(confirmed_conversions, 100, clicks));
        put(Metric::ApprovalRate, ratio(sales, 100, judged));
        put(Metric::Epc, ratio(revenue, 1, clicks));
        put(Metric::Epuc, ratio(revenue, 1, count(Metric::UniqueCampaign)));
        put(Metric::Cpc, ratio(cost, 1, clicks));
        put(Metric::Cpa, ratio(cost, 1, conversions));
        put(Metric::Ecpm, ratio(revenue, 1000, clicks));
        put(Metric::Roas, ratio(revenue, 1, cost));
        out
    }
}

/// `part × times / whole`; absent for nothing to divide by (and for what no report can hold).
pub(super) fn ratio(part: Decimal, times: u32, whole: Decimal) -> Option<Decimal> {
    part.checked_mul(Decimal::from(times))?.checked_div(whole)
}

pub(super) fn rounded(value: Decimal, unit: Unit) -> Decimal {
    let places = match unit {
        Unit::Count => 0,
        Unit::Money => 6,
        Unit::Percent => 2,
        Unit::Ratio => 4,
    };
    value.round_dp_with_strategy(places, RoundingStrategy::MidpointNearestEven).normalize()
}
