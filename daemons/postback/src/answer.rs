//! What a network is answered.

use crate::log::PostbackOutcome;
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tfx_domain::{event::PostbackResult, id::ConversionId, problem::Problems};
use tfx_service::ProblemResponse;

#[derive(Serialize)]
struct Taken<'o> {
    result: PostbackResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversion_id: Option<&'o ConversionId>,
}

/// The answer to a postback.
pub(crate) fn of(outcome: PostbackOutcome) -> Response {
    if outcome.status == 200 {
        return Json(Taken { result: outcome.result, conversion_id: outcome.conversion.as_ref() })
            .into_response();
    }
    let status = StatusCode::from_u16(outcome.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = match outcome.status {
        400 => "invalid",
        403 => "forbidden",
        404 => "not_found",
        413 => "too_large",
        415 => "unsupported_media_type",
        _ => "unavailable",
    };
    let mut problem = match &outcome.parameter {
        Some(parameter) => {
            let problems = Problems::one(parameter.clone(), outcome.told);
            ProblemResponse {
                problems: problems.clone(),
                ..ProblemResponse::new(status, code, problems.to_string())
            }
        }
        None => ProblemResponse::new(status, code, outcome.told),
    };
    problem.log = Some(outcome.reason);
    problem.into_response()
}

/// 405: only GET and POST are postbacks; a HEAD of a link checker must not record a sale.
pub(crate) fn not_allowed() -> Response {
    let problem = ProblemResponse::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "a postback is a GET or a POST",
    );
    let mut response = problem.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    response
}
