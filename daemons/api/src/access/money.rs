//! Money in answers to who may not see it: taken out by the names of fields, at any depth. (Reports leave their figures
//! out themselves; routes whose answers tell of money in sentences need `read:money`.)

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse as _, Response},
};
use http::header;
use serde_json::Value;
use tfx_service::ProblemResponse;

/// Fields that are money or tell of it, in entities, clicks and conversions.
pub(crate) const FIELDS: [&str; 6] =
    ["payout", "cost", "bot_cost", "cost_refused", "postback_payout", "revenue"];

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

/// Takes it out.
pub(super) fn without(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without),
        Value::Object(fields) => {
            fields.retain(|name, _| !FIELDS.contains(&name.as_str()));
            fields.values_mut().for_each(without);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn money_is_taken_out_at_any_depth() {
        let mut value = json!({"items": [{"id": "cnv_1", "revenue": {"amount": "1"}, "click": {"cost": "2", "os": "iOS"}}]});
        without(&mut value);
        assert_eq!(value, json!({"items": [{"id": "cnv_1", "click": {"os": "iOS"}}]}));
    }
}
