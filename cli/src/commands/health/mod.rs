//! `tfx health`: whether destinations answer.

mod check;
mod history;
mod list;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// What is asked about the health of destinations.
#[derive(Debug, Subcommand)]
pub(crate) enum HealthCommand {
    /// List the destinations that have a health check, and how they are.
    List(list::List),
    /// Probe destinations now; exits 1 if one does not answer as it should.
    Check(check::Check),
    /// List when destinations went down and came up again, newest first.
    History(history::History),
}

impl HealthCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List(c) => c.run(context).await,
            Self::Check(c) => c.run(context).await,
            Self::History(c) => c.run(context).await,
        }
    }
}
