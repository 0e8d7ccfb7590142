//! The smoke check: clicks in, money out, against running services.
//!
//! It makes what it needs under names of its own, drives the public endpoints as a browser and a network would, and
//! archives what it made. The first step that fails ends it (what was made is still put away).

mod junit;
mod steps;

pub use junit::junit;

use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_api::Client;

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
pub enum Outcome {
    /// It is as it should be.
    Passed {
        /// What was seen.
        detail: String,
    },
    /// It is not.
    Failed {
        /// What was seen instead.
        reason: String,
        /// What to look at.
        look_at: &'static str,
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
    pub outcome: Outcome,
}

impl Step {
    /// Whether it is as it should be.
    pub const fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed { .. })
    }
}

/// Runs the check; `on_step` sees every step as it ends. Done when every step passed.
pub async fn smoke(target: &Target, options: &Options, mut on_step: impl FnMut(&Step)) -> Vec<Step> {
    let mut run = steps::Run::new(target, options);
    let mut done: Vec<Step> = Vec::new();
    for which in steps::Name::ALL {
        // Cleaning up is owed even after a failure; everything else stops at the first.
        let failed = done.iter().any(|s| !s.passed());
        if failed && which != steps::Name::CleanUp {
            continue;
        }
        let begun = Instant::now();
        let outcome = match run.step(which).await {
            Ok(detail) => Outcome::Passed { detail },
            Err(reason) => Outcome::Failed { reason, look_at: which.look_at() },
        };
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let step = Step { name: which.title(), millis, outcome };
        on_step(&step);
        done.push(step);
    }
    done
}
