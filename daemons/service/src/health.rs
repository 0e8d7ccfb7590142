//! `GET /healthz`: the process answers. `GET /readyz`: whether it can do its job, each dependency with its state. However
//! many ask, the dependencies are asked once a second. Strangers are told the state alone.

use crate::{LogThrottle, handle::millis, internal::Inside};
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{Extensions, HeaderMap, StatusCode};
use serde::Serialize;
use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_domain::Timestamp;
use tfx_ports::clock;
use tokio::sync::Mutex;
use tracing::Instrument as _;

/// Longest time a check may take: longer than the stores look for a server, so that their reason is told; shorter than
/// the five seconds that `deploy/` waits for an answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(4);

/// How long an answer is good for. Also how often a check may write to see whether it can.
const GOOD_FOR: Duration = Duration::from_secs(1);

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
    /// It asks nobody, so that its last answer need not do.
    fresh: bool,
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
        let probe: Arc<Probe> = Arc::new(move || Box::pin(check()));
        self.checks.push(Check { name, required, fresh: false, probe });
        self
    }

    /// The check that was added last looks at what this process knows: it runs whenever somebody asks.
    #[must_use]
    pub fn fresh(mut self) -> Self {
        if let Some(last) = self.checks.last_mut() {
            last.fresh = true;
        }
        self
    }

    /// Runs all checks at the same time, but for those whose last answer is still `known`.
    async fn report(&self, known: Option<&Report>) -> Report {
        let kept = |i: usize, c: &Check| known.filter(|_| !c.fresh)?.dependencies.get(i).cloned();
        let running: Vec<_> = self
            .checks
            .iter()
            .enumerate()
            .map(|(i, c)| match kept(i, c) {
                Some(dependency) => Err(dependency),
                None => Ok((c.name, c.required, tokio::spawn(c.clone().run().in_current_span()))),
            })
            .collect();
        let mut dependencies = Vec::with_capacity(running.len());
        for check in running {
            let (name, required, task) = match check {
                Ok(running) => running,
                Err(dependency) => {
                    dependencies.push(dependency);
                    continue;
                }
            };
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
        let latency_ms = millis(started.elapsed());
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

/// What the checks found.
#[derive(Debug, Clone)]
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
    /// It does its job.
    Ok,
    /// Works, but not as it should.
    Degraded,
    /// Does not work.
    Failed,
}

/// What those inside are told: a report, by whom and when.
#[derive(Serialize)]
struct InsideReport<'r> {
    status: Condition,
    version: &'static str,
    at: Timestamp,
    dependencies: &'r [Dependency],
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

impl Report {
    /// Why the service cannot do its job.
    fn reasons(&self) -> String {
        let failed = self.dependencies.iter().filter(|d| d.required && d.state == Condition::Failed);
        let told = failed.map(|d| format!("{}: {}", d.name, d.detail.as_deref().unwrap_or("failed")));
        told.collect::<Vec<_>>().join("; ")
    }
}

/// `GET /healthz` and `GET /readyz`.
pub fn routes(readiness: Readiness, inside: Inside) -> Router {
    let asked = HealthChecks { readiness: Arc::new(readiness), last: Arc::default(), inside };
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(asked)
}

/// The checks and what they last found.
#[derive(Clone)]
struct HealthChecks {
    readiness: Arc<Readiness>,
    last: Arc<Mutex<Last>>,
    inside: Inside,
}

#[derive(Default)]
struct Last {
    report: Option<(Instant, Arc<Report>)>,
    not_ready: bool,
    log: LogThrottle,
}

impl Last {
    /// Says why the service is not ready when that begins and now and then, and when it is over.
    fn tell(&mut self, report: &Report) {
        let failed = report.status == Condition::Failed;
        if failed && self.log.due() {
            tracing::error!(error = report.reasons(), "not ready");
        }
        if !failed && self.not_ready {
            self.log.over();
            tracing::info!("ready again");
        }
        self.not_ready = failed;
    }
}

impl HealthChecks {
    /// What was found within the last second, else what is found now; all who ask meanwhile are told the same.
    async fn report(&self) -> Option<Arc<Report>> {
        let (readiness, last) = (Arc::clone(&self.readiness), Arc::clone(&self.last));
        // A task of its own: who leaves does not make the next one ask anew.
        let task = async move {
            let mut last = last.lock().await;
            let known = last.report.take().filter(|(at, _)| at.elapsed() < GOOD_FOR);
            let report = Arc::new(readiness.report(known.as_ref().map(|(_, report)| &**report)).await);
            last.tell(&report);
            last.report = Some((known.map_or_else(Instant::now, |(at, _)| at), Arc::clone(&report)));
            report
        };
        tokio::spawn(task.in_current_span()).await.ok()
    }
}

async fn healthz() -> Response {
    Json(serde_json::json!({ "status": "ok" })).into_response()
}

async fn readyz(State(asked): State<HealthChecks>, extensions: Extensions, headers: HeaderMap) -> Response {
    let Some(report) = asked.report().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response(); // the runtime is going away
    };
    let status =
        if report.status == Condition::Failed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    if asked.inside.has(&extensions, &headers) || asked.inside.has_token(&headers) {
        let Report { status: state, dependencies } = &*report;
        let told = InsideReport {
            status: *state,
            version: env!("CARGO_PKG_VERSION"),
            at: clock::now(),
            dependencies,
        };
        return (status, Json(told)).into_response();
    }
    (status, Json(serde_json::json!({ "status": report.status }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(readiness: Readiness) -> HealthChecks {
        let source = tfx_settings::SettingsSource::of([("TFX_DATA_DIR", "/nowhere")]);
        let settings = tfx_settings::Settings::read(&source).expect("settings");
        let inside = Inside::new(&settings.http, "0123456789abcdef");
        HealthChecks { readiness: Arc::new(readiness), last: Arc::default(), inside }
    }

    fn from(peer: &str) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(crate::Peer(format!("{peer}:1").parse().expect("address")));
        extensions
    }

    async fn asked(readiness: Readiness) -> (u16, serde_json::Value) {
        of(&state(readiness), "127.0.0.1", HeaderMap::new()).await
    }

    async fn of(asked: &HealthChecks, peer: &str, headers: HeaderMap) -> (u16, serde_json::Value) {
        let response = readyz(State(asked.clone()), from(peer), headers).await;
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

    #[tokio::test]
    async fn however_many_ask_the_checks_run_once_a_second() {
        use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let asked = state(Readiness::new().required("store", move || {
            counted.fetch_add(1, Relaxed);
            async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(Detail::ok())
            }
        }));
        // One that leaves at once, and a hundred that wait.
        drop(tokio::time::timeout(Duration::ZERO, of(&asked, "127.0.0.1", HeaderMap::new())).await);
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let asked = asked.clone();
            all.spawn(async move { of(&asked, "127.0.0.1", HeaderMap::new()).await.0 });
        }
        assert!(all.join_all().await.iter().all(|status| *status == 200));
        assert_eq!(runs.load(Relaxed), 1);
        tokio::time::sleep(GOOD_FOR).await;
        of(&asked, "127.0.0.1", HeaderMap::new()).await;
        assert_eq!(runs.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn strangers_are_told_the_state_alone() {
        let away = || Readiness::new().required("config", || async { Err("user@host: away".to_owned()) });
        let asked = state(away());
        let (status, json) = of(&asked, "8.8.8.8", HeaderMap::new()).await;
        assert_eq!((status, json), (503, serde_json::json!({ "status": "failed" })));
        let header = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("value"));
            headers
        };
        let (_, json) = of(&asked, "127.0.0.1", header("x-forwarded-for", "8.8.8.8")).await;
        assert_eq!(json["dependencies"], serde_json::Value::Null);
        let (_, json) = of(&asked, "8.8.8.8", header("authorization", "Bearer 0123456789abcdef")).await;
        assert_eq!(json["dependencies"][0]["detail"], "user@host: away");
    }
}
