//! Who is asking, how the other services do, and what this one depends on.

use crate::{access::Identity, app::App, failure::Failure, input::Query, peers::Peer, reply::json};
use axum::{
    Extension, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{Method, StatusCode};
use std::sync::Arc;
use tfx_api::{
    error::ProblemDocument,
    service::{EventStats, RefusedAnswer, RefusedEvents, ServiceStats, Whoami},
};
use tfx_service::health::{Detail, Readiness};

/// The largest problem document that is read from another service.
const MAX_PROBLEM: usize = 64 << 10;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/whoami", get(whoami))
        .route("/event-producer/stats", get(stats))
        .route("/event-producer/replay-refused", post(replay_refused))
}

async fn whoami(Extension(identity): Extension<Identity>, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let Identity { name, role, token, scopes, expires_at } = identity;
    Ok(json(StatusCode::OK, &Whoami { name, role, token, scopes, expires_at }))
}

/// Both are asked at once; one that does not answer does not hide the other.
async fn stats(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let (traffic, postback) = tokio::join!(stats_of(&app.peers.traffic), stats_of(&app.peers.postback));
    Ok(json(StatusCode::OK, &EventStats { traffic, postback }))
}

async fn stats_of(peer: &Peer) -> ServiceStats {
    match peer.call(Method::GET, "/internal/event-producer/stats", None).await {
        Ok(stats) => ServiceStats { stats: Some(stats), error: None },
        Err(failure) => ServiceStats { stats: None, error: Some(told(failure).await) },
    }
}

/// What a failure says to a person.
pub(crate) async fn told(failure: Failure) -> String {
    let body = axum::body::to_bytes(failure.into_response().into_body(), MAX_PROBLEM).await;
    let document = body.ok().and_then(|b| serde_json::from_slice::<ProblemDocument>(&b).ok());
    document.map(|d| d.detail).unwrap_or_default()
}

/// Each service replays its own; one that cannot does not hold up the other.
async fn replay_refused(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let dry_run = query.flag("dry_run").unwrap_or(false);
    query.finish()?;
    let (traffic, postback) =
        tokio::join!(replay_of(&app.peers.traffic, dry_run), replay_of(&app.peers.postback, dry_run));
    Ok(json(StatusCode::OK, &RefusedAnswer { traffic, postback }))
}

async fn replay_of(peer: &Peer, dry_run: bool) -> RefusedEvents {
    let path = format!("/internal/event-producer/replay-refused?dry_run={dry_run}");
    let answer = match peer.call(Method::POST, &path, None).await {
        Ok(answer) => serde_json::from_value(answer).map_err(|e| peer.unreadable(&e)),
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(replayed) => replayed,
        Err(failure) => RefusedEvents { error: Some(told(failure).await), ..RefusedEvents::default() },
    }
}

/// The stores must answer; without the other services only explanations and counters are missing.
pub(crate) fn readiness(app: &Arc<App>) -> Readiness {
    let (config, conversions, analytics, alerts) = (app.clone(), app.clone(), app.clone(), app.clone());
    let (traffic, postback) = (app.peers.traffic.clone(), app.peers.postback.clone());
    let pruning = Arc::clone(&app.pruning);
    Readiness::new()
        .required("config", move || {
            let app = Arc::clone(&config);
            async move { app.stores.config.ping().await.map(|()| Detail::ok()).map_err(|e| e.to_string()) }
        })
        .required("conversions", move || {
            let app = Arc::clone(&conversions);
            async move { app.stores.conversions.ping().await.map(|()| Detail::ok()).map_err(|e| e.to_string()) }
        })
        .required("analytics", move || {
            let app = Arc::clone(&analytics);
            async move { app.stores.analytics.ping().await.map(|()| Detail::ok()).map_err(|e| e.to_string()) }
        })
        .optional("retention", move || {
            let detail = pruning.detail();
            async move { Ok(detail) }
        })
        .optional("alerts", move || {
            let app = Arc::clone(&alerts);
            async move { app.alerts.detail(app.stores.queue.as_ref()).await }
        })
        .optional("traffic-service", move || {
            let peer = traffic.clone();
            async move { peer.ping().await.map(|()| Detail::ok()) }
        })
        .optional("postback-service", move || {
            let peer = postback.clone();
            async move { peer.ping().await.map(|()| Detail::ok()) }
        })
}
