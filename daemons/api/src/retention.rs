//! Deleting events by age: as `ANALYTICS_TTL_DAYS` says, by itself; and on request. One run at a time; between its steps
//! it leaves the store to those who store and read.

use crate::{
    apart,
    app::App,
    failure::Failure,
    input::{Body, Query, read},
    reply::json,
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tfx_api::retention::{EventCounts, PruneAnswer, PruneRequest, PruneRun, RetentionStatus};
use tfx_domain::{Timestamp, event::Topic, problem::Problems};
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    clock,
    retention::Retention,
};
use tfx_service::{Shutdown, health::Detail, metrics::Text};
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

/// How often what has become too old is deleted.
const EVERY: Duration = Duration::from_secs(600);
/// The shortest pause between two steps; else it is twice as long as the step took.
const PAUSE: Duration = Duration::from_millis(10);
/// How often a step is tried again that the store was not well enough for, and the pause before.
const TRIES: u32 = 10;
const AGAIN: Duration = Duration::from_secs(1);
/// How long events are counted before they are deleted.
const COUNT_WITHIN: Duration = Duration::from_secs(10);
/// Who deletes what is too old by itself.
const BY_AGE: &str = "ANALYTICS_TTL_DAYS";

/// Deletes events by age.
pub(crate) struct Pruning {
    retention: Arc<dyn Retention>,
    days: Option<u32>,
    /// Whether this process deletes by age; else the store does so itself.
    by_age: bool,
    state: Mutex<Runs>,
    deleted: [AtomicU64; COUNTED.len()],
    bytes: AtomicU64,
    failures: AtomicU64,
    shutdown: Shutdown,
}

#[derive(Default)]
struct Runs {
    running: Option<PruneRun>,
    last: Option<PruneRun>,
}

type Counted = (&'static str, fn(&EventCounts) -> u64);

/// What is counted, by the label of its metric.
const COUNTED: [Counted; 5] = [
    (Topic::ClickEvents.as_str(), |c| c.clicks),
    (Topic::TrafficbackEvents.as_str(), |c| c.trafficback),
    (Topic::ConversionEvents.as_str(), |c| c.conversions),
    (Topic::PostbackLogEvents.as_str(), |c| c.postbacks),
    ("other", |c| c.other),
];

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/retention", get(status)).route("/retention/prune", post(prune))
}

async fn status(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let size = app.stores.retention.size().await?;
    let runs = app.pruning.runs();
    let status = RetentionStatus {
        days: app.pruning.days,
        bytes: size.bytes,
        free_bytes: size.free_bytes,
        gives_back: size.gives_back,
        running: runs.running.clone(),
        last: runs.last.clone(),
    };
    drop(runs);
    Ok(json(StatusCode::OK, &status))
}

async fn prune(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let PruneRequest { before, dry_run, vacuum } = read(input)?;
    let now = clock::now();
    let before = match before {
        Some(before) if before > now => {
            return Err(Problems::one("before", "must not be in the future").into());
        }
        Some(before) => before,
        None => app.pruning.oldest(now).ok_or_else(|| {
            Problems::one("before", "is required: ANALYTICS_TTL_DAYS says that events are kept for ever")
        })?,
    };
    let found = match timeout(COUNT_WITHIN, app.stores.retention.count(before)).await {
        Ok(found) => Some(found?),
        Err(_) => None,
    };
    if dry_run {
        return Ok(json(StatusCode::OK, &PruneAnswer { before, found, run: None }));
    }
    let run = app.pruning.begin(before, &caller.name, vacuum).ok_or_else(|| {
        let detail = "events are being deleted already; GET /retention shows how far that is";
        Failure::new(StatusCode::CONFLICT, "prune_running", detail)
    })?;
    let entry = AuditEntry {
        at: now,
        caller,
        action: "prune".to_owned(),
        kind: "events".to_owned(),
        id: String::new(),
        version: 0,
        changes: json!({ "before": [null, before], "found": [null, found], "vacuum": [null, vacuum] }),
    };
    // What nobody could read about afterwards is not done.
    if let Err(e) = app.stores.config.append(entry).await {
        app.pruning.end(Err(&e));
        return Err(e.into());
    }
    let pruning = Arc::clone(&app.pruning);
    tokio::spawn(async move { pruning.run(before, vacuum).await }.in_current_span());
    Ok(json(StatusCode::ACCEPTED, &PruneAnswer { before, found, run: Some(run) }))
}

impl Pruning {
    pub(crate) fn new(
        retention: Arc<dyn Retention>,
        days: Option<u32>,
        by_age: bool,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            retention,
            days,
            by_age,
            state: Mutex::default(),
            deleted: Default::default(),
            bytes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            shutdown,
        }
    }

    /// Deletes what has become too old, now and from time to time, until the shutdown.
    pub(crate) async fn follow(self: Arc<Self>) {
        while self.by_age
            && let Some(before) = self.oldest(clock::now())
        {
            if self.begin(before, BY_AGE, false).is_some() {
                self.run(before, false).await;
            }
            tokio::select! {
                () = self.shutdown.wait() => return,
                () = sleep(EVERY) => {}
            }
        }
    }

    /// How many events are too old. Without `dry_run`, and where this process deletes by age, they begin to leave.
    pub(crate) async fn applied(
        self: &Arc<Self>,
        before: Timestamp,
        dry_run: bool,
    ) -> Result<u64, StoreError> {
        let found = self.retention.count(before).await?.total();
        if !dry_run && self.by_age && self.begin(before, BY_AGE, false).is_some() {
            let pruning = Arc::clone(self);
            tokio::spawn(async move { pruning.run(before, false).await }.in_current_span());
        }
        Ok(found)
    }

    /// Before when events are too old; none: they never are.
    fn oldest(&self, now: Timestamp) -> Option<Timestamp> {
        self.days.map(|days| {
            now.saturating_sub(Duration::from_secs(u64::from(days) * 86_400)).unwrap_or(Timestamp::MIN)
        })
    }

    fn runs(&self) -> std::sync::MutexGuard<'_, Runs> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new run, unless there is one.
    fn begin(&self, before: Timestamp, by: &str, vacuum: bool) -> Option<PruneRun> {
        let mut runs = self.runs();
        if runs.running.is_some() {
            return None;
        }
        let run = PruneRun {
            before,
            by: by.to_owned(),
            vacuum,
            started_at: clock::now(),
            ended_at: None,
            deleted: EventCounts::default(),
            bytes: 0,
            error: None,
        };
        runs.running = Some(run.clone());
        Some(run)
    }

    /// Does the run that has begun.
    async fn run(self: &Arc<Self>, before: Timestamp, vacuum: bool) {
        let ended = |what: String| Err(StoreError::Unavailable { what, source: None });
        let pruning = Arc::clone(self);
        let done = tokio::select! {
            () = self.shutdown.wait() => {
                ended("api-service was stopped; what is too old is deleted when it runs again".to_owned())
            }
            done = apart::run(async move { pruning.work(before, vacuum).await }) => {
                done.unwrap_or_else(|why| ended(format!("deleting {why}; what was deleted stays so, ask again")))
            }
        };
        self.end(done.as_ref().copied());
    }

    async fn work(&self, before: Timestamp, vacuum: bool) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let begun = Instant::now();
            match self.retention.prune(before).await {
                Ok(step) => {
                    tries = 0;
                    self.add(step.deleted, step.bytes);
                    if !step.more {
                        break;
                    }
                }
                Err(e) if e.is_retryable() && tries < TRIES => {
                    tries += 1;
                    sleep(AGAIN).await;
                }
                Err(e) => return Err(e),
            }
            sleep(PAUSE.max(begun.elapsed() * 2)).await;
        }
        if vacuum {
            let before = self.retention.size().await?.bytes;
            let after = self.retention.rewrite().await?.bytes;
            self.add(EventCounts::default(), before.saturating_sub(after));
        }
        Ok(())
    }

    fn add(&self, deleted: EventCounts, bytes: u64) {
        for (counter, (_, count)) in self.deleted.iter().zip(COUNTED) {
            counter.fetch_add(count(&deleted), Relaxed);
        }
        self.bytes.fetch_add(bytes, Relaxed);
        if let Some(run) = &mut self.runs().running {
            run.deleted += deleted;
            run.bytes += bytes;
        }
    }

    fn end(&self, done: Result<(), &StoreError>) {
        let mut runs = self.runs();
        let Some(mut run) = runs.running.take() else { return };
        run.ended_at = Some(clock::now());
        let (rows, bytes) = (run.deleted.total(), run.bytes);
        match done {
            Ok(()) if rows == 0 && run.by == BY_AGE => {}
            Ok(()) => {
                let by = &run.by;
                tracing::info!(before = %run.before, rows, bytes, by, "old events were deleted");
            }
            Err(e) => {
                self.failures.fetch_add(1, Relaxed);
                tracing::warn!(before = %run.before, rows, by = run.by, error = %e, "old events were not all deleted");
                run.error = Some(e.to_string());
            }
        }
        runs.last = Some(run);
    }

    /// What `/readyz` says of it.
    pub(crate) fn detail(&self) -> Detail {
        let runs = self.runs();
        let kept = self.days.map_or_else(|| "for ever".to_owned(), |days| format!("{days} days"));
        let mut text = format!("events are kept {kept}");
        if !self.by_age {
            text.push_str(" by the analytics store itself");
        }
        if let Some(run) = &runs.running {
            text.push_str(&format!(
                "; {} events were deleted so far by a run that goes on",
                run.deleted.total()
            ));
        }
        let Some(last) = &runs.last else { return Detail::ok().text(text) };
        let at = last.ended_at.unwrap_or(last.started_at);
        text.push_str(&format!("; {} events were deleted by the last run, {at}", last.deleted.total()));
        match &last.error {
            Some(why) => Detail::degraded(format!("{text}, which broke off: {why}")),
            None => Detail::ok().text(text),
        }
    }

    /// What `/metrics` says of it.
    pub(crate) fn write(&self, out: &mut Text) {
        for (counter, (topic, _)) in self.deleted.iter().zip(COUNTED) {
            let help = "Stored events deleted by age or by tfx prune";
            out.counter("tfx_retention_deleted_total", help, &[("topic", topic)], counter.load(Relaxed));
        }
        let help = "Bytes that the store of events gave back to the device";
        out.counter("tfx_retention_given_back_bytes_total", help, &[], self.bytes.load(Relaxed));
        let help = "Deletions of old events that broke off";
        out.counter("tfx_retention_failures_total", help, &[], self.failures.load(Relaxed));
        let runs = self.runs();
        let help = "When old events were last deleted to the end, seconds since 1970; 0: not since the start";
        let last = runs.last.as_ref().filter(|run| run.error.is_none()).and_then(|run| run.ended_at);
        let last = last.map_or(0, Timestamp::as_second);
        out.gauge("tfx_retention_last_run_timestamp_seconds", help, &[], last);
    }
}
