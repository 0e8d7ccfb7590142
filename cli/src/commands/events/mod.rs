//! `tfx events`: what the services write, and the log that it goes into.

mod replay_refused;
mod stats;
mod tail;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// What is done with events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Show what each service's event producer has written, retried, kept and lost since it started.
    Stats,
    /// Give the events that a sink refused to the journals again, after what was wrong is mended.
    ReplayRefused(replay_refused::ReplayRefused),
    /// Follow the event log itself, message by message, until Ctrl-C. It asks the brokers (EVENT_BROKERS) directly.
    Tail(tail::Tail),
}

impl EventsCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Stats => stats::run(context).await,
            Self::ReplayRefused(c) => c.run(context).await,
            Self::Tail(c) => c.run(context).await,
        }
    }
}
