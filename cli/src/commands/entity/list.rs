//! `tfx NOUN list`.

use super::{Noun, Parent, view};
use crate::{
    context::Context,
    exit::Failure,
    pages::{Paging, View},
};
use clap::{Args, ValueEnum};
use tfx_api::entities::EntityQuery;
use tfx_domain::entity::Status;

/// Flags of every list of entities.
#[derive(Debug, Args)]
pub(crate) struct List<N: Noun> {
    #[command(flatten)]
    within: N::Parent,
    /// Only with one of these [default: active,paused].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATUS")]
    status: Vec<StatusChoice>,
    #[command(flatten)]
    paging: Paging,
}

/// A status, or any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusChoice {
    Active,
    Paused,
    Archived,
    All,
}

impl<N: Noun> List<N> {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let status = if self.status.contains(&StatusChoice::All) {
            vec![Status::Active, Status::Paused, Status::Archived]
        } else {
            let one = |s: &StatusChoice| match s {
                StatusChoice::Paused => Status::Paused,
                StatusChoice::Archived => Status::Archived,
                StatusChoice::Active | StatusChoice::All => Status::Active,
            };
            self.status.iter().map(one).collect()
        };
        let parent = self.within.parent().map(str::to_owned);
        let view = View { columns: view::columns(N::KIND), name: view::name(N::KIND) };
        self.paging
            .print(context, view, async |limit, cursor| {
                let query = EntityQuery { status: status.clone(), parent: parent.clone(), limit, cursor };
                client.list(N::KIND, &query).await
            })
            .await
            .map_err(|failure| match N::KIND.parent() {
                Some(parent) => failure.hint_if_missing(&format!("tfx {parent} list --status all")),
                None => failure,
            })
    }
}
