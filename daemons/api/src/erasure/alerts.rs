//! What alerts hold of a person: rules look at groups by facts of clicks (`--by sub1`), and a value that his clicks alone have
//! names him. It is taken off: how such a group stands is forgotten, lines of the log keep rule, time and what happened,
//! what was not told yet is not told.

use crate::{
    alerts::{forgotten, renamed},
    app::App,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tfx_domain::{
    Timestamp,
    alert::{AlertEvent, AlertJob, Said},
    entity::{AlertSpec, Kind},
    event::TestTraffic,
    id::ClickId,
    report::{Attribution, Dimension, ReportFilter, ReportQuery},
};
use tfx_ports::{
    StoreError,
    alerts::AlertLogQuery,
    clock,
    config::RecordQuery,
    page::PageRequest,
    queue::{JobKind, WaitingJob},
};

/// Rows in a page, and clicks that are read at once.
const AT_ONCE: usize = 1_000;
/// Values that a report is asked of at once, and groups that it may answer with: values in other cases are groups too.
const VALUES: usize = 500;
const GROUPS: usize = 100_000;
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// How many held something of him.
#[derive(Default)]
pub(super) struct Held {
    pub(super) states: u64,
    pub(super) lines: u64,
    pub(super) jobs: u64,
}

/// Goes through alerts once. `said` grows by what his clicks say that are still there.
pub(super) async fn pass_over(
    app: &App,
    clicks: &BTreeSet<ClickId>,
    said: &mut Said,
    dry_run: bool,
) -> Result<Held, StoreError> {
    let dimensions = dimensions(app).await?;
    only_his(app, clicks, &dimensions, said).await?;
    let mut held = Held::default();
    if said.is_empty() {
        return Ok(held);
    }
    for stored in app.stores.alerts.states(None).await? {
        if said.stands_in(&stored.state.group) {
            held.states += 1;
            if !dry_run {
                app.stores.alerts.save(&[forgotten(stored.state, said)]).await?;
            }
        }
    }
    held.jobs = jobs(app, said, dry_run).await?;
    let mut log = Log::default();
    while let Some(lines) = log.next(app).await? {
        let left: Vec<AlertEvent> = lines.iter().filter_map(|line| line.without(said)).collect();
        held.lines += left.len() as u64;
        if !dry_run {
            app.stores.alerts.rewrite(&left).await?;
        }
    }
    Ok(held)
}

/// Rules whose filters name him: what somebody wrote is left to him.
pub(super) async fn rules_that_name(app: &App, said: &Said) -> Result<Vec<String>, StoreError> {
    let names = |rule: &AlertSpec| {
        let mut values = rule.filters.iter().flat_map(|f| f.values.iter().map(|value| (f.dimension, value)));
        values.any(|(dimension, value)| said.names(dimension, value))
    };
    let rules = rules(app).await?;
    Ok(rules.iter().filter(|rule| names(rule)).map(|rule| rule.slug.to_string()).collect())
}

/// All rules that can be read.
async fn rules(app: &App) -> Result<Vec<AlertSpec>, StoreError> {
    let page = PageRequest::first(AT_ONCE);
    let mut query = RecordQuery { kind: Kind::Alert, parent: None, statuses: Vec::new(), page };
    let mut rules = Vec::new();
    loop {
        let found = app.stores.config.list(&query).await?;
        rules.extend(found.items.iter().filter_map(|record| Some(record.typed::<AlertSpec>().ok()?.spec)));
        query.page.cursor = found.next;
        if query.page.cursor.is_none() {
            return Ok(rules);
        }
    }
}

/// What tells of people among all that groups go by, or went by.
async fn dimensions(app: &App) -> Result<BTreeSet<Dimension>, StoreError> {
    let mut all = BTreeSet::new();
    for rule in rules(app).await? {
        let filtered = rule.filters.iter().map(|filter| filter.dimension);
        all.extend(rule.groups().into_iter().chain(filtered).filter(|d| d.tells_of_a_person()));
    }
    for stored in app.stores.alerts.states(None).await? {
        all.extend(Said::dimensions(&stored.state.group));
    }
    let mut log = Log::default();
    while let Some(lines) = log.next(app).await? {
        for line in &lines {
            all.extend(Said::dimensions(&line.group));
        }
    }
    Ok(all)
}

/// The log, page by page.
#[derive(Default)]
struct Log {
    cursor: Option<String>,
    is_over: bool,
}

impl Log {
    async fn next(&mut self, app: &App) -> Result<Option<Vec<AlertEvent>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let page = PageRequest { cursor: self.cursor.take(), limit: AT_ONCE };
        let query = AlertLogQuery { alert: None, since: None, until: None, page };
        let found = app.stores.alerts.log(&query).await?;
        self.is_over = found.next.is_none();
        self.cursor = found.next;
        Ok(Some(found.items))
    }
}

/// Adds what his clicks say that are there, where as many clicks have it as he has.
async fn only_his(
    app: &App,
    clicks: &BTreeSet<ClickId>,
    dimensions: &BTreeSet<Dimension>,
    said: &mut Said,
) -> Result<(), StoreError> {
    if dimensions.is_empty() {
        return Ok(());
    }
    let mut his: BTreeMap<Dimension, HashMap<String, u64>> = BTreeMap::new();
    let clicks: Vec<ClickId> = clicks.iter().copied().collect();
    for some in clicks.chunks(AT_ONCE) {
        for click in app.stores.analytics.clicks_by_id(some).await? {
            for dimension in dimensions {
                let value = dimension.said_by(&click.dims);
                if !value.is_empty() {
                    *his.entry(*dimension).or_default().entry(value.to_owned()).or_default() += 1;
                }
            }
        }
    }
    for (dimension, his) in his {
        let values: Vec<&String> = his.keys().collect();
        for some in values.chunks(VALUES) {
            let values = some.iter().map(|value| (*value).clone()).collect();
            for row in app.stores.analytics.report(&everything(dimension, values)).await? {
                let value = row.key.first().map_or("", |value| value.as_str());
                if his.get(value).is_some_and(|count| *count >= row.hits) {
                    said.add(dimension, value);
                }
            }
        }
    }
    Ok(())
}

/// All that was ever clicked with these values.
fn everything(dimension: Dimension, values: Vec<String>) -> ReportQuery {
    ReportQuery {
        since: Timestamp::UNIX_EPOCH,
        until: clock::now().saturating_add(DAY).unwrap_or(Timestamp::MAX),
        timezone: "UTC".to_owned(),
        dimensions: vec![dimension],
        filters: vec![ReportFilter { dimension, values, negate: false }],
        attribution: Attribution::Click,
        test: TestTraffic::Include,
        max_groups: GROUPS,
        apart: BTreeMap::new(),
    }
}

/// Takes notices off that name him; a pause and its return are done, without the name.
async fn jobs(app: &App, said: &Said, dry_run: bool) -> Result<u64, StoreError> {
    const KIND: JobKind = JobKind::Alert;
    let queue = &app.stores.queue;
    let his = |payload: &str| {
        let job = serde_json::from_str::<AlertJob>(payload).ok();
        job.filter(|job| said.stands_in(job.group()))
    };
    let mut keys = Vec::new();
    let mut renames: Vec<(WaitingJob, AlertJob)> = Vec::new();
    let mut page = PageRequest::first(AT_ONCE);
    loop {
        let found = queue.waiting(KIND, "", &page).await?;
        for job in found.items {
            if let Some(what) = his(&job.payload) {
                keys.push(job.key.clone());
                renames.push((job, what));
            }
        }
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    loop {
        let found = queue.dead_jobs(KIND, &page).await?;
        keys.extend(found.items.into_iter().filter(|job| his(&job.payload).is_some()).map(|job| job.key));
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    if dry_run {
        return Ok(keys.len() as u64);
    }
    // Done twice it is done once; taken off first it might never be.
    for (job, what) in renames {
        if let Some(renamed) = renamed(&job, what, said) {
            queue.enqueue(&renamed, std::time::Duration::ZERO).await?;
        }
    }
    queue.remove(KIND, &keys).await
}
