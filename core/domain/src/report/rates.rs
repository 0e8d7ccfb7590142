//! What amounts in other currencies are worth in the one of a report, by the day on which they came to be.

use crate::{
    Date,
    money::{Currency, Total},
    rate::Rate,
};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Digits of a rate that is the inverse of one that was set.
const INVERSE_DIGITS: u32 = 15;

/// The rates to one currency.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rates {
    to: Currency,
    of: BTreeMap<Currency, Vec<Step>>,
}

/// A rate from its day until the next one of its currency.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    from: Date,
    rate: Decimal,
    inverse: bool,
}

/// Amounts that a report converted by one rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Converted {
    /// What they were in.
    pub currency: Currency,
    /// The first day on which the rate holds, in UTC.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Day"))]
    pub from: Date,
    /// The last one; none: there is no later rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Day>"))]
    pub until: Option<Date>,
    /// What one unit is in the report's currency.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::RateText"))]
    pub rate: Decimal,
    /// Whether it is 1 divided by the rate that was set, which is that of the opposite pair.
    pub inverse: bool,
    /// Revenue on hold and confirmed, as it came in.
    pub revenue: Total,
    /// What visits of people cost.
    pub cost: Total,
    /// What bots would have cost.
    pub bot_cost: Total,
}

impl Rates {
    /// No rates: nothing is converted.
    pub const fn none(to: Currency) -> Self {
        Self { to, of: BTreeMap::new() }
    }

    /// Of a table of rates those from and to this currency. A currency's own rate to it goes before the inverse of the
    /// opposite pair's, which holds on the days before the first own one. There are no ways over a third currency.
    pub fn new(to: Currency, table: &[Rate]) -> Self {
        let mut days = BTreeMap::<Currency, BTreeSet<Date>>::new();
        let (mut own, mut opposite) = (BTreeMap::new(), BTreeMap::new());
        for Rate { key, value } in table {
            let other = if key.to == to {
                own.insert((key.from, key.day), value.to_decimal());
                key.from
            } else if key.from == to {
                let inverse = Decimal::ONE.checked_div(value.to_decimal()).and_then(|rate| {
                    rate.round_sf_with_strategy(INVERSE_DIGITS, RoundingStrategy::MidpointNearestEven)
                });
                opposite.insert((key.to, key.day), inverse.unwrap_or_default().normalize());
                key.to
            } else {
                continue;
            };
            days.entry(other).or_default().insert(key.day);
        }
        let last = |table: &BTreeMap<(Currency, Date), Decimal>, of: Currency, day: Date| {
            table.range((of, Date::MIN)..=(of, day)).next_back().map(|(_, rate)| *rate)
        };
        let mut rates = Self::none(to);
        for (currency, days) in days {
            let mut steps: Vec<Step> = Vec::with_capacity(days.len());
            for from in days {
                let own = last(&own, currency, from).map(|rate| (rate, false));
                let held = own.or_else(|| last(&opposite, currency, from).map(|rate| (rate, true)));
                let Some((rate, inverse)) = held else { continue };
                // A rate that is set again as it was goes on.
                if steps.last().is_none_or(|step| (step.rate, step.inverse) != (rate, inverse)) {
                    steps.push(Step { from, rate, inverse });
                }
            }
            rates.of.insert(currency, steps);
        }
        rates
    }

    /// The currency that everything becomes.
    pub const fn to(&self) -> Currency {
        self.to
    }

    /// The days from which another rate holds, by currency, as [`super::ReportQuery::apart`] has them.
    pub fn days(&self) -> BTreeMap<Currency, Vec<Date>> {
        self.of.iter().map(|(of, steps)| (*of, steps.iter().map(|step| step.from).collect())).collect()
    }

    /// What holds from a day on that is one of [`Rates::days`], with no amounts yet.
    pub(super) fn since_day(&self, currency: Currency, day: Date) -> Option<Converted> {
        let steps = self.of.get(&currency)?;
        let place = steps.binary_search_by_key(&day, |step| step.from).ok()?;
        let Step { from, rate, inverse } = steps[place];
        let until = steps.get(place + 1).and_then(|next| next.from.yesterday().ok());
        let (revenue, cost, bot_cost) = Default::default();
        Some(Converted { currency, from, until, rate, inverse, revenue, cost, bot_cost })
    }
}

impl Converted {
    /// What an amount becomes: exact, but for what has more than 28 digits.
    pub(super) fn of(&self, amount: Total) -> Decimal {
        let nearest = if amount < Total::ZERO { Decimal::MIN } else { Decimal::MAX };
        amount.to_decimal().checked_mul(self.rate).unwrap_or(nearest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        let parts: Vec<&str> = text.split(' ').collect();
        let key = crate::rate::WrittenKey { from: parts[0], to: parts[1], day: parts[2] };
        let key = key.read("", &mut crate::problem::Problems::default()).expect("a pair");
        Rate { key, value: parts[3].parse().expect("a rate") }
    }

    #[test]
    fn own_rates_go_before_inverse_ones_and_nothing_goes_over_a_third_currency() {
        let table = [
            rate("USD EUR 2026-01-01 0.9"),
            rate("USD EUR 2026-01-03 0.8"),
            rate("EUR USD 2026-01-05 1.2"),
            rate("EUR USD 2026-01-06 1.2"),
            rate("USD EUR 2026-01-07 0.7"),
            rate("JPY EUR 2026-01-01 0.006"),
        ];
        let rates = Rates::new(Currency::USD, &table);
        let eur: Currency = "EUR".parse().expect("a code");
        let days = |texts: &[&str]| texts.iter().map(|t| t.parse().expect("a day")).collect::<Vec<Date>>();
        assert_eq!(rates.days(), BTreeMap::from([(eur, days(&["2026-01-01", "2026-01-03", "2026-01-05"]))]));
        let told = |day: &str| {
            let at = rates.since_day(eur, day.parse().expect("a day")).expect("a rate");
            (at.rate.to_string(), at.inverse, at.until.map(|d| d.to_string()))
        };
        assert_eq!(told("2026-01-01"), ("1.11111111111111".to_owned(), true, Some("2026-01-02".to_owned())));
        assert_eq!(told("2026-01-03"), ("1.25".to_owned(), true, Some("2026-01-04".to_owned())));
        assert_eq!(told("2026-01-05"), ("1.2".to_owned(), false, None));
        assert_eq!(rates.since_day(eur, "2026-01-02".parse().expect("a day")), None);
    }
}
