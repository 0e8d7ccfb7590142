//! `tfx events stats`.

use crate::{
    context::Context,
    exit::{Failure, Kind},
    output::{Column, Format, Listing, text},
    when,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tfx_api::service::{EventStats, ServiceStats};

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let stats = context.client()?.event_stats().await?;
    let silent: Vec<String> =
        [&stats.traffic, &stats.postback].into_iter().filter_map(|s| s.error.clone()).collect();
    if silent.len() < 2 {
        print(context, &stats)?;
    }
    if silent.is_empty() { Ok(()) } else { Err(Failure::new(Kind::Unreachable, silent.join("; "))) }
}

/// A row per counter, a column per service.
fn print(context: &Context, stats: &EventStats) -> Result<(), Failure> {
    if matches!(context.out.format, Format::Json | Format::Jsonl | Format::Yaml) {
        return context.out.item(&serde_json::to_value(stats).map_err(Failure::failed)?, &[], "");
    }
    let fields = |s: &ServiceStats| s.stats.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    let (traffic, postback) = (fields(&stats.traffic), fields(&stats.postback));
    let names: BTreeSet<&String> = traffic.keys().chain(postback.keys()).collect();
    let people = context.out.format == Format::Table;
    let shown = |text: String| if people { when::shown(&text) } else { text };
    let cell = |value: Option<&Value>| value.map(|v| shown(text(v))).unwrap_or_default();
    let row = |name: &&String| json!({ "counter": name, "traffic": cell(traffic.get(*name)), "postback": cell(postback.get(*name)) });
    let columns = vec![
        Column::text("counter", "counter"),
        Column::number("traffic", "traffic"),
        Column::number("postback", "postback"),
    ];
    context.out.rows(&Listing { columns, rows: names.iter().map(row).collect(), name: "counter" })
}
