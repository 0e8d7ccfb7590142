//! Trying what a source would be told, and the key that signs it.

use crate::{
    app::App,
    entities::refs::named,
    failure::Failure,
    input::{Body, Path, Query, read},
    reply::json,
};
use axum::{extract::State, response::Response};
use http::{Method, StatusCode};
use std::sync::Arc;
use tfx_api::tells::{SigningKey, SourceTest, SourceTestAnswer};
use tfx_domain::entity::{Kind, Secret, SourceSpec};
use tfx_service::ProblemResponse;

/// postback-service makes it, as it makes what is sent by itself, and sends it.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    Path(reference): Path,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let asked: SourceTest = read(input)?;
    let record = named(app.stores.config.as_ref(), Kind::Source, &reference).await?;
    let body = serde_json::to_value(&asked).map_err(|e| ProblemResponse::internal(e.to_string()))?;
    let path = format!("/internal/sources/{}/test", record.id);
    let answer = app.peers.postback.call(Method::POST, &path, Some(&body)).await?;
    let answer: SourceTestAnswer =
        serde_json::from_value(answer).map_err(|e| app.peers.postback.unreadable(&e))?;
    Ok(json(StatusCode::OK, &answer))
}

pub(super) async fn signing_key(
    State(app): State<Arc<App>>,
    Path(reference): Path,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    let record = named(app.stores.config.as_ref(), Kind::Source, &reference).await?;
    let source = record.typed::<SourceSpec>()?.spec;
    let Some(Secret(key)) = source.postback_signing_key else {
        let detail =
            format!("what the source {0} is told is not signed: tfx source update {0} --sign", record.slug);
        return Err(Failure::new(StatusCode::CONFLICT, "no_signing_key", detail));
    };
    Ok(json(StatusCode::OK, &SigningKey { key }))
}
