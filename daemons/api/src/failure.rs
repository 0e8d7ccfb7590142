//! What a handler answers instead of a result: the shared problem document with the fields of this API.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use tfx_api::{bulk::BulkRefused, error::ProblemDocument};
use tfx_domain::problem::Problems;
use tfx_ports::{StoreError, config::Record};
use tfx_service::ProblemResponse;

/// A store refuses for good. What it says may quote rows and queries, so that is in the log alone.
const BROKEN: &str = "a store cannot do this; 'tfx migrate status' and GET /readyz may show why, and the log of \
                      api-service says it, by the X-Request-Id";

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A problem document.
    Problem(Box<Problem>),
    /// The answer of another service, passed on as it is.
    Passed(Response),
}

/// A problem document in the making.
#[derive(Debug)]
pub(crate) struct Problem {
    shared: ProblemResponse,
    existing: Option<String>,
    current: Option<u64>,
    items: Vec<BulkRefused>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        ProblemResponse::new(status, code, detail).into()
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        ProblemResponse::not_found(detail).into()
    }

    /// 409 with the id of who has the slug.
    pub(crate) fn slug_taken(detail: String, existing: String) -> Self {
        let shared = ProblemResponse::new(StatusCode::CONFLICT, "slug_taken", detail);
        Self::Problem(Box::new(Problem {
            shared,
            existing: Some(existing),
            current: None,
            items: Vec::new(),
        }))
    }

    /// 409: what this program does not know of an entity would be lost by a change.
    pub(crate) fn written_by_another(record: &Record, why: &str) -> Self {
        let detail = format!(
            "the {} {} cannot be changed here: it was saved by another version of the program, which knows more ({why}); change it with that version",
            record.kind, record.slug
        );
        Self::new(StatusCode::CONFLICT, "written_by_another_version", detail)
    }

    /// 429, with when to come again.
    pub(crate) fn too_many(detail: &str, after_s: i64) -> Self {
        let problem = ProblemResponse::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail);
        let mut response = problem.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after_s));
        Self::Passed(response)
    }

    /// What the event log says, also where it refuses for good: it speaks of topics, consumer groups and rights, never
    /// of rows, and only who looks after it asks.
    pub(crate) fn of_log(e: StoreError) -> Self {
        match e {
            StoreError::Broken { what, .. } => ProblemResponse::unavailable(what).into(),
            e => e.into(),
        }
    }

    /// Why an item of a bulk is refused: the status and word that it would have had alone, and its problems with their paths
    /// in the item. Those of a value that is not valid are `inside` something of it.
    ///
    /// # Errors
    /// The failure, if it says nothing of the item.
    pub(crate) fn of_item(self, inside: &str) -> Result<(StatusCode, &'static str, Problems), Self> {
        let Self::Problem(problem) = self else { return Err(self) };
        let (status, code) = (problem.shared.status, problem.shared.code);
        if !status.is_client_error() || status == StatusCode::FORBIDDEN {
            return Err(Self::Problem(problem));
        }
        let Problem { shared, current, .. } = *problem;
        let path = match code {
            "invalid" if inside.is_empty() => return Ok((status, code, shared.problems)),
            "invalid" => {
                let mut problems = Problems::default();
                problems.nest(inside, shared.problems);
                return Ok((status, code, problems));
            }
            "slug_taken" => "spec.slug",
            "version_mismatch" => "version",
            _ => "ref",
        };
        let message = current.map_or(shared.detail, |current| format!("it is at version {current}"));
        Ok((status, code, Problems::one(path, message)))
    }

    /// 422: of a bulk nothing was done, since these items cannot be.
    pub(crate) fn bulk_refused(problems: Problems, items: Vec<BulkRefused>) -> Self {
        let detail = format!("nothing was done, since {} of the items cannot be: {problems}", items.len());
        let mut shared = ProblemResponse::new(StatusCode::UNPROCESSABLE_ENTITY, "bulk_refused", detail);
        shared.problems = problems;
        Self::Problem(Box::new(Problem { shared, existing: None, current: None, items }))
    }

    /// Whether something is at another version than it was to be at.
    pub(crate) fn is_of_version(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.shared.code == "version_mismatch")
    }

    /// 409 with the revision that the configuration is at.
    pub(crate) fn revision_moved(wanted: u64, current: u64) -> Self {
        let detail = format!(
            "the configuration is at revision {current}, not at {wanted} any more: somebody changed it meanwhile; look at what it \
             would come to now, and apply that"
        );
        let shared = ProblemResponse::new(StatusCode::CONFLICT, "revision_moved", detail);
        Self::Problem(Box::new(Problem { shared, existing: None, current: Some(current), items: Vec::new() }))
    }

    /// 412 with the version it is at.
    pub(crate) fn version_mismatch(current: u64) -> Self {
        let shared = StoreError::VersionMismatch { current }.into();
        Self::Problem(Box::new(Problem { shared, existing: None, current: Some(current), items: Vec::new() }))
    }
}

impl From<ProblemResponse> for Failure {
    fn from(shared: ProblemResponse) -> Self {
        Self::Problem(Box::new(Problem { shared, existing: None, current: None, items: Vec::new() }))
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::VersionMismatch { current } => Self::version_mismatch(current),
            StoreError::SlugTaken { existing } => {
                Self::slug_taken(format!("the slug is taken by {existing}"), existing)
            }
            // Whoever asks here holds a token: he is told which store it is and what it says.
            StoreError::Unavailable { what, .. } => {
                ProblemResponse::unavailable(format!("{what}; try again")).into()
            }
            e @ StoreError::Broken { .. } => {
                let mut problem = ProblemResponse::from(e);
                BROKEN.clone_into(&mut problem.detail);
                problem.into()
            }
            e => ProblemResponse::from(e).into(),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        ProblemResponse::invalid(problems).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Passed(response) => response,
            Self::Problem(problem) => {
                let Problem { shared, existing, current, items } = *problem;
                let more = existing.is_some() || current.is_some() || !items.is_empty();
                let document = more.then(|| ProblemDocument {
                    kind: "about:blank".to_owned(),
                    title: shared.title.to_string(),
                    status: shared.status.as_u16(),
                    detail: shared.detail.clone(),
                    code: shared.code.to_owned(),
                    problems: shared.problems.clone(),
                    existing,
                    current,
                    items,
                    asked: String::new(),
                    retry_after_s: None,
                });
                let mut response = shared.into_response();
                if let Some(bytes) = document.and_then(|d| serde_json::to_vec(&d).ok()) {
                    *response.body_mut() = Body::from(bytes);
                }
                response
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_of_the_event_log_it_is_told_what_is_broken() {
        let missing = "the topic clicks does not exist: run `tfx migrate up topics`";
        let broken = || StoreError::Broken { what: missing.to_owned(), source: None };
        let away = || StoreError::Unavailable { what: "no broker".to_owned(), source: None };
        let table = [
            (Failure::of_log(broken()), 503, "unavailable", missing),
            (Failure::of_log(away()), 503, "unavailable", "no broker; try again"),
            (Failure::from(broken()), 500, "internal", BROKEN),
        ];
        for (failure, status, code, detail) in table {
            let response = failure.into_response();
            assert_eq!(response.status(), status);
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
            let document: ProblemDocument = serde_json::from_slice(&body).expect("a document");
            assert_eq!((document.code.as_str(), document.detail.as_str()), (code, detail));
        }
    }
}
