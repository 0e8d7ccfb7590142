//! The description of the API, OpenAPI 3.1: served as it is committed in `docs/openapi.json`. What it is made of, a table of
//! operations and the types of the code, is compiled for the test that makes it alone
//! (`docs/decisions/0040-the-description-is-made.md`).

#[cfg(test)]
mod common;
#[cfg(test)]
mod document;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tidied;

use crate::{app::App, failure::Failure, input::Query};
use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderValue, header};
use std::sync::Arc;

/// As it is committed.
const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/openapi.json", get(document))
}

async fn document(query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let mut response = Body::from(DOCUMENT).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
