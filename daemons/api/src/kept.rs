//! What grows with time: how much there is, how long it is kept and what deletes it (`GET /retention/kinds`); and doing now
//! what the services do by themselves (`POST /retention/apply`). Deleting events by age is in [`crate::retention`].

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
    histories::{Grows, History},
    page::PageRequest,
    queue::JobKind,
};

/// A day.
const DAY: Duration = Duration::from_secs(86_400);
/// How long dead jobs of postbacks are kept; postback-service does it by itself.
const DEAD_POSTBACKS: Duration = Duration::from_secs(30 * 86_400);
/// How often what is too old is forgotten.
const EVERY: Duration = Duration::from_secs(600);
const AUDIT: &str = "AUDIT_TTL_DAYS";
const HEALTH: &str = "HEALTH_HISTORY_TTL_DAYS";
const EVENTS: &str = "ANALYTICS_TTL_DAYS";

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
                let (what, days, setting, deletes) = of(&app, kept.of);
                GrowingKind {
                    what: what.to_owned(),
                    store: config.to_owned(),
                    days,
                    setting: setting.to_owned(),
                    deletes: deletes.to_owned(),
                    rows: Some(kept.rows),
                    bytes: None,
                    oldest: kept.oldest,
                }
            };
            all.kinds.extend(kept.into_iter().map(kind));
        }
        Err(e) => all.missing.push(format!("{config}: {e}")),
    }
    journals(&app, &mut all).await;
    topics(&app, &mut all).await;
    Ok(json(StatusCode::OK, &all))
}

/// What it is called, how many days it is kept, by which setting, and what deletes it.
fn of(app: &App, grows: Grows) -> (&'static str, Option<u32>, &'static str, &'static str) {
    let settings = &app.settings;
    match grows {
        Grows::Conversions => ("conversions", None, "", "nothing: they are money"),
        Grows::Audit => ("audit log", settings.audit_ttl_days, AUDIT, "api-service"),
        Grows::HealthHistory => {
            ("history of destinations' health", settings.health_history_ttl_days, HEALTH, "api-service")
        }
        Grows::AlertLog => ("log of alerts", u32::try_from(LOG_DAYS).ok(), "", "api-service"),
        Grows::Parked => (
            "parked postbacks",
            None,
            "POSTBACK_PARK_MAX_AGE_S",
            "postback-service, when their click comes or not",
        ),
        Grows::Unmatched => ("unmatched postbacks", Some(30), "", "postback-service"),
        Grows::SourcePostbacks => ("postbacks to sources", None, "", "postback-service, when they are told"),
        Grows::SourcePostbacksDead => ("postbacks to sources, given up", Some(30), "", "postback-service"),
        Grows::AlertsDead => ("notices of alerts, given up", Some(7), "", "api-service"),
        Grows::Expiring => {
            ("codes, sessions, idempotency keys", None, "", "api-service, when their time is over")
        }
        Grows::Told => ("names of what sources were told", None, "", "nothing: each is told once"),
        Grows::Erased => {
            ("who was erased, as hashes", None, "", "tfx erase --again, when topics hold it no more")
        }
    }
}

async fn event_kinds(app: &App, store: &str) -> Result<Vec<GrowingKind>, StoreError> {
    let counts = app.stores.retention.count(Timestamp::MAX).await?;
    let bytes = app.stores.retention.size().await?.bytes;
    let by = if app.settings.engines.events.is_some() { "ClickHouse" } else { "api-service" };
    let kind = |what: &str, rows: u64| GrowingKind {
        what: what.to_owned(),
        store: store.to_owned(),
        days: app.settings.analytics_ttl_days,
        setting: EVENTS.to_owned(),
        deletes: by.to_owned(),
        rows: Some(rows),
        bytes: None,
        oldest: None,
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
        let journal = GrowingKind {
            what: "journal".to_owned(),
            store: peer.name().to_owned(),
            days: None,
            setting: "EVENT_JOURNAL_MAX_BYTES".to_owned(),
            deletes: "delivery".to_owned(),
            rows: number("outbox_depth_events"),
            bytes: number("outbox_depth_bytes"),
            oldest: age.and_then(|age| clock::now().saturating_sub(age).ok()),
        };
        let refused = GrowingKind {
            what: "refused events".to_owned(),
            setting: String::new(),
            deletes: "tfx events replay-refused, and a person".to_owned(),
            rows: number("refused_waiting"),
            bytes: None,
            oldest: None,
            ..journal.clone()
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
        all.kinds.push(GrowingKind {
            what: topic,
            store: "topics".to_owned(),
            days,
            setting: "EVENT_TOPIC_RETENTION_HOURS".to_owned(),
            deletes: "the brokers".to_owned(),
            rows: None,
            bytes: None,
            oldest: None,
        });
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
        ("history of destinations' health", History::Health, app.settings.health_history_ttl_days),
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
        ("postbacks to sources, given up", JobKind::SourcePostback, DEAD_POSTBACKS),
        ("notices of alerts, given up", JobKind::Alert, DEAD),
    ] {
        let rows = match dry_run {
            true => old_jobs(app, kind, kept).await?,
            false => stores.queue.forget(kind, kept).await?,
        };
        say(what, Some(rows));
    }
    let now = clock::now();
    say(
        "codes, sessions, idempotency keys",
        if dry_run { None } else { Some(stores.accounts.forget(now).await?) },
    );
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
