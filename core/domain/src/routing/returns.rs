//! What destinations brought, out of the report's rows, for `select: roi`.

use super::Roi;
use crate::{
    id::DestinationId,
    money::{Currency, Total},
    report::{LeftOut, Metric, RawRow, Report},
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use std::collections::{BTreeMap, BTreeSet};

/// What each destination brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Returns {
    /// By destination; one that is not here brought nothing that is known.
    pub of: Vec<(DestinationId, Roi)>,
    /// Amounts in currencies that there is no rate for, which count for nothing.
    pub left_out: BTreeMap<Currency, LeftOut>,
}

impl Returns {
    /// Of rows by destination the currency in which to compare them: the one in which most have an amount, of several the
    /// first by its code; and whether there are others. None: there are no amounts.
    pub fn currency(rows: &[RawRow]) -> Option<(Currency, bool)> {
        let of_a_row = |row: &RawRow| -> BTreeSet<Currency> {
            let mut sums = BTreeMap::<Currency, (Total, Total)>::new();
            for (currency, amount) in row.revenue_hold.iter().chain(&row.revenue_confirmed) {
                sums.entry(*currency).or_default().0 += *amount;
            }
            for (currency, amount) in &row.cost {
                sums.entry(*currency).or_default().1 += *amount;
            }
            sums.retain(|_, sums| *sums != (Total::ZERO, Total::ZERO));
            sums.into_keys().collect()
        };
        let mut having = BTreeMap::<Currency, usize>::new();
        for currency in rows.iter().filter(|row| destination(&row.key).is_some()).flat_map(of_a_row) {
            *having.entry(currency).or_default() += 1;
        }
        // Of several that are the most, `max_by_key` gives the last.
        let most = having.iter().rev().max_by_key(|(_, destinations)| **destinations)?;
        Some((*most.0, having.len() > 1))
    }

    /// Out of a report whose only dimension is the destination. Revenue is what is held and what is confirmed.
    pub fn of(report: Report) -> Self {
        let figure =
            |metrics: &BTreeMap<Metric, Decimal>, metric| metrics.get(&metric).copied().unwrap_or_default();
        let brought = |metrics: &BTreeMap<Metric, Decimal>| Roi {
            clicks: figure(metrics, Metric::Clicks).to_u64().unwrap_or(u64::MAX),
            revenue: units(figure(metrics, Metric::Revenue)),
            cost: units(figure(metrics, Metric::Cost)),
        };
        let rows = report.rows.iter();
        let of = rows.filter_map(|row| Some((destination(&row.key)?, brought(&row.metrics)))).collect();
        Self { of, left_out: report.unconverted }
    }
}

fn destination(key: &[smol_str::SmolStr]) -> Option<DestinationId> {
    key.first()?.parse().ok()
}

/// Only the order of returns matters.
fn units(amount: Decimal) -> f64 {
    amount.to_f64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        event::TestTraffic,
        report::{Attribution, Dimension, Rates, ReportQuery, compute},
    };

    fn amounts(of: &[(&str, &str)]) -> BTreeMap<Currency, Total> {
        of.iter().map(|(c, a)| (c.parse().expect("currency"), a.parse().expect("amount"))).collect()
    }

    fn row(
        n: u8,
        clicks: u64,
        hold: &[(&str, &str)],
        confirmed: &[(&str, &str)],
        cost: &[(&str, &str)],
    ) -> RawRow {
        RawRow {
            key: vec![id(n).as_str().into()],
            clicks,
            hits: clicks + 7,
            cost: amounts(cost),
            revenue_hold: amounts(hold),
            revenue_confirmed: amounts(confirmed),
            ..RawRow::default()
        }
    }

    fn id(n: u8) -> DestinationId {
        format!("dst_{n:019}").parse().expect("id")
    }

    fn returns(rows: &[RawRow]) -> Returns {
        let query = ReportQuery {
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            timezone: "UTC".to_owned(),
            dimensions: vec![Dimension::Destination],
            filters: Vec::new(),
            attribution: Attribution::Click,
            test: TestTraffic::Exclude,
            max_groups: 10,
            apart: BTreeMap::new(),
        };
        let (currency, _) = Returns::currency(rows).unwrap_or_default();
        Returns::of(compute(query, rows, &Rates::none(currency)))
    }

    #[test]
    fn revenue_is_what_is_held_and_confirmed_in_the_currency_most_have() {
        let nowhere =
            RawRow { key: vec!["".into()], clicks: 9, cost: amounts(&[("EUR", "9")]), ..RawRow::default() };
        let rows = [
            nowhere,
            row(1, 10, &[("USD", "1.5")], &[("USD", "2.25"), ("EUR", "3")], &[("USD", "0.5")]),
            row(2, 20, &[], &[("EUR", "40")], &[]),
            row(3, 30, &[], &[], &[("USD", "0.000001"), ("EUR", "0")]),
            row(4, 40, &[], &[("EUR", "-2")], &[("EUR", "1")]),
        ];
        let brought = |clicks, revenue, cost| Roi { clicks, revenue, cost };
        let want = [
            (id(1), brought(10, 3.0, 0.0)),
            (id(2), brought(20, 40.0, 0.0)),
            (id(3), brought(30, 0.0, 0.0)),
            (id(4), brought(40, -2.0, 1.0)),
        ];
        let got = returns(&rows);
        assert_eq!(got.of, want);
        assert_eq!(Returns::currency(&rows), "EUR".parse().ok().map(|eur| (eur, true)));
        let amount = |text: &str| text.parse().expect("amount");
        let usd = LeftOut { revenue: amount("3.75"), cost: amount("0.500001"), ..LeftOut::default() };
        assert_eq!(got.left_out, BTreeMap::from([(Currency::USD, usd)]));
    }

    #[test]
    fn of_as_many_the_first_by_code_counts_and_nothing_is_nothing() {
        let two = [row(1, 1, &[("USD", "1")], &[], &[]), row(2, 1, &[("EUR", "1")], &[], &[])];
        assert_eq!(Returns::currency(&two), "EUR".parse().ok().map(|eur| (eur, true)));
        assert_eq!((Returns::currency(&[]), returns(&[])), (None, Returns::default()));
        let free = [row(1, 5, &[], &[], &[])];
        assert_eq!(Returns::currency(&free), None);
        assert_eq!(returns(&free).of, [(id(1), Roi { clicks: 5, ..Roi::default() })]);
    }
}
