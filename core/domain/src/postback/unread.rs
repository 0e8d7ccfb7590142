//! What a postback says and nobody reads, where that is money: macros that its network left as they are, amounts under names
//! that no template gives, amounts that are written in another way.

use super::{
    advice::{quoted, template_command},
    interpret::shown,
    params::{Field, Params},
};
use crate::{
    entity::{NetworkSpec, TemplateSpec},
    money::{Amount, AmountFormat, DecimalMark},
    said::{self, Fact, Silence},
};

/// A macro that a network left as it is, where it should have said something of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftMacro<'p> {
    /// What it should have said.
    pub field: Field,
    /// The parameter.
    pub name: &'p str,
    /// The macro.
    pub value: &'p str,
}

impl LeftMacro<'_> {
    /// For the log.
    pub fn said(&self) -> String {
        format!(
            "the network left its macro {}={} as it is, so it does not say the {}",
            self.name,
            shown(self.value),
            self.field.as_str()
        )
    }
}

/// The macros that a network left in place of payout and currency, and of the status where the template says what holds then.
/// Where it says so of money, nothing is lost.
pub fn left_macros<'p>(
    template: Option<&'p TemplateSpec>,
    params: &'p [(String, String)],
) -> Vec<LeftMacro<'p>> {
    let read = Params::new(params, template);
    let decided = |field| {
        template.is_some_and(|t| match field {
            Field::Payout => t.defaults.payout.is_some(),
            Field::Currency => t.defaults.currency.is_some(),
            _ => false,
        })
    };
    let left = |field: Field| {
        let (name, value) = read.unexpanded(field).filter(|_| read.find(field).is_none())?;
        (!decided(field)).then_some(LeftMacro { field, name, value })
    };
    // Without a default a status is told as a word that nobody knows.
    let of_status = template.is_some_and(|t| t.defaults.status.is_some());
    let fields = [Field::Payout, Field::Currency].into_iter().chain(of_status.then_some(Field::Status));
    fields.filter_map(left).collect()
}

/// Names that networks give to what they pay, in lower case and without what parts their words.
const PAID: [&str; 17] = [
    "payout",
    "commission",
    "amount",
    "sum",
    "price",
    "revenue",
    "reward",
    "profit",
    "earning",
    "income",
    "paid",
    "payment",
    "money",
    "bid",
    "rate",
    "total",
    "value",
];
/// And to their transactions, whole.
const TRANSACTIONS: [&str; 15] = [
    "txn",
    "txnid",
    "trx",
    "trxid",
    "transaction",
    "transactionid",
    "order",
    "orderid",
    "conversionid",
    "convid",
    "actionid",
    "leadid",
    "saleid",
    "orderno",
    "invoice",
];

/// Stands in a command where a person says which parameter it is. It is none.
pub(super) const PARAMETER: &str = "PARAMETER";

/// Of a postback that says no payout: what it says instead, and the command that has it read; none where nothing of it may be one.
/// `named` is the template that it came through, also one that is not active.
pub fn unread_payout(
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    named: Option<&TemplateSpec>,
    params: &[(String, String)],
) -> Option<(String, String)> {
    let read = Params::new(params, template);
    if template.is_some_and(|t| t.defaults.payout.is_some()) || read.find(Field::Payout).is_some() {
        return None;
    }
    let command = template_command(network, named);
    if let Some((name, value)) = read.silent(Field::Payout) {
        let why = match said::silence(value, Fact::Amount) {
            // Told by itself.
            Some(Silence::Macro) => return None,
            _ => format!("{name}={} is no amount, so nothing is said of the payout", shown(value)),
        };
        let say = "have the network send one, or say what holds where it does not";
        return Some((format!("{why}; {say}"), format!("{command} --default-payout AMOUNT")));
    }
    let is_read = |name: &str| {
        name.eq_ignore_ascii_case("secret")
            || Field::ALL.iter().any(|field| read.names(*field).any(|known| known.eq_ignore_ascii_case(name)))
    };
    let unread: Vec<(&str, &str)> =
        params.iter().map(|(n, v)| (n.as_str(), v.trim())).filter(|(name, _)| !is_read(name)).collect();
    let amounts: Vec<(&str, &str)> = unread.iter().copied().filter(|(_, value)| may_be_paid(value)).collect();
    let called_so = |(name, _): &&(&str, &str)| PAID.iter().any(|word| plain(name).contains(word));
    let named = amounts.iter().find(called_so).or(amounts.first().filter(|_| amounts.len() == 1));
    let mut few: Vec<String> =
        amounts.iter().take(3).map(|(n, v)| format!("{}={}", cut(n), shown(v))).collect();
    let (say, mut command) = match named {
        Some((name, value)) => (
            format!(
                "no payout is read from them, and {}={} is left over: say that it is one",
                cut(name),
                shown(value)
            ),
            format!("{command} --payout-param {}", quoted(name)),
        ),
        None if few.is_empty() => return None,
        None => {
            if amounts.len() > few.len() {
                few.push("…".to_owned());
            }
            (
                format!(
                    "no payout is read from them, and {} are left over: say which one it is",
                    few.join(", ")
                ),
                format!("{command} --payout-param {PARAMETER}"),
            )
        }
    };
    let transaction = unread
        .iter()
        .find(|(name, value)| TRANSACTIONS.contains(&plain(name).as_str()) && said::says(value, Fact::Id));
    if let Some((name, _)) = transaction.filter(|_| read.find(Field::TransactionId).is_none()) {
        command += &format!(" --transaction-param {}", quoted(name));
    }
    Some((say, command))
}

/// Whether a value may be an amount that somebody is paid: no click's id, no time, not nothing.
fn may_be_paid(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let by = |decimal| AmountFormat { decimal, scale: None }.read(value).ok();
    let read = [None, Some(DecimalMark::Auto), Some(DecimalMark::Point)].into_iter().find_map(by);
    (1..9).contains(&digits) && read.is_some_and(|written| written.amount > Amount::ZERO)
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn cut(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// How amounts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenBy {
    /// With this mark all of them are read.
    Mark(DecimalMark),
    /// They are other amounts with a point than with a comma; only the network knows.
    PointOrComma,
}

/// How amounts are written that a template does not read, as its `decimal` says it; none: there is no way in which all are read.
pub fn written_by(template: Option<&TemplateSpec>, said: &[String]) -> Option<WrittenBy> {
    let scale = template.and_then(|t| t.scale);
    let read = |mark: DecimalMark| -> Option<Vec<Amount>> {
        let format = AmountFormat { decimal: Some(mark), scale };
        said.iter().map(|value| format.read(value).ok().map(|written| written.amount)).collect()
    };
    Some(match (read(DecimalMark::Point), read(DecimalMark::Comma)) {
        (Some(point), Some(comma)) if point == comma => WrittenBy::Mark(DecimalMark::Auto),
        (Some(_), Some(_)) => WrittenBy::PointOrComma,
        (Some(_), None) => WrittenBy::Mark(DecimalMark::Point),
        (None, Some(_)) => WrittenBy::Mark(DecimalMark::Comma),
        (None, None) => {
            read(DecimalMark::Auto)?;
            WrittenBy::Mark(DecimalMark::Auto)
        }
    })
}

#[cfg(test)]
#[path = "unread_tests.rs"]
mod tests;
