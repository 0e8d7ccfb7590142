//! `tfx report`: clicks, conversions, money.

use super::postback::lint::footnote;
use crate::{
    complete,
    context::Context,
    exit::Failure,
    input,
    output::{Column, Format, Listing, cents},
    tests_too::TestsToo,
    when::{self, When},
};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::str::FromStr;
use tfx_api::report::{
    Attribution, Dimension, Figures as Computed, Metric, ReportAnswer, ReportFilter, ReportRequest, Sort,
};
use tfx_domain::{money::Currency, problem::Problems, report::Unit};

/// Report clicks, conversions and money.
///
/// Without --since it covers the last seven days, today included.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx report\n  \
    tfx report --by campaign,country --since yesterday --sort -profit\n  \
    tfx report --by day --where campaign=summer --metrics clicks,revenue,roi\n\n\
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
    /// The order of rows: a metric or dimension; -metric puts the largest first.
    #[arg(long, value_name = "[-]NAME", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Which columns of a table or of CSV, in order: dimensions, metrics, currency [default: all].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// At most this many rows.
    #[arg(long, value_name = "N", value_parser = input::within::<u32>(1, 100_000))]
    limit: Option<u32>,
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
        let chosen = self.columns.clone();
        let request = self.request()?;
        let client = context.client()?;
        let answer = client.report(&request).await?;
        if context.out.format == Format::Table {
            context.out.note(caption(&answer));
        }
        print(context, &answer, &chosen)?;
        if let Some(note) = &answer.note {
            let codes: Vec<String> = answer.unconverted.keys().map(ToString::to_string).collect();
            context.out.note(format!("note: {note} (--currency {} shows them)", codes.join(" or ")));
        }
        if answer.tests_left_out > 0 {
            let many = answer.tests_left_out;
            context
                .out
                .note(format!("note: {many} test clicks and conversions are left out (--test include)"));
        }
        if let Some(note) = costs_refused(answer.costs_refused, "") {
            context.out.note(format!("note: {note}"));
        }
        context.out.warnings(&json!({ "warnings": answer.warnings }));
        if answer.row_count > answer.rows.len() {
            let (shown, all) = (answer.rows.len(), answer.row_count);
            context.out.note(format!("{shown} of {all} rows; the total is of all (--limit)"));
        }
        footnote(context, &client, &request, &answer).await;
        Ok(())
    }

    fn request(self) -> Result<ReportRequest, Failure> {
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
            filters: self.conditions,
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

/// Which time and what counting the figures are of.
fn caption(answer: &ReportAnswer) -> String {
    let zone = TimeZone::get(&answer.timezone).unwrap_or(TimeZone::UTC);
    let (since, until) = (when::clock_time(answer.since, &zone), when::clock_time(answer.until, &zone));
    let at = match answer.attribution {
        Attribution::Click => "their click's time",
        Attribution::Conversion => "their own time",
    };
    format!("{since} to {until} ({}), amounts in {}, conversions at {at}", answer.timezone, answer.currency)
}

fn print(context: &Context, answer: &ReportAnswer, chosen: &[String]) -> Result<(), Failure> {
    let item = serde_json::to_value(answer).map_err(Failure::failed)?;
    match context.out.format {
        Format::Json | Format::Yaml => return context.out.item(&item, &[], ""),
        Format::Jsonl => {
            let rows = item["rows"].as_array().cloned().unwrap_or_default();
            return context.out.rows(&Listing { columns: Vec::new(), rows, name: "" });
        }
        _ => {}
    }
    let people = context.out.format == Format::Table;
    let columns = columns(answer, people, chosen)?;
    let mut rows: Vec<Value> = answer
        .rows
        .iter()
        .map(|row| {
            let mut cells =
                json!({ "label": row.key.first().map_or("", |k| k.label()), "currency": answer.currency });
            for value in &row.key {
                let label = if people && value.label().is_empty() { "-" } else { value.label() };
                cells[value.dimension.to_string()] = json!(label);
            }
            figures(&mut cells, &row.figures, people);
            cells
        })
        .collect();
    if people {
        let mut total = json!({});
        if let Some(first) =
            columns.iter().find(|c| answer.dimensions.iter().any(|d| d.to_string() == c.field))
        {
            total[&first.field] = json!("TOTAL");
        }
        figures(&mut total, &answer.totals, true);
        // One row without dimensions is its own total.
        if answer.dimensions.is_empty() {
            rows.clear();
        }
        rows.push(total);
    }
    let listing = Listing { columns, rows, name: "label" };
    context.out.rows_or(&listing, "choose with --columns; --output csv shows them")
}

/// The columns, in order: what rows are grouped by, figures, and in CSV the currency of all amounts; or those that were
/// chosen.
fn columns(answer: &ReportAnswer, people: bool, chosen: &[String]) -> Result<Vec<Column>, Failure> {
    let mut all: Vec<Column> = answer
        .dimensions
        .iter()
        .map(|d| Column::text(&d.to_string(), &d.to_string()).of_weight(u8::MAX))
        .collect();
    let figure = |m: &Metric| Column::number(&heading(*m, answer.currency), m.as_str()).of_weight(weight(*m));
    all.extend(answer.metrics.iter().map(figure));
    // Amounts stand alone, so that they can be summed.
    let in_csv = !people && answer.metrics.iter().any(|m| m.unit() == Unit::Money);
    if in_csv || chosen.iter().any(|c| c == "currency") {
        all.push(Column::text("currency", "currency"));
    }
    if chosen.is_empty() {
        return Ok(all);
    }
    let known: Vec<String> = all.iter().map(|c| c.field.clone()).collect();
    let unknown: Vec<String> =
        chosen.iter().filter(|c| !known.contains(c)).map(|name| format!("'{name}'")).collect();
    if !unknown.is_empty() {
        let (unknown, known) = (unknown.join(", "), known.join(", "));
        return Err(Failure::usage(format!(
            "--columns: {unknown} is no column of this report; it has {known} (--by, --metrics)"
        )));
    }
    Ok(chosen.iter().filter_map(|name| all.iter().find(|c| c.field == *name).cloned()).collect())
}

/// What a figure weighs where there is not room for all: money first, then what it is made of.
const fn weight(metric: Metric) -> u8 {
    match metric {
        Metric::Revenue | Metric::Cost | Metric::Profit => 5,
        Metric::Roi => 4,
        Metric::Clicks => 3,
        Metric::Conversions => 2,
        Metric::RevenueHold | Metric::RevenueConfirmed | Metric::ProfitConfirmed | Metric::BotCost => 1,
        _ => 0,
    }
}

fn heading(metric: Metric, currency: Currency) -> String {
    match metric.unit() {
        Unit::Money => format!("{} {currency}", metric.label()),
        // The sign stands in each cell.
        Unit::Percent => metric.label().trim_end_matches(" %").to_owned(),
        _ => metric.label().to_owned(),
    }
}

fn figures(cells: &mut Value, figures: &Computed, people: bool) {
    for (metric, value) in figures.iter() {
        let figure = value.to_string();
        let shown = match metric.unit() {
            Unit::Money if people => cents(&figure),
            Unit::Percent if people => format!("{figure}%"),
            _ => figure,
        };
        cells[metric.as_str()] = json!(shown);
    }
}
