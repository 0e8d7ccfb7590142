//! What is said to somebody who asks for geo facts that no database of traffic-service knows. It has the databases, so
//! it is asked; while it does not answer nothing is said.

use crate::{app::App, failure::Failure, input::Query, reply::json};
use axum::{Router, extract::State, response::Response, routing::get};
use http::{Method, StatusCode};
use std::{sync::Arc, time::Duration};
use tfx_api::geo::{GeoStatus, is_geo};
use tfx_domain::entity::{FilterRule, Kind};
use tfx_ports::config::{ConfigStore, Record};
use tokio::time::timeout;

/// Longest time that an answer waits for what is only said beside it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/geo", get(status))
}

async fn status(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    Ok(json(StatusCode::OK, &asked(&app).await?))
}

async fn asked(app: &App) -> Result<GeoStatus, Failure> {
    let traffic = &app.peers.traffic;
    let status = traffic.call(Method::GET, "/internal/geo", None).await?;
    serde_json::from_value(status).map_err(|e| traffic.unreadable(&e))
}

/// What to say beside an answer that has to do with these fields.
pub(crate) async fn warnings(app: &App, fields: &[String]) -> Vec<String> {
    if !fields.iter().any(|field| is_geo(field)) {
        return Vec::new();
    }
    match timeout(PATIENCE, asked(app)).await {
        Ok(Ok(status)) => status.warnings(fields.iter().map(String::as_str)),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// The fields that a stream's filters ask for.
pub(crate) fn fields_of(stream: &Record) -> Vec<String> {
    let filters = stream.spec.get("filters").cloned().unwrap_or_default();
    let rules: Vec<FilterRule> = serde_json::from_value(filters).unwrap_or_default();
    rules.into_iter().map(|rule| rule.field).collect()
}

/// The same of several, by their ids.
pub(crate) async fn fields_of_all(
    config: &dyn ConfigStore,
    ids: impl Iterator<Item = &str>,
) -> Result<Vec<String>, Failure> {
    let mut fields = Vec::new();
    for id in ids {
        let stream = config.get(Kind::Stream, id).await?;
        fields.extend(stream.iter().flat_map(fields_of));
    }
    Ok(fields)
}
