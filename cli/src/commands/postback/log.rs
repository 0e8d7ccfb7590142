//! `tfx postback log`.

use crate::{
    complete,
    context::Context,
    exit::Failure,
    output::{Column, text},
    pages::{Paging, View},
    tests_too::TestsToo,
    when::Window,
};
use clap::{Args, builder::PossibleValuesParser};
use tfx_api::postbacks::{PostbackQuery, PostbackResult};
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
    #[command(flatten)]
    tests: TestsToo,
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
        let columns = self.tests.marked(columns, "test");
        let view = View { columns, name: |row| text(&row["id"]) };
        self.paging
            .print(context, view, async |limit, cursor| {
                let network = self.network.clone();
                let test = Some(self.tests.test);
                client.postbacks(&PostbackQuery { since, until, network, result, test, limit, cursor }).await
            })
            .await
    }
}
