//! From raw rows to a report. Every figure is exact until its one rounding, half to even, at the end.

use super::{Metric, RawRow, ReportQuery, Unit};
use crate::money::{Amount, Currency};
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
}

/// What is left out of the figures in one currency. Each by itself: what came in and what was paid do not add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LeftOut {
    /// On hold and confirmed.
    pub revenue: Amount,
    /// Of visits of people.
    pub cost: Amount,
    /// What bots would have cost.
    pub bot_cost: Amount,
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

/// Computes a report in `currency`. No rates are known yet: other currencies go to [`Report::unconverted`].
pub fn compute(query: ReportQuery, raw: &[RawRow], currency: Currency) -> Report {
    let mut all = Sums::default();
    let mut unconverted = BTreeMap::new();
    let mut rows = Vec::with_capacity(raw.len());
    for r in raw {
        let sums = Sums::of(r, currency, &mut unconverted);
        all.add(&sums);
        rows.push(Row { key: r.key.clone(), metrics: sums.metrics() });
    }
    let totals = Row { key: Vec::new(), metrics: all.metrics() };
    Report { query, currency, rows, totals, unconverted }
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
    fn of(row: &RawRow, currency: Currency, unconverted: &mut BTreeMap<Currency, LeftOut>) -> Self {
        let mut in_currency = |amounts: &BTreeMap<Currency, Amount>, of: fn(&mut LeftOut) -> &mut Amount| {
            for (other, amount) in amounts.iter().filter(|(c, a)| **c != currency && **a != Amount::ZERO) {
                *of(unconverted.entry(*other).or_default()) += *amount;
            }
            amounts.get(&currency).map_or(Decimal::ZERO, |a| a.to_decimal())
        };
        Self {
            counts: COUNTS.map(|(_, count)| Decimal::from(count(row))),
            hold: in_currency(&row.revenue_hold, |left| &mut left.revenue),
            confirmed: in_currency(&row.revenue_confirmed, |left| &mut left.revenue),
            cost: in_currency(&row.cost, |left| &mut left.cost),
            bot_cost: in_currency(&row.bot_cost, |left| &mut left.bot_cost),
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
fn ratio(part: Decimal, times: u32, whole: Decimal) -> Option<Decimal> {
    part.checked_mul(Decimal::from(times))?.checked_div(whole)
}

fn rounded(value: Decimal, unit: Unit) -> Decimal {
    let places = match unit {
        Unit::Count => 0,
        Unit::Money => 6,
        Unit::Percent => 2,
        Unit::Ratio => 4,
    };
    value.round_dp_with_strategy(places, RoundingStrategy::MidpointNearestEven).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, event::TestTraffic, report::Attribution};
    use proptest::prelude::*;

    fn query() -> ReportQuery {
        ReportQuery {
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            timezone: "UTC".to_owned(),
            dimensions: Vec::new(),
            filters: Vec::new(),
            attribution: Attribution::Click,
            test: TestTraffic::Exclude,
            max_groups: 10,
        }
    }

    fn currency(code: &str) -> Currency {
        code.parse().expect("a code")
    }

    fn usd(amount: &str) -> BTreeMap<Currency, Amount> {
        BTreeMap::from([(Currency::USD, amount.parse().expect("an amount"))])
    }

    fn texts(row: &Row) -> BTreeMap<&'static str, String> {
        row.metrics.iter().map(|(m, v)| (m.as_str(), v.to_string())).collect()
    }

    fn two_rows() -> [RawRow; 2] {
        [
            RawRow {
                key: vec!["US".into()],
                hits: 350,
                clicks: 300,
                bots: 40,
                prefetches: 6,
                trafficbacks: 4,
                unique_campaign: 240,
                unique_stream: 250,
                unique_destination: 260,
                cost: usd("15"),
                bot_cost: usd("2.5"),
                costs_refused: 3,
                leads: 5,
                sales: 9,
                rejected: 2,
                rebills: 1,
                revenue_hold: usd("10.50"),
                revenue_confirmed: usd("30.25"),
            },
            RawRow {
                key: vec!["DE".into()],
                hits: 100,
                clicks: 100,
                cost: usd("5"),
                sales: 1,
                revenue_confirmed: usd("1"),
                ..RawRow::default()
            },
        ]
    }

    #[test]
    fn every_formula_by_hand() {
        let report = compute(query(), &two_rows(), Currency::USD);
        // revenue 40.75, profit 25.75, confirmed profit 15.25, 15 conversions of which 10 confirmed, 16 judged.
        let want = [
            ("hits", "350"),
            ("clicks", "300"),
            ("unique_campaign", "240"),
            ("unique_stream", "250"),
            ("unique_destination", "260"),
            ("bots", "40"),
            ("prefetches", "6"),
            ("trafficbacks", "4"),
            ("conversions", "15"),
            ("leads", "5"),
            ("sales", "9"),
            ("rejected", "2"),
            ("rebills", "1"),
            ("revenue_hold", "10.5"),
            ("revenue_confirmed", "30.25"),
            ("revenue", "40.75"),
            ("cost", "15"),
            ("bot_cost", "2.5"),
            ("profit", "25.75"),
            ("profit_confirmed", "15.25"),
            ("roi", "171.67"),
            ("roi_confirmed", "101.67"),
            ("cr", "5"),
            ("cr_confirmed", "3.33"),
            ("approval_rate", "56.25"),
            ("epc", "0.135833"),
            ("epuc", "0.169792"),
            ("cpc", "0.05"),
            ("cpa", "1"),
            ("ecpm", "135.833333"),
            ("roas", "2.7167"),
        ];
        assert_eq!(want.len(), Metric::ALL.len());
        assert_eq!(texts(&report.rows[0]), want.map(|(m, v)| (m, v.to_owned())).into());
        // Ratios of the whole come from the sums: ROI is (41.75 − 20) / 20, not the mean of 171.67 and −80.
        let totals = texts(&report.totals);
        assert_eq!(texts(&report.rows[1])["roi"], "-80");
        for (metric, value) in [("clicks", "400"), ("revenue", "41.75"), ("roi", "108.75"), ("cr", "4")] {
            assert_eq!(totals[metric], value, "{metric}");
        }
        assert!(report.unconverted.is_empty());
    }

    #[test]
    fn a_ratio_without_a_denominator_is_absent() {
        let report = compute(query(), &[RawRow::default()], Currency::USD);
        let ratios: Vec<Metric> = Metric::ALL.iter().copied().filter(|m| !m.is_additive()).collect();
        assert_eq!(ratios.len(), 11);
        for m in Metric::ALL {
            let value = report.totals.metrics.get(m).copied();
            assert_eq!(value, (!ratios.contains(m)).then_some(Decimal::ZERO), "{m}");
        }
        // Free clicks with revenue have a profit but no ROI.
        let free = RawRow { clicks: 10, revenue_confirmed: usd("3"), ..RawRow::default() };
        let report = compute(query(), &[free], Currency::USD);
        let row = texts(&report.rows[0]);
        assert_eq!((row.get("roi"), row.get("roas"), row["profit"].as_str()), (None, None, "3"));
    }

    #[test]
    fn rounding_is_half_to_even() {
        for (part, whole, want) in
            [(1, 8000, "0.0001"), (3, 8000, "0.0004"), (5, 8000, "0.0006"), (1, 16000, "0.0001")]
        {
            let value = ratio(Decimal::from(part), 1, Decimal::from(whole)).expect("a value");
            assert_eq!(rounded(value, Unit::Ratio).to_string(), want, "{part}/{whole}");
        }
        assert_eq!(rounded("0.00015".parse().expect("decimal"), Unit::Ratio).to_string(), "0.0002");
        assert_eq!(rounded("0.00025".parse().expect("decimal"), Unit::Ratio).to_string(), "0.0002");
        assert_eq!(rounded("2.125".parse().expect("decimal"), Unit::Percent).to_string(), "2.12");
    }

    #[test]
    fn other_currencies_are_left_out_and_said() {
        let mut rows = two_rows();
        let eur = currency("EUR");
        rows[0].revenue_hold.insert(eur, "7".parse().expect("an amount"));
        rows[1].cost.insert(eur, "0.5".parse().expect("an amount"));
        rows[1].cost.insert(currency("GBP"), Amount::ZERO);
        let report = compute(query(), &rows, Currency::USD);
        let amount = |text: &str| text.parse::<Amount>().expect("an amount");
        let left = LeftOut { revenue: amount("7"), cost: amount("0.5"), bot_cost: Amount::ZERO };
        assert_eq!(report.unconverted, BTreeMap::from([(eur, left)]));
        assert_eq!(texts(&report.totals)["revenue"], "41.75");
        let in_eur = compute(query(), &rows, eur);
        assert_eq!(
            (texts(&in_eur.totals)["revenue"].as_str(), texts(&in_eur.totals)["cost"].as_str()),
            ("7", "0.5")
        );
        let left = LeftOut { revenue: amount("41.75"), cost: amount("20"), bot_cost: amount("2.5") };
        assert_eq!(in_eur.unconverted, BTreeMap::from([(Currency::USD, left)]));
    }

    #[test]
    fn rows_without_the_metric_sort_last_and_the_limit_keeps_the_totals() {
        let mut rows = two_rows().to_vec();
        rows.push(RawRow { key: vec!["FR".into()], ..RawRow::default() });
        let mut report = compute(query(), &rows, Currency::USD);
        let keys = |r: &Report| r.rows.iter().map(|r| r.key[0].to_string()).collect::<Vec<_>>();
        report.sort(Metric::Roi, false);
        assert_eq!(keys(&report), ["DE", "US", "FR"]);
        report.sort(Metric::Roi, true);
        assert_eq!(keys(&report), ["US", "DE", "FR"]);
        assert_eq!(report.limit(2), 1);
        assert_eq!((report.rows.len(), texts(&report.totals)["clicks"].as_str()), (2, "400"));
        assert_eq!(report.limit(2), 0);
    }

    #[test]
    fn figures_are_written_as_decimal_texts() {
        let report = compute(query(), &two_rows(), Currency::USD);
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["rows"][0]["metrics"]["revenue"], "40.75");
        assert_eq!(serde_json::from_value::<Report>(json).expect("reads back"), report);
    }

    fn raw_row() -> impl Strategy<Value = RawRow> {
        (prop::array::uniform12(any::<u64>()), prop::array::uniform4(any::<i64>()), any::<bool>()).prop_map(
            |(n, money, foreign)| {
                let code = if foreign { currency("EUR") } else { Currency::USD };
                let money = money.map(|m| BTreeMap::from([(code, Amount::from_micros(m))]));
                let [cost, bot_cost, revenue_hold, revenue_confirmed] = money;
                RawRow {
                    key: Vec::new(),
                    hits: n[0],
                    clicks: n[1],
                    bots: n[2],
                    prefetches: n[3],
                    trafficbacks: n[4],
                    unique_campaign: n[5],
                    unique_stream: n[6],
                    unique_destination: n[7],
                    leads: n[8],
                    sales: n[9],
                    rejected: n[10],
                    rebills: n[11],
                    cost,
                    bot_cost,
                    costs_refused: 0,
                    revenue_hold,
                    revenue_confirmed,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn totals_are_the_sum_of_the_rows(rows in prop::collection::vec(raw_row(), 0..20)) {
            let report = compute(query(), &rows, Currency::USD);
            for m in Metric::ALL.iter().filter(|m| m.is_additive()) {
                let sum: Decimal = report.rows.iter().map(|r| r.metrics[m]).sum();
                prop_assert_eq!(report.totals.metrics[m], sum, "{}", m);
            }
        }
    }
}
