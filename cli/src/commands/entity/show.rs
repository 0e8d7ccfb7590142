//! `tfx NOUN show`: the entity, and what a person asks next: a campaign's streams with their shares, the use of a
//! destination's caps, how an alert stands.

use super::{failed, view};
use crate::{
    context::Context,
    exit::Failure,
    output::{Format, Listing},
};
use serde_json::{Value, json};
use tfx_api::{Client, entities::EntityQuery};
use tfx_domain::entity::Kind;

pub(super) async fn run(context: &Context, kind: Kind, reference: &str) -> Result<(), Failure> {
    let client = context.client()?;
    let mut entity = client.get(kind, reference).await.map_err(|e| failed(kind, reference, e))?;
    match kind {
        Kind::Campaign if context.out.format != Format::Name => {
            let streams = streams(&client, &entity).await?;
            entity["streams"] = Value::Array(streams.clone());
            view::show(context, kind, &entity)?;
            if context.out.format == Format::Table {
                table(context, &entity, streams)?;
            }
            Ok(())
        }
        Kind::Destination if entity["caps"].is_object() => {
            let used = client.cap_use(reference).await;
            match &used {
                Ok(used) => entity["cap_use"] = json!(used.items),
                Err(e) => context.out.note(format!("the use of its caps is not known: {e}")),
            }
            view::show(context, kind, &entity)
        }
        Kind::Alert if context.out.format != Format::Name => {
            let states = client.alert_states(reference).await;
            match &states {
                Ok(states) => entity["states"] = json!(states.items),
                Err(e) => context.out.note(format!("how it stands in its groups is not known: {e}")),
            }
            view::show(context, kind, &entity)?;
            let rows = entity["states"].as_array().cloned().unwrap_or_default();
            if context.out.format == Format::Table && !rows.is_empty() {
                context.out.lines([""])?;
                context.out.rows(&Listing { columns: view::alert_states(), rows, name: "group" })?;
            }
            Ok(())
        }
        _ => view::show(context, kind, &entity),
    }
}

/// The streams of a campaign, each with its share of new visitors where they are drawn by weight.
async fn streams(client: &Client, campaign: &Value) -> Result<Vec<Value>, Failure> {
    let parent = campaign["id"].as_str().map(str::to_owned);
    let mut query = EntityQuery { parent, limit: Some(1000), ..EntityQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = client.list(Kind::Stream, &query).await?;
        for mut stream in page.items {
            stream["labels"] = json!(page.labels);
            all.push(stream);
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    let place = |kind: &Value| ["forced", "regular", "default"].iter().position(|k| kind == k);
    all.sort_by_key(|s| (place(&s["kind"]), s["position"].as_u64()));
    let drawn =
        |s: &Value| s["kind"] == "regular" && s["status"] == "active" && campaign["rotation"] == "weight";
    let total: u64 = all.iter().filter(|s| drawn(s)).filter_map(|s| s["weight"].as_u64()).sum();
    for stream in &mut all {
        if let Some(weight) = stream["weight"].as_u64().filter(|_| drawn(stream) && total > 0) {
            // Of those that let a visitor in; which do is not known before he comes.
            stream["share_percent"] = json!(weight * 1000 / total / 10);
        }
    }
    Ok(all)
}

fn table(context: &Context, campaign: &Value, streams: Vec<Value>) -> Result<(), Failure> {
    let active = streams.iter().any(|s| s["status"] == "active");
    if !streams.is_empty() {
        let mut columns = view::columns(Kind::Stream);
        // The name of the campaign stands above.
        columns[0] = crate::output::Column::text("stream", "slug");
        columns.push(crate::output::Column::made("share", "share_percent", |row| {
            row["share_percent"].as_u64().map(|n| format!("{n} %")).unwrap_or_default()
        }));
        context.out.lines([""])?;
        context.out.rows(&Listing { columns, rows: streams, name: "slug" })?;
    }
    if !active {
        let slug = campaign["slug"].as_str().unwrap_or_default();
        context.out.note(format!(
            "no stream is active, so its clicks go to trafficback: tfx stream create --campaign {slug}"
        ));
    }
    Ok(())
}
