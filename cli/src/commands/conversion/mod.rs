//! `tfx conversion`: what networks reported about clicks.

pub(crate) mod export;
pub(crate) mod import;

use crate::{
    columns::Rows,
    complete,
    context::Context,
    event_list::{EventList, ListQuery, Shown},
    exit::Failure,
    follow::Identity,
    output::{Column, Format, text},
    tests_too,
    when::Window,
};
use clap::{Args, Subcommand};
use tfx_api::conversions::{Conversion, ConversionQuery, ConversionStatus, PublishRequest, ReportFilter};
use tfx_domain::{
    entity::Kind,
    id::{ClickId, ConversionId},
    problem::Problems,
};

/// What is done with conversions.
#[derive(Debug, Subcommand)]
pub(crate) enum ConversionCommand {
    /// List conversions, newest first.
    List(Box<List>),
    /// Show one conversion.
    Show(Show),
    Import(Box<import::Import>),
    Export(Box<export::Export>),
    Publish(Publish),
}

/// Publish conversions once more: what the store has and reports lack comes into them.
///
/// For after a restore, when reports are of an earlier moment than conversions. What reports have already counts once, whatever
/// was published. postback-service does it, within seconds; tfx reconcile tells when nothing is missing any more.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx conversion publish --since 2d --dry-run\n  \
    tfx conversion publish --since 2d\n  \
    tfx conversion publish --all")]
pub(crate) struct Publish {
    #[command(flatten)]
    window: Window,
    /// Every conversion there is.
    #[arg(long, conflicts_with_all = ["since", "until"])]
    all: bool,
    /// Only say how many there are.
    #[arg(long)]
    dry_run: bool,
}

/// Which conversions.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    window: Window,
    /// Only of this campaign.
    #[arg(long, value_name = "CAMPAIGN", add = complete::of(Kind::Campaign))]
    campaign: Option<String>,
    /// Only reported by this network.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// Only with this status: lead, sale, rejected, rebill or a word of the network.
    #[arg(long)]
    status: Option<ConversionStatus>,
    /// Only of this click.
    #[arg(long, value_name = "CLICK_ID")]
    click: Option<ClickId>,
    #[command(flatten)]
    list: EventList<ReportFilter>,
}

/// Which conversion.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The conversion's id.
    #[arg(value_name = "CONVERSION_ID")]
    id: ConversionId,
}

impl ConversionCommand {
    /// What is wrong with what it says, beside flags that cannot be read.
    pub(crate) fn problems(&self) -> Problems {
        match self {
            Self::List(list) => list.list.problems(Rows::Conversions),
            Self::Show(_) | Self::Import(_) | Self::Export(_) | Self::Publish(_) => Problems::default(),
        }
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show(show) => show.run(context).await,
            Self::Import(import) => import.run(context).await,
            Self::Export(export) => export.run(context).await,
            Self::Publish(publish) => publish.run(context).await,
        }
    }
}

impl Publish {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (since, until) = self.window.bounds()?;
        if since.is_none() && until.is_none() && !self.all {
            return Err(Failure::usage("which conversions?")
                .hint("--since TIME names the first, --all means every one"));
        }
        let request = PublishRequest { since, until, dry_run: self.dry_run };
        let answer = context.client()?.publish_conversions(&request).await?;
        let item = serde_json::to_value(answer).map_err(Failure::failed)?;
        context.out.item(&item, &[Column::number("conversions", "conversions")], "conversions")?;
        context.out.note(match self.dry_run {
            true => "nothing was published",
            false => "postback-service publishes them now; tfx reconcile tells whether any is missing still",
        });
        Ok(())
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::time("reported", "created_at"),
        Column::id("conversion", "id"),
        Column::text("status", "status"),
        Column::money("revenue", "revenue"),
        Column::label("network", "network"),
        Column::label("campaign", "click.campaign_id"),
        Column::text("country", "click.country"),
        Column::id("click", "click_id"),
        Column::text("transaction", "transaction_id"),
        Column::money("costs", "cost"),
    ]
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (since, until) = self.window.bounds()?;
        let list = Shown {
            rows: Rows::Conversions,
            usual: columns(),
            test: "click.test",
            name: |row| text(&row["id"]),
            identity: Identity { id: |c: &Conversion| c.id.to_string(), at: |c| c.created_at },
        };
        let fetch = async |part: ListQuery<ReportFilter>| {
            let query = ConversionQuery {
                since: part.since,
                until,
                campaign: self.campaign.clone(),
                network: self.network.clone(),
                status: self.status.clone(),
                click: self.click,
                test: part.test,
                filters: part.filters,
                timezone: part.timezone,
                limit: part.limit,
                cursor: part.cursor,
            };
            client.conversions(&query).await
        };
        let printed = self.list.print(context, since, list, fetch).await;
        printed.map_err(|failure| {
            failure.hint_if_missing("tfx campaign list and tfx network list tell what there is")
        })
    }
}

impl Show {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let conversion = context.client()?.conversion(&self.id).await;
        let conversion =
            conversion.map_err(|e| Failure::from(e).hint_if_missing("tfx conversion list --since 7d"))?;
        let item = serde_json::to_value(&conversion).map_err(Failure::failed)?;
        if context.out.format == Format::Name {
            return context.out.lines([self.id.as_str()]);
        }
        let mut fields = columns();
        fields.extend([
            Column::text("network's word", "raw_status"),
            tests_too::column("click.test"),
            Column::label("decided by", "click.deciding_campaign_id"),
            Column::label("stream", "click.stream_id"),
            Column::label("destination", "click.destination_id"),
            Column::label("source", "click.source_id"),
            Column::text("version", "version"),
            Column::time("changed", "updated_at"),
        ]);
        context.out.item(&item, &fields, "id")
    }
}
