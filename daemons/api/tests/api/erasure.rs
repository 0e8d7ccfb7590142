//! Erasing a person over REST: what may be asked, by whom, what is told of it, and what becomes of it without services.

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
use tfx_api::{audit::AuditQuery, erasure::ErasureReceipt};
use tfx_domain::{
    Timestamp,
    entity::Kind,
    event::{ClickEvent, Event, EventCounts},
};
use tfx_ports::{
    StoreError,
    alerts::AlertLogQuery,
    clock,
    conformance::sample::Sample,
    erasure::{EventErasure, FoundClick, Traces, Whom},
    page::PageRequest,
    queue::JobKind,
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
    deliver(s, &clicks).await;
    clicks
}

async fn deliver(s: &Server, clicks: &[ClickEvent]) {
    let envelope = |click: &ClickEvent| {
        let event = Event::Click(Box::new(click.clone()));
        let payload = event.to_json().expect("JSON").into();
        Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload }
    };
    let batch: Vec<Envelope> = clicks.iter().map(envelope).collect();
    assert_eq!(s.stores.sink.deliver(&batch).await.expect("deliver"), []);
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

#[tokio::test(flavor = "multi_thread")]
async fn what_alerts_have_of_one_person_alone_goes_with_him() {
    what_alerts_have_of_him_goes(Server::with(&ALERTS).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_alerts_in_mongodb_have_of_one_person_alone_goes_with_him() {
    what_alerts_have_of_him_goes(Server::on_mongodb(&ALERTS).await).await;
}

/// Rules are looked at often; what a channel does not take is tried again when the test is over.
const ALERTS: [(&str, &str); 3] =
    [("ALERT_INTERVAL_MS", "100"), ("ALERT_RETRY_BACKOFF_MS", "3600000"), ("OUTBOUND_ALLOW_PRIVATE", "true")];

async fn what_alerts_have_of_him_goes(s: Server) {
    const HIS: &str = "canary-his-alone";
    s.summer().await;
    let mut sample = Sample::new(1);
    let mut click = |visitor: &str, sub: &str, keyword: &str| {
        let mut click = sample.click(clock::now() - Duration::from_secs(5));
        click.visitor_id = visitor.parse().expect("an id");
        (click.dims.subs, click.dims.keyword) = (vec![sub.into()], keyword.into());
        (click.dims.is_bot, click.dims.test) = (false, false);
        click
    };
    let other = "0000000000000000000000000000000a";
    let clicks =
        [click(VISITOR, HIS, "shoes"), click(VISITOR, "shared", "shoes"), click(other, "shared", "shoes")];
    deliver(&s, &clicks).await;
    // Nobody listens there.
    let channels = json!(["webhook:http://127.0.0.1:1/hook"]);
    let by = json!(["sub1", "keyword"]);
    let rule = json!({ "slug": "told", "when": "hits > 0", "by": by, "channels": channels });
    s.create(Kind::Alert, rule).await;
    let filters = json!([{ "dimension": "sub1", "values": [HIS.to_uppercase()] }]);
    let stop = json!({
        "slug": "stop", "when": "hits > 0", "by": ["sub1"], "filters": filters, "action": "pause_stream", "stream": "summer/main",
    });
    s.create(Kind::Alert, stop).await;
    s.api.update(Kind::Alert, "stop", &json!({ "armed": true }), None).await.expect("armed");
    let main = async || s.api.get(Kind::Stream, "summer/main").await.expect("the stream")["status"].clone();
    until("paused", async || main().await == "paused").await;
    let states = async || s.stores.alerts.states(None).await.expect("states");
    let log = async || {
        let page = PageRequest::first(1_000);
        let query = AlertLogQuery { alert: None, since: None, until: None, page };
        s.stores.alerts.log(&query).await.expect("the log").items
    };
    let jobs = async || {
        s.stores.queue.waiting(JobKind::Alert, "", &PageRequest::first(99)).await.expect("jobs").items
    };
    let fired =
        async || states().await.len() == 3 && log().await.iter().any(|l| l.text.contains("is paused"));
    until("fired", fired).await;
    until("put off", async || jobs().await.iter().filter(|job| !job.held).count() == 2).await;
    let lines = log().await.len();

    let count = |receipt: &ErasureReceipt, what: &str| {
        receipt.rows.iter().filter(|row| row.what == what).map(|row| row.rows).sum::<u64>()
    };
    let counted = erased(&s, json!({ "visitor": VISITOR, "dry_run": true })).await;
    let receipt = erased(&s, json!({ "visitor": VISITOR })).await;
    for receipt in [&counted, &receipt] {
        // What a look that went on meanwhile brings back goes too, and counts.
        let counts = ["alerts by what he alone said", "notices of alerts", "lines of the log of alerts"];
        for (what, least) in counts.into_iter().zip([2, 1, 3]) {
            assert!(count(receipt, what) >= least, "{what}: {receipt:?}");
        }
        assert!(!format!("{receipt:?}").to_lowercase().contains(HIS));
    }
    assert!(receipt.left.iter().any(|left| left.contains("filters name him") && left.contains(": stop;")));
    until("what he had caused is taken back", async || main().await == "active").await;
    until("told", async || log().await.iter().any(|l| l.happened.as_str() == "returned")).await;
    let shared = vec!["sub1=shared".to_owned(), "keyword=shoes".to_owned()];
    let groups: Vec<_> = states().await.into_iter().map(|stored| stored.state.group).collect();
    assert_eq!(groups, std::slice::from_ref(&shared), "what others said too stays");
    let log = log().await;
    assert!(log.len() > lines, "every line stays: {log:?}");
    assert!(log.iter().all(|line| line.group == shared || !line.group.contains(&format!("sub1={HIS}"))));
    assert!(log.iter().any(|line| line.group == ["sub1=", "keyword=shoes"]), "{log:?}");
    let waits = jobs().await.into_iter().map(|job| job.payload).filter(|job| job.contains("notice"));
    let waits: Vec<String> = waits.collect();
    assert!(waits.len() == 1 && waits[0].contains("sub1=shared"), "{waits:?}");
    assert_eq!(erased(&s, json!({ "visitor": VISITOR })).await.total(), 0, "once");
    s.stop().await;
}
