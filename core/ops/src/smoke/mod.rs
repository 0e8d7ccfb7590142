//! The smoke check: clicks in, money out, against running services.
//!
//! It makes what it needs under names of its own, drives the public endpoints as a browser and a network would, and
//! archives what it made. The first step that fails ends it: the rest is skipped, but what was made is still put away.

mod junit;
mod steps;

pub use junit::junit;

use serde::Serialize;
use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use steps::{Name, Run};
use tfx_api::Client;
use tokio::time::timeout;

/// Longest wait, after an interruption, for what was made to be put away.
const LAST: Duration = Duration::from_secs(5);

/// The services to check.
pub struct Target {
    /// api-service.
    pub api: Client,
    /// Where traffic-service is.
    pub traffic_url: String,
    /// Where postback-service is.
    pub postback_url: String,
    /// The event log, if there is one and it can be reached from here.
    pub log: Option<EventLog>,
}

/// The event log, to put a broken message into.
pub struct EventLog {
    /// The log.
    pub port: Arc<dyn tfx_ports::event_log::EventLog>,
    /// The whole name of one of its topics.
    pub topic: String,
}

/// How it is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Longest wait for something to become true.
    pub patience: Duration,
    /// What it made stays, for a look.
    pub keep: bool,
    /// Makes the names of what it makes its own.
    pub tag: String,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum StepOutcome {
    /// What the step looks at is as it should be.
    Passed {
        /// What was seen.
        detail: String,
    },
    /// What the step looks at is not as it should be.
    Failed {
        /// What was seen instead.
        reason: String,
        /// What to look at.
        look_at: String,
    },
    /// It was not looked at.
    Skipped {
        /// Why it was left out.
        reason: String,
    },
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What it checks.
    pub name: &'static str,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: StepOutcome,
}

impl Step {
    /// Whether it is not as it should be.
    pub const fn failed(&self) -> bool {
        matches!(self.outcome, StepOutcome::Failed { .. })
    }

    fn skipped(which: Name, why: &str) -> Self {
        Self { name: which.title(), millis: 0, outcome: StepOutcome::Skipped { reason: why.to_owned() } }
    }
}

/// What came of a check.
#[derive(Debug)]
pub struct Checked {
    /// All steps, in order.
    pub steps: Vec<Step>,
    /// `stop` came first: the step that was under way is told as failed.
    pub interrupted: bool,
}

/// The steps of a check whose services did not start within `took`: one that failed, and all others skipped.
pub fn not_started(reason: String, look_at: String, took: Duration) -> Vec<Step> {
    let outcome = StepOutcome::Failed { reason, look_at };
    let first = Step { name: "the stack starts", millis: millis(took), outcome };
    let rest = Name::ALL.into_iter().map(|which| Step::skipped(which, "the stack did not start"));
    [first].into_iter().chain(rest).collect()
}

/// Runs the check; `on_step` sees every step as it ends. Done when no step failed.
pub async fn smoke(
    target: &Target,
    options: &Options,
    stop: impl Future<Output = ()>,
    mut on_step: impl FnMut(&Step),
) -> Checked {
    let mut stop = pin!(stop);
    let mut run = Run::new(target, options);
    let mut steps: Vec<Step> = Vec::new();
    let mut interrupted = false;
    for which in Name::ALL {
        // Cleaning up is owed even after a failure; everything else stops at the first.
        if steps.iter().any(Step::failed) && which != Name::CleanUp {
            steps.push(Step::skipped(which, "a step before it failed"));
            continue;
        }
        let begun = Instant::now();
        let outcome = if interrupted {
            let late = |_| which.failed("it takes too long".to_owned());
            timeout(LAST, run.step(which)).await.unwrap_or_else(late)
        } else {
            tokio::select! {
                outcome = run.step(which) => outcome,
                () = &mut stop => {
                    interrupted = true;
                    which.failed("interrupted".to_owned())
                }
            }
        };
        let step = Step { name: which.title(), millis: millis(begun.elapsed()), outcome };
        on_step(&step);
        steps.push(step);
    }
    Checked { steps, interrupted }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
