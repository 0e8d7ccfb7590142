//! `tfx report`: clicks, conversions, money. What is asked is here; how it is shown in [`print`](mod@print), beside the time
//! before in [`compare`], at a glance in [`eyes`], as a picture in [`chart`].

mod chart;
mod compare;
mod eyes;
mod markdown;
mod print;
mod rates;

pub(crate) use eyes::spark;

use super::postback::lint::footnote;
use crate::{
    complete,
    context::Context,
    exit::{Failure, Kind},
    input,
    output::{Format, nobody_listens},
    tests_too::TestsToo,
    when::{self, When},
};
use chart::Chart;
use clap::{Args, ValueEnum};
use compare::Compared;
use dialoguer::console::Term;
use eyes::History;
use jiff::tz::TimeZone;
use print::Shown;
use serde_json::json;
use std::{
    io::{self, IsTerminal as _},
    str::FromStr,
    time::Duration,
};
use tfx_api::{
    Client,
    report::{Attribution, Dimension, Metric, ReportAnswer, ReportFilter, ReportRequest, Sort},
};
use tfx_domain::{money::Currency, problem::Problems};
use tokio::time::sleep;

/// Report clicks, conversions and money.
///
/// Without --since it covers the last seven days, today included.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx report\n  \
    tfx report --by campaign,country --since yesterday --sort -profit\n  \
    tfx report --by day --where campaign=summer --metrics clicks,revenue,roi\n  \
    tfx report --compare previous --metrics clicks,profit --spark clicks\n  \
    tfx report --by day --metrics profit --chart profit.svg\n\n\
    Dimensions:\n  \
    campaign deciding_campaign stream destination source network country\n  \
    region city isp connection_type device_type os browser language\n  \
    referrer keyword sub1…sub20 status bot hour day week month hour_of_day weekday\n\
    Metrics, or all:\n  \
    hits clicks unique_campaign unique_stream unique_destination bots\n  \
    prefetches trafficbacks conversions leads sales rejected rebills\n  \
    revenue_hold revenue_confirmed revenue cost bot_cost profit\n  \
    profit_confirmed roi roi_confirmed cr cr_confirmed approval_rate epc\n  \
    epuc cpc cpa ecpm roas")]
pub(crate) struct Report {
    /// What rows are grouped by, in order; none: one row.
    #[arg(long, value_name = "DIMENSIONS", value_delimiter = ',', default_value = "campaign", add = complete::dimensions(""))]
    by: Vec<By>,
    /// Which figures, in order [default: the usual ones].
    #[arg(long, value_name = "METRICS", value_delimiter = ',', add = complete::metrics())]
    metrics: Vec<Figures>,
    /// From: 2h or 7d (ago), today, yesterday, lastweek, month, 2026-01-31, RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// To, in the same forms; a day is included to its end [default: now].
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// The time zone of days and hours, such as Europe/Berlin [default: this machine's].
    #[arg(long, value_name = "ZONE", value_parser = when::zone)]
    tz: Option<TimeZone>,
    /// What must hold of every counted event: country=US,CA or bot!=true; may be repeated.
    #[arg(long = "where", value_name = "DIMENSION=VALUES", add = complete::dimensions("="))]
    conditions: Vec<ReportFilter>,
    /// Whether a conversion counts at its click's time or its own.
    #[arg(long, value_enum, default_value_t = At::Click)]
    attribution: At,
    #[command(flatten)]
    tests: TestsToo,
    /// Of all amounts [default: USD].
    #[arg(long, value_name = "CODE", value_parser = Currency::stored)]
    currency: Option<Currency>,
    /// Below the table, the rates by which amounts were converted.
    #[arg(long)]
    rates: bool,
    /// The order of rows: a metric or dimension; -metric puts the largest first.
    #[arg(long, value_name = "[-]NAME", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Which columns of a table or of CSV, in order: dimensions, metrics, currency [default: all].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// At most this many rows.
    #[arg(long, value_name = "N", value_parser = input::within::<u32>(1, 100_000))]
    limit: Option<u32>,
    /// Beside each figure how it differs from the time of the same length before.
    #[arg(long, value_enum, help_heading = "To look at")]
    compare: Option<With>,
    /// A bar for each row of this figure.
    #[arg(long, value_name = "METRIC", help_heading = "To look at", add = complete::metrics())]
    bars: Option<Metric>,
    /// The course of this figure within the time, for each row.
    #[arg(long, value_name = "METRIC", help_heading = "To look at", add = complete::metrics())]
    spark: Option<Metric>,
    /// Ask again every so many seconds, until Ctrl-C [default: 5].
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5", value_parser = input::within::<u64>(1, 86_400), help_heading = "To look at")]
    watch: Option<u64>,
    /// The form of the table, for people.
    #[arg(long, value_enum, help_heading = "To look at")]
    format: Option<Form>,
    /// Draw the first of --metrics [default: clicks] into this file.
    #[arg(long, value_name = "FILE.svg|png", value_parser = chart::file, conflicts_with = "compare", help_heading = "To look at")]
    chart: Option<Chart>,
}

/// What a report is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum With {
    // The time of the same length just before.
    Previous,
}

/// Another form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum At {
    Click,
    Conversion,
}

/// A dimension, or none at all.
#[derive(Debug, Clone, Copy)]
struct By(Option<Dimension>);

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "" | "none") { Ok(Self(None)) } else { text.parse().map(|d| Self(Some(d))) }
    }
}

/// A metric, or all.
#[derive(Debug, Clone, Copy)]
struct Figures(Option<Metric>);

impl FromStr for Figures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self(None)) } else { text.parse().map(|m| Self(Some(m))) }
    }
}

impl Report {
    /// What is wrong with what it says, beside flags that cannot be read.
    pub(crate) fn problems(&self) -> Problems {
        let is_word = |name: &str| name.parse::<Metric>().is_ok() || name.parse::<Dimension>().is_ok();
        let mut problems = Problems::default();
        for name in self.columns.iter().filter(|c| *c != "currency" && !is_word(c)) {
            problems.add("", format!("--columns: '{name}' is neither a metric nor a dimension"));
        }
        if let Some(by) = self.sort.as_deref().map(|s| s.trim_start_matches('-')).filter(|s| !is_word(s)) {
            problems.add("", format!("--sort: '{by}' is neither a metric nor a dimension"));
        }
        problems
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        self.fits(context.out.format)?;
        let client = context.client()?;
        let Some(every) = self.watch else { return self.once(context, &client).await };
        let clear =
            context.out.format == Format::Table && self.format.is_none() && io::stdout().is_terminal();
        let mut away = false;
        loop {
            let asked = tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
                () = nobody_listens() => return Ok(()),
                asked = self.look(&client) => asked,
            };
            match asked {
                Ok(looked) => {
                    away = false;
                    if clear {
                        Term::stdout().clear_screen()?;
                    }
                    self.show(context, &looked)?;
                }
                // Figures stay on the screen; those of an earlier time say so in their caption.
                Err(failure) if matches!(failure.kind, Kind::Unreachable | Kind::TimedOut) => {
                    if !std::mem::replace(&mut away, true) {
                        context.out.note(format!("{}; trying on", failure.message));
                    }
                }
                Err(failure) => return Err(failure),
            }
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
                () = nobody_listens() => return Ok(()),
                () = sleep(Duration::from_secs(every)) => {}
            }
        }
    }

    /// Whether what is to be looked at goes with the format.
    fn fits(&self, format: Format) -> Result<(), Failure> {
        let refused = |what: &str| {
            Err(Failure::usage(format!("{what} is for people: it goes with --output table alone")))
        };
        match format {
            Format::Table => Ok(()),
            _ if self.bars.is_some() => refused("--bars"),
            _ if self.spark.is_some() => refused("--spark"),
            _ if self.format.is_some() => refused("--format markdown"),
            _ if self.rates => refused("--rates"),
            Format::Json | Format::Yaml | Format::Csv if self.watch.is_some() => {
                Err(Failure::usage("--watch prints again and again: --output table, jsonl or name"))
            }
            _ => Ok(()),
        }
    }

    async fn once(&self, context: &Context, client: &Client) -> Result<(), Failure> {
        let looked = self.look(client).await?;
        self.show(context, &looked)?;
        footnote(context, client, &looked.request, &looked.answer).await;
        Ok(())
    }

    /// Asks for everything that is shown.
    async fn look(&self, client: &Client) -> Result<Looked, Failure> {
        let request = self.request()?;
        if self.compare.is_some() {
            compare::allowed(&request.dimensions)?;
        }
        let limit = request.limit;
        let asked = ReportRequest {
            limit: if self.compare.is_some() { Some(compare::MOST) } else { limit },
            ..request.clone()
        };
        let mut answer = client.report(&asked).await?;
        if let Some(metric) = self.bars.filter(|m| !answer.metrics.contains(m)) {
            let known: Vec<&str> = answer.metrics.iter().map(|m| m.as_str()).collect();
            return Err(Failure::usage(format!(
                "--bars: {metric} is not in this report; it has {}",
                known.join(", ")
            ))
            .hint(format!("--metrics {metric} brings it in")));
        }
        let zone = TimeZone::get(&answer.timezone).unwrap_or(TimeZone::UTC);
        let history = match self.spark {
            Some(metric) => {
                let asked = eyes::question(&request, &answer, metric)?;
                Some(History::of(&client.report(&asked).await?, metric, &zone)?)
            }
            None => None,
        };
        let compared = match self.compare {
            Some(With::Previous) => {
                let (from, clocks) = compare::window(answer.since, answer.until, &zone)?;
                let previous = client.report(&compare::question(&request, &answer, from)).await?;
                Some(compare::pair(&mut answer, previous, limit, clocks)?)
            }
            None => None,
        };
        Ok(Looked { request, answer, compared, history })
    }

    /// Prints it, and what is to be known of it.
    fn show(&self, context: &Context, looked: &Looked) -> Result<(), Failure> {
        let Looked { answer, compared, history, .. } = looked;
        let out = context.out;
        // What cannot be drawn is refused before anything is printed.
        let drawn = self.chart.as_ref().map(|chart| self.draw(chart, answer)).transpose()?;
        let zone = TimeZone::get(&answer.timezone).unwrap_or(TimeZone::UTC);
        if out.format == Format::Table {
            out.note(print::caption(answer));
            if let Some(compared) = compared {
                out.note(compared.caption(&zone));
            }
        }
        let (compared, history) = (compared.as_ref(), history.as_ref());
        let markdown = self.format == Some(Form::Markdown);
        Shown { answer, compared, history, bars: self.bars, chosen: &self.columns, markdown }.print(out)?;
        let leaves_out = |answer: &ReportAnswer, when: &str| {
            if let Some(note) = &answer.note {
                let codes: Vec<String> = answer.unconverted.keys().map(ToString::to_string).collect();
                let commands = rates::commands(answer);
                out.note(format!(
                    "note: {when}{note} (--currency {} shows them){commands}",
                    codes.join(" or ")
                ));
            }
            if let Some(note) = rates::converted(answer).filter(|_| !self.rates) {
                out.note(format!("note: {when}{note}"));
            }
            if answer.tests_left_out > 0 {
                let many = answer.tests_left_out;
                out.note(format!(
                    "note: {when}{many} test clicks and conversions are left out (--test include)"
                ));
            }
        };
        if self.rates && !answer.converted.is_empty() {
            out.rows(&rates::listing(answer))?;
        } else if self.rates {
            out.note("nothing was converted by a rate");
        }
        leaves_out(answer, "");
        if let Some(compared) = compared {
            leaves_out(&compared.previous, "before, ");
            if let Some(clocks) = &compared.clocks {
                out.note(format!("note: {clocks}"));
            }
        }
        if let Some(note) = costs_refused(answer.costs_refused, "") {
            out.note(format!("note: {note}"));
        }
        out.warnings(&json!({ "warnings": answer.warnings }));
        if answer.row_count > answer.rows.len() {
            let (shown, all) = (answer.rows.len(), answer.row_count);
            out.note(format!("{shown} of {all} rows; the total is of all (--limit)"));
        }
        drawn.into_iter().flatten().for_each(|said| out.note(said));
        Ok(())
    }

    /// Draws the first of the metrics; tells where it is, and what the picture cannot say.
    fn draw(&self, chart: &Chart, answer: &ReportAnswer) -> Result<Vec<String>, Failure> {
        let usual = [Metric::Clicks].into_iter().find(|m| answer.metrics.contains(m));
        let first = self.metrics.iter().find_map(|m| m.0).or(usual).or(answer.metrics.first().copied());
        let first = first.unwrap_or(Metric::Clicks);
        let left_out = answer.unconverted.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let without = if left_out.is_empty() { String::new() } else { format!("; without {left_out}") };
        let note = chart.write(answer, first, &format!("{}{without}", print::caption(answer)))?;
        let mut said = vec![format!("{first} is in {}", chart.path().display())];
        said.extend(note.map(|note| format!("note: {note}")));
        Ok(said)
    }

    fn request(&self) -> Result<ReportRequest, Failure> {
        let zone = self.tz.clone().unwrap_or_else(|| when::local().clone());
        let bad = |flag: &str, e: String| Failure::usage(format!("{flag} {e}"));
        let since = self.since.unwrap_or(When::DaysBack(6)).start(&zone).map_err(|e| bad("--since", e))?;
        let until = self.until.map(|u| u.end(&zone)).transpose().map_err(|e| bad("--until", e))?;
        let all = self.metrics.iter().any(|m| m.0.is_none());
        let sort = self.sort.as_deref().map(|by| match by.strip_prefix('-') {
            Some(by) => Sort { by: by.to_owned(), desc: true },
            None => Sort { by: by.to_owned(), desc: false },
        });
        Ok(ReportRequest {
            since: Some(since),
            until,
            timezone: self
                .tz
                .as_ref()
                .and_then(TimeZone::iana_name)
                .unwrap_or_else(|| when::local_name())
                .to_owned(),
            dimensions: self.by.iter().filter_map(|b| b.0).collect(),
            filters: self.conditions.clone(),
            attribution: match self.attribution {
                At::Click => Attribution::Click,
                At::Conversion => Attribution::Conversion,
            },
            test: self.tests.test,
            currency: self.currency,
            metrics: if all {
                Metric::ALL.to_vec()
            } else if self.metrics.is_empty() {
                // Those that are to be shown; none: the usual ones.
                self.columns.iter().filter_map(|c| c.parse().ok()).collect()
            } else {
                self.metrics.iter().filter_map(|m| m.0).collect()
            },
            sort,
            limit: self.limit.map(|n| n as usize),
        })
    }
}

/// What is told of clicks whose cost could not be read: what counts instead, and how they are looked at.
pub(crate) fn costs_refused(clicks: u64, window: &str) -> Option<String> {
    let whose = match clicks {
        0 => return None,
        1 => "the cost of 1 click".to_owned(),
        n => format!("the cost of {n} clicks"),
    };
    Some(format!(
        "{whose} could not be read, so the campaign's counts, or none:\n  \
         tfx click list{window} --columns at,click_id,source_id,cost_refused"
    ))
}

/// What was asked, and what came of it.
struct Looked {
    request: ReportRequest,
    answer: ReportAnswer,
    compared: Option<Compared>,
    history: Option<History>,
}
