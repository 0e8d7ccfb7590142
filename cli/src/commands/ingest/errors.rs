//! `tfx ingest errors`.

use crate::{
    context::Context,
    exit::Failure,
    follow::{Polled, Poller},
    output::{Column, Format, printable, text},
    pages::{Paging, View},
    when::{self, When},
};
use clap::Args;
use serde_json::Value;
use tfx_api::{
    Client, Page,
    ingestion::{IngestionError, IngestionQuery},
};
use tfx_domain::Timestamp;
use tfx_ops::clock;

/// Errors asked for at once; what api-service gives at the most.
const PAGE: usize = 100;

/// Which errors.
#[derive(Debug, Args)]
pub(crate) struct Errors {
    /// Met from then on: 15m, 2h, 7d (ago), today, yesterday, 2026-01-31, RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only of this topic, by its whole name (traffoflex.click_events).
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Go on with those to come, oldest first, a line each, until Ctrl-C. Without --since: only those to come.
    #[arg(long, conflicts_with_all = ["limit", "cursor", "all"])]
    follow: bool,
    #[command(flatten)]
    paging: Paging,
}

impl Errors {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let since = self.since.map(|at| at.start(when::local())).transpose();
        let since = since.map_err(|e| Failure::usage(format!("--since {e}")))?;
        if self.follow {
            if matches!(context.out.format, Format::Yaml | Format::Csv) {
                let message = "--follow prints a line for each error: --output table, jsonl or name";
                return Err(Failure::usage(message));
            }
            return follow(context, &client, since, self.topic).await;
        }
        let columns = vec![
            Column::time("met at", "observed_at"),
            Column::text("topic", "topic"),
            Column::number("partition", "partition"),
            Column::number("offset", "offset"),
            Column::text("error", "error"),
            Column::made("message", "message", |row| cut(&printable(&text(&row["message"])))),
        ];
        self.paging
            .print(context, View { columns, name: place }, async |limit, cursor| {
                let (topic, limit) = (self.topic.clone(), limit.map(|n| n.min(PAGE)));
                let query = IngestionQuery { since, topic, ascending: false, limit, cursor };
                client.ingestion_errors(&query).await
            })
            .await
    }
}

/// `topic/partition@offset`.
fn place(row: &Value) -> String {
    format!("{}/{}@{}", text(&row["topic"]), text(&row["partition"]), text(&row["offset"]))
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &message[..at]),
        None => message.to_owned(),
    }
}

/// Goes on until Ctrl-C or a closed pipe. The cursor is the place in the store's own order, so that services that restart
/// lose and repeat nothing.
async fn follow(
    context: &Context,
    client: &Client,
    since: Option<Timestamp>,
    topic: Option<String>,
) -> Result<(), Failure> {
    let since = Some(since.unwrap_or_else(clock::now));
    let mut query = IngestionQuery { since, topic, ascending: true, limit: Some(PAGE), cursor: None };
    let mut poller = Poller::new(context.out);
    loop {
        let more = match poller.look(client.ingestion_errors(&query)).await? {
            Polled::End => return Ok(()),
            Polled::Away => false,
            Polled::Came(page) => {
                print(context, &page)?;
                query.cursor = page.next.or(query.cursor);
                page.items.len() == PAGE
            }
        };
        if !more && !poller.pause().await {
            return Ok(());
        }
    }
}

fn print(context: &Context, page: &Page<IngestionError>) -> Result<(), Failure> {
    for item in &page.items {
        let row = serde_json::to_value(item).map_err(Failure::failed)?;
        let line = match context.out.format {
            Format::Name => place(&row),
            Format::Json | Format::Jsonl | Format::Yaml | Format::Csv => row.to_string(),
            Format::Table => format!(
                "{}  {}  {}",
                when::shown(&text(&row["observed_at"])),
                place(&row),
                printable(&item.error)
            ),
        };
        context.out.lines([line])?;
    }
    Ok(())
}
