//! The health of destinations: how they are, what changed, and probing one now.

use crate::{
    app::App,
    entities::refs::named,
    failure::Failure,
    input::{Path, Query},
    labels,
    reply::{json, paged},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{Method, StatusCode};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tfx_api::health::{HealthList, HealthRow, PutOffs};
use tfx_domain::{
    entity::{DestinationSpec, Kind, Status},
    health::DestinationHealth,
    id::DestinationId,
    routing::Health,
    slug::Slug,
};
use tfx_ports::{StoreError, config::RecordQuery, health::HealthQuery, page::PageRequest};
use tokio::time::timeout;

const PAGE: usize = 1_000;
/// A list waits no longer for what traffic-service knows beside it.
const PUT_OFF_WITHIN: Duration = Duration::from_secs(1);

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/health", get(list))
        .route("/health/history", get(history))
        .route("/destinations/{ref}/check", post(check))
}

async fn list(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let state = query.parsed("state", |text| {
        let known = [Health::Up, Health::Down, Health::Unknown];
        let found = known.into_iter().find(|h| h.as_str() == text);
        found.ok_or_else(|| "must be up, down or unknown".to_owned())
    });
    let page = query.page();
    query.finish()?;
    if page.cursor.as_ref().is_some_and(|cursor| cursor.parse::<Slug>().is_err()) {
        return Err(StoreError::BadCursor.into());
    }
    let watched = watched(&app).await?;
    let known: HashMap<DestinationId, DestinationHealth> =
        app.stores.health.all().await?.into_iter().map(|h| (h.destination_id.clone(), h)).collect();
    let mut items: Vec<HealthRow> = watched
        .into_iter()
        .map(|(id, slug)| row(&id, slug, id.parse().ok().and_then(|id: DestinationId| known.get(&id))))
        .collect();
    items.sort_by(|a, b| a.slug.cmp(&b.slug));
    let count = |is: fn(&HealthRow) -> bool| items.iter().filter(|row| is(row)).count() as u64;
    let PutOffs { items: put_off, late_after_s } = put_off(&app).await;
    let mut answer = HealthList {
        watched: items.len() as u64,
        down: count(|row| row.state == Health::Down),
        unknown: count(|row| row.state == Health::Unknown && row.probed_at.is_none()),
        undecided: count(|row| row.state == Health::Unknown && row.probed_at.is_some()),
        newest_probe_at: items.iter().filter_map(|i| i.probed_at).max(),
        late_after_s,
        put_off,
        left_out: app.stores.health.left_out(),
        items: Vec::new(),
        next: None,
    };
    // A page goes on behind a slug, whatever has come or gone before it.
    items.retain(|i| state.is_none_or(|s| s == i.state) && page.cursor.as_ref().is_none_or(|c| i.slug > *c));
    if items.len() > page.limit {
        items.truncate(page.limit);
        answer.next = items.last().map(|i| i.slug.clone());
    }
    answer.items = items;
    Ok(json(StatusCode::OK, &answer))
}

/// The probes that traffic-service puts off, and how often it makes them; nothing if it does not say so soon.
async fn put_off(app: &App) -> PutOffs {
    let asked = app.peers.traffic.call(Method::GET, "/internal/probes", None);
    let Ok(Ok(told)) = timeout(PUT_OFF_WITHIN, asked).await else { return PutOffs::default() };
    serde_json::from_value(told).unwrap_or_default()
}

/// Id and slug of every active destination with a health check.
async fn watched(app: &App) -> Result<Vec<(String, String)>, Failure> {
    let mut all = Vec::new();
    let statuses = vec![Status::Active];
    let page = PageRequest::first(PAGE);
    let mut query = RecordQuery { kind: Kind::Destination, parent: None, statuses, page };
    loop {
        let found = app.stores.config.list(&query).await?;
        // One that cannot be read is told by the list of destinations.
        let checked = found.items.into_iter().filter(|r| {
            r.typed::<DestinationSpec>().is_ok_and(|destination| destination.spec.health_check.is_some())
        });
        all.extend(checked.map(|r| (r.id, r.slug)));
        match found.next {
            Some(next) => query.page.cursor = Some(next),
            None => return Ok(all),
        }
    }
}

fn row(id: &str, slug: String, known: Option<&DestinationHealth>) -> HealthRow {
    let probe = known.map(|k| &k.probe);
    HealthRow {
        destination_id: id.to_owned(),
        slug,
        state: known.map_or(Health::Unknown, |k| k.state),
        since: known.map(|k| k.since),
        probed_at: probe.map(|p| p.at),
        in_a_row: known.map_or(0, |k| k.in_a_row),
        status: probe.and_then(|p| p.status),
        failure: probe.map(|p| p.failure.clone()).unwrap_or_default(),
        reason: probe.map(|p| p.reason.clone()).unwrap_or_default(),
        latency_ms: probe.map(|p| p.latency_ms),
    }
}

async fn history(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let (since, until) = query.window();
    let destination = query.text("destination");
    let page = query.page();
    query.finish()?;
    let config = app.stores.config.as_ref();
    let destination = match destination {
        Some(text) => named(config, Kind::Destination, &text).await?.id.parse::<DestinationId>().ok(),
        None => None,
    };
    let found = app.stores.health.history(&HealthQuery { destination, since, until, page }).await?;
    let ids = found.items.iter().map(|e| e.destination_id.to_string());
    let labels = labels::of(config, ids).await?;
    Ok(paged(found, labels))
}

/// `POST /destinations/{ref}/check`: traffic-service probes it now; it counts like any other probe if it is active.
async fn check(
    State(app): State<Arc<App>>,
    Path(reference): Path,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    let destination = named(app.stores.config.as_ref(), Kind::Destination, &reference).await?;
    if destination.typed::<DestinationSpec>()?.spec.health_check.is_none() {
        let detail = format!(
            "destination '{}' has no health check: tfx destination update {} --health-check URL",
            destination.slug, destination.slug
        );
        return Err(Failure::new(StatusCode::CONFLICT, "no_health_check", detail));
    }
    let path = format!("/internal/probe/{}", destination.id);
    let known = app.peers.traffic.call(Method::POST, &path, None).await?;
    let known: DestinationHealth =
        serde_json::from_value(known).map_err(|e| app.peers.traffic.unreadable(&e))?;
    Ok(json(StatusCode::OK, &row(&destination.id, destination.slug, Some(&known))))
}
