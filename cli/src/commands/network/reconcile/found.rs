//! What a network and this installation say differently, told.

use super::theirs::Sums;
use crate::{
    exit::Failure,
    output::{Column, Format, Listing, Out, text},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tfx_domain::money::{Currency, Money};

/// How they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The network has it, and it is not here.
    MissingHere,
    /// It is here, and the network does not have it.
    MissingThere,
    /// Both have its transaction id, with other clicks.
    OtherClick,
    /// Both have it, with other statuses.
    OtherStatus,
    /// Both have it, and it pays otherwise.
    OtherPayout,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::MissingHere, Self::MissingThere, Self::OtherClick, Self::OtherStatus, Self::OtherPayout];

    const fn words(self) -> &'static str {
        match self {
            Self::MissingHere => "missing here",
            Self::MissingThere => "missing there",
            Self::OtherClick => "other click",
            Self::OtherStatus => "other status",
            Self::OtherPayout => "other payout",
        }
    }
}

/// What one side says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Side {
    pub(super) status: String,
    /// None: it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payout: Option<Money>,
}

/// One difference.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Difference {
    pub(super) kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transaction_id: Option<String>,
    pub(super) click_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) conversion_id: Option<String>,
    /// Of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ours: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) theirs: Option<Side>,
    /// Why it is not here, or which other click it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
}

/// All of them: counted, and the first ones as they are.
pub(super) struct Found {
    most: usize,
    pub(super) counts: BTreeMap<Kind, u64>,
    named: Vec<Difference>,
}

impl Found {
    /// `most` are named.
    pub(super) fn new(most: usize) -> Self {
        Self { most, counts: BTreeMap::new(), named: Vec::new() }
    }

    pub(super) fn add(&mut self, difference: Difference) {
        *self.counts.entry(difference.kind).or_default() += 1;
        if self.named.len() < self.most {
            self.named.push(difference);
        }
    }

    pub(super) fn of(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Prints them, and before the sums of both sides.
    ///
    /// # Errors
    /// A closed pipe or a full disk behind stdout.
    pub(super) fn print(&mut self, out: Out, ours: &Sums, theirs: &Sums) -> Result<(), Failure> {
        self.named.sort_by(|a, b| {
            (a.kind, a.line, &a.transaction_id, &a.click_id).cmp(&(
                b.kind,
                b.line,
                &b.transaction_id,
                &b.click_id,
            ))
        });
        let sums = sums(ours, theirs);
        let named: Vec<Value> = self.named.iter().map(|d| json!(d)).collect();
        if matches!(out.format, Format::Json | Format::Yaml) {
            let counts: BTreeMap<String, u64> =
                Kind::ALL.iter().map(|k| (text(&json!(k)), self.of(*k))).collect();
            return out.item(&json!({ "counts": counts, "sums": sums, "differences": named }), &[], "");
        }
        if out.format == Format::Table {
            let columns = vec![
                Column::text("status", "status"),
                Column::text("currency", "currency"),
                Column::number("here", "ours.conversions"),
                Column::number("there", "theirs.conversions"),
                Column::made("payout here", "ours.payout", |row| text(&row["ours"]["payout"])).right(),
                Column::made("payout there", "theirs.payout", |row| text(&row["theirs"]["payout"])).right(),
            ];
            out.rows(&Listing { columns, rows: sums, name: "status" })?;
            if named.is_empty() {
                return Ok(());
            }
            out.lines([""])?;
        }
        let columns = vec![
            Column::made("difference", "kind", |row| text(&row["kind"]).replace('_', " ")),
            Column::id("transaction", "transaction_id"),
            Column::id("click", "click_id"),
            Column::made("here", "ours", |row| side(&row["ours"])),
            Column::made("there", "theirs", |row| side(&row["theirs"])),
            Column::number("line", "line"),
            Column::text("reason", "reason"),
        ];
        out.rows(&Listing { columns, rows: named, name: "click_id" })?;
        let more = self.total() - self.named.len() as u64;
        if more > 0 {
            out.note(format!("and {more} more: --limit says how many are named"));
        }
        Ok(())
    }

    /// `2 missing here, 1 other status`.
    pub(super) fn told(&self) -> String {
        let one =
            |kind: &Kind| Some(format!("{} {}", self.of(*kind), kind.words())).filter(|_| self.of(*kind) > 0);
        Kind::ALL.iter().filter_map(one).collect::<Vec<_>>().join(", ")
    }
}

fn side(side: &Value) -> String {
    let payout = &side["payout"];
    let payout = if payout.is_null() {
        String::new()
    } else {
        format!("{} {}", text(&payout["amount"]), text(&payout["currency"]))
    };
    [text(&side["status"]), payout].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ")
}

fn sums(ours: &Sums, theirs: &Sums) -> Vec<Value> {
    let mut keys: Vec<_> = ours.keys().chain(theirs.keys()).collect();
    keys.sort();
    keys.dedup();
    let of = |sums: &Sums, key: &(String, Currency)| {
        let (conversions, payout) = sums.get(key).copied().unwrap_or_default();
        json!({ "conversions": conversions, "payout": payout })
    };
    let row = |key: &(String, Currency)| json!({ "status": key.0, "currency": key.1, "ours": of(ours, key), "theirs": of(theirs, key) });
    keys.into_iter().map(row).collect()
}
