//! `tfx postback`: what networks send.

mod log;
mod test;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// What is done with postbacks.
#[derive(Debug, Subcommand)]
pub(crate) enum PostbackCommand {
    /// Try what a network sends: how it is understood and what it would do.
    Test(test::Test),
    /// List every postback that came in, newest first, whatever became of it.
    Log(log::Log),
}

impl PostbackCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Test(test) => test.run(context).await,
            Self::Log(log) => log.run(context).await,
        }
    }
}
