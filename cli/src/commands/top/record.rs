//! A look as one object: a line of `--record`, and `--once` with `--output json`. What is not known is null, with the reason
//! under `unknown`.

use super::{look::Look, state::METRICS};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use serde_json::{Map, Value, json};

/// What a look saw.
pub(super) fn object(look: &Look) -> Value {
    let mut unknown = Vec::new();
    let rates = known("rates", &look.rates, &mut unknown).and_then(Option::as_ref);
    let answers = known("answers", &look.answers, &mut unknown).and_then(Option::as_ref);
    let seen = known("services", &look.seen, &mut unknown);
    let rows = known("rows", &look.rows, &mut unknown);
    let sources = known("sources", &look.sources, &mut unknown);
    unknown.extend(seen.into_iter().flat_map(|seen| seen.unknown.clone()));
    let states = |of: &super::look::Seen| -> Map<String, Value> {
        of.services.iter().map(|s| (s.name.to_owned(), json!(s.state))).collect()
    };
    let currency = rows.map(|rows| rows.currency);
    let money = |amount: Decimal| json!({ "amount": amount, "currency": currency });
    json!({
        "at": look.at,
        "per_second": rates.map(|rates| json!({
            "clicks": rates.clicks.to_f64(),
            "conversions": rates.conversions.to_f64(),
            "revenue": money(rates.revenue),
            "cost": money(rates.cost),
        })),
        "answers": answers,
        "services": seen.map(states),
        "outbox": seen.and_then(|s| s.events.as_ref()),
        "event_log": seen.and_then(|s| s.event_log.as_ref()),
        "destinations": seen.and_then(|s| s.destinations.as_ref()),
        "window_s": look.asked.window_s,
        "by": look.asked.by,
        "metrics": METRICS,
        "rows": rows.map(|rows| &rows.rows),
        "unconverted": rows.map(|rows| &rows.unconverted),
        "sources": sources.map(|sources| &sources.rows),
        "unknown": unknown,
    })
}

/// What it is; why it is not known goes to the others.
fn known<'a, T>(name: &str, part: &'a Result<T, String>, unknown: &mut Vec<String>) -> Option<&'a T> {
    part.as_ref().inspect_err(|why| unknown.push(format!("{name}: {why}"))).ok()
}
