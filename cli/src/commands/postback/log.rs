//! `tfx postback log`.

use crate::{
    columns::{Columns, Rows},
    complete,
    context::Context,
    exit::Failure,
    follow::{self, Identity},
    output::{Column, text},
    pages::{Paging, View},
    tests_too::TestsToo,
    when::Window,
};
use clap::{Args, builder::PossibleValuesParser};
use tfx_api::postbacks::{PostbackFilter, PostbackLogEvent, PostbackQuery, PostbackResult};
use tfx_domain::entity::Kind;

/// Which postbacks.
#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    window: Window,
    /// Only to this network's slug, known or not.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// Only with this result.
    #[arg(long, value_parser = PossibleValuesParser::new(PostbackResult::ALL.map(PostbackResult::as_str)))]
    result: Option<String>,
    /// What must hold of each: status!=200 or param:txid=T1, of network, template, result, status, click, conversion, ip,
    /// test, param:NAME; may be repeated. Empty: not known.
    #[arg(long = "where", value_name = "FIELD=VALUES")]
    filters: Vec<PostbackFilter>,
    #[command(flatten)]
    tests: TestsToo,
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
        let result = PostbackResult::ALL.into_iter().find(|r| Some(r.as_str()) == self.result.as_deref());
        let columns = vec![
            Column::time("at", "at"),
            Column::text("network", "network"),
            Column::text("template", "template"),
            Column::text("result", "result"),
            Column::number("answer", "status"),
            Column::text("reason", "reason"),
            Column::id("click", "click_id"),
            Column::id("conversion", "conversion_id"),
            Column::text("from", "remote_ip"),
            Column::made("said", "params", |row| super::super::pairs(&row["params"])),
        ];
        let columns = self.columns.of(Rows::Postbacks, self.tests.marked(columns, "test"))?;
        let view = View { columns, name: |row| text(&row["id"]) };
        let test = Some(self.tests.test);
        let fetch = async |since, limit, cursor| {
            let (network, filters) = (self.network.clone(), self.filters.clone());
            let query = PostbackQuery { since, until, network, result, test, filters, limit, cursor };
            client.postbacks(&query).await
        };
        if self.follow {
            let identity = Identity { id: |p: &PostbackLogEvent| p.id.to_string(), at: |p| p.at };
            return follow::rows(context, view, identity, since, async |from, limit, cursor| {
                fetch(Some(from), Some(limit), cursor).await
            })
            .await;
        }
        self.paging.print(context, view, async |limit, cursor| fetch(since, limit, cursor).await).await
    }
}
