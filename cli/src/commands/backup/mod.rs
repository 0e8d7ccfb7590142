//! `tfx backup`: what a store holds, into a file.

mod mongo;
mod store;

pub(crate) use store::{failure, open, stopped};

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    Mongo(mongo::Mongo),
}

impl BackupCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Mongo(c) => c.run(context).await,
        }
    }
}
