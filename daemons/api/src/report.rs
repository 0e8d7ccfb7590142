//! `POST /report`: checks what is asked, resolves slugs, has the store count and the domain compute, and labels.

use crate::{
    access::{Identity, forbidden},
    app::App,
    entities::refs,
    failure::Failure,
    geo,
    input::{Body, Query, read},
    labels,
    reply::json,
};
use axum::{Extension, Router, extract::State, response::Response, routing::post};
use http::StatusCode;
use jiff::tz::TimeZone;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tfx_api::{
    Labels,
    report::{DimensionValue, Figures, ReportAnswer, ReportRequest, ReportRow, Sort},
};
use tfx_domain::{
    Timestamp,
    access::Scope,
    entity::Kind,
    event::TestTraffic,
    money::{Currency, InvalidMoney, Total},
    problem::Problems,
    report::{
        Dimension, LeftOut, Metric, RawRow, Report, ReportFilter, ReportQuery, Row, compute, known_value,
    },
};
use tfx_ports::{StoreError, analytics::Analytics, clock, config::ConfigStore, rates::rates_to};

const MAX_DIMENSIONS: usize = 6;
const MAX_FILTERS: usize = 50;
const MAX_VALUES: usize = 1000;
const MAX_ROWS: usize = 100_000;
const DEFAULT_ROWS: usize = 10_000;

/// The figures of a report that names none.
const USUAL: [Metric; 12] = [
    Metric::Hits,
    Metric::Clicks,
    Metric::UniqueCampaign,
    Metric::Bots,
    Metric::Trafficbacks,
    Metric::Conversions,
    Metric::Revenue,
    Metric::Cost,
    Metric::Profit,
    Metric::Roi,
    Metric::Cr,
    Metric::Epc,
];

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/report", post(report))
}

async fn report(
    State(app): State<Arc<App>>,
    Extension(identity): Extension<Identity>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let asked: ReportRequest = seen_by(&identity, read(input)?)?;
    let config = app.stores.config.as_ref();
    let most = app.settings.report_max_groups;
    let mut query = checked(config, &asked, most).await?;
    let analytics = app.stores.analytics.as_ref();
    let currency = asked.currency.unwrap_or(Currency::USD);
    let rates = rates_to(&*app.stores.rates, currency, query.since).await?;
    query.apart = rates.days();
    let raw = analytics.report(&query).await.map_err(|e| told(e, most))?;
    if let Err(e) = currency.known()
        && !has_amounts(&raw, currency)
    {
        return Err(Problems::one("currency", unlisted(currency, e)).into());
    }
    let tests = tests_left_out(analytics, &query).await?;
    let report = compute(query, &raw, &rates);
    let costs_refused = raw.iter().map(|row| row.costs_refused).sum();
    drop(raw);
    let labels = row_labels(config, &report).await?;
    let mut answer = answer(&asked, report, tests, &labels);
    let fields = asked.dimensions.iter().chain(asked.filters.iter().map(|f| &f.dimension));
    if !identity.may(Scope::ReadMoney) {
        // They tell amounts.
        (answer.unconverted, answer.converted, answer.note) = (BTreeMap::new(), Vec::new(), None);
    }
    answer.costs_refused = costs_refused;
    answer.warnings = geo::warnings(&app, &fields.map(ToString::to_string).collect::<Vec<_>>()).await;
    if let Some(why) = analytics.not_whole().await? {
        let told = format!("the figures are not whole: {why}; tfx restore clickhouse again ends it");
        answer.warnings.insert(0, told);
    }
    Ok(json(StatusCode::OK, &answer))
}

/// The request as somebody may ask it: who may not see money is given the usual figures without it, and cannot ask for it.
fn seen_by(identity: &Identity, mut asked: ReportRequest) -> Result<ReportRequest, Failure> {
    if identity.may(Scope::ReadMoney) {
        return Ok(asked);
    }
    let sorted = asked.sort.as_ref().and_then(|sort| sort.by.parse::<Metric>().ok());
    if asked.metrics.iter().copied().chain(sorted).any(Metric::tells_money) {
        return Err(forbidden(&[Scope::ReadMoney]));
    }
    if asked.metrics.is_empty() {
        asked.metrics = USUAL.into_iter().filter(|metric| !metric.tells_money()).collect();
    }
    Ok(asked)
}

/// What whoever asked for too much can do.
fn told(e: StoreError, most: usize) -> Failure {
    match e {
        StoreError::TooMuch { .. } => Failure::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too_many_rows",
            format!(
                "the report has more than {most} rows, which is the most (REPORT_MAX_GROUPS), or amounts to convert by too \
                 many rates in too many of them: ask for a shorter time, filter, or group by fewer dimensions"
            ),
        ),
        e => e.into(),
    }
}

/// Whether anything counted is in a currency: such of before there was a list of them can be looked at.
fn has_amounts(rows: &[RawRow], currency: Currency) -> bool {
    let amounts = |r: &RawRow| {
        [&r.cost, &r.bot_cost, &r.revenue_hold, &r.revenue_confirmed].map(|of| of.contains_key(&currency))
    };
    rows.iter().any(|r| amounts(r).contains(&true))
}

fn unlisted(currency: Currency, why: InvalidMoney) -> String {
    format!("'{currency}' {why}, and nothing here is in it")
}

/// How much of test traffic a report that leaves it out leaves out: requests and conversions.
async fn tests_left_out(analytics: &dyn Analytics, query: &ReportQuery) -> Result<u64, StoreError> {
    if query.test != TestTraffic::Exclude {
        return Ok(0);
    }
    let tests = ReportQuery {
        test: TestTraffic::Only,
        dimensions: Vec::new(),
        apart: BTreeMap::new(),
        ..query.clone()
    };
    let rows = analytics.report(&tests).await?;
    Ok(rows.iter().map(|r| r.hits + r.leads + r.sales + r.rejected + r.rebills).sum())
}

/// The kind of entity that a dimension names.
pub(crate) fn kind_of(dimension: Dimension) -> Option<Kind> {
    match dimension {
        Dimension::Campaign | Dimension::DecidingCampaign => Some(Kind::Campaign),
        Dimension::Stream => Some(Kind::Stream),
        Dimension::Destination => Some(Kind::Destination),
        Dimension::Source => Some(Kind::Source),
        Dimension::Network => Some(Kind::Network),
        _ => None,
    }
}

async fn checked(
    config: &dyn ConfigStore,
    asked: &ReportRequest,
    max_groups: usize,
) -> Result<ReportQuery, Failure> {
    let mut problems = Problems::default();
    let zone = TimeZone::get(&asked.timezone).unwrap_or_else(|_| {
        let message =
            format!("'{}' is not an IANA time zone such as Europe/Berlin", shorten(&asked.timezone));
        problems.add("timezone", message);
        TimeZone::UTC
    });
    let now = clock::now();
    let until = asked.until.unwrap_or(now);
    let since = asked.since.unwrap_or_else(|| day_start(now, &zone));
    problems.require(since < until, "until", "must be after since");
    let most = format!("must be at most {MAX_DIMENSIONS}");
    problems.require(asked.dimensions.len() <= MAX_DIMENSIONS, "dimensions", &most);
    for (i, dimension) in asked.dimensions.iter().enumerate() {
        let again = asked.dimensions[..i].contains(dimension);
        problems.require(!again, &format!("dimensions[{i}]"), "is named twice");
    }
    for (i, metric) in asked.metrics.iter().enumerate() {
        problems.require(!asked.metrics[..i].contains(metric), &format!("metrics[{i}]"), "is named twice");
    }
    if let Some(sort) = &asked.sort
        && column(sort, &asked.dimensions).is_none()
    {
        problems.add("sort.by", "must be a metric or one of the report's dimensions");
    }
    if let Some(limit) = asked.limit {
        problems.require((1..=MAX_ROWS).contains(&limit), "limit", &format!("must be 1 to {MAX_ROWS}"));
    }
    problems.require(
        asked.filters.len() <= MAX_FILTERS,
        "filters",
        &format!("must be at most {MAX_FILTERS}"),
    );
    let mut filters = Vec::new();
    for (i, filter) in asked.filters.iter().take(MAX_FILTERS).enumerate() {
        filters.push(checked_filter(config, filter, &format!("filters[{i}]"), &mut problems).await?);
    }
    if let Some(Err(e)) = asked.currency.filter(|_| !problems.is_empty()).map(Currency::known) {
        problems.add("currency", unlisted(asked.currency.unwrap_or_default(), e));
    }
    Ok(problems.into_result(ReportQuery {
        since,
        until,
        timezone: asked.timezone.clone(),
        dimensions: asked.dimensions.clone(),
        filters,
        attribution: asked.attribution,
        test: asked.test,
        max_groups,
        apart: BTreeMap::new(),
    })?)
}

/// A condition with slugs turned into ids; what is wrong with it is added to the problems.
///
/// # Errors
/// The store's.
pub(crate) async fn checked_filter(
    config: &dyn ConfigStore,
    filter: &ReportFilter,
    path: &str,
    problems: &mut Problems,
) -> Result<ReportFilter, Failure> {
    let mut filter = filter.clone();
    let count = filter.values.len();
    let allowed = format!("must be 1 to {MAX_VALUES} values");
    problems.require((1..=MAX_VALUES).contains(&count), &format!("{path}.values"), &allowed);
    for (i, value) in filter.values.iter_mut().enumerate().take(MAX_VALUES).filter(|(_, v)| !v.is_empty()) {
        let at = format!("{path}.values[{i}]");
        match (filter.dimension, kind_of(filter.dimension)) {
            (_, Some(kind)) => match refs::find(config, kind, value).await? {
                Some(record) => *value = record.id,
                None => problems.add(at, refs::unknown(config, kind, value).await),
            },
            (dimension, None) => match known_value(dimension, value) {
                Ok(known) => *value = known.into(),
                Err(must) => problems.add(at, must),
            },
        }
    }
    Ok(filter)
}

/// Midnight before `now`, or the moment the day began where midnight was skipped.
fn day_start(now: Timestamp, zone: &TimeZone) -> Timestamp {
    now.to_zoned_datetime(zone.clone()).start_of_day().map_or(now, |z| z.timestamp())
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

/// What rows are ordered by.
#[derive(Clone, Copy)]
enum SortColumn {
    Metric(Metric),
    Dimension(usize),
}

fn column(sort: &Sort, dimensions: &[Dimension]) -> Option<SortColumn> {
    let of_key = dimensions.iter().position(|d| d.to_string() == sort.by);
    let metric = || sort.by.parse().ok().map(SortColumn::Metric);
    of_key.map(SortColumn::Dimension).or_else(metric)
}

async fn row_labels(config: &dyn ConfigStore, report: &Report) -> Result<Labels, Failure> {
    let columns: Vec<usize> = (0..report.query.dimensions.len())
        .filter(|i| kind_of(report.query.dimensions[*i]).is_some())
        .collect();
    let cells = report.rows.iter().flat_map(|row| columns.iter().filter_map(|i| row.key.get(*i)));
    let ids: BTreeSet<String> = cells.filter(|id| !id.is_empty()).map(ToString::to_string).collect();
    labels::of(config, ids).await
}

fn answer(asked: &ReportRequest, mut report: Report, tests_left_out: u64, labels: &Labels) -> ReportAnswer {
    let metrics = if asked.metrics.is_empty() { USUAL.to_vec() } else { asked.metrics.clone() };
    let key = |row: &Row| -> Vec<DimensionValue> {
        let cell = |(value, dimension): (_, &Dimension)| DimensionValue {
            dimension: *dimension,
            slug: labels.get(AsRef::<str>::as_ref(value)).filter(|_| dimension.is_id()).cloned(),
            value: ToString::to_string(value),
        };
        row.key.iter().zip(&asked.dimensions).map(cell).collect()
    };
    let row_count = report.rows.len();
    let order = asked.sort.as_ref().and_then(|sort| Some((column(sort, &asked.dimensions)?, sort.desc)));
    if let Some((SortColumn::Metric(metric), desc)) = order {
        report.sort(metric, desc);
    }
    let mut rows: Vec<(Vec<DimensionValue>, Row)> =
        report.rows.into_iter().map(|row| (key(&row), row)).collect();
    if let Some((SortColumn::Dimension(i), desc)) = order {
        // What a person reads is what is sorted by: slugs, not ids.
        rows.sort_by(|(a, _), (b, _)| {
            let order = a.get(i).map(DimensionValue::label).cmp(&b.get(i).map(DimensionValue::label));
            if desc { order.reverse() } else { order }
        });
    }
    let currency = report.currency;
    let pick = |all: &BTreeMap<Metric, _>| {
        let of = metrics.iter().filter_map(|m| Some((*m, *all.get(m)?))).collect();
        Figures { currency, of }
    };
    let shown = rows.into_iter().take(asked.limit.unwrap_or(DEFAULT_ROWS));
    let rows: Vec<ReportRow> =
        shown.map(|(key, row)| ReportRow { key, figures: pick(&row.metrics) }).collect();
    let note = note(report.currency, &report.unconverted, &metrics);
    ReportAnswer {
        since: report.query.since,
        until: report.query.until,
        timezone: report.query.timezone,
        attribution: report.query.attribution,
        currency: report.currency,
        dimensions: report.query.dimensions,
        totals: pick(&report.totals.metrics),
        metrics,
        rows,
        row_count,
        unconverted: report.unconverted,
        converted: report.converted,
        tests_left_out,
        costs_refused: 0,
        note,
        warnings: Vec::new(),
    }
}

/// What the figures leave out because of its currency: what came in, what was paid and what bots would have cost each
/// by itself. The last only where it is among the figures.
fn note(to: Currency, unconverted: &BTreeMap<Currency, LeftOut>, metrics: &[Metric]) -> Option<String> {
    let bots = metrics.contains(&Metric::BotCost);
    let amounts = |of: fn(&LeftOut) -> Total, what: &str| {
        let left = unconverted.iter().map(|(c, left)| (c, of(left))).filter(|(_, a)| *a != Total::ZERO);
        let texts: Vec<String> = left.map(|(currency, amount)| format!("{amount} {currency}")).collect();
        (!texts.is_empty()).then(|| format!("{what} of {}", texts.join(", ")))
    };
    let parts = [
        amounts(|l| l.revenue, "revenue"),
        amounts(|l| l.cost, "cost"),
        if bots { amounts(|l| l.bot_cost, "bot cost") } else { None },
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty())
        .then(|| format!("there is no rate to {to}: {} not in the figures", parts.join(" and ")))
}
