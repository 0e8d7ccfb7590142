//! `tfx smoke`: does the main job work, from the first click to the report?

use super::up::Stack;
use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing},
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, time::Duration};
use tfx_ops::smoke::{self, Options, Outcome, Step, Target};
use tfx_settings::{Settings, Source};

/// Check the whole way of a click, from the tracking link to the report.
///
/// Makes a network, a destination, a campaign and a stream of its own, sends clicks and postbacks, waits for them in
/// the report, checks dedupe, forgeries and trafficback, and archives what it made.
#[derive(Debug, Args)]
pub(crate) struct Smoke {
    /// What to check: a fresh embedded stack on free ports, or the one that runs.
    #[arg(long, value_enum, default_value_t)]
    stack: Which,
    /// Write the steps to this file in JUnit format.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Keep what it made (and the data folder of an embedded stack).
    #[arg(long)]
    keep: bool,
    /// Longest wait for something to become true, in seconds.
    #[arg(long, default_value_t = 30, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Which {
    /// A fresh one in this process, on free ports and in a folder of its own.
    #[default]
    Embedded,
    /// The one that runs at API_SERVICE_URL, TRAFFIC_SERVICE_URL and POSTBACK_SERVICE_URL.
    Attach,
}

impl Smoke {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let tag = tfx_ops::entropy::secret()[..8].to_owned();
        let options = Options { patience: Duration::from_secs(self.patience), keep: self.keep, tag };
        let steps = match self.stack {
            Which::Attach => {
                let settings = context.settings()?;
                let target = Target {
                    api: context.client()?,
                    traffic_url: settings.addresses.traffic_url,
                    postback_url: settings.addresses.postback_url,
                };
                check(context, &target, &options).await
            }
            Which::Embedded => {
                let folder = tempfile::Builder::new().prefix("tfx-smoke-").tempdir().map_err(Failure::failed)?;
                let mut source = Source::of([("TFX_DATA_DIR", folder.path().display().to_string())]);
                for name in ["API_SERVICE_ADDR", "TRAFFIC_SERVICE_ADDR", "POSTBACK_SERVICE_ADDR"] {
                    source.set(name, "127.0.0.1:0");
                }
                let settings = Settings::read(&source).map_err(Failure::failed)?;
                let stack = Stack::start(&source, settings).await?;
                let target = Target {
                    api: stack.client()?,
                    traffic_url: stack.traffic_url.clone(),
                    postback_url: stack.postback_url.clone(),
                };
                let steps = check(context, &target, &options).await;
                stack.stop().await?;
                if self.keep {
                    context.out.note(format!("the data folder is kept: {}", folder.keep().display()));
                }
                steps
            }
        };
        if let Some(path) = &self.junit {
            fs::write(path, smoke::junit(&steps))
                .map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?;
        }
        print(context, &steps)?;
        match steps.iter().find(|s| !s.passed()) {
            None => Ok(()),
            Some(step) => Err(failed(step)),
        }
    }
}

async fn check(context: &Context, target: &Target, options: &Options) -> Vec<Step> {
    // The table comes at the end; meanwhile a line per step tells that something happens.
    let live = context.out.format == Format::Table;
    smoke::smoke(target, options, |step| {
        if live {
            let sign = if step.passed() { "ok  " } else { "FAIL" };
            context.out.note(format!("{sign} {} ({} ms)", step.name, step.millis));
        }
    })
    .await
}

fn failed(step: &Step) -> Failure {
    match &step.outcome {
        Outcome::Failed { reason, look_at } => {
            Failure::failed(format!("{}: {reason}", step.name)).hint(format!("look at: {look_at}"))
        }
        Outcome::Passed { detail } => Failure::failed(detail),
    }
}

fn print(context: &Context, steps: &[Step]) -> Result<(), Failure> {
    let rows = steps.iter().map(|s| {
        let (result, detail) = match &s.outcome {
            Outcome::Passed { detail } => ("passed", detail),
            Outcome::Failed { reason, .. } => ("FAILED", reason),
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
