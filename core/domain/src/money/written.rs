//! Amounts as networks write them: which mark is the decimal one, what stands around the number, and what it is scaled by.
//!
//! Nothing is guessed: what may be two amounts, or of two currencies, is refused by name. Without a format an amount is
//! what [`Amount`] reads: a point, no separators of thousands, nothing around it.

use super::{Amount, Currency, InvalidMoney};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest amount that is read, in bytes.
const LONGEST: usize = 64;

/// Which mark stands before the decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DecimalMark {
    /// `1,234.50`
    Point,
    /// `1.234,50`
    Comma,
    /// Whichever the amount shows; `1.234` may be two amounts and is refused.
    Auto,
}

impl DecimalMark {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Point, Self::Comma, Self::Auto];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Comma => "comma",
            Self::Auto => "auto",
        }
    }
}

/// What a network's number is multiplied by: `0.01` for cents, `0.05` where the sum is sent and a twentieth is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scale(Decimal);

impl FromStr for Scale {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be a decimal number above 0 and up to 1000, such as 0.01 for cents";
        if text.len() > 20 || text.contains(['_', 'e', 'E']) {
            return Err(WRONG);
        }
        let scale = Decimal::from_str(text).map_err(|_| WRONG)?;
        if scale > Decimal::ZERO && scale <= Decimal::ONE_THOUSAND { Ok(Self(scale)) } else { Err(WRONG) }
    }
}

impl Scale {
    /// Whether something is left of an amount of 0.01.
    pub(crate) fn is_of_use(self) -> bool {
        self.0 >= Decimal::new(1, 4)
    }
}

impl TryFrom<String> for Scale {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}

impl From<Scale> for String {
    fn from(scale: Scale) -> Self {
        scale.to_string()
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.normalize().fmt(f)
    }
}

/// How a network writes its amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AmountFormat {
    /// The decimal mark; with one, separators of thousands and currencies around the number are understood.
    pub decimal: Option<DecimalMark>,
    /// What the number is multiplied by.
    pub scale: Option<Scale>,
}

/// An amount that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The amount, scaled.
    pub amount: Amount,
    /// Of what it may be, as said around the number: `EUR` of `€ 5`, several of `$5`; empty when nothing is said.
    pub currencies: Vec<Currency>,
}

/// Why a text is no amount as this network writes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// As without a format.
    #[error(transparent)]
    Invalid(#[from] InvalidMoney),
    /// Digits of another script.
    #[error("must be written with the digits 0 to 9")]
    Digits,
    /// Separators that make no groups of three.
    #[error(
        "must have {decimal} before its decimals and groups of three digits before it, such as {such_as}"
    )]
    Groups {
        /// The decimal mark.
        decimal: &'static str,
        /// An amount so written.
        such_as: &'static str,
    },
    /// Marks of which neither can be the decimal one.
    #[error("has marks that fit neither 1,234.50 nor 1.234,50")]
    Marks,
    /// One mark and three digits behind it.
    #[error("may be {0} or {1}: set the template's decimal to point or to comma")]
    Ambiguous(String, String),
    /// A share.
    #[error(
        "is a share and no amount: have the network send the amount, or the sum, with the template's scale"
    )]
    Percent,
    /// Something else beside the number.
    #[error("has '{0}' beside the number, which is no currency of ISO 4217 and no sign of one")]
    Beside(String),
    /// A sign and a code that do not go together.
    #[error("names two currencies")]
    TwoCurrencies,
}

/// Signs of currencies, and of which they may be one.
const SIGNS: [(&str, &[&str]); 32] = [
    ("€", &["EUR"]),
    (
        "$",
        &["USD", "ARS", "AUD", "BMD", "BSD", "CAD", "CLP", "COP", "HKD", "MXN", "NZD", "SGD", "TWD", "XCD"],
    ),
    ("US$", &["USD"]),
    ("A$", &["AUD"]),
    ("AU$", &["AUD"]),
    ("C$", &["CAD", "NIO"]),
    ("CA$", &["CAD"]),
    ("HK$", &["HKD"]),
    ("MX$", &["MXN"]),
    ("NT$", &["TWD"]),
    ("NZ$", &["NZD"]),
    ("R$", &["BRL"]),
    ("S$", &["SGD", "SBD"]),
    ("£", &["GBP", "EGP", "FKP", "GIP", "LBP", "SDG", "SHP", "SSP", "SYP"]),
    ("¥", &["JPY", "CNY"]),
    ("₹", &["INR"]),
    ("₨", &["PKR", "LKR", "MUR", "NPR", "INR"]),
    ("₽", &["RUB"]),
    ("₴", &["UAH"]),
    ("₺", &["TRY"]),
    ("₫", &["VND"]),
    ("₩", &["KRW", "KPW"]),
    ("₱", &["PHP", "CUP"]),
    ("₦", &["NGN"]),
    ("₪", &["ILS"]),
    ("₸", &["KZT"]),
    ("฿", &["THB"]),
    ("zł", &["PLN"]),
    ("kr", &["SEK", "NOK", "DKK", "ISK"]),
    ("Kč", &["CZK"]),
    ("Ft", &["HUF"]),
    ("Rp", &["IDR"]),
];

impl AmountFormat {
    /// Reads an amount. Its currencies are for the caller to hold against what else is known.
    ///
    /// # Errors
    /// What is no amount, or may be two.
    pub fn read(&self, text: &str) -> Result<Written, Unclear> {
        let (number, currencies) = match self.decimal {
            None => (Amount::plain(text)?, Vec::new()),
            Some(mark) => read_with(mark, text)?,
        };
        let scale = self.scale.map_or(Decimal::ONE, |s| s.0);
        let scaled = number.checked_mul(scale).ok_or(InvalidMoney::Range)?;
        Ok(Written { amount: Amount::of(scaled)?, currencies })
    }
}

impl AmountFormat {
    /// A number of JSON, which has a point whatever is set, as this format reads it: `1.234` is `1,2340` where a comma stands
    /// before decimals. So it is kept, and neither this format nor one that is set later takes its decimals for thousands.
    pub fn number(&self, number: &str) -> String {
        let Some((whole, decimals)) = number.split_once('.') else { return number.to_owned() };
        let mark = if self.decimal == Some(DecimalMark::Comma) { ',' } else { '.' };
        let more = if decimals.len() == 3 { "0" } else { "" };
        format!("{whole}{mark}{decimals}{more}")
    }
}

fn read_with(mark: DecimalMark, text: &str) -> Result<(Decimal, Vec<Currency>), Unclear> {
    if text.len() > LONGEST {
        return Err(InvalidMoney::Amount.into());
    }
    if text.chars().any(|c| c.is_numeric() && !c.is_ascii_digit()) {
        return Err(Unclear::Digits);
    }
    let digit = |c: char| c.is_ascii_digit();
    let (Some(first), Some(last)) = (text.find(digit), text.rfind(digit)) else {
        return Err(InvalidMoney::Amount.into());
    };
    let (before, number, behind) = (&text[..first], &text[first..=last], &text[last + 1..]);
    let (mut before, negative) = without_minus(before.trim_matches(blank));
    // `.5`; but what ends with a mark and says more, as `Rs.500` does, is no number that begins with it.
    let bare = matches!(before, "." | ",");
    let number = if bare { text[..=last].trim_start_matches(|c| c != '.' && c != ',') } else { number };
    if bare {
        before = "";
    }
    let behind = behind.trim_matches(blank);
    if [before, behind].iter().any(|beside| matches!(*beside, "%" | "‰")) {
        return Err(Unclear::Percent);
    }
    let value = Decimal::from_str(&plain(mark, number)?).map_err(|_| InvalidMoney::Amount)?;
    Ok((if negative { -value } else { value }, currencies(before, behind)?))
}

/// Also blanks that nobody sees, as they stand between a number and its currency.
fn blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// What stands before a number without its minus, and whether there was one: `-`, `-€` and `€-` have one.
fn without_minus(before: &str) -> (&str, bool) {
    const MINUS: [char; 2] = ['-', '\u{2212}'];
    match before.strip_prefix(MINUS).or_else(|| before.strip_suffix(MINUS)) {
        Some(rest) => (rest.trim_matches(blank), true),
        None => (before.strip_prefix('+').unwrap_or(before), false),
    }
}

/// Of which currencies both may speak.
fn currencies(before: &str, behind: &str) -> Result<Vec<Currency>, Unclear> {
    let mut all = [before, behind].into_iter().filter(|beside| !beside.is_empty()).map(spoken_of);
    let (first, second) = (all.next().transpose()?, all.next().transpose()?);
    let both = match (first, second) {
        (Some(a), Some(b)) => a.into_iter().filter(|c| b.contains(c)).collect(),
        (one, _) => return Ok(one.unwrap_or_default()),
    };
    if both == Vec::new() { Err(Unclear::TwoCurrencies) } else { Ok(both) }
}

/// Of which a sign or a code may speak.
fn spoken_of(beside: &str) -> Result<Vec<Currency>, Unclear> {
    if let Ok(code) = beside.parse::<Currency>() {
        return Ok(vec![code]);
    }
    let same = |sign: &str| sign == beside || sign.to_lowercase() == beside.to_lowercase();
    let found = SIGNS.iter().find(|(sign, _)| same(sign));
    let (_, codes) = found.ok_or_else(|| Unclear::Beside(beside.chars().take(16).collect()))?;
    Ok(codes.iter().filter_map(|code| code.parse().ok()).collect())
}

/// The number with a point before its decimals and nothing else in it. It begins with a digit or with a mark, and ends
/// with a digit.
fn plain(mark: DecimalMark, number: &str) -> Result<String, Unclear> {
    let decimal = match mark {
        DecimalMark::Point => Some('.'),
        DecimalMark::Comma => Some(','),
        DecimalMark::Auto => shown_decimal(number)?,
    };
    let groups = || match (mark, decimal) {
        (DecimalMark::Auto, _) => Unclear::Marks,
        (_, Some(',')) => Unclear::Groups { decimal: "a comma", such_as: "1.234,50" },
        _ => Unclear::Groups { decimal: "a point", such_as: "1,234.50" },
    };
    let (whole, decimals) = match decimal.and_then(|mark| number.split_once(mark)) {
        Some((whole, decimals)) => (whole, decimals),
        None => (number, ""),
    };
    if number.chars().any(|c| !(c.is_ascii_digit() || is_mark(c) || parts_thousands(c))) {
        return Err(InvalidMoney::Amount.into());
    }
    if !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return Err(groups());
    }
    let whole = ungrouped(whole, decimal).ok_or_else(groups)?;
    let whole = if whole.is_empty() { "0" } else { &whole };
    Ok(if decimals.is_empty() { whole.to_owned() } else { format!("{whole}.{decimals}") })
}

const fn is_mark(c: char) -> bool {
    matches!(c, '.' | ',')
}

/// What can only part thousands: `1 234,50`, `1'234.50`.
const fn parts_thousands(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\'' | '’')
}

/// The decimal mark that a number shows; none: it is whole.
fn shown_decimal(number: &str) -> Result<Option<char>, Unclear> {
    let (points, commas) = (number.matches('.').count(), number.matches(',').count());
    let (mark, count) = match (points, commas) {
        (0, 0) => return Ok(None),
        (1.., 1..) => return Ok(number.chars().rev().find(|c| is_mark(*c))),
        (count, 0) => ('.', count),
        (_, count) => (',', count),
    };
    if count > 1 {
        return Ok(None);
    }
    let (whole, behind) = number.split_once(mark).unwrap_or((number, ""));
    let may_part = (1..=3).contains(&whole.len()) && !whole.starts_with('0') && behind.len() == 3;
    if may_part && whole.bytes().chain(behind.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(Unclear::Ambiguous(format!("{whole}.{behind}"), format!("{whole}{behind}")));
    }
    Ok(Some(mark))
}

/// The digits before the decimal mark, if what parts them is of one kind and makes groups of three.
fn ungrouped(whole: &str, decimal: Option<char>) -> Option<String> {
    let Some(sign) = whole.chars().find(|c| !c.is_ascii_digit()) else { return Some(whole.to_owned()) };
    if Some(sign) == decimal {
        return None;
    }
    let groups: Vec<&str> = whole.split(sign).collect();
    let (first, rest) = groups.split_first()?;
    let digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    let ok = (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && digits(first)
        && rest.iter().all(|group| group.len() == 3 && digits(group));
    ok.then(|| groups.concat())
}

#[cfg(test)]
#[path = "written_tests.rs"]
mod tests;
