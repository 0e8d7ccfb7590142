//! What grows with time: how much there is, how long it is kept and what deletes it (`GET /retention/kinds`); and doing now
//! what the services do by themselves (`POST /retention/apply`). Deleting events by age is in [`crate::retention`].

mod known;

use crate::{
    alerts::look::{DEAD, LOG_DAYS},
    app::App,
    failure::Failure,
    input::{Body, Query, read},
    reply::json,
    services::told,
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{Method, StatusCode};
use known::{API, AUDIT, DAY, DEAD_POSTBACKS, EVENTS, HEALTH, Known, NEVER, for_people, of};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tfx_api::retention::{Applied, AppliedKind, ApplyRequest, GrowingKind, GrowingKinds};
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    alerts::AlertLogQuery,
    audit::{AuditEntry, Caller},
    clock,
    event_log::Holds,
    histories::History,
    page::PageRequest,
    queue::JobKind,
};

/// How often what is too old is forgotten.
const EVERY: Duration = Duration::from_secs(600);

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/retention/kinds", get(kinds)).route("/retention/apply", post(apply))
}

/// So many days before now.
fn ago(days: u32) -> Timestamp {
    clock::now().saturating_sub(DAY * days).unwrap_or(Timestamp::MIN)
}

async fn kinds(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let engines = &app.settings.engines;
    let (config, events) = (
        if engines.mongo.is_some() { "MongoDB" } else { "config.db" },
        if engines.events.is_some() { "ClickHouse" } else { "events.db" },
    );
    let mut all = GrowingKinds::default();
    match event_kinds(&app, events).await {
        Ok(found) => all.kinds.extend(found),
        Err(e) => all.missing.push(format!("{events}: {e}")),
    }
    match app.stores.histories.kept().await {
        Ok(kept) => {
            let kind = |kept: tfx_ports::histories::Kept| {
                of(&app, kept.of).kind(config, Some(kept.rows), kept.oldest)
            };
            all.kinds.extend(kept.into_iter().map(kind));
        }
        Err(e) => all.missing.push(format!("{config}: {e}")),
    }
    journals(&app, &mut all).await;
    topics(&app, &mut all).await;
    Ok(json(StatusCode::OK, &all))
}

async fn event_kinds(app: &App, store: &str) -> Result<Vec<GrowingKind>, StoreError> {
    let counts = app.stores.retention.count(Timestamp::MAX).await?;
    let bytes = app.stores.retention.size().await?.bytes;
    let deletes = if app.settings.engines.events.is_some() { "ClickHouse" } else { API };
    let days = app.settings.analytics_ttl_days;
    let kind = |what: &'static str, rows: u64| {
        Known::by_setting(what, days, EVENTS).ended_by("tfx prune", deletes).kind(store, Some(rows), None)
    };
    let mut kinds = vec![
        kind("clicks", counts.clicks),
        kind("trafficback", counts.trafficback),
        kind("conversions in reports", counts.conversions),
        kind("postback log", counts.postbacks),
        kind("other events", counts.other),
    ];
    kinds.push(GrowingKind { rows: None, bytes: Some(bytes), ..kind("all events", 0) });
    Ok(kinds)
}

async fn journals(app: &App, all: &mut GrowingKinds) {
    for peer in [&app.peers.traffic, &app.peers.postback] {
        let stats = match peer.call(Method::GET, "/internal/event-producer/stats", None).await {
            Ok(stats) => stats,
            Err(failure) => {
                all.missing.push(told(failure).await);
                continue;
            }
        };
        let number = |name: &str| stats.get(name).and_then(serde_json::Value::as_u64);
        let age = number("oldest_undelivered_age_ms").filter(|ms| *ms > 0).map(Duration::from_millis);
        let name = peer.name();
        let known = Known::until("", "when delivered", "EVENT_JOURNAL_MAX_BYTES").ended_by("", "delivery");
        let oldest = age.and_then(|age| clock::now().saturating_sub(age).ok());
        let journal = GrowingKind {
            what: format!("journal of {name}"),
            bytes: number("outbox_depth_bytes"),
            ..known.kind(name, number("outbox_depth_events"), oldest)
        };
        let known = Known::until("", "when replayed, or removed by hand", "")
            .ended_by("tfx events replay-refused", "tfx events replay-refused, a person");
        let refused = GrowingKind {
            what: format!("refused by {name}"),
            ..known.kind(name, number("refused_waiting"), None)
        };
        all.kinds.extend([journal, refused]);
    }
}

async fn topics(app: &App, all: &mut GrowingKinds) {
    let Some(pipeline) = &app.stores.pipeline else { return };
    let holds = match pipeline.log.holds().await {
        Ok(holds) => holds,
        Err(e) => return all.missing.push(e.to_string()),
    };
    for (topic, holds) in holds {
        let days = match holds {
            Holds::For(time) => u32::try_from(time.as_secs().div_ceil(DAY.as_secs())).ok(),
            Holds::ForEver | Holds::Unknown => None,
        };
        let ends = match holds {
            Holds::For(time) => format!("after {}", for_people(time)),
            Holds::ForEver => NEVER.to_owned(),
            Holds::Unknown => "the brokers do not say when".to_owned(),
        };
        let known = Known::until("", &ends, "EVENT_TOPIC_RETENTION_HOURS").ended_by("", "the brokers");
        all.kinds.push(GrowingKind { what: topic, days, ..known.kind("topics", None, None) });
    }
}

async fn apply(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let ApplyRequest { dry_run } = read(input)?;
    if !dry_run {
        let entry = AuditEntry {
            at: clock::now(),
            caller,
            action: "apply".to_owned(),
            kind: "retention".to_owned(),
            id: String::new(),
            version: 0,
            changes: json!({}),
        };
        app.stores.config.append(entry).await?;
    }
    let applied = Applied { dry_run, kinds: applied(&app, dry_run).await? };
    Ok(json(StatusCode::OK, &applied))
}

/// Forgets what is too old, or counts it; of events, counts what is older: they leave little by little.
async fn applied(app: &App, dry_run: bool) -> Result<Vec<AppliedKind>, StoreError> {
    let stores = &app.stores;
    let mut all = Vec::new();
    let mut say = |what: &str, rows: Option<u64>| all.push(AppliedKind { what: what.to_owned(), rows });
    if let Some(days) = app.settings.analytics_ttl_days {
        say("events", Some(app.pruning.applied(ago(days), dry_run).await?));
    }
    for (what, history, days) in [
        ("audit log", History::Audit, app.settings.audit_ttl_days),
        ("health of destinations", History::Health, app.settings.health_history_ttl_days),
    ] {
        let Some(days) = days else { continue };
        let rows = match dry_run {
            true => stores.histories.older(history, ago(days)).await?,
            false => stores.histories.forget(history, ago(days)).await?,
        };
        say(what, Some(rows));
    }
    let log = ago(u32::try_from(LOG_DAYS).unwrap_or(u32::MAX));
    say(
        "log of alerts",
        Some(if dry_run { old_alerts(app, log).await? } else { stores.alerts.forget_log(log).await? }),
    );
    for (what, kind, kept) in [
        ("unmatched postbacks", JobKind::ParkedPostback, DEAD_POSTBACKS),
        ("dead postbacks to sources", JobKind::SourcePostback, DEAD_POSTBACKS),
        ("dead notices of alerts", JobKind::Alert, DEAD),
    ] {
        let rows = match dry_run {
            true => old_jobs(app, kind, kept).await?,
            false => stores.queue.forget(kind, kept).await?,
        };
        say(what, Some(rows));
    }
    let now = clock::now();
    say("logins, idempotency keys", if dry_run { None } else { Some(stores.accounts.forget(now).await?) });
    say("who was erased, as hashes", if dry_run { None } else { Some(stores.erased.forget(now).await?) });
    Ok(all)
}

async fn old_alerts(app: &App, before: Timestamp) -> Result<u64, StoreError> {
    let mut query =
        AlertLogQuery { alert: None, since: None, until: Some(before), page: PageRequest::first(1_000) };
    let mut rows = 0;
    loop {
        let page = app.stores.alerts.log(&query).await?;
        rows += page.items.len() as u64;
        query.page.cursor = page.next;
        if query.page.cursor.is_none() {
            return Ok(rows);
        }
    }
}

async fn old_jobs(app: &App, kind: JobKind, kept: Duration) -> Result<u64, StoreError> {
    let before = clock::now().saturating_sub(kept).unwrap_or(Timestamp::MIN);
    let mut page = PageRequest::first(1_000);
    let mut rows = 0;
    loop {
        let found = app.stores.queue.dead_jobs(kind, &page).await?;
        rows += found.items.iter().filter(|job| job.died < before).count() as u64;
        page.cursor = found.next;
        if page.cursor.is_none() {
            return Ok(rows);
        }
    }
}

/// Forgets histories that are too old, now and from time to time.
pub(crate) async fn follow(app: Arc<App>) {
    loop {
        for (history, days, setting) in [
            (History::Audit, app.settings.audit_ttl_days, AUDIT),
            (History::Health, app.settings.health_history_ttl_days, HEALTH),
        ] {
            let Some(days) = days else { continue };
            match app.stores.histories.forget(history, ago(days)).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, setting, "what is too old was forgotten"),
                Err(error) => {
                    tracing::warn!(%error, setting, "what is too old was not forgotten; it is tried again");
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
