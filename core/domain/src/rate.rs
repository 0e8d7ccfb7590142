//! Rates of currencies as people set them: what one unit of a currency is worth in another, from a day on. How reports
//! use them is in [`crate::report`].

use crate::{Date, money::Currency, problem::Problems};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Most rates that are changed at once.
pub const MOST_AT_ONCE: usize = 10_000;

/// Decimals of a rate.
const DECIMALS: u32 = 12;
/// The first and the last day from which a rate may hold.
const DAYS: [Date; 2] = [Date::constant(1970, 1, 1), Date::constant(2099, 12, 31)];

/// From which currency to which, and from which day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RateKey {
    /// What is converted.
    pub from: Currency,
    /// What it becomes.
    pub to: Currency,
    /// The first day on which it holds, in UTC; it holds until the pair's next one.
    pub day: Date,
}

impl RateKey {
    /// The pair, as people and the audit log name it.
    pub fn pair(&self) -> String {
        format!("{}/{}", self.from, self.to)
    }

    /// Of its name, as stores keep it.
    pub fn stored(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '/');
        let mut next = || parts.next();
        let (from, to, day) = (next()?, next()?, next()?);
        let currency = |text| Currency::stored(text).ok();
        Some(Self { from: currency(from)?, to: currency(to)?, day: day.parse().ok()? })
    }
}

impl fmt::Display for RateKey {
    /// `EUR/USD/2026-01-31`: names sort by pair and day.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.from, self.to, self.day)
    }
}

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// From which currency to which, and from which day on.
    pub key: RateKey,
    /// How much of `to` one unit of `from` is.
    pub value: RateValue,
}

/// How much of a currency one unit of another is: above 0 and up to 10⁹, to twelve decimals. What is finer is rounded half
/// to even.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RateValue(Decimal);

/// Why a text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRate {
    /// It is no number.
    #[error("must be a decimal number, such as 1.0842")]
    Number,
    /// It is one that no rate can be.
    #[error("must be above 0 and at most 1000000000, and has twelve decimals at the most")]
    Range,
}

impl RateValue {
    /// For arithmetic.
    pub const fn to_decimal(self) -> Decimal {
        self.0
    }
}

impl FromStr for RateValue {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        if text.is_empty() || text.len() > 40 || text.contains('_') {
            return Err(InvalidRate::Number);
        }
        let value = Decimal::from_str(text).map_err(|_| InvalidRate::Number)?;
        let value = value.round_dp_with_strategy(DECIMALS, RoundingStrategy::MidpointNearestEven).normalize();
        match value > Decimal::ZERO && value <= Decimal::from(1_000_000_000) {
            true => Ok(Self(value)),
            false => Err(InvalidRate::Range),
        }
    }
}

impl TryFrom<String> for RateValue {
    type Error = InvalidRate;

    fn try_from(text: String) -> Result<Self, InvalidRate> {
        text.parse()
    }
}

impl From<RateValue> for String {
    fn from(value: RateValue) -> Self {
        value.to_string()
    }
}

impl fmt::Display for RateValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A day as people write it, `2026-01-31`.
///
/// # Errors
/// What a day looks like.
pub fn day(text: &str) -> Result<Date, &'static str> {
    let must = "must be a day from 1970-01-01 to 2099-12-31, such as 2026-01-31";
    let day: Date = text.parse().map_err(|_| must)?;
    let written = day.to_string() == text && (DAYS[0]..=DAYS[1]).contains(&day);
    if written { Ok(day) } else { Err(must) }
}

/// What a rate is said with, before it is known to be one.
#[derive(Debug, Clone, Copy)]
pub struct WrittenKey<'t> {
    /// A currency's code.
    pub from: &'t str,
    /// Another one's.
    pub to: &'t str,
    /// The first day.
    pub day: &'t str,
}

impl WrittenKey<'_> {
    /// Reads it; what is wrong is added to the problems, each under `path` and its own name.
    pub fn read(self, path: &str, problems: &mut Problems) -> Option<RateKey> {
        let mut currency = |name: &str, text: &str| {
            let read = text.parse::<Currency>();
            read.map_err(|e| problems.add(format!("{path}{name}"), format!("'{}' {e}", shown(text)))).ok()
        };
        let (from, to) = (currency("from", self.from), currency("to", self.to));
        let day = day(self.day);
        let day = day.map_err(|e| problems.add(format!("{path}day"), format!("'{}' {e}", shown(self.day))));
        if from.is_some() && from == to {
            problems.add(format!("{path}to"), "must be another currency than from");
            return None;
        }
        Some(RateKey { from: from?, to: to?, day: day.ok()? })
    }
}

/// Reads a rate's value; what is wrong is added to the problems, under `path`.
pub fn read_value(text: &str, path: &str, problems: &mut Problems) -> Option<RateValue> {
    text.parse().map_err(|e| problems.add(path, format!("'{}' {e}", shown(text)))).ok()
}

/// As much of a text as a message has room for.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_decimal_number_within_bounds() {
        let table = [
            ("1.10", Ok("1.1")),
            ("0.000000000001", Ok("0.000000000001")),
            ("0.1234567890125", Ok("0.123456789012")),
            ("1000000000", Ok("1000000000")),
            ("0.0000000000001", Err(InvalidRate::Range)),
            ("0", Err(InvalidRate::Range)),
            ("-1.1", Err(InvalidRate::Range)),
            ("1000000000.1", Err(InvalidRate::Range)),
            ("1,1", Err(InvalidRate::Number)),
            ("1.6e2", Ok("160")),
            ("", Err(InvalidRate::Number)),
            ("NaN", Err(InvalidRate::Number)),
            ("1_0", Err(InvalidRate::Number)),
        ];
        for (text, want) in table {
            assert_eq!(text.parse::<RateValue>().map(|r| r.to_string()), want.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn every_problem_of_a_rate_is_told_at_once() {
        for text in
            ["2026-1-31", "20260131", "2026-02-30", "2026-01-31T00:00", "1969-12-31", "2100-01-01", ""]
        {
            assert!(day(text).is_err(), "{text}");
        }
        let mut problems = Problems::default();
        let bad = WrittenKey { from: "EUX", to: "dollar", day: "today" };
        assert_eq!(bad.read("rates[3].", &mut problems), None);
        let same = WrittenKey { from: "usd", to: "USD", day: "2026-01-31" };
        assert_eq!(same.read("", &mut problems), None);
        let told = problems.to_string();
        for part in ["rates[3].from", "rates[3].to", "rates[3].day", "another currency than from"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
