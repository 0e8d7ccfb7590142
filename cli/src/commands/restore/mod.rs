//! `tfx restore`: what a backup holds, back into a store.

mod archive;
mod clickhouse;
mod embedded;
mod mongo;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;
use tfx_service::memory;

/// What a restore brings back with the configuration.
const OPENS_AGAIN: &str = "users, sessions and tokens are as they were then, and what was revoked since opens again: look at tfx \
    user list, tfx session list and tfx token list, and revoke it anew";

/// Says what an earlier restore has left open and this one did not restore.
fn still_open<'n>(context: &Context, open: impl Iterator<Item = &'n String>) {
    let open: Vec<String> = open.cloned().collect();
    if !open.is_empty() {
        context.out.note(format!(
            "warning: an earlier restore left {} open, which this one did not restore: until that is there too, no backup is \
             taken of it and the stores count as half restored",
            tfx_ops::backup::named(&open, 5)
        ));
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum RestoreCommand {
    Embedded(embedded::Embedded),
    Mongo(mongo::Mongo),
    #[command(name = "clickhouse")]
    ClickHouse(clickhouse::ClickHouse),
}

impl RestoreCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        memory::give_back_at_once();
        match self {
            Self::Embedded(c) => c.run(context).await,
            Self::Mongo(c) => c.run(context).await,
            Self::ClickHouse(c) => c.run(context).await,
        }
    }
}
