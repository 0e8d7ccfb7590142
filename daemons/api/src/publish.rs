//! Publishing conversions once more: what is in the store and not in the reports, because these are of an earlier moment, comes
//! into them (`POST /conversions/publish`). Each state counts once, however often it is published.

use crate::{
    app::App,
    failure::Failure,
    input::{Body, Query, read},
    reply::json,
};
use axum::{Extension, Router, extract::State, response::Response, routing::post};
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;
use tfx_api::conversions::{PublishAnswer, PublishRequest};
use tfx_domain::problem::Problems;
use tfx_ports::{
    audit::{AuditEntry, Caller},
    clock,
};

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/conversions/publish", post(publish))
}

async fn publish(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let PublishRequest { since, until, dry_run } = read(input)?;
    if since.zip(until).is_some_and(|(since, until)| since >= until) {
        return Err(Problems::one("since", "must be before until").into());
    }
    if !dry_run {
        let entry = AuditEntry {
            at: clock::now(),
            caller,
            action: "publish".to_owned(),
            kind: "conversions".to_owned(),
            id: String::new(),
            version: 0,
            changes: json!({ "since": [null, since], "until": [null, until] }),
        };
        // What nobody could read about afterwards is not done.
        app.stores.config.append(entry).await?;
    }
    let conversions = app.stores.conversions.publish_again(since, until, dry_run).await?;
    if !dry_run {
        tracing::info!(conversions, "conversions were marked to be published once more");
    }
    Ok(json(StatusCode::OK, &PublishAnswer { dry_run, conversions }))
}
