//! What is changed is in use when that is answered: a campaign that was created takes clicks, a network postbacks. The
//! services that follow the configuration are asked to read it, and waited for, but not for long: one that is away reads it
//! when it comes back.

use crate::app::App;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::Method;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// The longest that an answer waits for it.
const AT_MOST: Duration = Duration::from_secs(2);

/// Answers a change when traffic-service and postback-service use it.
pub(crate) async fn wait(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let changes = request.method() != Method::GET;
    let response = next.run(request).await;
    if changes && response.status().is_success() {
        // Saved it is in any case.
        reached_soon(&app).await;
    }
    response
}

/// Waits until both use what is saved now, but not for long.
pub(crate) async fn reached_soon(app: &App) {
    let _ = timeout(AT_MOST, reached(app)).await;
}

/// Waits until both use what is saved now, or do not answer.
async fn reached(app: &App) {
    let Ok(revision) = app.stores.config.wait_for_change(0, Duration::ZERO).await else { return };
    let path = format!("/internal/configuration/{revision}");
    let (traffic, postback) = (&app.peers.traffic, &app.peers.postback);
    let _ = tokio::join!(traffic.call(Method::POST, &path, None), postback.call(Method::POST, &path, None));
}
