//! `tfx ingest replay`.

use crate::{
    context::Context,
    exit::Failure,
    output::Column,
    prompt,
    when::{self, When},
};
use clap::Args;
use tfx_api::{
    Client,
    ingestion::{ReplayAnswer, ReplayRequest},
};
use tfx_ops::clock;

/// Put broken messages into their topics again.
///
/// Their bytes are the same, so do it when what broke them is mended: a later version, a schema brought up to date
/// ('tfx migrate up clickhouse'). An event that is known already counts once all the same; a message that is still
/// broken shows up in 'tfx ingest errors' anew.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Those met from then on: 15m, 2h, 7d (ago), today, RFC 3339 [default: all].
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only of this topic, by its whole name.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only the one at this place in the topic.
    #[arg(long, value_name = "PARTITION@OFFSET", requires = "topic", value_parser = place)]
    at: Option<(i32, i64)>,
    /// Only say how many there are.
    #[arg(long)]
    dry_run: bool,
}

fn place(text: &str) -> Result<(i32, i64), String> {
    let parsed = text.split_once('@').and_then(|(p, o)| Some((p.parse().ok()?, o.parse().ok()?)));
    parsed.ok_or_else(|| "must be a partition and an offset, such as 3@1042".to_owned())
}

impl Replay {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let since = self.since.map(|at| at.start(when::local())).transpose();
        let since = since.map_err(|e| Failure::usage(format!("--since {e}")))?;
        let request = ReplayRequest {
            since,
            until: Some(clock::now()),
            topic: self.topic,
            at: self.at,
            dry_run: true,
            cursor: None,
        };
        let mut answer = all(&client, request.clone()).await?;
        if !self.dry_run && answer.found > 0 {
            let question = format!("Put {} messages into their topics again?", answer.found);
            let agreed = context.yes || (prompt::possible() && prompt::confirm(&question, false)?);
            if !agreed {
                let refused = format!("{} messages were found, none was put back", answer.found);
                return Err(Failure::usage(refused).hint("say --yes, or --dry-run to only count them"));
            }
            answer = all(&client, ReplayRequest { dry_run: false, ..request }).await?;
        }
        let item = serde_json::to_value(&answer).map_err(Failure::failed)?;
        let columns = [Column::number("found", "found"), Column::number("put back", "replayed")];
        context.out.item(&item, &columns, "replayed")?;
        if answer.replayed > 0 {
            context.out.note("next: tfx ingest errors --since 1m shows what is still broken");
        }
        Ok(())
    }
}

/// Request after request until the end.
async fn all(client: &Client, mut request: ReplayRequest) -> Result<ReplayAnswer, Failure> {
    let mut sum = ReplayAnswer::default();
    loop {
        let answer = client.ingestion_replay(&request).await?;
        sum.found += answer.found;
        sum.replayed += answer.replayed;
        request.cursor = answer.next;
        if request.cursor.is_none() {
            return Ok(sum);
        }
    }
}
