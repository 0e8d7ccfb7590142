//! `tfx rate`: what currencies are worth in each other, by days.

mod import;

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, text},
    pages::{Paging, View},
};
use clap::{Args, Subcommand};
use import::Import;
use serde_json::json;
use tfx_api::rates::{NewRate, RatesAnswer, RatesQuery, RemoveRate, SetRates};
use tfx_domain::{money::Currency, rate::RateValue};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum RateCommand {
    Set(Set),
    List(List),
    Remove(Remove),
    Import(Import),
}

/// Set what one unit of a currency is in another, from a day on.
///
/// It holds until the pair's next day that has one. Reports convert what a conversion brought by the rate of the day on which it
/// was first reported, and what a click cost by that of its day, in UTC. Of a pair that has none the opposite one's is taken, as
/// 1 divided by it; nothing is converted by way of a third currency.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx rate set EUR USD 1.0842\n  \
    tfx rate set JPY USD 0.0064 --from 2026-01-01")]
pub(crate) struct Set {
    /// The currency that is converted.
    #[arg(value_name = "FROM")]
    from: Currency,
    /// The currency that it becomes.
    #[arg(value_name = "TO")]
    to: Currency,
    /// How much of TO one FROM is.
    #[arg(value_name = "RATE", allow_negative_numbers = true)]
    rate: RateValue,
    /// The first day on which it holds, in UTC [default: today].
    #[arg(long = "from", value_name = "DAY", value_parser = day)]
    day: Option<String>,
}

/// List rates, by pair and day.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx rate list\n  \
    tfx rate list EUR USD --all --output csv")]
pub(crate) struct List {
    /// Only from this currency.
    #[arg(value_name = "FROM")]
    from: Option<Currency>,
    /// Only to this one.
    #[arg(value_name = "TO")]
    to: Option<Currency>,
    #[command(flatten)]
    paging: Paging,
}

/// Remove a rate: the pair's one before it holds on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tfx rate remove EUR USD --from 2026-01-31")]
pub(crate) struct Remove {
    /// The currency that is converted.
    #[arg(value_name = "FROM")]
    from: Currency,
    /// The currency that it becomes.
    #[arg(value_name = "TO")]
    to: Currency,
    /// The day for which it was set.
    #[arg(long = "from", value_name = "DAY", value_parser = day)]
    day: String,
}

fn day(text: &str) -> Result<String, &'static str> {
    tfx_domain::rate::day(text).map(|day| day.to_string())
}

impl RateCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Set(set) => set.run(context).await,
            Self::List(list) => list.run(context).await,
            Self::Remove(remove) => remove.run(context).await,
            Self::Import(import) => import.run(context).await,
        }
    }
}

impl Set {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (from, to) = (self.from, self.to);
        if from == to {
            return Err(Failure::usage(format!("TO must be another currency than FROM, which is {from}")));
        }
        let rate = NewRate {
            from: from.to_string(),
            to: to.to_string(),
            day: self.day.clone(),
            rate: self.rate.to_string(),
        };
        let done = context.client()?.set_rates(&SetRates { rates: vec![rate], dry_run: false }).await?;
        let since = self.day.unwrap_or_else(|| "today".to_owned());
        let sentence = match done.same {
            0 => format!("1 {from} is {} {to} from {since} on", self.rate),
            _ => format!("1 {from} is {} {to} from {since} on, as it was", self.rate),
        };
        print(context, done, &sentence)
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let columns = vec![
            Column::text("from", "from"),
            Column::text("to", "to"),
            Column::text("day", "day"),
            Column::number("rate", "rate"),
        ];
        let view = View {
            columns,
            name: |row| format!("{}/{}/{}", text(&row["from"]), text(&row["to"]), text(&row["day"])),
        };
        let code = |currency: Option<Currency>| currency.map(|c| c.to_string());
        self.paging
            .print(context, view, async |limit, cursor| {
                client.rates(&RatesQuery { from: code(self.from), to: code(self.to), limit, cursor }).await
            })
            .await
    }
}

impl Remove {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { from, to, day } = self;
        let asked = RemoveRate { from: from.to_string(), to: to.to_string(), day: day.clone() };
        let done = context.client()?.remove_rate(&asked).await.map_err(|e| {
            Failure::from(e).hint_if_missing(&format!("'tfx rate list {from} {to}' shows those that are set"))
        })?;
        print(context, done, &format!("the rate of {from} to {to} that was set for {day} is removed"))
    }
}

/// What was done: as a sentence, or as what it came to.
fn print(context: &Context, done: RatesAnswer, sentence: &str) -> Result<(), Failure> {
    use crate::output::Format;
    match context.out.format {
        Format::Table | Format::Name => context.out.lines([sentence.to_owned()]),
        _ => context.out.item(&json!(done), &[], ""),
    }
}
