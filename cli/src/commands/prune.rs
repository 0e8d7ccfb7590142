//! `tfx prune`: deletes old events; asks first on a terminal, wants `--yes` elsewhere.

use crate::{
    context::Context,
    exit::{Failure, Kind},
    output::Column,
    prompt,
    when::{self, When},
};
use clap::Args;
use serde_json::json;
use std::time::{Duration, Instant};
use tfx_api::{
    ApiError, Client,
    retention::{EventCounts, PruneRequest, PruneRun},
};
use tfx_domain::Timestamp;
use tokio::time::sleep;

/// Pause between looks at how far it is.
const EVERY: Duration = Duration::from_millis(250);
/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// How long a service that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Delete old events, for good.
///
/// Clicks, the postback log and what reports count of conversions leave; conversions themselves, caps and limits, and the
/// configuration stay. Traffic goes on meanwhile. ANALYTICS_TTL_DAYS does the same by itself, day after day.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx prune --dry-run\n  \
    tfx prune --before 2026-01-01\n  \
    tfx prune --before 90d --yes")]
pub(crate) struct Prune {
    /// Those older than that: 90d (ago), lastmonth, 2026-01-31, RFC 3339 [default: ANALYTICS_TTL_DAYS ago].
    #[arg(long, value_name = "TIME")]
    before: Option<When>,
    /// Also write the file of events anew, without what is free in it; takes as much room again, and events wait in the
    /// journals meanwhile.
    #[arg(long)]
    vacuum: bool,
    /// Only say how many there are.
    #[arg(long)]
    dry_run: bool,
}

impl Prune {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let asks = !context.yes && !self.dry_run;
        if asks && !prompt::possible() {
            return Err(Failure::usage("deleting events needs a yes: give --yes")
                .hint("--dry-run says how many would be deleted"));
        }
        let before = self.before.map(|at| at.start(when::local())).transpose();
        let before = before.map_err(|e| Failure::usage(format!("--before {e}")))?;
        let client = context.client()?;
        let mut request = PruneRequest { before, dry_run: true, vacuum: self.vacuum };
        let answer = client.prune(&request).await?;
        if self.dry_run {
            print(context, answer.before, answer.found.unwrap_or_default(), 0)?;
            context.out.note(match answer.found {
                Some(_) => "nothing was deleted",
                None => "there are too many to be counted in time; nothing was deleted",
            });
            return Ok(());
        }
        if asks && !prompt::confirm(&question(answer.found, answer.before), false)? {
            context.out.note("nothing was deleted");
            return Ok(());
        }
        (request.before, request.dry_run) = (Some(answer.before), false);
        let begun = client.prune(&request).await?.run;
        let begun = begun.ok_or_else(|| Failure::failed("api-service did not begin to delete"))?;
        let run = ended(context, &client, &begun).await?;
        print(context, run.before, run.deleted, run.bytes)?;
        if let Some(why) = run.error {
            return Err(Failure::failed(format!("not all was deleted: {why}"))
                .hint("what was deleted stays so; the same command goes on"));
        }
        let size = client.retention().await?;
        if !size.gives_back && size.free_bytes > 0 {
            context.out.note(format!(
                "{} bytes are free in the file and are used before it grows; tfx prune --vacuum gives them back",
                size.free_bytes
            ));
        }
        Ok(())
    }
}

fn question(found: Option<EventCounts>, before: Timestamp) -> String {
    let before = when::shown(&before.to_string());
    match found {
        Some(found) => format!("Delete {} events older than {before} for good?", found.total()),
        None => format!("Delete all events older than {before} for good?"),
    }
}

/// Waits for the end of a run.
async fn ended(context: &Context, client: &Client, begun: &PruneRun) -> Result<PruneRun, Failure> {
    let (mut told, mut heard) = (Instant::now(), Instant::now());
    loop {
        sleep(EVERY).await;
        let status = match client.retention().await {
            Ok(status) => status,
            // It goes on there, whether somebody looks or not.
            Err(ApiError::Unreachable { .. } | ApiError::Timeout { .. }) if heard.elapsed() < PATIENCE => {
                continue;
            }
            Err(e) => return Err(e.into()),
        };
        heard = Instant::now();
        let same = |run: &PruneRun| run.started_at == begun.started_at;
        if let Some(run) = status.last.filter(same) {
            return Ok(run);
        }
        let Some(run) = status.running.filter(same) else {
            let why = "api-service was started anew meanwhile, and deletes no more";
            return Err(
                Failure::new(Kind::Failed, why).hint("what was deleted stays so; the same command goes on")
            );
        };
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            context.out.note(format!("{} events deleted so far", run.deleted.total()));
        }
    }
}

fn print(context: &Context, before: Timestamp, events: EventCounts, bytes: u64) -> Result<(), Failure> {
    let item = json!({
        "before": before, "clicks": events.clicks, "trafficback": events.trafficback,
        "conversions": events.conversions, "postbacks": events.postbacks, "other": events.other,
        "events": events.total(), "bytes_given_back": bytes,
    });
    let columns = [
        Column::time("older than", "before"),
        Column::number("clicks", "clicks"),
        Column::number("trafficback", "trafficback"),
        Column::number("conversions in reports", "conversions"),
        Column::number("postback log", "postbacks"),
        Column::number("other", "other"),
        Column::number("bytes given back", "bytes_given_back"),
    ];
    context.out.item(&item, &columns, "events")
}
