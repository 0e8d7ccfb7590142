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
    money::{Currency, Total},
    postback::ConversionStatus,
};

/// Rows by what became of them, and by the status that this gave their conversions: `updated rejected`, `duplicate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally(BTreeMap<String, Sum>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    rows: u64,
    /// So many of them were not taken; none: they were counted before there was this, by their result alone.
    #[serde(default)]
    refused: Option<u64>,
    /// What their conversions bring: nothing where they are rejected.
    revenue: BTreeMap<Currency, Total>,
}

impl Sum {
    fn refused(&self, key: &str) -> u64 {
        let by_result = if ["rejected", "unmatched"].contains(&key) { self.rows } else { 0 };
        self.refused.unwrap_or(by_result)
    }
}

impl Tally {
    pub(crate) fn add(&mut self, row: &ImportedRow) {
        let result = row.result.as_str();
        let key =
            row.status.as_ref().map_or_else(|| result.to_owned(), |status| format!("{result} {status}"));
        let sum = self.0.entry(key.clone()).or_default();
        sum.refused = Some(sum.refused(&key) + u64::from(row.is_refused()));
        sum.rows += 1;
        let counts = row.status != Some(ConversionStatus::Rejected);
        if let Some(money) = row.revenue.filter(|_| counts) {
            *sum.revenue.entry(money.currency).or_default() += money.amount;
        }
    }

    /// How many rows there were.
    pub(crate) fn rows(&self) -> u64 {
        self.0.values().map(|sum| sum.rows).sum()
    }

    /// How many of them were not taken.
    pub(crate) fn refused(&self) -> u64 {
        self.0.iter().map(|(key, sum)| sum.refused(key)).sum()
    }

    pub(crate) fn print(&self, out: Out) -> Result<(), Failure> {
        let row = |(key, sum): (&String, &Sum)| {
            let (result, status) = key.split_once(' ').unwrap_or((key, ""));
            let revenue: Vec<Value> = sum
                .revenue
                .iter()
                .map(|(currency, amount)| json!({ "amount": amount, "currency": currency }))
                .collect();
            json!({ "result": result, "status": status, "rows": sum.rows, "revenue": revenue })
        };
        let columns = vec![
            Column::text("result", "result"),
            Column::text("status", "status"),
            Column::number("rows", "rows"),
            Column::made("revenue", "revenue", |row| monies(&row["revenue"])),
        ];
        let mut rows: Vec<Value> = self.0.iter().map(row).collect();
        let place = |row: &Value| PostbackResult::ALL.iter().position(|r| row["result"] == r.as_str());
        rows.sort_by_key(place);
        out.rows(&Listing { columns, rows, name: "result" })
    }
}

/// Sums of several currencies, as one text.
pub(crate) fn sums(by_currency: &BTreeMap<Currency, Total>) -> String {
    let one = |(currency, amount): (&Currency, &Total)| format!("{amount} {currency}");
    by_currency.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The same of a list of money in JSON.
pub(crate) fn monies(all: &Value) -> String {
    let one = |money: &Value| format!("{} {}", text(&money["amount"]), text(&money["currency"]));
    all.as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_brings_nothing_and_older_counts_are_read() {
        let mut tally: Tally = serde_json::from_value(json!({
            "recorded": { "rows": 2, "revenue": { "IDR": "1000000000" } }, "rejected": { "rows": 3, "revenue": {} },
        }))
        .expect("as it was kept before");
        assert_eq!((tally.rows(), tally.refused()), (5, 3));
        let row = |value: Value| serde_json::from_value::<ImportedRow>(value).expect("a row");
        let money = |amount: &str| json!({ "amount": amount, "currency": "IDR" });
        for _ in 0..2 {
            tally.add(&row(json!({ "result": "updated", "status": "sale", "revenue": money("900000000") })));
        }
        tally.add(&row(json!({ "result": "updated", "status": "rejected", "revenue": money("7") })));
        tally.add(&row(json!({ "result": "rejected", "reason": "why" })));
        tally.add(&row(json!({ "result": "conflict", "reason": "why" })));
        let kept = serde_json::to_value(&tally).expect("JSON");
        let again: Tally = serde_json::from_value(kept.clone()).expect("as it is kept");
        assert_eq!((&again, again.rows(), again.refused()), (&tally, 10, 5));
        let revenue = |key: &str| kept[key]["revenue"].clone();
        assert_eq!(revenue("updated sale"), json!({ "IDR": "1800000000" }));
        assert_eq!(revenue("updated rejected"), json!({}));
    }
}
