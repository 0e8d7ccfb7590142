//! Pages in browsers that may call: CORS, by `ADMIN_FRONTEND_ORIGIN`. A page shows its token like everybody; cookies count
//! for nothing, so that nothing is done in anybody's name because he visits a page.

use http::{HeaderName, HeaderValue, Method, header};
use std::time::Duration;
use tower_http::cors::CorsLayer;

/// How long a browser may remember what it was let do.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What a page may send beside what every page may.
fn sent() -> [HeaderName; 5] {
    [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("x-request-id"),
    ]
}

/// What a page may read of an answer beside what every page may.
fn read() -> [HeaderName; 7] {
    [
        header::ETAG,
        header::LOCATION,
        header::RETRY_AFTER,
        HeaderName::from_static("idempotent-replayed"),
        HeaderName::from_static("ratelimit"),
        HeaderName::from_static("ratelimit-policy"),
        HeaderName::from_static("x-request-id"),
    ]
}

/// Lets pages of these origins call. It has to stand outside of the token's check: the question that a browser asks first
/// carries none.
///
/// # Errors
/// An origin that cannot stand in a header.
pub(crate) fn layer(origins: &[String]) -> anyhow::Result<CorsLayer> {
    let value = |origin: &String| {
        HeaderValue::from_str(origin).map_err(|_| anyhow::anyhow!("ADMIN_FRONTEND_ORIGIN has '{origin}'"))
    };
    let origins: Vec<HeaderValue> = origins.iter().map(value).collect::<Result<_, _>>()?;
    Ok(CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PATCH])
        .allow_headers(sent())
        .expose_headers(read())
        .max_age(REMEMBERED))
}
