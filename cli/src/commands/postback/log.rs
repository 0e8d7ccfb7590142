//! `tfx postback log`.

use crate::{
    columns::Rows,
    complete,
    context::Context,
    event_list::{Asked, EventList, Shown},
    exit::Failure,
    follow::Identity,
    output::{Column, text},
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
    #[command(flatten)]
    list: EventList<PostbackFilter>,
}

impl Log {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (since, until) = self.window.bounds()?;
        let result = PostbackResult::ALL.into_iter().find(|r| Some(r.as_str()) == self.result.as_deref());
        let usual = vec![
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
        let list = Shown {
            rows: Rows::Postbacks,
            usual,
            test: "test",
            name: |row| text(&row["id"]),
            identity: Identity { id: |p: &PostbackLogEvent| p.id.to_string(), at: |p| p.at },
        };
        let fetch = async |part: Asked<PostbackFilter>| {
            let Asked { since, test, filters, limit, cursor, .. } = part;
            let network = self.network.clone();
            client
                .postbacks(&PostbackQuery {
                    since,
                    until,
                    network,
                    result,
                    direction: None,
                    test,
                    filters,
                    limit,
                    cursor,
                })
                .await
        };
        self.list.print(context, since, list, fetch).await
    }
}
