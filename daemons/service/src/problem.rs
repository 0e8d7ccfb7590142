//! Errors as `application/problem+json` (RFC 9457).

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use std::{borrow::Cow, time::Duration};
use tfx_domain::{
    id::ClickId,
    problem::{Problem, Problems},
};
use tfx_ports::StoreError;

/// When to try again what is not there for the moment.
const UNAVAILABLE: Duration = Duration::from_secs(2);

/// The media type.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq)]
pub struct ProblemResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// What kind of problem, in a few words.
    pub title: Cow<'static, str>,
    /// What failed, why, and what to do next.
    pub detail: String,
    /// Each value that is wrong, with its path.
    pub problems: Problems,
    /// A word for programs: `not_found`, `slug_taken`, `invalid`, …
    pub code: &'static str,
    /// When to try again; of 503 otherwise in two seconds.
    pub retry_after: Option<Duration>,
    /// For logs only: the cause, which a stranger need not know.
    pub log: Option<String>,
}

#[derive(Serialize)]
struct Wire<'p> {
    #[serde(rename = "type")]
    kind: &'p str,
    title: &'p str,
    status: u16,
    detail: &'p str,
    code: &'p str,
    problems: &'p [Problem],
}

/// What an error's log line says; an extension of the response.
#[derive(Debug, Clone)]
pub(crate) struct LogDetail(pub(crate) String);

/// The path for the log line, where the request's own must not stand there; an extension of the response.
#[derive(Debug, Clone)]
pub struct LogPath(pub String);

/// The click that a request is about, for its log line; an extension of the response.
#[derive(Debug, Clone, Copy)]
pub struct LogClick(ClickId);

impl LogClick {
    /// Has the line of an answer name it, where one is written.
    pub fn put(click: ClickId, response: &mut Response) {
        if tracing::enabled!(tracing::Level::INFO) {
            response.extensions_mut().insert(Self(click));
        }
    }

    pub(crate) const fn id(&self) -> ClickId {
        self.0
    }
}

impl ProblemResponse {
    /// A problem with the status' own title.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = Cow::Borrowed(status.canonical_reason().unwrap_or("Error"));
        Self {
            status,
            title,
            detail: detail.into(),
            problems: Problems::default(),
            code,
            retry_after: None,
            log: None,
        }
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 422 with all problems.
    pub fn invalid(problems: Problems) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", problems.to_string());
        problem.problems = problems;
        problem
    }

    /// 429: as often as that nobody may ask.
    pub fn too_many(code: &'static str, detail: impl Into<String>, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail) }
    }

    /// 503 with Retry-After.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// 500. The cause goes to the log, not to the caller.
    pub fn internal(cause: impl Into<String>) -> Self {
        let detail = "something went wrong here; the log of the service says what, by the X-Request-Id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).logged(cause)
    }

    /// With a cause for the log line.
    #[must_use]
    pub fn logged(mut self, cause: impl Into<String>) -> Self {
        self.log = Some(cause.into());
        self
    }
}

impl From<StoreError> for ProblemResponse {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NotFound => Self::not_found("there is no such thing"),
            StoreError::SlugTaken { existing } => {
                Self::new(StatusCode::CONFLICT, "slug_taken", format!("the slug is taken by {existing}"))
            }
            StoreError::VersionMismatch { current } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "version_mismatch",
                format!("it was changed in the meantime and is at version {current}; read it again"),
            ),
            StoreError::Moved { .. } => {
                Self::unavailable("others change the configuration without a pause; try again")
                    .logged(e.to_string())
            }
            StoreError::NoRevision { what } => Self::not_found(what),
            StoreError::TooMuch { what } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_much", what),
            StoreError::BadCursor => Self::new(
                StatusCode::BAD_REQUEST,
                "bad_cursor",
                "the cursor is not one of this list; begin without one",
            ),
            e @ StoreError::Full { .. } => {
                Self::unavailable("the store has no space left; free some, then try again")
                    .logged(e.to_string())
            }
            e @ StoreError::Unavailable { .. } => {
                Self::unavailable("the store does not answer; try again").logged(e.to_string())
            }
            e @ StoreError::Broken { .. } => Self::internal(e.to_string()),
        }
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let wire = Wire {
            kind: "about:blank",
            title: &self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            problems: &self.problems.0,
        };
        let mut response = Response::new(Body::from(serde_json::to_vec(&wire).unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        let is_away = self.status == StatusCode::SERVICE_UNAVAILABLE;
        if let Some(wait) = self.retry_after.or(is_away.then_some(UNAVAILABLE)) {
            // Whole seconds, rounded up.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status.is_client_error() || self.status.is_server_error() {
            response.extensions_mut().insert(LogDetail(self.log.unwrap_or(self.detail)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_says_what_and_where_but_not_the_inner_cause() {
        let response = ProblemResponse::invalid(Problems::one("slug", "must be lower-case")).into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("body");
        let json: serde_json::Value = serde_json::from_slice(&body).expect("json");
        assert_eq!(json["status"], 422);
        assert_eq!(json["code"], "invalid");
        assert_eq!(json["problems"][0]["path"], "slug");

        let broken = StoreError::broken("row 7", std::io::Error::other("secret path"));
        let response = ProblemResponse::from(broken).into_response();
        assert!(response.extensions().get::<LogDetail>().is_some_and(|d| d.0.contains("secret path")));
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("body");
        assert!(!String::from_utf8_lossy(&body).contains("secret path"));
    }

    #[test]
    fn each_store_error_has_its_status() {
        let full = || StoreError::Full { what: "x".to_owned() };
        let table = [
            (StoreError::NotFound, 404, "not_found"),
            (StoreError::SlugTaken { existing: "cmp_x".to_owned() }, 409, "slug_taken"),
            (StoreError::VersionMismatch { current: 3 }, 412, "version_mismatch"),
            (StoreError::BadCursor, 400, "bad_cursor"),
            (StoreError::NoRevision { what: "x".to_owned() }, 404, "not_found"),
            (StoreError::TooMuch { what: "x".to_owned() }, 422, "too_much"),
            (full(), 503, "unavailable"),
            (StoreError::unavailable("x", "y"), 503, "unavailable"),
            (StoreError::broken("x", "y"), 500, "internal"),
        ];
        for (error, status, code) in table {
            let shown = error.to_string();
            let problem = ProblemResponse::from(error);
            assert_eq!((problem.status.as_u16(), problem.code), (status, code), "{shown}");
        }
        let response = ProblemResponse::from(full()).into_response();
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }
}
