//! What all handlers share, and the router they hang on.

use crate::{
    access::{self, Access},
    alerts::{self, Alerts},
    browsers, compressed,
    entities::{self, Followed},
    erasure::{self, Erasing},
    events, explain,
    failure::Failure,
    geo, health as destinations_health,
    idempotency::UnderWay,
    imports, in_use, ingestion, kept, links,
    logins::{self, Logins},
    openapi, parked,
    peers::Peers,
    postback_lint, postback_test, publish, rates, reconciliation, report,
    retention::{self, Pruning},
    sealing, services, sets, source_postbacks, timeline, tokens, traced,
};
use axum::{Router, extract::Request, middleware::from_fn_with_state, response::IntoResponse};
use http::{Method, StatusCode};
use std::sync::Arc;
use tfx_api::BASE;
use tfx_service::{
    health,
    internal::{self, Inside},
    metrics, traces,
};
use tfx_settings::{Secret, Settings};
use tfx_traces::Traces;
use tfx_wiring::Stores;
use tokio::sync::Mutex;

/// What all handlers share.
pub(crate) struct App {
    pub(crate) settings: Arc<Settings>,
    pub(crate) stores: Stores,
    pub(crate) access: Access,
    /// None: nobody logs in.
    pub(crate) logins: Option<Logins>,
    pub(crate) peers: Peers,
    /// Looks at alert rules, and tells of them.
    pub(crate) alerts: Alerts,
    /// Deletes events by age.
    pub(crate) pruning: Arc<Pruning>,
    /// Erases people.
    pub(crate) erasing: Erasing,
    /// Which imports are in the audit log.
    pub(crate) imports: imports::Audited,
    /// Held while an entity is checked against the others and saved.
    pub(crate) writes: Mutex<Followed>,
    /// Requests with an idempotency key that are being done.
    pub(crate) under_way: UnderWay,
    /// Takes requests that are traced.
    pub(crate) traces: Traces,
}

/// Everything api-service answers.
pub(crate) fn router(app: &Arc<App>, internal_token: &Secret) -> anyhow::Result<Router> {
    let api = Router::new()
        .merge(entities::routes().layer(from_fn_with_state(Arc::clone(app), in_use::wait)))
        .merge(alerts::routes())
        .merge(links::routes())
        .merge(logins::routes())
        .merge(events::routes())
        .merge(timeline::routes())
        .merge(source_postbacks::routes())
        .merge(report::routes())
        .merge(rates::routes())
        .merge(retention::routes())
        .merge(kept::routes())
        .merge(erasure::routes())
        .merge(publish::routes())
        .merge(imports::routes())
        .merge(explain::routes())
        .merge(geo::routes())
        .merge(destinations_health::routes())
        .merge(ingestion::routes())
        .merge(openapi::routes())
        .merge(parked::routes())
        .merge(postback_lint::routes())
        .merge(postback_test::routes())
        .merge(sealing::routes())
        .merge(services::routes())
        .merge(sets::routes())
        .merge(reconciliation::routes())
        .merge(tokens::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(Arc::clone(app), access::check))
        .layer(compressed::layer())
        .layer(from_fn_with_state(Arc::clone(app), traced::trace));
    let counted = Arc::clone(app);
    let inside = Inside::new(&app.settings.http, internal_token.expose());
    let mut router = Router::new()
        .nest(BASE, api.with_state(Arc::clone(app)))
        .merge(health::routes(services::readiness(app), inside.clone()))
        .merge(internal::guard(
            metrics::routes(crate::NAME, move |out| {
                counted.pruning.write(out);
                counted.alerts.write(out);
                traces::write(&counted.traces, out);
            }),
            &inside,
        ))
        .fallback(unknown_path)
        .method_not_allowed_fallback(no_such_method);
    let origins = &app.settings.addresses.browser_origins;
    if !origins.is_empty() {
        router = router.layer(browsers::layer(origins)?);
    }
    Ok(router)
}

async fn unknown_path(request: Request) -> impl IntoResponse {
    let path: String = request.uri().path().chars().take(200).collect();
    Failure::not_found(format!("there is nothing at {path}; the API is under {BASE}, see docs/api.md"))
}

async fn no_such_method(request: Request) -> impl IntoResponse {
    wrong_method(request.method())
}

/// 405.
pub(crate) fn wrong_method(method: &Method) -> Failure {
    let detail = format!("{method} is not possible here; the Allow header says what is");
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
