//! `tfx click`: what was recorded of requests on tracking links.

mod timeline;

use crate::{
    columns::Rows,
    complete,
    context::Context,
    event_list::{EventList, ListQuery, Shown},
    exit::Failure,
    follow::Identity,
    output::{Column, Format, label, text},
    tests_too,
    when::Window,
};
use clap::{Args, Subcommand};
use serde_json::Value;
use tfx_api::{
    ApiError,
    clicks::{ClickEvent, ClickQuery, ReportFilter},
};
use tfx_domain::{
    entity::Kind,
    id::{ClickId, VisitorId},
    problem::Problems,
};

/// What is done with clicks.
#[derive(Debug, Subcommand)]
pub(crate) enum ClickCommand {
    /// List clicks, newest first.
    List(Box<List>),
    /// Show everything recorded of one click; `tfx explain --click` tells why it went where it went.
    Show(Show),
}

/// Which clicks.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    window: Window,
    /// Only of this campaign.
    #[arg(long, value_name = "CAMPAIGN", add = complete::of(Kind::Campaign))]
    campaign: Option<String>,
    /// Only of this visitor.
    #[arg(long, value_name = "ID")]
    visitor: Option<VisitorId>,
    /// Only those that no stream took.
    #[arg(long, conflicts_with = "routed")]
    unrouted: bool,
    /// Only those that a stream took.
    #[arg(long)]
    routed: bool,
    #[command(flatten)]
    list: EventList<ReportFilter>,
}

/// Which click.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The click id.
    #[arg(value_name = "CLICK_ID")]
    id: ClickId,
    /// What became of it, in the order of time: the decision, postbacks, its conversions, what its source was told.
    #[arg(long)]
    timeline: bool,
}

impl ClickCommand {
    /// What is wrong with what it says, beside flags that cannot be read.
    pub(crate) fn problems(&self) -> Problems {
        match self {
            Self::List(list) => list.list.problems(Rows::Clicks),
            Self::Show(_) => Problems::default(),
        }
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show(show) => show.run(context).await,
        }
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::time("at", "at").of_weight(4),
        Column::id("click", "click_id").of_weight(4),
        Column::text("outcome", "outcome").of_weight(3),
        Column::made("campaign", "campaign_id", campaign).of_weight(2),
        Column::label("decided by", "deciding_campaign_id"),
        Column::label("stream", "stream_id").of_weight(1),
        Column::label("destination", "destination_id").of_weight(1),
        Column::text("country", "country"),
        Column::text("device", "device_type"),
        Column::text("os", "os"),
        Column::text("browser", "browser"),
        Column::made("bot", "is_bot", |row| if row["is_bot"] == true { "bot" } else { "" }.to_owned()).raw(),
        Column::money("cost", "cost").of_weight(3),
    ]
}

/// An error about one click, with what to do next.
pub(in crate::commands) fn failed(error: ApiError) -> Failure {
    Failure::from(error).hint_if_missing("tfx click list --since 15m")
}

/// The campaign's slug, or what was asked for when there is none.
fn campaign(row: &Value) -> String {
    match label(row, &row["campaign_id"]) {
        slug if slug.is_empty() => text(&row["campaign_slug"]),
        slug => slug,
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (since, until) = self.window.bounds()?;
        let unrouted = (self.unrouted || self.routed).then_some(self.unrouted);
        let list = Shown {
            rows: Rows::Clicks,
            usual: columns(),
            test: "test",
            name: |row| text(&row["click_id"]),
            identity: Identity { id: |c: &ClickEvent| c.click_id.to_string(), at: |c| c.at },
        };
        let fetch = async |part: ListQuery<ReportFilter>| {
            let ListQuery { since, test, filters, timezone, limit, cursor } = part;
            let (campaign, visitor) = (self.campaign.clone(), self.visitor);
            let query = ClickQuery {
                since,
                until,
                campaign,
                visitor,
                unrouted,
                test,
                filters,
                timezone,
                limit,
                cursor,
            };
            client.clicks(&query).await
        };
        let printed = self.list.print(context, since, list, fetch).await;
        printed.map_err(|failure| failure.hint_if_missing("tfx campaign list --status all"))
    }
}

impl Show {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        if self.timeline {
            return timeline::run(context, self.id).await;
        }
        let click = context.client()?.click(self.id).await.map_err(failed)?;
        let item = serde_json::to_value(&click).map_err(Failure::failed)?;
        if context.out.format == Format::Name {
            return context.out.lines([self.id.to_string()]);
        }
        let mut fields = columns();
        fields.extend([
            tests_too::column("test"),
            Column::money("would cost", "bot_cost"),
            Column::text("no cost", "cost_refused"),
            Column::text("request", "request"),
            Column::text("answer", "status"),
            Column::text("sent to", "final_url"),
            Column::made("bound", "bound", |row| {
                if row["bound"] == true { "a binding decided" } else { "" }.to_owned()
            })
            .raw(),
            Column::made("health", "health_ignored", |row| {
                if row["health_ignored"] == true { "ignored: all that might take it was down" } else { "" }
                    .to_owned()
            })
            .raw(),
            Column::label("source", "source_id"),
            Column::label("network", "network_id"),
            Column::text("visitor", "visitor_id"),
            Column::text("address", "ip"),
            Column::text("region", "region"),
            Column::text("city", "city"),
            Column::text("provider", "isp"),
            Column::text("connection", "connection_type"),
            Column::text("device model", "device_model"),
            Column::text("os version", "os_version"),
            Column::text("browser version", "browser_version"),
            Column::text("language", "language"),
            Column::text("user agent", "user_agent"),
            Column::text("referrer", "referrer"),
            Column::text("bot because", "bot_reason"),
            Column::text("keyword", "keyword"),
            Column::made("parameters", "params", |row| crate::commands::pairs(&row["params"])),
            Column::text("external id", "external_id"),
            Column::made("new", "unique", new),
            Column::made("passed over", "passed", passed),
            Column::text("configuration", "config_revision"),
        ]);
        context.out.item(&item, &fields, "click_id")
    }
}

/// Where the visitor was new.
fn new(row: &Value) -> String {
    let places =
        [("unique_campaign", "campaign"), ("unique_stream", "stream"), ("unique_destination", "destination")];
    let new: Vec<&str> =
        places.into_iter().filter_map(|(field, place)| (row[field] == true).then_some(place)).collect();
    new.join(", ")
}

/// The streams asked before, each with its reason.
fn passed(row: &Value) -> String {
    let streams = row["passed"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |p: &Value| format!("{}: {}", label(row, &p["stream_id"]), text(&p["reason"]));
    streams.iter().map(one).collect::<Vec<_>>().join("; ")
}
