//! `tfx alert log`.

use super::super::entity::failed;
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
use tfx_api::alerts::{AlertLogQuery, AlertLogRow};
use tfx_domain::entity::Kind;

/// Which lines.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// Only of this alert.
    #[arg(value_name = "ALERT", add = complete::of(Kind::Alert))]
    alert: Option<String>,
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

impl Log {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (since, until) = self.window.bounds()?;
        if let Some(alert) = &self.alert {
            client.get(Kind::Alert, alert).await.map_err(|e| failed(Kind::Alert, alert, e))?;
        }
        let usual = vec![
            Column::time("at", "at"),
            Column::text("alert", "alert"),
            Column::text("group", "group"),
            Column::made("what", "happened", |row| text(&row["happened"]).replace('_', " ")),
            Column::text("text", "text"),
        ];
        let columns = self.columns.of(Rows::Alerts, usual)?;
        let view = View { columns, name: |row| text(&row["id"]) };
        let fetch = async |since, limit, cursor| {
            let alert = self.alert.clone();
            client.alert_log(&AlertLogQuery { alert, since, until, limit, cursor }).await
        };
        if self.follow {
            let identity = Identity { id: |e: &AlertLogRow| e.id.clone(), at: |e| e.at };
            return follow::rows(context, view, identity, since, async |from, limit, cursor| {
                fetch(Some(from), Some(limit), cursor).await
            })
            .await;
        }
        self.paging.print(context, view, async |limit, cursor| fetch(since, limit, cursor).await).await
    }
}
