//! Money: decimal, never binary floating point.

mod total;
mod written;

pub use total::Total;
pub use written::{AmountFormat, DecimalMark, Scale, Unclear, Written};

use crate::problem::Problems;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops, str::FromStr};

/// A currency's code in ISO 4217, `XTS` for tests among them. Input is upper-cased.
///
/// What a person or a network writes is parsed, and must be in the list ([`FromStr`]). What is stored is read as long as it
/// has the shape, three letters (serde, [`Currency::stored`]): it may be of before there was a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollar: the default of everything that has a currency.
    pub const USD: Self = Self(*b"USD");

    /// From what a store has.
    ///
    /// # Errors
    /// Not three letters.
    pub fn stored(text: &str) -> Result<Self, InvalidMoney> {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|l| l.is_ascii_alphabetic()) => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase(), c.to_ascii_uppercase()]))
            }
            _ => Err(InvalidMoney::Currency),
        }
    }

    /// Itself, if ISO 4217 lists it: what is saved must be a currency that there is.
    ///
    /// # Errors
    /// [`InvalidMoney::Unknown`]: ISO 4217 does not list it.
    pub fn known(self) -> Result<Self, InvalidMoney> {
        // XXX says that there is no currency.
        let is_money = self.as_str() != "XXX";
        let listed = iso_currency::Currency::from_code(self.as_str()).filter(|_| is_money);
        listed.map(|_| self).ok_or(InvalidMoney::Unknown)
    }

    /// Tells of a field whose currency is not in the list.
    pub(crate) fn check(self, path: &str, problems: &mut Problems) {
        if let Err(e) = self.known() {
            problems.add(path, format!("'{self}' {e}"));
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self::USD
    }
}

/// Why a text is not money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// Not a currency code.
    #[error("must be a currency code of three letters, such as USD")]
    Currency,
    /// Three letters that are none.
    #[error("is no currency of ISO 4217, such as USD")]
    Unknown,
    /// Not an amount.
    #[error("must be a decimal number, such as 12.50")]
    Amount,
    /// Out of range.
    #[error("must be between -1000000000 and 1000000000")]
    Range,
    /// Finer than a millionth, where nothing is rounded.
    #[error("must have at most six decimals")]
    Decimals,
}

impl FromStr for Currency {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        Self::stored(text)?.known()
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidMoney;

    fn try_from(text: String) -> Result<Self, InvalidMoney> {
        Self::stored(&text)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount in millionths of its currency's unit, within ±10⁹ units per input; [`Total`] is a sum of them.
///
/// What networks and links write finer is rounded half to even ([`FromStr`]); what a person sets is refused then
/// ([`Amount::exact`], serde). Six decimals hold a cost per click of a thousandth of a cent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(i64);

impl Amount {
    /// No money: 0.
    pub const ZERO: Self = Self(0);

    /// From millionths, as stores keep it.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// In millionths, as stores keep it.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// For arithmetic beyond sums.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, 6).normalize()
    }

    /// So many hundredths of it, rounded half to even to a millionth.
    #[must_use]
    pub fn percent(self, percent: Self) -> Self {
        let part = Decimal::from(self.0).saturating_mul(percent.to_decimal()) / Decimal::ONE_HUNDRED;
        let micros = part.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
        Self(i64::try_from(micros).unwrap_or(if self.0 < 0 { i64::MIN } else { i64::MAX }))
    }

    /// As it is written, or not at all: what is finer than a millionth is not rounded.
    ///
    /// # Errors
    /// As [`FromStr`], and [`InvalidMoney::Decimals`].
    pub fn exact(text: &str) -> Result<Self, InvalidMoney> {
        let value = Self::plain(text)?;
        let amount = Self::of(value)?;
        if value.normalize().scale() > 6 { Err(InvalidMoney::Decimals) } else { Ok(amount) }
    }

    /// A number with a point and nothing else in or around it.
    fn plain(text: &str) -> Result<Decimal, InvalidMoney> {
        if text.is_empty() || text.len() > 40 || text.contains('_') {
            return Err(InvalidMoney::Amount);
        }
        Decimal::from_str(text).map_err(|_| InvalidMoney::Amount)
    }

    /// A number as an amount, if it is not out of range.
    fn of(value: Decimal) -> Result<Self, InvalidMoney> {
        if value.abs() > Decimal::from(1_000_000_000) {
            return Err(InvalidMoney::Range);
        }
        let micros = (value * Decimal::from(1_000_000))
            .round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
        i64::try_from(micros).map(Self).map_err(|_| InvalidMoney::Range)
    }
}

impl FromStr for Amount {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        Self::of(Self::plain(text)?)
    }
}

impl TryFrom<String> for Amount {
    type Error = InvalidMoney;

    fn try_from(text: String) -> Result<Self, InvalidMoney> {
        Self::exact(&text)
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal().fmt(f)
    }
}

impl ops::Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl ops::Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, ops::Add::add)
    }
}

/// An amount with its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Money {
    /// Millionths of the currency's unit.
    pub amount: Amount,
    /// The currency of the amount, ISO 4217.
    pub currency: Currency,
}

impl fmt::Display for Money {
    /// Two decimals at least: `12.50 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = self.amount.to_decimal();
        write!(f, "{:.*} {}", amount.scale().max(2) as usize, amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_bounded() {
        let table =
            [("12.50", Ok("12.5")), ("0.0000005", Ok("0")), ("0.0000015", Ok("0.000002")), ("-3", Ok("-3"))];
        for (text, want) in table {
            assert_eq!(text.parse::<Amount>().map(|a| a.to_string()), want.map(str::to_owned), "{text}");
        }
        for bad in ["", "1,5", "NaN", "inf", "0x10", "1_000", "١٢", "1e400"] {
            assert_eq!(bad.parse::<Amount>(), Err(InvalidMoney::Amount), "{bad}");
        }
        assert_eq!("1000000001".parse::<Amount>(), Err(InvalidMoney::Range));
        for (text, want) in [("33.3333333", Err(InvalidMoney::Decimals)), ("0.0200000000", Ok("0.02"))] {
            assert_eq!(Amount::exact(text).map(|a| a.to_string()), want.map(str::to_owned), "{text}");
            let read = serde_json::from_value::<Amount>(text.into());
            assert_eq!(read.map_err(|e| e.to_string()).is_ok(), want.is_ok(), "{text}");
        }
        assert_eq!("usd".parse::<Currency>(), Ok(Currency::USD));
        for (amount, shown) in [("12.5", "12.50 USD"), ("-3", "-3.00 USD"), ("0.0042", "0.0042 USD")] {
            let amount = amount.parse().expect("an amount");
            assert_eq!(Money { amount, currency: Currency::USD }.to_string(), shown);
        }
        assert_eq!("US".parse::<Currency>(), Err(InvalidMoney::Currency));
    }

    #[test]
    fn a_currency_is_one_of_the_list_and_what_is_stored_stays_readable() {
        for code in
            ["USD", "eur", "JPY", "PLN", "XAU", "XTS", "UAH", "BRL", "INR", "VND", "NGN", "IDR", "TRY"]
        {
            assert_eq!(code.parse::<Currency>().map(|c| c.to_string()), Ok(code.to_uppercase()), "{code}");
        }
        for code in ["ZZZ", "ABC", "USB", "EUE", "RUR", "XXX"] {
            assert_eq!(code.parse::<Currency>(), Err(InvalidMoney::Unknown), "{code}");
            let stored: Currency = serde_json::from_value(code.into()).expect("readable");
            assert_eq!((stored.as_str(), Currency::stored(code)), (code, Ok(stored)));
        }
        for text in ["840", "EURO", "", "U D", "₿₿₿"] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidMoney::Currency), "{text}");
        }
    }
}
