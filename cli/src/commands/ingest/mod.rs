//! `tfx ingest`: the way from the event log into ClickHouse.

mod errors;
mod lag;
mod replay;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// What is done about the way from the event log to the reports.
#[derive(Debug, Subcommand)]
pub(crate) enum IngestCommand {
    /// List the messages that became no event, and why, newest first.
    Errors(errors::Errors),
    /// Show how many messages wait in each partition.
    Lag(lag::Lag),
    /// Put broken messages into their topics again, after what broke them is mended.
    Replay(replay::Replay),
}

impl IngestCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Errors(c) => c.run(context).await,
            Self::Lag(c) => c.run(context).await,
            Self::Replay(c) => c.run(context).await,
        }
    }
}
