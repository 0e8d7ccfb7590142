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
    body::{Body, Bytes},
    response::{IntoResponse as _, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header};
use std::{
    io::Write as _,
    sync::{Arc, LazyLock},
};

/// The description of the API, OpenAPI 3.1 in JSON, as it is committed.
pub const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/openapi.json", get(document))
}

/// The same in gzip, packed once: anybody may ask for it, however often.
static PACKED: LazyLock<Bytes> = LazyLock::new(|| {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    // Into memory, which does not fail.
    let _ = packed.write_all(DOCUMENT.as_bytes());
    packed.finish().unwrap_or_default().into()
});

async fn document(headers: HeaderMap, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let takes_gzip = headers.get_all(header::ACCEPT_ENCODING).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').any(|coding| matches!(coding.trim(), "gzip" | "*"))
    });
    let mut response =
        if takes_gzip { Body::from(PACKED.clone()) } else { Body::from(DOCUMENT) }.into_response();
    let told = response.headers_mut();
    told.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    told.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if takes_gzip {
        told.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
