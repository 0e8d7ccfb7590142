//! What sources are still to be told, and what was given up.

use super::{KIND, PAGE, owner, source_id};
use crate::{app::App, failure::Failure, input::Query, labels, reply::json, services::told};
use axum::{extract::State, response::Response};
use http::{Method, StatusCode};
use std::sync::Arc;
use tfx_api::{
    Labels,
    source_postbacks::{SourcePostbackJob, SourcePostbackQueue, SourcePostbackShare, Target, Targets},
};
use tfx_domain::{
    Timestamp,
    entity::{Kind, SourceSpec},
    id::{ConversionId, SourceId},
    source_postback::{SourcePostback, message_id},
};
use tfx_ports::{
    StoreError, clock,
    page::PageRequest,
    queue::{DeadJob, Share, WaitingJob},
};
use url::Url;

/// The most jobs that are looked at for the soonest.
const LOOKED_AT: usize = 5_000;

/// Jobs that were found.
#[derive(Default)]
struct Found {
    jobs: Vec<SourcePostbackJob>,
    /// The keys of those that cannot be read.
    unread: Vec<String>,
    next: Option<String>,
    complete: bool,
}

pub(super) async fn queue(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let source = query.text("source");
    let dead = query.flag("dead").unwrap_or(false);
    let page = query.page();
    query.finish()?;
    let source = source_id(&app, source).await?;
    let wanted = |key: &str| source.as_ref().is_none_or(|id| owner(key) == id);
    let shares = app.stores.queue.shares(KIND).await?;
    let shares: Vec<Share> = shares.into_iter().filter(|s| wanted(&s.of)).collect();
    let mut found = if dead {
        dead_jobs(&app, &page, wanted).await?
    } else {
        let prefix = source.as_ref().map(|id| format!("{id}/")).unwrap_or_default();
        waiting_jobs(&app, &page, &prefix).await?
    };
    let slugs = name(&app, &mut found.jobs, shares.iter().map(|s| s.of.clone())).await?;
    // Without postback-service nothing is sent; what waits is told all the same.
    let (open, targets_unknown) = match open_targets(&app).await {
        Ok(open) => (open, None),
        Err(failure) => (Vec::new(), Some(told(failure).await)),
    };
    let mut sources = Vec::with_capacity(shares.len());
    for share in &shares {
        sources.extend(told_share(&app, share, &slugs, &open).await?);
    }
    let answer = SourcePostbackQueue {
        waiting: shares.iter().map(|s| s.waiting).sum(),
        dead: shares.iter().map(|s| s.dead).sum(),
        oldest: shares.iter().filter_map(oldest).min(),
        sources,
        items: found.jobs,
        next: found.next,
        complete: found.complete,
        unread: found.unread,
        targets_unknown,
    };
    Ok(json(StatusCode::OK, &answer))
}

/// Says who is told of each, and what they are called, beside others.
async fn name(
    app: &App,
    jobs: &mut [SourcePostbackJob],
    others: impl Iterator<Item = String>,
) -> Result<Labels, Failure> {
    let ids: Vec<String> = jobs.iter().map(|job| job.source_id.to_string()).chain(others).collect();
    let slugs = labels::of(app.stores.config.as_ref(), ids).await?;
    for job in jobs {
        job.source = slugs.get(job.source_id.as_str()).cloned().unwrap_or_default();
    }
    Ok(slugs)
}

/// Those that were given up, at most so many.
pub(crate) async fn given_up(app: &App, most: usize) -> Result<Vec<SourcePostbackJob>, Failure> {
    let mut page = PageRequest::first(PAGE);
    let mut all = Vec::new();
    loop {
        let found = dead_jobs(app, &page, |_| true).await?;
        all.extend(found.jobs);
        page.cursor = found.next;
        if page.cursor.is_none() || all.len() >= most {
            break;
        }
    }
    name(app, &mut all, std::iter::empty()).await?;
    Ok(all)
}

async fn told_share(
    app: &App,
    share: &Share,
    slugs: &Labels,
    open: &[Target],
) -> Result<Option<SourcePostbackShare>, Failure> {
    let Ok(source_id) = share.of.parse::<SourceId>() else { return Ok(None) };
    let hosts = match app.stores.config.get(Kind::Source, &share.of).await? {
        Some(record) => record.typed::<SourceSpec>().map(|source| hosts(&source.spec)).unwrap_or_default(),
        None => Vec::new(),
    };
    let is_of = |target: &Target| {
        hosts.contains(&target.host) && target.source_id.as_ref().is_none_or(|id| *id == source_id)
    };
    Ok(Some(SourcePostbackShare {
        source: slugs.get(&share.of).cloned().unwrap_or_default(),
        waiting: share.waiting,
        dead: share.dead,
        oldest: oldest(share),
        next: share.next,
        open: open.iter().filter(|target| is_of(target)).cloned().collect(),
        source_id,
    }))
}

/// Since when the oldest waits; what is to be told later does not wait yet.
fn oldest(share: &Share) -> Option<Timestamp> {
    share.oldest.filter(|at| *at <= clock::now())
}

/// Host and port of each URL where a source is told; nothing in them is filled in.
fn hosts(source: &SourceSpec) -> Vec<String> {
    let urls = source.postback_urls.values().chain(&source.postback_url);
    urls.filter_map(|url| host(url)).collect()
}

/// Host and port of a URL.
pub(super) fn host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

/// The targets that are not asked for the moment, or that nothing can be sent to.
pub(super) async fn open_targets(app: &App) -> Result<Vec<Target>, Failure> {
    let answer = app.peers.postback.call(Method::GET, "/internal/tells", None).await?;
    let targets: Targets = serde_json::from_value(answer).map_err(|e| app.peers.postback.unreadable(&e))?;
    Ok(targets.items.into_iter().filter(is_not_asked).collect())
}

fn is_not_asked(target: &Target) -> bool {
    target.open_until.is_some() || target.unsent.is_some()
}

/// Those that wait and whose keys begin so, the soonest first.
async fn waiting_jobs(app: &App, asked: &PageRequest, prefix: &str) -> Result<Found, Failure> {
    let behind = asked.cursor.as_deref().map(Place::read).transpose()?;
    let mut page = PageRequest::first(PAGE);
    let (mut all, mut looked_at, mut first) = (Found::default(), 0, None);
    loop {
        let found = app.stores.queue.waiting(KIND, prefix, &page).await?;
        looked_at += found.items.len();
        for job in found.items {
            all.take(job.key.clone(), of_waiting(job, &mut first));
        }
        page.cursor = found.next;
        if page.cursor.is_none() || looked_at >= LOOKED_AT {
            break;
        }
    }
    all.jobs.sort_by_cached_key(Place::of);
    all.jobs.retain(|job| behind.as_ref().is_none_or(|behind| Place::of(job) > *behind));
    if all.jobs.len() > asked.limit {
        all.jobs.truncate(asked.limit);
        all.next = all.jobs.last().map(|job| Place::of(job).to_string());
    }
    all.complete = page.cursor.is_none();
    Ok(all)
}

/// Where a job stands among those that wait: when it is due, when it came, and its name. A page goes on behind it, whatever
/// has come or gone meanwhile.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    due_ms: Option<i64>,
    came_ms: i64,
    job: String,
}

impl Place {
    fn of(job: &SourcePostbackJob) -> Self {
        let due_ms = job.due.map(Timestamp::as_millisecond);
        Self { due_ms, came_ms: job.came.as_millisecond(), job: job.job.clone() }
    }

    /// From a cursor.
    fn read(text: &str) -> Result<Self, StoreError> {
        let read = || {
            let (due, rest) = text.split_once('.')?;
            let (came, job) = rest.split_once('.')?;
            let due_ms = if due.is_empty() { None } else { Some(due.parse().ok()?) };
            Some(Self { due_ms, came_ms: came.parse().ok()?, job: job.to_owned() })
        };
        read().ok_or(StoreError::BadCursor)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let due = self.due_ms.map(|ms| ms.to_string()).unwrap_or_default();
        write!(f, "{due}.{}.{}", self.came_ms, self.job)
    }
}

/// A page of those that were given up.
async fn dead_jobs(app: &App, asked: &PageRequest, wanted: impl Fn(&str) -> bool) -> Result<Found, Failure> {
    let mut page = PageRequest { limit: PAGE, ..asked.clone() };
    let mut all = Found { complete: true, ..Found::default() };
    loop {
        let mut found = app.stores.queue.dead_jobs(KIND, &page).await?;
        let room = asked.limit - all.jobs.len() - all.unread.len();
        let mut places = found.items.iter().enumerate().filter(|(_, job)| wanted(&job.key)).map(|(at, _)| at);
        // Of one source there may be few among many: whole pages are read, the last one up to what is told of it.
        let last = places.nth(room - 1).filter(|at| at + 1 < found.items.len());
        if let Some(last) = last {
            page.limit = last + 1;
            found = app.stores.queue.dead_jobs(KIND, &page).await?;
        }
        for job in found.items.into_iter().filter(|job| wanted(&job.key)) {
            all.take(job.key.clone(), of_dead(job));
        }
        page.cursor = found.next;
        if page.cursor.is_none() || all.jobs.len() + all.unread.len() >= asked.limit {
            all.next = page.cursor;
            return Ok(all);
        }
        page.limit = PAGE;
    }
}

impl Found {
    fn take(&mut self, key: String, job: Option<SourcePostbackJob>) {
        match job {
            Some(job) => self.jobs.push(job),
            None => self.unread.push(key),
        }
    }
}

/// `first` is the conversion of the one before: its states are told one after the other, and tries are of the first.
fn of_waiting(job: WaitingJob, first: &mut Option<ConversionId>) -> Option<SourcePostbackJob> {
    let WaitingJob { key, came, payload, due, held, tries } = job;
    let mut out = of_payload(key, &payload)?;
    let waits_behind = first.replace(out.conversion_id.clone()).as_ref() == Some(&out.conversion_id);
    (out.came, out.due) = (came, due);
    (out.under_way, out.tries) = if waits_behind { (false, Some(0)) } else { (held, Some(tries)) };
    Some(out)
}

fn of_dead(job: DeadJob) -> Option<SourcePostbackJob> {
    let mut out = of_payload(job.key, &job.payload)?;
    out.why = job.why;
    Some(out)
}

/// None for one that cannot be read: a newer program has put it in.
fn of_payload(job: String, payload: &str) -> Option<SourcePostbackJob> {
    let tell: SourcePostback = serde_json::from_str(payload).ok()?;
    let conversion = tell.conversion;
    Some(SourcePostbackJob {
        job,
        message_id: message_id(&conversion),
        source_id: tell.source,
        source: String::new(),
        click_id: conversion.click_id,
        told: conversion.status,
        revenue: conversion.revenue,
        came: conversion.updated_at,
        conversion_id: conversion.id,
        due: None,
        under_way: false,
        tries: None,
        why: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_told_and_orders_what_waits() {
        let place = |due_ms, came_ms, job: &str| Place { due_ms, came_ms, job: job.to_owned() };
        let all = [
            place(None, 5, "src_1/a"),
            place(Some(1), 9, "src_1/a.b"),
            place(Some(2), 1, "src_2/a"),
            place(Some(2), 1, "src_2/b"),
        ];
        assert!(all.is_sorted());
        for place in &all {
            assert!(Place::read(&place.to_string()).is_ok_and(|read| read == *place), "{place}");
        }
        for wrong in ["", "1", "1.2", "x.2.a", "1.x.a"] {
            assert!(matches!(Place::read(wrong), Err(StoreError::BadCursor)), "{wrong}");
        }
    }
}
