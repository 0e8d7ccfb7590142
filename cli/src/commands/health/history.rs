//! `tfx health history`.

use crate::{
    columns::{Columns, Rows},
    complete,
    context::Context,
    exit::Failure,
    follow::{self, Identity},
    output::{Column, text},
    pages::{Paging, View},
    when::Window,
};
use clap::Args;
use tfx_api::health::{HealthEvent, HealthQuery};
use tfx_domain::entity::Kind;

/// Which changes.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// Only of this destination.
    #[arg(value_name = "DESTINATION", add = complete::of(Kind::Destination))]
    destination: Option<String>,
    #[command(flatten)]
    window: Window,
    /// Go on with those to come, oldest first, until Ctrl-C. Without --since: only those to come.
    #[arg(long, conflicts_with_all = ["limit", "cursor", "all", "until"])]
    follow: bool,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    paging: Paging,
}

impl History {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (since, until) = self.window.bounds()?;
        let usual = vec![
            Column::time("at", "at"),
            Column::label("destination", "destination_id"),
            Column::text("from", "from"),
            Column::text("to", "to"),
            Column::number("probes", "in_a_row"),
            Column::number("status", "status"),
            Column::number("ms", "latency_ms"),
            Column::text("what is wrong", "reason").of_weight(3),
        ];
        let columns = self.columns.of(Rows::Health, usual)?;
        let view = View { columns, name: |row| text(&row["id"]) };
        let fetch = async |since, limit, cursor| {
            let destination = self.destination.clone();
            client.health_history(&HealthQuery { destination, since, until, limit, cursor }).await
        };
        if self.follow {
            let identity = Identity { id: |e: &HealthEvent| e.id.to_string(), at: |e| e.at };
            return follow::rows(context, view, identity, since, async |from, limit, cursor| {
                fetch(Some(from), Some(limit), cursor).await
            })
            .await;
        }
        self.paging.print(context, view, async |limit, cursor| fetch(since, limit, cursor).await).await
    }
}
