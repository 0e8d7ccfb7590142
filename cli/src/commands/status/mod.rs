//! `tfx status`: how everything is, on one screen. What is asked is in [`mod@look`], how it is shown in [`screen`].

mod look;
mod screen;

#[cfg(test)]
pub(crate) use look::ServiceStatus;
pub(crate) use look::{Destinations, EventLog, Events, Status, look};

use crate::{
    context::Context,
    exit::{Failure, Kind},
    output::{Column, Format, Listing, nobody_listens},
    when,
};
use clap::{Args, ValueEnum};
use dialoguer::console::Term;
use serde_json::{Value, json};
use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Pause between looks while something is waited for.
const AGAIN: Duration = Duration::from_millis(500);

/// Show how the services are, what waits, and who is down.
///
/// The services are asked at TRAFFIC_SERVICE_URL, POSTBACK_SERVICE_URL and API_SERVICE_URL. It changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if every service is ready, 1 if one is not, 6 if one does not answer,\n\
    7 if --until was not reached in time.\n\n\
    Example, in a script after a deployment:\n  \
    tfx status --until ready --timeout 2m --quiet")]
pub(crate) struct StatusCommand {
    /// Look again and again, until Ctrl-C.
    #[arg(long, conflicts_with = "until")]
    watch: bool,
    /// How long between looks: 2s, 1m.
    #[arg(long, value_name = "LENGTH", default_value = "2s", value_parser = pause, requires = "watch")]
    every: u64,
    /// Wait until it is so, then show it.
    #[arg(long, value_enum)]
    until: Option<Until>,
    /// How long that is waited for: 60s, 5m.
    #[arg(long, value_name = "LENGTH", default_value = "60s", value_parser = when::span, requires = "until")]
    timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Until {
    /// Every service answers and can do its job.
    Ready,
}

/// From a second to an hour.
fn pause(text: &str) -> Result<u64, String> {
    let length = when::span(text)?;
    if (1..=3_600).contains(&length) { Ok(length) } else { Err("must be from 1s to 1h".to_owned()) }
}

impl StatusCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        if self.watch {
            return self.watch(context).await;
        }
        let over = Instant::now() + Duration::from_secs(self.timeout);
        let status = loop {
            let status = look(context).await?;
            if self.until.is_none() || status.is_ready() || Instant::now() >= over {
                break status;
            }
            tokio::select! {
                () = sleep(AGAIN) => {}
                _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
            }
        };
        print(context, &status)?;
        match (status.unready(), self.until) {
            (None, _) => Ok(()),
            (Some(why), Some(Until::Ready)) => {
                let message = format!("not ready after {} s: {}", self.timeout, why.message);
                Err(Failure { message, kind: Kind::TimedOut, ..why })
            }
            (Some(why), None) => Err(why),
        }
    }

    /// Screen after screen; what a look finds fails nothing.
    async fn watch(&self, context: &Context) -> Result<(), Failure> {
        if !matches!(context.out.format, Format::Table | Format::Jsonl) {
            return Err(Failure::usage(
                "--watch shows screens, or an object for each look: --output table or jsonl",
            ));
        }
        let clear = context.out.format == Format::Table && io::stdout().is_terminal();
        loop {
            let status = tokio::select! {
                status = look(context) => status?,
                () = nobody_listens() => return Ok(()),
            };
            if clear {
                Term::stdout().clear_screen()?;
            }
            print(context, &status)?;
            tokio::select! {
                () = sleep(Duration::from_secs(self.every)) => {}
                () = nobody_listens() => return Ok(()),
            }
        }
    }
}

fn print(context: &Context, status: &Status) -> Result<(), Failure> {
    match context.out.format {
        Format::Table => context.out.lines(screen::lines(status, context.out.width())),
        Format::Json | Format::Jsonl | Format::Yaml => {
            context.out.item(&serde_json::to_value(status).map_err(Failure::failed)?, &[], "")
        }
        Format::Csv | Format::Name => context.out.rows(&listing(status)),
    }
}

/// A row for each service and for each thing that it depends on.
fn listing(status: &Status) -> Listing {
    let columns = vec![
        Column::text("service", "service"),
        Column::text("dependency", "dependency"),
        Column::text("state", "state"),
        Column::number("ms", "latency_ms"),
        Column::number("age ms", "age_ms"),
        Column::text("detail", "detail"),
    ];
    let mut rows: Vec<Value> = Vec::new();
    for s in &status.services {
        rows.push(json!({ "service": s.name, "dependency": "", "state": s.state, "latency_ms": s.latency_ms, "detail": s.error }));
        rows.extend(s.dependencies.iter().map(|d| {
            json!({ "service": s.name, "dependency": d.name, "state": d.state, "latency_ms": d.latency_ms, "age_ms": d.age_ms, "detail": d.detail })
        }));
    }
    Listing { columns, rows, name: "service" }
}
