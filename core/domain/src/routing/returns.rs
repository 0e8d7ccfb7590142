//! What destinations brought, out of the report's rows, for `select: roi`.

use super::Roi;
use crate::{
    id::DestinationId,
    money::{Amount, Currency},
    report::{LeftOut, RawRow},
};
use std::collections::BTreeMap;

/// What each destination brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Returns {
    /// By destination; one that is not here brought nothing that is known.
    pub of: Vec<(DestinationId, Roi)>,
    /// Of all amounts; none when there are no amounts.
    pub currency: Option<Currency>,
    /// Amounts in other currencies, which count for nothing.
    pub left_out: BTreeMap<Currency, LeftOut>,
}

impl Returns {
    /// Out of rows whose only dimension is the destination. Revenue is what is held and what is confirmed.
    ///
    /// All amounts must be of one currency to be compared. It is the one in which most destinations have an amount, of
    /// several the first by its code.
    pub fn of(rows: &[RawRow]) -> Self {
        let sums = |row: &RawRow| {
            let mut sums = BTreeMap::<Currency, (Amount, Amount)>::new();
            for (currency, amount) in row.revenue_hold.iter().chain(&row.revenue_confirmed) {
                sums.entry(*currency).or_default().0 += *amount;
            }
            for (currency, amount) in &row.cost {
                sums.entry(*currency).or_default().1 += *amount;
            }
            sums.retain(|_, sums| *sums != (Amount::ZERO, Amount::ZERO));
            sums
        };
        let rows: Vec<_> = rows
            .iter()
            .filter_map(|row| Some((row.key.first()?.parse().ok()?, row.clicks, sums(row))))
            .collect();
        let mut having = BTreeMap::<Currency, usize>::new();
        for currency in rows.iter().flat_map(|(_, _, sums)| sums.keys()) {
            *having.entry(*currency).or_default() += 1;
        }
        // Of several that are the most, `max_by_key` gives the last.
        let currency = having.iter().rev().max_by_key(|(_, destinations)| **destinations).map(|(c, _)| *c);
        let mut returns = Self { currency, ..Self::default() };
        for (destination, clicks, sums) in rows {
            let mut roi = Roi { clicks, ..Roi::default() };
            for (other, (revenue, cost)) in sums {
                if Some(other) == currency {
                    (roi.revenue, roi.cost) = (units(revenue), units(cost));
                } else {
                    let left = returns.left_out.entry(other).or_default();
                    left.revenue += revenue;
                    left.cost += cost;
                }
            }
            returns.of.push((destination, roi));
        }
        returns
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "only the order of returns matters, and 2^53 millionths are exact"
)]
fn units(amount: Amount) -> f64 {
    amount.micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(of: &[(&str, &str)]) -> BTreeMap<Currency, Amount> {
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

    #[test]
    fn revenue_is_what_is_held_and_confirmed_in_the_currency_most_have() {
        let nowhere =
            RawRow { key: vec!["".into()], clicks: 9, cost: amounts(&[("GBP", "9")]), ..RawRow::default() };
        let returns = Returns::of(&[
            nowhere,
            row(1, 10, &[("USD", "1.5")], &[("USD", "2.25"), ("EUR", "3")], &[("USD", "0.5")]),
            row(2, 20, &[], &[("EUR", "40")], &[]),
            row(3, 30, &[], &[], &[("USD", "0.000001"), ("EUR", "0")]),
            row(4, 40, &[], &[("EUR", "-2")], &[("EUR", "1")]),
        ]);
        let brought = |clicks, revenue, cost| Roi { clicks, revenue, cost };
        let want = [
            (id(1), brought(10, 3.0, 0.0)),
            (id(2), brought(20, 40.0, 0.0)),
            (id(3), brought(30, 0.0, 0.0)),
            (id(4), brought(40, -2.0, 1.0)),
        ];
        assert_eq!(returns.of, want);
        assert_eq!(returns.currency, "EUR".parse().ok());
        let amount = |text: &str| text.parse().expect("amount");
        let usd = LeftOut { revenue: amount("3.75"), cost: amount("0.500001"), ..LeftOut::default() };
        assert_eq!(returns.left_out, BTreeMap::from([(Currency::USD, usd)]));
    }

    #[test]
    fn of_as_many_the_first_by_code_counts_and_nothing_is_nothing() {
        let two = [row(1, 1, &[("USD", "1")], &[], &[]), row(2, 1, &[("EUR", "1")], &[], &[])];
        assert_eq!(Returns::of(&two).currency, "EUR".parse().ok());
        assert_eq!(Returns::of(&[]), Returns::default());
        let free = Returns::of(&[row(1, 5, &[], &[], &[])]);
        assert_eq!((free.currency, free.of), (None, vec![(id(1), Roi { clicks: 5, ..Roi::default() })]));
    }
}
