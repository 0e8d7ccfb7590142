//! Sums of money: exact, and not bounded as one amount is.

use super::{Amount, InvalidMoney};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops, str::FromStr};

/// A sum of amounts, in millionths of their currency's unit.
///
/// One amount is within ±10⁹ units; a month of conversions in rupiah or dong is not. Sums are exact however many amounts
/// there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Total(i128);

impl Total {
    /// No money: 0.
    pub const ZERO: Self = Self(0);

    /// From millionths, as stores sum them.
    pub const fn from_micros(micros: i128) -> Self {
        Self(micros)
    }

    /// For arithmetic beyond sums: exact up to 22 digits before the point, beyond that the largest decimal there is.
    pub fn to_decimal(self) -> Decimal {
        let nearest = if self.0 < 0 { Decimal::MIN } else { Decimal::MAX };
        Decimal::try_from_i128_with_scale(self.0, 6).map_or(nearest, |sum| sum.normalize())
    }
}

impl From<Amount> for Total {
    fn from(amount: Amount) -> Self {
        Self(amount.micros().into())
    }
}

impl FromStr for Total {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let micros =
            Amount::plain(text)?.checked_mul(Decimal::from(1_000_000)).ok_or(InvalidMoney::Amount)?;
        i128::try_from(micros).map(Self).map_err(|_| InvalidMoney::Amount)
    }
}

impl TryFrom<String> for Total {
    type Error = InvalidMoney;

    fn try_from(text: String) -> Result<Self, InvalidMoney> {
        text.parse()
    }
}

impl From<Total> for String {
    fn from(total: Total) -> Self {
        total.to_string()
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal().fmt(f)
    }
}

impl<T: Into<Self>> ops::Add<T> for Total {
    type Output = Self;

    fn add(self, other: T) -> Self {
        Self(self.0.saturating_add(other.into().0))
    }
}

impl<T: Into<Self>> ops::AddAssign<T> for Total {
    fn add_assign(&mut self, other: T) {
        *self = *self + other;
    }
}

impl<T: Into<Self>> Sum<T> for Total {
    fn sum<I: Iterator<Item = T>>(iter: I) -> Self {
        iter.fold(Self::ZERO, ops::Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_exact_and_read_again_however_large_it_is() {
        let most: Amount = "1000000000".parse().expect("an amount");
        let least: Amount = "0.000001".parse().expect("an amount");
        let sum = std::iter::repeat_n(most, 10_000_000).sum::<Total>() + least;
        assert_eq!(sum.to_string(), "10000000000000000.000001");
        let text = serde_json::to_string(&sum).expect("JSON");
        assert_eq!(serde_json::from_str::<Total>(&text).expect("a sum"), sum);
        assert_eq!("-12.50".parse::<Total>().map(|sum| sum.to_string()), Ok("-12.5".to_owned()));
        assert_eq!(Total::from_micros(i128::MAX).to_decimal(), Decimal::MAX);
        for bad in ["", "1,5", "NaN", "x"] {
            assert_eq!(bad.parse::<Total>(), Err(InvalidMoney::Amount), "{bad}");
        }
    }
}
