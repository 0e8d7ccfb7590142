//! `tfx click show --timeline`: what became of a click, in the order of time.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing, text},
};
use serde_json::Value;
use tfx_domain::id::ClickId;

/// What people call a step.
fn word(row: &Value) -> String {
    match text(&row["kind"]).as_str() {
        "passed_over" => "passed over".to_owned(),
        "decision" => "decided".to_owned(),
        "waiting" => "to be told".to_owned(),
        other => other.to_owned(),
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::time("at", "at"),
        Column::made("step", "kind", word).raw().of_weight(2),
        Column::text("what", "what").of_weight(3),
    ]
}

/// What CSV has besides.
fn more() -> Vec<Column> {
    vec![
        Column::label("stream", "stream_id"),
        Column::label("destination", "destination_id"),
        Column::label("source", "source_id"),
        Column::text("network", "network"),
        Column::text("result", "result"),
        Column::number("answer", "status"),
        Column::id("conversion", "conversion_id"),
        Column::text("from", "from"),
        Column::text("to", "conversion_status"),
        Column::money("revenue", "revenue"),
        Column::number("attempt", "attempt"),
        Column::number("ms", "latency_ms"),
        Column::id("job", "job"),
    ]
}

/// Prints it.
///
/// # Errors
/// There is no such click; a closed pipe.
pub(super) async fn run(context: &Context, id: ClickId) -> Result<(), Failure> {
    let found = context.client()?.click_timeline(id).await.map_err(super::failed)?;
    let out = context.out;
    let whole = serde_json::to_value(&found).map_err(Failure::failed)?;
    match out.format {
        Format::Json | Format::Yaml => out.item(&whole, &[], "click_id")?,
        Format::Name => out.lines([id.to_string()])?,
        Format::Table | Format::Csv | Format::Jsonl => {
            let steps = whole["steps"].as_array().cloned().unwrap_or_default();
            let rows = steps.into_iter().map(|row| crate::pages::labelled(row, &found.labels)).collect();
            let mut columns = columns();
            if out.format == Format::Csv {
                columns.extend(more());
            }
            out.rows(&Listing { columns, rows, name: "at" })?;
        }
    }
    out.left_out(&found.item.left_out);
    if !found.item.complete {
        out.note(format!("not all of the postback log: tfx postback log --where click={id} --all lists it"));
    }
    Ok(())
}
