//! `GET /healthz`: the process answers. `GET /readyz`: whether it can do its job, each dependency with its state.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde::Serialize;
use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest time a check may take: longer than the stores look for a server, so that their reason is told; shorter than
/// the five seconds that `deploy/` waits for an answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(4);

/// What a check found that did not fail.
#[derive(Debug, Clone, Default)]
pub struct Detail {
    /// It works, but not as it should.
    pub degraded: bool,
    /// What there is to say.
    pub text: Option<String>,
    /// How old what it holds is.
    pub age: Option<Duration>,
}

impl Detail {
    /// It works.
    pub fn ok() -> Self {
        Self::default()
    }

    /// It works, but not as it should.
    pub fn degraded(text: impl Into<String>) -> Self {
        Self { degraded: true, text: Some(text.into()), age: None }
    }

    /// With something to say.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// With an age.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }
}

type Probe = dyn Fn() -> Pin<Box<dyn Future<Output = Result<Detail, String>> + Send>> + Send + Sync;

#[derive(Clone)]
struct Check {
    name: &'static str,
    required: bool,
    probe: Arc<Probe>,
}

/// The checks of a service.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Vec<Check>,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|c| c.name)).finish()
    }
}

impl Readiness {
    /// No checks.
    pub fn new() -> Self {
        Self::default()
    }

    /// A dependency without which the service cannot do its job: 503 when it fails.
    #[must_use]
    pub fn required<F, Fut>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Detail, String>> + Send + 'static,
    {
        self.add(name, true, check)
    }

    /// A dependency whose failure is only shown.
    #[must_use]
    pub fn optional<F, Fut>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Detail, String>> + Send + 'static,
    {
        self.add(name, false, check)
    }

    fn add<F, Fut>(mut self, name: &'static str, required: bool, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Detail, String>> + Send + 'static,
    {
        self.checks.push(Check { name, required, probe: Arc::new(move || Box::pin(check())) });
        self
    }

    /// Runs all checks, at the same time.
    pub async fn report(&self) -> Report {
        let running: Vec<_> =
            self.checks.iter().cloned().map(|c| (c.name, c.required, tokio::spawn(c.run()))).collect();
        let mut dependencies = Vec::with_capacity(running.len());
        for (name, required, task) in running {
            let failed = |e: tokio::task::JoinError| Dependency {
                name,
                required,
                state: Condition::Failed,
                latency_ms: 0.0,
                age_ms: None,
                detail: Some(e.to_string()),
            };
            dependencies.push(task.await.unwrap_or_else(failed));
        }
        let worst = |d: &Dependency| match d.state {
            Condition::Failed if !d.required => Condition::Degraded,
            state => state,
        };
        let status = dependencies.iter().map(worst).max().unwrap_or(Condition::Ok);
        Report { status, dependencies }
    }
}

impl Check {
    async fn run(self) -> Dependency {
        let started = Instant::now();
        let found = tokio::time::timeout(CHECK_TIMEOUT, (self.probe)()).await;
        let latency_ms = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        let (state, age, detail) = match found {
            Ok(Ok(d)) if d.degraded => (Condition::Degraded, d.age, d.text),
            Ok(Ok(d)) => (Condition::Ok, d.age, d.text),
            Ok(Err(e)) => (Condition::Failed, None, Some(e)),
            Err(_) => (Condition::Failed, None, Some(format!("no answer within {CHECK_TIMEOUT:?}"))),
        };
        let age_ms = age.map(|a| u64::try_from(a.as_millis()).unwrap_or(u64::MAX));
        Dependency { name: self.name, required: self.required, state, latency_ms, age_ms, detail }
    }
}

/// What `/readyz` answers.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The worst state of all; an optional dependency that failed counts as degraded.
    pub status: Condition,
    /// Each dependency.
    pub dependencies: Vec<Dependency>,
}

/// How a dependency is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Works.
    Ok,
    /// Works, but not as it should.
    Degraded,
    /// Does not work.
    Failed,
}

/// One dependency.
#[derive(Debug, Clone, Serialize)]
pub struct Dependency {
    /// Its name.
    pub name: &'static str,
    /// Whether the service can do its job without it.
    pub required: bool,
    /// How it is.
    pub state: Condition,
    /// How long the check took, milliseconds.
    pub latency_ms: f64,
    /// How old what it holds is, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// What there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `GET /healthz` and `GET /readyz`.
pub fn routes(readiness: Readiness) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(readiness)
}

async fn healthz() -> Response {
    Json(serde_json::json!({ "status": "ok" })).into_response()
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let report = readiness.report().await;
    let status =
        if report.status == Condition::Failed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(report)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(readiness: Readiness) -> (u16, serde_json::Value) {
        let response = readyz(State(readiness)).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 100_000).await.expect("body");
        (status, serde_json::from_slice(&body).expect("json"))
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_required_dependency_that_failed_makes_it_503() {
        let good = || {
            Readiness::new().required("store", || async { Ok(Detail::ok().age(Duration::from_millis(7))) })
        };
        let (status, json) = asked(good()).await;
        assert_eq!((status, &json["status"]), (200, &"ok".into()));
        assert_eq!(json["dependencies"][0]["age_ms"], 7);

        let (status, json) = asked(good().optional("analytics", || async { Err("away".to_owned()) })).await;
        assert_eq!((status, &json["status"]), (200, &"degraded".into()));
        assert_eq!(json["dependencies"][1]["state"], "failed");
        assert_eq!(json["dependencies"][1]["detail"], "away");

        let (status, _) =
            asked(good().required("producer", || async { Ok(Detail::degraded("outbox")) })).await;
        assert_eq!(status, 200);

        let (status, json) = asked(good().required("sink", || async { Err("away".to_owned()) })).await;
        assert_eq!((status, &json["status"]), (503, &"failed".into()));

        let (status, json) = asked(good().required("hangs", std::future::pending)).await;
        assert_eq!(status, 503);
        assert!(
            json["dependencies"][1]["detail"].as_str().is_some_and(|d| d.contains("no answer")),
            "{json}"
        );

        let (status, _) = asked(good().required("panics", || async { panic!("in a check") })).await;
        assert_eq!(status, 503);
    }
}
