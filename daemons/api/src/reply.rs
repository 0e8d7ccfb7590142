//! Answers as JSON.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tfx_api::{Labels, Page};
use tfx_service::ProblemResponse;

/// A page of a list.
pub(crate) fn paged<T: Serialize>(found: tfx_ports::page::Page<T>, labels: Labels) -> Response {
    let tfx_ports::page::Page { items, next, left_out } = found;
    json(StatusCode::OK, &Page { items, next, left_out, labels })
}

/// The same answer with the version of what it shows as `ETag`.
pub(crate) fn tagged(mut response: Response, version: u64) -> Response {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // Answers hold personal data and sometimes a secret.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(e) => ProblemResponse::internal(format!("write the answer as JSON: {e}")).into_response(),
    }
}
