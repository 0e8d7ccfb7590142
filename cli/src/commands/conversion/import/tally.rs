//! What became of rows, counted: by result, with what they bring by currency.

use crate::{
    exit::Failure,
    output::{Column, Listing, Out, text},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tfx_api::imports::ImportedRow;
use tfx_domain::{
    event::PostbackResult,
    money::{Amount, Currency},
};

/// Rows by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally(BTreeMap<String, Sum>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    rows: u64,
    revenue: BTreeMap<Currency, Amount>,
}

impl Tally {
    pub(crate) fn add(&mut self, row: &ImportedRow) {
        let sum = self.0.entry(row.result.as_str().to_owned()).or_default();
        sum.rows += 1;
        if let Some(money) = row.revenue {
            let before = sum.revenue.get(&money.currency).copied().unwrap_or(Amount::ZERO);
            sum.revenue.insert(money.currency, before + money.amount);
        }
    }

    fn of(&self, result: PostbackResult) -> u64 {
        self.0.get(result.as_str()).map_or(0, |sum| sum.rows)
    }

    /// How many rows there were.
    pub(crate) fn rows(&self) -> u64 {
        self.0.values().map(|sum| sum.rows).sum()
    }

    /// How many of them were not taken.
    pub(crate) fn refused(&self) -> u64 {
        self.of(PostbackResult::Rejected) + self.of(PostbackResult::Unmatched)
    }

    pub(crate) fn print(&self, out: Out) -> Result<(), Failure> {
        let row = |result: &PostbackResult| {
            let sum = self.0.get(result.as_str())?;
            let revenue: Vec<Value> = sum
                .revenue
                .iter()
                .map(|(currency, amount)| json!({ "amount": amount, "currency": currency }))
                .collect();
            Some(json!({ "result": result.as_str(), "rows": sum.rows, "revenue": revenue }))
        };
        let columns = vec![
            Column::text("result", "result"),
            Column::number("rows", "rows"),
            Column::made("revenue", "revenue", |row| monies(&row["revenue"])),
        ];
        let rows = PostbackResult::ALL.iter().filter_map(row).collect();
        out.rows(&Listing { columns, rows, name: "result" })
    }
}

/// Sums of several currencies, as one text.
pub(crate) fn sums(by_currency: &BTreeMap<Currency, Amount>) -> String {
    let one = |(currency, amount): (&Currency, &Amount)| format!("{amount} {currency}");
    by_currency.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The same of a list of money in JSON.
pub(crate) fn monies(all: &Value) -> String {
    let one = |money: &Value| format!("{} {}", text(&money["amount"]), text(&money["currency"]));
    all.as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
}
