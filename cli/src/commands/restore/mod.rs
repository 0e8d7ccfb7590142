//! `tfx restore`: what a backup holds, back into a store.

mod mongo;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum RestoreCommand {
    Mongo(mongo::Mongo),
}

impl RestoreCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Mongo(c) => c.run(context).await,
        }
    }
}
