//! `tfx restore`: what a backup holds, back into a store.

mod archive;
mod clickhouse;
mod embedded;
mod mongo;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum RestoreCommand {
    Embedded(embedded::Embedded),
    Mongo(mongo::Mongo),
    #[command(name = "clickhouse")]
    ClickHouse(clickhouse::ClickHouse),
}

impl RestoreCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Embedded(c) => c.run(context).await,
            Self::Mongo(c) => c.run(context).await,
            Self::ClickHouse(c) => c.run(context).await,
        }
    }
}
