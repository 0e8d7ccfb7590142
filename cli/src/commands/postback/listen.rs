//! `tfx postback listen`: what sources are told of conversions, as they come; and the same sent to another place, such as a
//! program that is being written. Sources are told as ever, whether somebody listens or not.

use super::super::entity::failed;
use crate::{
    complete,
    context::Context,
    exit::Failure,
    follow::{self, Identity, Polled, Poller},
    output::{Column, Format, Out, text},
    pages::View,
    when::When,
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tfx_api::{
    ApiError, Client,
    postbacks::{Directions, PostbackLogEvent, PostbackQuery, PostbackResult, TestTraffic},
    source_postbacks::{SourceTest, SourceTestAnswer},
};
use tfx_domain::entity::Kind;
use tfx_ops::forward::{Forwarded, Forwarder};

/// What is shown, and where it goes.
#[derive(Debug, Args)]
#[command(after_help = "Each conversion that is recorded or changes is shown as its source is told it:\n\
    also where the source is not told yet, since it is paused, waits or was told.\n\
    States that it does not ask for are shown with --all-states.\n\n\
    Examples:\n  \
    tfx postback listen --forward-to http://127.0.0.1:3000\n  \
    tfx postback listen --source push --since 1h --output jsonl")]
pub(crate) struct Listen {
    /// Only what this source is told [default: each].
    #[arg(long, value_name = "SOURCE", add = complete::of(Kind::Source))]
    source: Option<String>,
    /// Send it there too: with the same method, query, headers and body, and the same path unless URL has one.
    #[arg(long, value_name = "URL")]
    forward_to: Option<String>,
    /// Begin with those since then [default: only those to come].
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// States too that the source does not ask for.
    #[arg(long)]
    all_states: bool,
    /// Conversions of test clicks too.
    #[arg(long)]
    tests: bool,
}

impl Listen {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let forwarder = self.forward_to.as_deref().map(Forwarder::new).transpose();
        let forwarder = forwarder.map_err(|e| Failure::usage(format!("--forward-to {e}")))?;
        let since = self.since.map(|at| at.start(crate::when::local())).transpose();
        let since = since.map_err(|e| Failure::usage(format!("--since {e}")))?;
        let client = context.client()?;
        let only = match &self.source {
            None => None,
            Some(reference) => {
                let source = client.get(Kind::Source, reference).await;
                let source = source.map_err(|e| failed(Kind::Source, reference, e))?;
                if text(&source["postback_url"]).is_empty() && source["postback_urls"].is_null() {
                    let set = format!("tfx source update {reference} --postback-url URL");
                    return Err(Failure::failed(format!(
                        "{reference} has no postback URL: it is told nothing"
                    ))
                    .hint(set));
                }
                Some(text(&source["id"]))
            }
        };
        let listener = Listener {
            client: &client,
            out: context.out,
            forwarder,
            only,
            all_states: self.all_states,
            turns: Mutex::default(),
        };
        let view = View { columns: columns(listener.forwarder.is_some()), name: |row| text(&row["url"]) };
        let identity = Identity { id: |p: &PostbackLogEvent| p.id.to_string(), at: |p| p.at };
        if context.out.format == Format::Table {
            context.out.note("listening for conversions; Ctrl-C ends it");
        }
        let test = if self.tests { TestTraffic::Include } else { TestTraffic::Exclude };
        let fetch = async |from, limit, cursor| {
            let query = PostbackQuery {
                since: Some(from),
                direction: Some(Directions::In),
                test: Some(test),
                limit: Some(limit),
                cursor,
                ..PostbackQuery::default()
            };
            client.postbacks(&query).await
        };
        follow::each(context, view, identity, since, fetch, async |line| listener.heard(line).await).await
    }
}

fn columns(forwards: bool) -> Vec<Column> {
    let mut columns = vec![
        Column::time("at", "at"),
        Column::text("source", "source").of_weight(4),
        Column::text("told", "status").of_weight(4),
    ];
    if forwards {
        columns.push(Column::text("answer", "answer").of_weight(5));
    }
    columns.extend([
        Column::text("method", "method").of_weight(3),
        Column::text("url", "url").of_weight(5),
        Column::text("body", "body").of_weight(2),
        Column::text("note", "note").of_weight(1),
        Column::id("conversion", "conversion_id"),
    ]);
    columns
}

struct Listener<'c> {
    client: &'c Client,
    out: Out,
    forwarder: Option<Forwarder>,
    /// The id of the only source that is meant.
    only: Option<String>,
    all_states: bool,
    /// Whose turn it is among those of one conversion: its states are sent on in their order.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Listener<'_> {
    fn turn(&self, conversion: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(conversion.to_owned()).or_default())
    }

    /// What the source of a conversion is told of it; none where the line of the log changed none, its source is not meant, or
    /// it has no URL.
    async fn heard(&self, line: &PostbackLogEvent) -> Result<Option<Value>, Failure> {
        let changed = matches!(line.result, PostbackResult::Recorded | PostbackResult::Updated);
        let (true, Some(id)) = (changed, &line.conversion_id) else { return Ok(None) };
        let turn = self.turn(id.as_str());
        let _turn = turn.lock().await;
        let Some(conversion) = self.ask(async || self.client.conversion(id).await).await? else {
            return Ok(None);
        };
        let Some(source) = conversion.item.click.source_id.clone() else { return Ok(None) };
        if self.only.as_ref().is_some_and(|only| *only != source.as_str()) {
            return Ok(None);
        }
        let status = line.conversion_status.clone();
        let asked = SourceTest { conversion: Some(id.clone()), status, ..SourceTest::default() };
        let told = self.ask(async || self.client.source_test(source.as_str(), &asked).await).await?;
        let Some(told) = told else { return Ok(None) };
        if !told.asked && !self.all_states {
            return Ok(None);
        }
        let slug = conversion.labels.get(source.as_str()).cloned().unwrap_or_else(|| source.to_string());
        let answer = match &self.forwarder {
            None => None,
            Some(to) => Some(to.send(&told.method, &told.url, &told.headers, &told.body).await),
        };
        Ok(Some(row(line, &slug, &told, answer)))
    }

    /// Asks until somebody answers; none where nothing is to be shown, or nobody listens any more.
    async fn ask<T>(&self, call: impl AsyncFn() -> Result<T, ApiError>) -> Result<Option<T>, Failure> {
        let mut poller = Poller::new(self.out);
        loop {
            let found = async {
                match call().await {
                    Err(e) if silent(&e) => Ok(None),
                    found => found.map(Some),
                }
            };
            match poller.look(found).await? {
                Polled::Came(found) => return Ok(found),
                Polled::Away if poller.pause().await => {}
                Polled::Away | Polled::End => return Ok(None),
            }
        }
    }
}

/// Whether there is only nothing to be shown: the conversion was erased, or its source is gone or is told nothing.
fn silent(error: &ApiError) -> bool {
    matches!(error.code(), Some("not_found" | "cannot_be_told"))
}

fn row(
    line: &PostbackLogEvent,
    source: &str,
    told: &SourceTestAnswer,
    answer: Option<Result<Forwarded, String>>,
) -> Value {
    let headers: HashMap<&str, &str> = told.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut notes = told.warnings.clone();
    if !told.asked {
        notes.insert(0, format!("the source does not ask for {}", told.status));
    }
    let (answer, status, ms) = match answer {
        None => (String::new(), None, None),
        Some(Ok(Forwarded { status, after })) => {
            let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            (format!("{status} in {ms} ms"), Some(status), Some(ms))
        }
        Some(Err(why)) => (format!("none: {why}"), None, None),
    };
    json!({
        "at": line.at, "source": source, "conversion_id": line.conversion_id, "click_id": line.click_id,
        "status": told.status, "asked": told.asked, "method": told.method, "url": told.url,
        "headers": headers, "body": told.body, "note": notes.join("; "),
        "answer": answer, "answer_status": status, "latency_ms": ms,
    })
}
