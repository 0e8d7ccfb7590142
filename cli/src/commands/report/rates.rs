//! What a report has converted, and what it could not.

use crate::output::{Column, Listing, text};
use serde_json::{Value, json};
use tfx_api::report::ReportAnswer;
use tfx_domain::money::Currency;

/// So many commands that would set a missing rate are shown.
const COMMANDS: usize = 5;

/// Which currencies were converted, if any were.
pub(super) fn converted(answer: &ReportAnswer) -> Option<String> {
    let mut codes: Vec<String> = answer.converted.iter().map(|c| c.currency.to_string()).collect();
    codes.dedup();
    let to = answer.currency;
    (!codes.is_empty()).then(|| {
        format!("{} converted to {to} by the rates of their days (--rates shows them)", codes.join(", "))
    })
}

/// The rates that were used, one a row.
pub(super) fn listing(answer: &ReportAnswer) -> Listing {
    let to = answer.currency;
    let row = |used: &tfx_api::report::Converted| {
        let set = match used.inverse {
            true => format!("{to}/{}, inverse", used.currency),
            false => format!("{}/{to}", used.currency),
        };
        json!({
            "currency": used.currency, "from": used.from, "until": used.until, "rate": used.rate, "set": set,
            "revenue": used.revenue, "cost": used.cost, "bot_cost": used.bot_cost,
        })
    };
    let until = |row: &Value| match &row["until"] {
        Value::Null => "on".to_owned(),
        day => text(day),
    };
    let columns = vec![
        Column::text("currency", "currency"),
        Column::text("from", "from"),
        Column::made("until", "until", until),
        Column::number(&format!("in {to}"), "rate"),
        Column::text("set as", "set"),
        Column::number("revenue", "revenue"),
        Column::number("cost", "cost"),
    ];
    Listing { columns, rows: answer.converted.iter().map(row).collect(), name: "currency" }
}

/// The commands that would set what is missing, a line each.
pub(super) fn commands(answer: &ReportAnswer) -> String {
    let day = jiff::tz::TimeZone::UTC.to_datetime(answer.since).date();
    // Not what is in no list of currencies any more, and not the money of tests.
    let real = |currency: &Currency| currency.known().is_ok() && currency.as_str() != "XTS";
    let known = answer.unconverted.keys().copied().filter(real);
    let line = |from: Currency| format!("\n  tfx rate set {from} {} RATE --from {day}", answer.currency);
    known.take(COMMANDS).map(line).collect()
}
