//! What is known of each group of a rule: figures of the same report as `tfx report`, the health of destinations, the last
//! postback, and messages that became no event.

use std::collections::{BTreeMap, BTreeSet};
use tfx_domain::{
    Timestamp,
    alert::{Condition, Facts, Verdict, condition::Span, holds::Look},
    entity::{AlertSpec, Kind, Status},
    event::{PostbackDirection, PostbackResult, TestTraffic},
    moment,
    report::{Attribution, Dimension, Metric, Rates, RawRow, ReportFilter, ReportQuery, Row, compute},
    routing::{Health, timetable},
};
use tfx_ports::{
    StoreError, analytics::PostbackQuery, config::RecordQuery, page::PageRequest, rates::rates_to,
};
use tfx_wiring::Stores;

/// Most groups of a rule.
pub(super) const MAX_GROUPS: usize = 1_000;
/// Most networks whose last postback is looked for.
const MAX_NETWORKS: usize = 100;
/// How far back the last postback is looked for, and in how many pages.
const POSTBACKS_DAYS: i64 = 90;
const POSTBACK_PAGES: usize = 5;

/// Why it is not known whether a destination is down.
const NOT_PROBED: &str = "nothing is known of the destination: it has no health check, is paused or archived, or was not probed yet";

/// A group: `dimension=value` for each dimension.
pub(super) type Group = Vec<String>;

/// Why a rule cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotLooked {
    /// A store does not answer, or not so.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// It asks for too much.
    #[error("it has more than {MAX_GROUPS} groups; filter, or group by fewer dimensions (by, filters)")]
    TooMany,
}

/// What is known of every group; `open` are those that have to be looked at in any case.
pub(super) async fn facts(
    stores: &Stores,
    spec: &AlertSpec,
    condition: &Condition,
    open: &[Group],
    now: Timestamp,
) -> Result<BTreeMap<Group, Facts>, NotLooked> {
    let needs = condition.needs();
    let by = spec.groups();
    let mut spans = needs.spans;
    if spec.min_clicks > 0 && !spans.is_empty() {
        spans.insert(Span::Window);
    }
    let of_rule = |group: &&Group| {
        let names = group.iter().map(|part| part.split_once('=').map_or("", |(name, _)| name).to_owned());
        names.eq(by.iter().map(ToString::to_string))
    };
    let mut groups: BTreeSet<Group> = open.iter().filter(of_rule).cloned().collect();
    if by.is_empty() {
        groups.insert(Vec::new());
    }
    let mut figures: BTreeMap<Span, BTreeMap<Group, BTreeMap<Metric, _>>> = BTreeMap::new();
    for span in spans {
        let mut query = query(spec, &by, span, now);
        let rates = rates_to(&*stores.rates, spec.currency, query.since).await?;
        query.apart = rates.days();
        let raw = match stores.analytics.report(&query).await {
            Err(StoreError::TooMuch { .. }) => return Err(NotLooked::TooMany),
            raw => raw?,
        };
        let report = compute(query, &raw, &rates);
        let rows = report.rows.into_iter().map(|row| {
            let parts = by.iter().zip(&row.key).map(|(dimension, value)| format!("{dimension}={value}"));
            (parts.collect::<Group>(), row.metrics)
        });
        let rows: BTreeMap<_, _> = rows.collect();
        groups.extend(rows.keys().cloned());
        figures.insert(span, rows);
    }
    let health = if needs.health { Some(health(stores, spec, &by, &mut groups).await?) } else { None };
    let postbacks =
        if needs.postbacks { Some(postbacks(stores, spec, &by, &mut groups, now).await?) } else { None };
    let mut ingestion = BTreeMap::new();
    for span in needs.ingestion {
        let (since, _) = bounds(spec, span, now);
        let count = match &stores.pipeline {
            Some(pipeline) => Ok(pipeline.errors.count(since).await?),
            None => Err("there is no event log here, so nothing that could be read wrong from it".to_owned()),
        };
        ingestion.insert(span, count);
    }
    if groups.len() > MAX_GROUPS {
        return Err(NotLooked::TooMany);
    }
    // What nothing counts in has nothing of everything, as in a report.
    let nothing = nothing(spec, now).metrics;
    let of = |group: Group| {
        let of_span = |(span, rows): (&Span, &BTreeMap<Group, BTreeMap<Metric, _>>)| {
            (*span, rows.get(&group).cloned().unwrap_or_else(|| nothing.clone()))
        };
        let facts = Facts {
            figures: figures.iter().map(of_span).collect(),
            down: health.as_ref().map(|known| down(known, &group)),
            last_postback: postbacks.as_ref().map(|known| {
                let none = format!("no postback has come in {POSTBACKS_DAYS} days");
                known.get(&group).copied().flatten().ok_or(none)
            }),
            ingestion: ingestion.clone(),
        };
        (group, facts)
    };
    Ok(groups.into_iter().map(of).collect())
}

/// What the condition comes to in a group whose own stream or destination the rule has paused for as long as its times
/// reach back; none: it pauses nothing of that kind, or looks at no figures.
pub(super) fn without_traffic(spec: &AlertSpec) -> Option<Verdict> {
    let condition = spec.condition()?;
    let needs = condition.needs();
    let own = spec.action.is_some() && spec.stream.is_none() && spec.destination.is_none();
    if !own || needs.spans.is_empty() {
        return None;
    }
    let now = Timestamp::UNIX_EPOCH;
    let nothing = nothing(spec, now).metrics;
    let facts = Facts {
        figures: needs.spans.into_iter().map(|span| (span, nothing.clone())).collect(),
        down: Some(Ok(false)),
        last_postback: Some(Ok(now)),
        ingestion: needs.ingestion.into_iter().map(|span| (span, Ok(0))).collect(),
    };
    let look = Look { window_s: spec.window_s, min_clicks: spec.min_clicks, now };
    Some(condition.observe(&facts, &look).verdict)
}

/// The figures of what nothing counts in.
fn nothing(spec: &AlertSpec, now: Timestamp) -> Row {
    let query = query(spec, &[], Span::Window, now);
    compute(query, &[RawRow::default()], &Rates::none(spec.currency)).totals
}

/// From when to when.
fn bounds(spec: &AlertSpec, span: Span, now: Timestamp) -> (Timestamp, Timestamp) {
    let before = |at: Timestamp, seconds: u64| {
        at.saturating_sub(std::time::Duration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
    };
    let window = before(now, spec.window_s);
    match span {
        Span::Window => (window, now),
        Span::Last(seconds) => (before(now, seconds), now),
        Span::Before(seconds) => (before(window, seconds), window),
        Span::Today => {
            let zone = timetable::zone(&spec.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
            let today = now.to_zoned_datetime(zone.clone()).date();
            (moment::local(today.at(0, 0, 0, 0), &zone), now)
        }
    }
}

fn query(spec: &AlertSpec, by: &[Dimension], span: Span, now: Timestamp) -> ReportQuery {
    let (since, until) = bounds(spec, span, now);
    ReportQuery {
        since,
        until,
        timezone: spec.timezone.clone(),
        dimensions: by.to_vec(),
        filters: spec.filters.clone(),
        attribution: Attribution::Click,
        test: TestTraffic::Exclude,
        max_groups: MAX_GROUPS,
        apart: BTreeMap::new(),
    }
}

/// Whether a value passes the rule's filters of a dimension.
fn passes(filters: &[ReportFilter], dimension: Dimension, value: &str) -> bool {
    let mut of_it = filters.iter().filter(|f| f.dimension == dimension);
    of_it.all(|f| f.values.iter().any(|v| v == value) != f.negate)
}

/// How each destination is that is probed. They are the groups where nothing else makes any.
async fn health(
    stores: &Stores,
    spec: &AlertSpec,
    by: &[Dimension],
    groups: &mut BTreeSet<Group>,
) -> Result<BTreeMap<String, Health>, StoreError> {
    let known = stores.health.all().await?;
    let known: BTreeMap<String, Health> =
        known.into_iter().map(|health| (health.destination_id.to_string(), health.state)).collect();
    if by == [Dimension::Destination] {
        let passing = known.keys().filter(|id| passes(&spec.filters, Dimension::Destination, id));
        groups.extend(passing.map(|id| vec![format!("{}={id}", Dimension::Destination)]));
    }
    Ok(known)
}

fn down(known: &BTreeMap<String, Health>, group: &Group) -> Result<bool, String> {
    let prefix = format!("{}=", Dimension::Destination);
    let id = group.iter().find_map(|part| part.strip_prefix(&prefix)).unwrap_or_default();
    match known.get(id) {
        Some(Health::Down) => Ok(true),
        Some(Health::Up) => Ok(false),
        Some(Health::Unknown) => Err("the destination was not probed often enough to say".to_owned()),
        None => Err(NOT_PROBED.to_owned()),
    }
}

/// When the last postback came: of each network, or of those that the filters leave.
async fn postbacks(
    stores: &Stores,
    spec: &AlertSpec,
    by: &[Dimension],
    groups: &mut BTreeSet<Group>,
    now: Timestamp,
) -> Result<BTreeMap<Group, Option<Timestamp>>, NotLooked> {
    let mut last = BTreeMap::new();
    if by.is_empty() && spec.filters.is_empty() {
        last.insert(Vec::new(), last_postback(stores, None, now).await?);
        return Ok(last);
    }
    let page = PageRequest::first(MAX_NETWORKS + 1);
    let query = RecordQuery { kind: Kind::Network, parent: None, statuses: vec![Status::Active], page };
    let networks = stores.config.list(&query).await?.items;
    let passing = networks.into_iter().filter(|n| passes(&spec.filters, Dimension::Network, &n.id));
    let networks: Vec<_> = passing.collect();
    if networks.len() > MAX_NETWORKS {
        return Err(NotLooked::TooMany);
    }
    for network in networks {
        let at = last_postback(stores, Some(&network.slug), now).await?;
        let group =
            if by.is_empty() { Vec::new() } else { vec![format!("{}={}", Dimension::Network, network.id)] };
        groups.insert(group.clone());
        let known: &mut Option<Timestamp> = last.entry(group).or_default();
        *known = (*known).max(at);
    }
    Ok(last)
}

/// The newest that was not refused: what strangers send is no sign of a network.
async fn last_postback(
    stores: &Stores,
    network: Option<&str>,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let since = now.saturating_sub(jiff::SignedDuration::from_hours(24 * POSTBACKS_DAYS)).ok();
    let mut query = PostbackQuery {
        since,
        until: None,
        network: network.map(str::to_owned),
        result: None,
        direction: Some(PostbackDirection::In),
        test: TestTraffic::Exclude,
        filters: Vec::new(),
        page: PageRequest::first(200),
    };
    for _ in 0..POSTBACK_PAGES {
        let found = stores.analytics.postbacks(&query).await?;
        if let Some(line) = found.items.iter().find(|line| line.result != PostbackResult::Rejected) {
            return Ok(Some(line.at));
        }
        query.page.cursor = found.next;
        if query.page.cursor.is_none() {
            break;
        }
    }
    Ok(None)
}
