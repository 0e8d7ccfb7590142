//! Answers read and changed before they are let out to who may not see all of them.

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse as _, Response},
};
use http::header;
use serde_json::Value;
use tfx_service::ProblemResponse;

/// The answer without what its reader may not see. What cannot be read is not let out.
pub(super) async fn changed(response: Response, change: impl FnOnce(&mut Value)) -> Response {
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|v| v == "application/json");
    if !json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let read = to_bytes(body, usize::MAX).await.map_err(|e| e.to_string());
    let value = read.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).map_err(|e| e.to_string()));
    match value {
        Ok(mut value) => {
            change(&mut value);
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(value.to_string()))
        }
        Err(e) => {
            ProblemResponse::internal(format!("take out of an answer what its reader may not see: {e}"))
                .into_response()
        }
    }
}
