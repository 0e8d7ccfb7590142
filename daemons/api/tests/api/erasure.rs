//! Erasing a person over REST: what may be asked, by whom, what is told of it, and what becomes of it without services.

use crate::server::Server;
use async_trait::async_trait;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};
use tfx_api::{audit::AuditQuery, erasure::ErasureReceipt};
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, Event, EventCounts},
};
use tfx_ports::{
    StoreError, clock,
    conformance::sample::Sample,
    erasure::{EventErasure, FoundClick, Traces, Whom},
    sink::Envelope,
};
use tfx_service::testing::until;
use tfx_wiring::Stores;

const VISITOR: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";

/// Three clicks of a person and one of another.
async fn fill(s: &Server) -> Vec<ClickEvent> {
    let mut sample = Sample::new(1);
    let clicks: Vec<ClickEvent> = (0..4)
        .map(|n| {
            let visitor_id = if n < 3 { VISITOR } else { "0000000000000000000000000000000a" };
            ClickEvent { visitor_id: visitor_id.parse().expect("an id"), ..sample.click(clock::now()) }
        })
        .collect();
    let batch: Vec<Envelope> = clicks
        .iter()
        .map(|click| {
            let event = Event::Click(Box::new(click.clone()));
            let payload = event.to_json().expect("JSON").into();
            Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload }
        })
        .collect();
    assert_eq!(s.stores.sink.deliver(&batch).await.expect("deliver"), []);
    clicks
}

async fn erased(s: &Server, request: Value) -> ErasureReceipt {
    let (status, begun) = s.post("/erasures", request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
    let ended = async || {
        let last = s.api.erasures().await.expect("status").last;
        last.is_some_and(|last| last.id == begun["id"])
    };
    until("it has ended", ended).await;
    s.api.erasures().await.expect("status").last.expect("a receipt")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reached_goes_and_what_is_not_is_named() {
    let s = Server::start().await;
    let clicks = fill(&s).await;
    let counted = erased(&s, json!({ "visitor": VISITOR, "dry_run": true })).await;
    assert_eq!((counted.total(), counted.complete, counted.visitors), (3, true, 1), "{counted:?}");
    assert_eq!(s.api.audit(&AuditQuery::default()).await.expect("audit").items, [], "and is in no log");

    // No other service runs here.
    let receipt = erased(&s, json!({ "visitor": VISITOR })).await;
    assert_eq!((receipt.total(), receipt.complete, &receipt.refused), (3, false, &None), "{receipt:?}");
    for service in ["traffic-service", "postback-service"] {
        assert!(receipt.missing.iter().any(|why| why.contains(service)), "{:?}", receipt.missing);
    }
    for (n, click) in clicks.iter().enumerate() {
        let found = s.stores.analytics.click(click.click_id).await.expect("click");
        assert_eq!(found.is_some(), n == 3);
    }
    let log = s.api.audit(&AuditQuery::default()).await.expect("audit").items;
    let said: Vec<_> = log.iter().map(|l| (l.action.as_str(), l.kind.as_str(), l.id.as_str())).collect();
    assert_eq!(
        said,
        [("erased", "person", receipt.hash.as_str()), ("erase", "person", receipt.hash.as_str())]
    );
    let told = json!([log, receipt]).to_string();
    assert!(!told.contains(VISITOR), "{told}");
    assert_eq!((&log[0].changes["rows"][1], &log[0].changes["complete"][1]), (&json!(3), &json!(false)));

    let listed = s.stores.erased.entries().await.expect("entries");
    assert_eq!((listed.len(), listed[0].clicks.len(), listed[0].complete), (1, 3, false));
    assert_eq!(erased(&s, json!({ "visitor": VISITOR })).await.total(), 0, "once");
    let listed = s.stores.erased.entries().await.expect("entries");
    assert_eq!(
        (listed.len(), listed[0].clicks.len()),
        (1, 3),
        "what was erased is not forgotten by a second time"
    );

    // He comes back as out of an old journal, and goes by the list.
    let event = Event::Click(Box::new(clicks[0].clone()));
    let payload = event.to_json().expect("JSON").into();
    let back = Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload };
    assert_eq!(s.stores.sink.deliver(&[back]).await.expect("deliver"), []);
    assert_eq!(erased(&s, json!({ "again": true })).await.total(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_means_whoever_clicked_and_an_unknown_one_is_told() {
    let s = Server::start().await;
    let clicks = fill(&s).await;
    let unknown = json!({ "click": "01KBB6X7T4ZZZZZZZZZZZZZZZZ" });
    for _ in 0..2 {
        let receipt = erased(&s, unknown.clone()).await;
        assert_eq!(receipt.refused.map(|r| r.code).as_deref(), Some("not_found"));
    }
    let of_click = json!({ "click": clicks[1].click_id });
    assert_eq!(erased(&s, of_click.clone()).await.total(), 3);
    let again = erased(&s, of_click).await;
    assert_eq!((again.total(), again.refused), (0, None), "it is known that it was erased");
}

/// A store in which erasing is a fault of the program, once.
struct Faulty {
    store: Arc<dyn EventErasure>,
    faults: AtomicU32,
}

#[async_trait]
impl EventErasure for Faulty {
    async fn find(&self, whom: &Whom, until: Timestamp) -> Result<Vec<FoundClick>, StoreError> {
        self.store.find(whom, until).await
    }

    async fn erase(&self, traces: &Traces, dry_run: bool) -> Result<EventCounts, StoreError> {
        assert!(self.faults.fetch_add(1, Relaxed) > 0, "the fault of this test");
        self.store.erase(traces, dry_run).await
    }

    async fn wipe(&self) -> Result<(), StoreError> {
        self.store.wipe().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_by_a_fault_has_ended_and_says_so() {
    let s = Server::over(|stores| {
        let erasure = Arc::new(Faulty { store: Arc::clone(&stores.erasure), faults: AtomicU32::new(0) });
        Stores { erasure, ..stores }
    })
    .await;
    fill(&s).await;
    let broken = erased(&s, json!({ "visitor": VISITOR })).await;
    let refused = broken.refused.expect("why");
    assert_eq!((refused.code.as_str(), broken.complete), ("broke_off", false));
    assert!(refused.detail.contains("ask again"), "{}", refused.detail);
    assert_eq!(s.api.erasures().await.expect("status").running, None);
    let log = s.api.audit(&AuditQuery::default()).await.expect("audit").items;
    assert_eq!((log[0].action.as_str(), &log[0].changes["complete"][1]), ("erased", &json!(false)));
    let again = erased(&s, json!({ "visitor": VISITOR })).await;
    assert_eq!((again.total(), again.refused), (3, None), "the next one is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused() {
    let s = Server::start().await;
    for (body, path) in [
        (json!({}), ""),
        (json!({ "visitor": VISITOR, "ip": "192.0.2.1" }), ""),
        (json!({ "visitor": "somebody" }), "visitor"),
        (json!({ "click": "x" }), "click"),
        (json!({ "ip": "192.0.2.300" }), "ip"),
        (json!({ "visitor": VISITOR, "what": 1 }), "what"),
    ] {
        let (status, problem) = s.post("/erasures", body.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {problem}");
        assert_eq!(problem["problems"][0]["path"], path, "{body}: {problem}");
    }
}
