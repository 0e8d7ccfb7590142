//! `tfx check`: what a monitor such as Nagios or a line of cron asks. One line, performance data, and the exit codes of
//! monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. What all checks have in common is in `found` and `style`.

mod destinations;
mod found;
mod style;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// What is checked.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// How many destinations are down, and whether they are probed at all.
    Destinations(destinations::Destinations),
}

impl CheckCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Destinations(c) => c.run(context).await,
        }
    }
}
