//! `tfx smoke`: does the main job work, from the first click to the report?

mod stand;

use crate::{
    context::Context,
    exit::Failure,
    input,
    output::{Column, Format, Listing},
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use stand::Stand;
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use tfx_ops::smoke::{self, Checked, Options, Step, StepOutcome, Target};

/// Check the whole way of a click, from tracking link to report.
///
/// Makes a network, a destination, a campaign and a stream of its own, sends clicks and postbacks, waits for them in
/// the report, checks dedupe, forgeries, trafficback and what the analytics store could not take, and archives what it
/// made. A stack that it started is stopped in the end.
#[derive(Debug, Args)]
pub(crate) struct Smoke {
    /// What to check.
    #[arg(long, value_enum, default_value_t)]
    stack: SmokeStack,
    /// Write the steps to this file in JUnit format.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Keep what it made: entities, data folders, and a stack that it started.
    #[arg(long)]
    keep: bool,
    /// Longest wait for something to become true, in seconds [default: 30; 120 where events go through Kafka].
    #[arg(long, value_name = "S", value_parser = input::within::<u64>(1, 3600))]
    patience: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum SmokeStack {
    /// A fresh one in this process, on free ports and in a folder of its own.
    #[default]
    Embedded,
    /// Fresh real engines as processes on this machine, with the services in this process.
    Local,
    /// Everything in containers, by deploy/docker-compose.yml.
    Compose,
    /// The one that runs at API_SERVICE_URL, TRAFFIC_SERVICE_URL and POSTBACK_SERVICE_URL.
    Attach,
}

impl Smoke {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let patience = self.patience.unwrap_or(match self.stack {
            SmokeStack::Embedded => 30,
            SmokeStack::Local | SmokeStack::Compose | SmokeStack::Attach => 120,
        });
        let tag = tfx_ops::entropy::secret()[..8].to_owned();
        let options = Options { patience: Duration::from_secs(patience), keep: self.keep, tag };
        let begun = Instant::now();
        let started = match self.stack {
            SmokeStack::Embedded => Stand::embedded().await,
            SmokeStack::Local => Stand::local(context).await,
            SmokeStack::Compose => Stand::compose(context).await,
            SmokeStack::Attach => Stand::attach(context),
        };
        let (stand, target) = match started {
            Ok(started) => started,
            Err(failure) => {
                let look_at = failure.hint.clone().unwrap_or_default();
                let steps = smoke::not_started(failure.message.clone(), look_at, begun.elapsed());
                // The first failure is the one to tell; that there is no file is worth a word.
                if let Err(e) = self.write(&steps) {
                    context.out.note(e.message);
                }
                return Err(failure);
            }
        };
        let Checked { steps, interrupted } = check(context, &target, &options).await;
        let ended = stand.end(context, self.keep).await;
        self.write(&steps)?;
        print(context, &steps)?;
        match steps.iter().find(|s| s.failed()) {
            _ if interrupted => Err(Failure::interrupted()),
            None => ended,
            Some(step) => Err(failed(step)),
        }
    }

    /// Writes the steps for CI, if they are wanted.
    fn write(&self, steps: &[Step]) -> Result<(), Failure> {
        let Some(path) = &self.junit else { return Ok(()) };
        fs::write(path, smoke::junit(steps)).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))
    }
}

async fn check(context: &Context, target: &Target, options: &Options) -> Checked {
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    // The table comes at the end; meanwhile a line per step tells that something happens.
    let live = context.out.format == Format::Table;
    smoke::smoke(target, options, stop, |step| {
        if live {
            let sign = match step.outcome {
                StepOutcome::Passed { .. } => "ok  ",
                StepOutcome::Failed { .. } => "FAIL",
                StepOutcome::Skipped { .. } => "skip",
            };
            context.out.note(format!("{sign} {} ({} ms)", step.name, step.millis));
        }
    })
    .await
}

fn failed(step: &Step) -> Failure {
    match &step.outcome {
        StepOutcome::Failed { reason, look_at } => {
            Failure::failed(format!("{}: {reason}", step.name)).hint(format!("look at: {look_at}"))
        }
        StepOutcome::Passed { detail: said } | StepOutcome::Skipped { reason: said } => Failure::failed(said),
    }
}

fn print(context: &Context, steps: &[Step]) -> Result<(), Failure> {
    let rows = steps.iter().map(|s| {
        let (result, detail) = match &s.outcome {
            StepOutcome::Passed { detail } => ("passed", detail),
            StepOutcome::Failed { reason, .. } => ("FAILED", reason),
            StepOutcome::Skipped { reason } => ("skipped", reason),
        };
        json!({ "step": s.name, "result": result, "ms": s.millis, "detail": detail })
    });
    let columns = vec![
        Column::text("step", "step"),
        Column::text("result", "result"),
        Column::number("ms", "ms"),
        Column::text("detail", "detail"),
    ];
    context.out.rows(&Listing { columns, rows: rows.collect::<Vec<Value>>(), name: "step" })
}
