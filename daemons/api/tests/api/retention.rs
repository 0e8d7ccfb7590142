//! Deleting old events: what is asked for, what is told of it, and what happens by itself.

use crate::server::Server;
use async_trait::async_trait;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tfx_api::audit::AuditQuery;
use tfx_domain::{
    Timestamp,
    event::{Event, EventCounts},
};
use tfx_ports::{
    StoreError, clock,
    conformance::sample::Sample,
    retention::{PruneStep, Retention, StoreSize},
    sink::Envelope,
};
use tfx_service::testing::until;
use tfx_wiring::Stores;

fn ago(days: u64) -> Timestamp {
    clock::now() - Duration::from_secs(days * 86_400)
}

/// So many clicks of each of those days.
async fn fill(s: &Server, days: &[u64], each: usize) {
    let mut sample = Sample::new(1);
    for day in days {
        let batch: Vec<Envelope> = (0..each)
            .map(|_| {
                let event = Event::Click(Box::new(sample.click(ago(*day))));
                let payload = event.to_json().expect("JSON").into();
                Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload }
            })
            .collect();
        assert_eq!(s.stores.sink.deliver(&batch).await.expect("deliver"), []);
    }
}

async fn left(s: &Server) -> u64 {
    s.stores.retention.count(Timestamp::MAX).await.expect("count").total()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_deleted_and_audited() {
    let s = Server::start().await;
    fill(&s, &[100, 40, 10, 1], 50).await;
    let before = ago(30);
    let (status, counted) = s.post("/retention/prune", json!({ "before": before, "dry_run": true })).await;
    assert_eq!(status, StatusCode::OK, "{counted}");
    let found = &counted["found"];
    assert_eq!(found["clicks"].as_u64().unwrap_or(0) + found["trafficback"].as_u64().unwrap_or(0), 100);
    assert_eq!((left(&s).await, counted["run"].clone()), (200, Value::Null), "a dry run deletes nothing");
    let (_, log) = s.get("/audit").await;
    assert_eq!(log["items"], json!([]), "and is in no log");

    let (status, begun) = s.post("/retention/prune", json!({ "before": before })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
    assert_eq!(begun["run"]["by"], "admin token");
    until("the run has ended", async || s.api.retention().await.expect("status").last.is_some()).await;
    let state = s.api.retention().await.expect("status");
    let last = state.last.expect("a run");
    assert_eq!((last.deleted.total(), last.error, state.running), (100, None, None));
    assert_eq!((left(&s).await, state.days), (100, None));
    let log = s.api.audit(&AuditQuery::default()).await.expect("audit").items;
    assert_eq!((log.len(), log[0].action.as_str(), log[0].kind.as_str()), (1, "prune", "events"));
    assert!(log[0].from == "127.0.0.1" && !log[0].request_id.is_empty(), "{:?}", log[0]);
    assert_eq!(log[0].changes["before"][1], json!(before));
    assert_eq!(log[0].changes["found"][1], *found);

    let metrics = s.bare(reqwest::Method::GET, "/metrics").bearer_auth(&s.internal_token);
    let metrics = metrics.send().await.expect("an answer").text().await.expect("text");
    let deleted: u64 = metrics
        .lines()
        .filter(|l| l.starts_with("tfx_retention_deleted_total"))
        .filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(deleted, 100, "{metrics}");
    let ready = s.bare(reqwest::Method::GET, "/readyz").send().await.expect("an answer");
    let ready: Value = ready.json().await.expect("JSON");
    assert!(ready.to_string().contains("100 events were deleted by the last run"), "{ready}");
}

/// A store in which deleting is a fault of the program, once.
struct Faulty {
    store: Arc<dyn Retention>,
    faults: AtomicU32,
}

#[async_trait]
impl Retention for Faulty {
    async fn count(&self, before: Timestamp) -> Result<EventCounts, StoreError> {
        self.store.count(before).await
    }

    async fn prune(&self, before: Timestamp) -> Result<PruneStep, StoreError> {
        assert!(self.faults.fetch_add(1, Relaxed) > 0, "the fault of this test");
        self.store.prune(before).await
    }

    async fn size(&self) -> Result<StoreSize, StoreError> {
        self.store.size().await
    }

    async fn rewrite(&self) -> Result<StoreSize, StoreError> {
        self.store.rewrite().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_by_a_fault_has_ended_and_says_so() {
    let s = Server::over(|stores| {
        let retention = Arc::new(Faulty { store: Arc::clone(&stores.retention), faults: AtomicU32::new(0) });
        Stores { retention, ..stores }
    })
    .await;
    fill(&s, &[40], 10).await;
    let ended = async |why: fn(&str) -> bool| {
        let (status, begun) = s.post("/retention/prune", json!({ "before": ago(30) })).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
        let state = async || s.api.retention().await.expect("status");
        until("it has ended", async || {
            let last = state().await.last;
            last.is_some_and(|run| why(&run.error.unwrap_or_default()))
        })
        .await;
        assert_eq!(state().await.running, None);
    };
    ended(|error| error.contains("panic") && error.contains("ask again")).await;
    ended(str::is_empty).await;
    assert_eq!(left(&s).await, 0, "the next one is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused() {
    let s = Server::start().await;
    for (body, path) in [
        (json!({}), "before"),
        (json!({ "before": ago(0) + Duration::from_secs(3600) }), "before"),
        (json!({ "before": "yesterday" }), "before"),
        (json!({ "before": ago(1), "what": 1 }), "what"),
    ] {
        let (status, problem) = s.post("/retention/prune", body.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {problem}");
        assert_eq!(problem["problems"][0]["path"], path, "{body}: {problem}");
    }
    let bare = s.bare(reqwest::Method::POST, "/api/v1/retention/prune").json(&json!({ "before": ago(1) }));
    assert_eq!(bare.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_deleted_by_itself() {
    let s = Server::start().await;
    fill(&s, &[100, 31, 29, 0], 20).await;
    let s = s.again(&[("ANALYTICS_TTL_DAYS", "30")]).await;
    until("the old ones have left", async || left(&s).await == 40).await;
    until("it is told", async || s.api.retention().await.expect("status").last.is_some()).await;
    let state = s.api.retention().await.expect("status");
    assert_eq!((state.days, state.last.map(|run| run.by)), (Some(30), Some("ANALYTICS_TTL_DAYS".to_owned())));
    // Without saying when, it is what the setting says.
    let (status, counted) = s.post("/retention/prune", json!({ "dry_run": true })).await;
    assert_eq!((status, &counted["found"]["clicks"]), (StatusCode::OK, &json!(0)), "{counted}");
}
