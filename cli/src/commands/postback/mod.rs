//! `tfx postback`: what networks send, and what sources are told.

pub(crate) mod lint;
mod listen;
mod log;
mod parked;
mod queue;
mod replay;
mod retry;
mod test;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;
use tfx_domain::problem::Problems;

/// What is done with postbacks.
#[derive(Debug, Subcommand)]
pub(crate) enum PostbackCommand {
    /// Try what a network sends: how it is understood and what it would do.
    Test(test::Test),
    /// List every postback that came in, newest first, whatever became of it; or what sources were told.
    Log(Box<log::Log>),
    /// Show what sources are still to be told: how much waits, the next tries, what was given up.
    Queue(queue::Queue),
    /// Look at postbacks that wait for their click, or were given up: try them now, or drop them.
    #[command(subcommand)]
    Parked(parked::ParkedCommand),
    /// Take postbacks of the log again, such as those that were refused, after what they say was mapped.
    Replay(replay::Replay),
    /// Show what sources are told of conversions as they come, and send it to another place too.
    Listen(listen::Listen),
    /// Tell what networks send that does not fit and what sources could not be told, and the commands that mend it.
    Lint(lint::Lint),
    /// Take postbacks again that were a conflict, or whose click did not come; tell sources again what was given up.
    Retry(retry::Retry),
}

impl PostbackCommand {
    /// What is wrong with what it says, beside flags that cannot be read.
    pub(crate) fn problems(&self) -> Problems {
        match self {
            Self::Log(log) => log.problems(),
            _ => Problems::default(),
        }
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Test(test) => test.run(context).await,
            Self::Log(log) => log.run(context).await,
            Self::Queue(queue) => queue.run(context).await,
            Self::Parked(parked) => parked.run(context).await,
            Self::Replay(replay) => replay.run(context).await,
            Self::Listen(listen) => listen.run(context).await,
            Self::Lint(lint) => lint.run(context).await,
            Self::Retry(retry) => retry.run(context).await,
        }
    }
}
