//! `tfx postback`: what networks send.

pub(crate) mod lint;
mod log;
mod retry;
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
    /// Tell what networks send that their configuration does not fit, and the commands that mend it.
    Lint(lint::Lint),
    /// Take postbacks again that were a conflict, or whose click did not come.
    Retry(retry::Retry),
}

impl PostbackCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Test(test) => test.run(context).await,
            Self::Log(log) => log.run(context).await,
            Self::Lint(lint) => lint.run(context).await,
            Self::Retry(retry) => retry.run(context).await,
        }
    }
}
