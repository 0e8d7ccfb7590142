//! `tfx backup`: what a store holds, into a file or a bucket.

mod all;
mod clickhouse;
mod embedded;
mod list;
mod mongo;
mod prune;
mod store;
mod taking;
mod whereabouts;

pub(crate) use store::{CLICKHOUSE, data_folder, failure, of_io, open, stopped, tables};
pub(crate) use whereabouts::{Where, bucket};

use crate::{context::Context, exit::Failure};
use clap::Subcommand;
use tfx_service::memory;

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    All(all::All),
    Embedded(embedded::Embedded),
    Mongo(mongo::Mongo),
    #[command(name = "clickhouse")]
    ClickHouse(clickhouse::ClickHouse),
    List(list::List),
    Verify(list::Verify),
    Prune(prune::Prune),
}

impl BackupCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        memory::give_back_at_once();
        match self {
            Self::All(c) => c.run(context).await,
            Self::Embedded(c) => c.run(context).await,
            Self::Mongo(c) => c.run(context).await,
            Self::ClickHouse(c) => c.run(context).await,
            Self::List(c) => c.run(context).await,
            Self::Verify(c) => c.run(context).await,
            Self::Prune(c) => c.run(context).await,
        }
    }
}
