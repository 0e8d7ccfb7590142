//! `tfx bench`: real requests from an access log at tracking links, and whether the report adds up to them.

use super::entity::failed;
use crate::{
    context::Context,
    exit::{Failure, Kind},
    input,
    output::{Column, at},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::{Value, json};
use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal},
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};
use tfx_api::{
    Client,
    report::{Dimension, Metric, ReportFilter, ReportRequest},
};
use tfx_domain::{Timestamp, entity};
use tfx_ops::{
    clock,
    replay::{self, Options, Progress, Summary},
};

/// Send the requests of an access log at tracking links.
///
/// Each request keeps its query, user agent and referrer; its address goes into X-Forwarded-For, which
/// traffic-service believes if it runs with TRUSTED_PROXY_CIDRS=127.0.0.1/32. For campaigns named by slug the report
/// is asked before and after: it must count exactly what was answered, else the exit code is 1.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The access log; - for standard input.
    #[arg(long, value_name = "FILE")]
    replay: PathBuf,
    /// A campaign (slug or id) or a whole tracking link; several are taken in turn.
    #[arg(long = "to", value_name = "CAMPAIGN|URL", required = true)]
    to: Vec<String>,
    /// Most requests under way at once.
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = input::within::<u16>(1, 1024))]
    concurrency: u16,
    /// Most requests per second [default: as fast as they are answered].
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Stop after this many requests.
    #[arg(long, value_name = "N", value_parser = input::number::<u64>)]
    limit: Option<u64>,
    /// Send the log through this often.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = input::within::<u32>(1, 10_000))]
    repeat: u32,
    /// Longest time to wait for one answer, in seconds.
    #[arg(long, default_value_t = 10, value_name = "S", value_parser = input::within::<u64>(1, 600))]
    timeout: u64,
}

/// Longest wait for the report to count what was answered.
const SETTLES: Duration = Duration::from_secs(60);

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|r| *r > 0.0 && *r <= 1e6)
        .ok_or_else(|| "must be above 0 and at most 1000000".to_owned())
}

impl Bench {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let log = open(&self.replay)?;
        let by_link = self.to.iter().all(|t| t.contains("://"));
        if !by_link && self.to.iter().any(|t| t.contains("://")) {
            return Err(Failure::usage("--to takes campaigns or links, not both at once"));
        }
        let api = if by_link { None } else { Some(context.client()?) };
        let links = match &api {
            None => self.to.clone(),
            Some(api) => {
                let mut links = Vec::new();
                for campaign in &self.to {
                    let link = api.campaign_link(campaign, None).await;
                    let link = link.map_err(|e| failed(entity::Kind::Campaign, campaign, e))?.url;
                    // What stands behind it are tokens of a source; the log has values.
                    links.push(link.split('?').next().unwrap_or(&link).to_owned());
                }
                links
            }
        };
        let options = Options {
            links,
            concurrency: usize::from(self.concurrency),
            rate: self.rate,
            limit: self.limit,
            repeat: self.repeat,
            timeout: Duration::from_secs(self.timeout),
        };
        // Counted from a fixed time on, so that the same question can be asked before and after.
        let since = clock::now() - Duration::from_secs(3600);
        let before = match &api {
            Some(api) => hits(api, &self.to, since).await?,
            None => 0,
        };
        let bar = Bar::new(context.out.quiet);
        let stop = async {
            let _ = tokio::signal::ctrl_c().await;
        };
        let progress = {
            let bar = bar.clone();
            move |p: Progress| bar.at(p)
        };
        let summary = replay::replay(log, &options, progress, stop).await.map_err(Failure::usage)?;
        bar.end();
        let recorded = match &api {
            Some(api) => settled(context, api, &self.to, since, before, summary.answered).await.map(Some),
            None => Ok(None),
        };
        // What was measured is told, also if what became of it cannot be.
        print(context, &summary, recorded.as_ref().ok().copied().flatten())?;
        verdict(&summary, recorded?)
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    Ok(Box::new(BufReader::new(file)))
}

/// How many requests the report counts for these campaigns.
async fn hits(api: &Client, campaigns: &[String], since: Timestamp) -> Result<u64, Failure> {
    let request = ReportRequest {
        since: Some(since),
        until: Some(clock::now() + Duration::from_secs(3600)),
        filters: vec![ReportFilter {
            dimension: Dimension::Campaign,
            values: campaigns.to_vec(),
            negate: false,
        }],
        metrics: vec![Metric::Hits],
        ..ReportRequest::default()
    };
    let answer = api.report(&request).await?;
    Ok(answer.totals.get(&Metric::Hits).and_then(|v| u64::try_from(*v).ok()).unwrap_or(0))
}

/// The count after the replay, as soon as it is at least what was answered; events take a moment, and so do services that
/// are started again.
async fn settled(
    context: &Context,
    api: &Client,
    campaigns: &[String],
    since: Timestamp,
    before: u64,
    answered: u64,
) -> Result<u64, Failure> {
    let limit = Instant::now() + SETTLES;
    let mut last = u64::MAX;
    let mut told = false;
    let wait = async {
        loop {
            match hits(api, campaigns, since).await {
                Ok(hits) => {
                    let recorded = hits.saturating_sub(before);
                    if (recorded >= answered && recorded == last) || Instant::now() > limit {
                        return Ok(recorded);
                    }
                    last = recorded;
                }
                Err(failure) if !passing(failure.kind) || Instant::now() > limit => return Err(failure),
                Err(failure) => {
                    if !told {
                        let seconds = SETTLES.as_secs();
                        let message = failure.message;
                        context.out.note(format!("no report yet, asking again for {seconds} s: {message}"));
                        told = true;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        recorded = wait => recorded,
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
    }
}

/// Whether asking again may help.
const fn passing(kind: Kind) -> bool {
    matches!(kind, Kind::Unreachable | Kind::TimedOut | Kind::Failed)
}

/// Requests without an answer may have been recorded or not; everything that was answered must have been.
fn verdict(summary: &Summary, recorded: Option<u64>) -> Result<(), Failure> {
    if let Some(recorded) = recorded
        && !(summary.answered..=summary.sent).contains(&recorded)
    {
        let message = format!("{} requests were answered, the report counts {recorded}", summary.answered);
        return Err(
            Failure::failed(message).hint("tfx events stats shows what was dropped, refused or waits")
        );
    }
    if summary.interrupted {
        return Err(Failure::interrupted());
    }
    if summary.answered == 0 {
        return Err(Failure::new(Kind::Unreachable, "no request was answered")
            .hint("is traffic-service running there?"));
    }
    Ok(())
}

fn print(context: &Context, summary: &Summary, recorded: Option<u64>) -> Result<(), Failure> {
    let mut item = serde_json::to_value(summary).map_err(Failure::failed)?;
    let list = |value: &Value| {
        let parts = value.as_object().into_iter().flatten().map(|(k, v)| format!("{k}: {v}"));
        parts.collect::<Vec<_>>().join(", ")
    };
    let figure = |path: &str| at(&item, path).as_f64().map_or_else(String::new, |v| format!("{v:.1}"));
    let latency = ["p50", "p90", "p99", "p999", "max"]
        .map(|p| format!("{p} {:.1}", at(&item["latency_ms"], p).as_f64().unwrap_or(0.0)))
        .join("  ");
    let shown = json!({
        "sent": item["sent"],
        "answered": item["answered"],
        "recorded": recorded.map(|r| r.to_string()).unwrap_or_default(),
        "by_status": list(&item["by_status"]),
        "failed": list(&item["failed"]),
        "skipped_lines": if item["skipped_lines"] == json!(0) { Value::Null } else { item["skipped_lines"].clone() },
        "seconds": figure("seconds"),
        "requests_per_second": figure("requests_per_second"),
        "latency": latency,
    });
    let columns = [
        Column::text("sent", "sent"),
        Column::text("answered", "answered"),
        Column::text("in the report", "recorded"),
        Column::text("answers by status", "by_status"),
        Column::text("without an answer", "failed"),
        Column::text("lines skipped", "skipped_lines"),
        Column::text("seconds", "seconds"),
        Column::text("requests/s", "requests_per_second"),
        Column::text("latency in ms", "latency"),
    ];
    if context.out.format == crate::output::Format::Table {
        return context.out.item(&shown, &columns, "answered");
    }
    item["recorded"] = json!(recorded);
    context.out.item(&item, &columns, "answered")
}

/// Progress: a bar on a terminal, a line every five seconds elsewhere, nothing when quiet.
#[derive(Clone)]
struct Bar {
    bar: Option<ProgressBar>,
    lines: Option<std::sync::Arc<Mutex<Instant>>>,
}

impl Bar {
    fn new(quiet: bool) -> Self {
        if quiet {
            return Self { bar: None, lines: None };
        }
        if !io::stderr().is_terminal() {
            return Self { bar: None, lines: Some(std::sync::Arc::new(Mutex::new(Instant::now()))) };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let form = "{wide_bar} {pos}/{len}  {rate}  {eta} left";
        let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = write!(out, "{:.0}/s", state.per_sec());
        }));
        Self { bar: Some(bar), lines: None }
    }

    fn at(&self, p: Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(p.total);
            bar.set_position(p.done);
        }
        if let Some(last) = &self.lines
            && let Ok(mut last) = last.lock()
            && last.elapsed() > Duration::from_secs(5)
        {
            *last = Instant::now();
            use io::Write as _;
            let _ = writeln!(io::stderr(), "{} of {} requests", p.done, p.total);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
