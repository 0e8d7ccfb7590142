//! What was accepted held against what is stored: each fault is found by its id, and what is none is not called one.

use crate::server::Server;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, Event},
    id::ClickId,
    ledger::{Hour, HourLedger, LedgerKind},
};
use tfx_ports::{
    clock,
    conformance::sample::Sample,
    erasure::ErasedEntry,
    ledgers::{LedgerInstance, LedgerPage},
    sink::Envelope,
};

/// An hour that is over.
fn over() -> Hour {
    Hour(Hour::at(clock::now()).0 - 2)
}

fn clicks(count: usize, at: Timestamp) -> Vec<ClickEvent> {
    let mut sample = Sample::new(7);
    (0..count).map(|_| sample.click(at)).collect()
}

async fn store(s: &Server, clicks: &[ClickEvent]) {
    let envelope = |click: &ClickEvent| {
        let event = Event::Click(Box::new(click.clone()));
        let payload = event.to_json().expect("JSON").into();
        Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload }
    };
    let batch: Vec<_> = clicks.iter().map(envelope).collect();
    assert_eq!(s.stores.sink.deliver(&batch).await.expect("deliver"), []);
}

/// One that tells again as soon as somebody asks.
fn instance(id: &str, service: &str) -> LedgerInstance {
    LedgerInstance {
        id: id.to_owned(),
        service: service.to_owned(),
        at: clock::now() + Duration::from_secs(20),
        from: None,
        ended: false,
    }
}

fn page<'c>(hour: Hour, clicks: impl IntoIterator<Item = &'c ClickEvent>) -> LedgerPage {
    let mut ledger = HourLedger::default();
    clicks.into_iter().for_each(|click| {
        ledger.accept(click.click_id, None);
        ledger.published += 1;
    });
    LedgerPage { kind: LedgerKind::Clicks, hour, ledger }
}

/// Both services run; of the clicks these are told.
async fn told(s: &Server, pages: &[LedgerPage]) {
    let ledgers = &s.stores.ledgers;
    ledgers.publish(&instance("p", "postback-service"), &[]).await.expect("publish");
    ledgers.publish(&instance("t", "traffic-service"), pages).await.expect("publish");
}

async fn asked(s: &Server) -> (Value, Value) {
    let (status, answer) = s.get("/reconciliation").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let of_clicks = answer["kinds"].as_array().expect("kinds").iter().find(|k| k["kind"] == "clicks");
    (of_clicks.expect("clicks").clone(), answer)
}

fn sorted(clicks: &[ClickEvent]) -> Value {
    let mut ids: Vec<ClickId> = clicks.iter().map(|c| c.click_id).collect();
    ids.sort_unstable();
    json!(ids)
}

fn counts(kind: &Value) -> [u64; 5] {
    ["accepted", "stored", "missing", "surplus", "erased"].map(|n| kind[n].as_u64().expect("a count"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_instances_accepted_is_held_against_what_is_stored() {
    let s = Server::start().await;
    let hour = over();
    let all = clicks(12, hour.start());
    store(&s, &all[2..]).await;
    told(&s, &[page(hour, &all[..5])]).await;
    // One that was stopped counts as much as one that runs.
    let ended = LedgerInstance { ended: true, ..instance("other", "traffic-service") };
    s.stores.ledgers.publish(&ended, &[page(hour, &all[5..9])]).await.expect("publish");
    let (kind, answer) = asked(&s).await;
    assert_eq!(counts(&kind), [9, 10, 2, 3, 0], "{answer}");
    assert_eq!((&kind["missing_ids"], &kind["surplus_ids"]), (&sorted(&all[..2]), &sorted(&all[9..])));
    assert_eq!((kind["published"].as_u64(), &answer["silent"]), (Some(9), &Value::Null), "{answer}");
    let of_hour = &kind["hours"][0];
    assert_eq!((counts(of_hour), &of_hour["hour"]), (counts(&kind), &json!(hour.start())));
    let (_, less) = s.get("/reconciliation?ids=1").await;
    assert_eq!(less["kinds"][0]["surplus_ids"].as_array().map(Vec::len), Some(1), "{less}");
    // Of another time there is nothing.
    let (_, none) = s.get(&format!("/reconciliation?since={}", hour.next().start())).await;
    assert_eq!(counts(&none["kinds"][0]), [0; 5], "{none}");
    s.stop().await;
}

/// A line about a postback that waited has an id of when it came, and is stored before its instance tells of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_before_it_is_told_is_not_too_many() {
    let s = Server::start().await;
    let hour = over();
    let all = clicks(4, hour.start());
    store(&s, &all).await;
    let now = |id: &str, service: &str| LedgerInstance { at: clock::now(), ..instance(id, service) };
    let ledgers = &s.stores.ledgers;
    let tell = async |clicks: &[ClickEvent]| {
        let page = page(hour, clicks);
        ledgers.publish(&now("p", "postback-service"), &[]).await.expect("publish");
        ledgers.publish(&now("t", "traffic-service"), &[page]).await.expect("publish");
    };
    tell(&all[..1]).await;
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        tell(&all[..3]).await;
    };
    let ((kind, answer), ()) = tokio::join!(asked(&s), later);
    assert_eq!(counts(&kind), [1, 2, 0, 1, 0], "{answer}");
    assert_eq!(kind["surplus_ids"], sorted(&all[3..]));
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_to_be_named_are_counted() {
    let s = Server::start().await;
    let hour = over();
    let all = clicks(700, hour.start());
    store(&s, &all[500..]).await;
    told(&s, &[page(hour, &all)]).await;
    let (kind, answer) = asked(&s).await;
    assert_eq!(counts(&kind), [700, 200, 500, 0, 0], "{answer}");
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_erased_is_not_missing() {
    let s = Server::start().await;
    let hour = over();
    let all = clicks(6, hour.start());
    store(&s, &all[2..]).await;
    told(&s, &[page(hour, &all)]).await;
    let clicks = vec![all[0].click_id, all[3].click_id];
    let entry = ErasedEntry { id: "x".into(), at: clock::now(), until: None, complete: true, clicks };
    s.stores.erased.keep(&entry).await.expect("keep");
    let (kind, answer) = asked(&s).await;
    assert_eq!(counts(&kind), [6, 4, 1, 0, 1], "one of them is there still: {answer}");
    assert_eq!(kind["missing_ids"], sorted(&all[1..2]));
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_known_is_said_and_is_no_fault() {
    let s = Server::start().await;
    let (_, answer) = asked(&s).await;
    assert_eq!(answer["silent"].as_array().map(Vec::len), Some(2), "nobody has told: {answer}");
    // One died a while ago: what it accepted just then is stored, and it did not tell.
    let died = clock::now() - Duration::from_secs(2 * 3_600);
    let all = clicks(4, died);
    store(&s, &all[..3]).await;
    let hour = Hour::at(died);
    let dead = LedgerInstance { at: died, ..instance("dead", "traffic-service") };
    s.stores.ledgers.publish(&dead, &[page(hour, &all[..1])]).await.expect("publish");
    let (kind, answer) = asked(&s).await;
    assert_eq!(counts(&kind)[2..4], [0, 0], "{answer}");
    assert!(answer["silent"].to_string().contains("traffic-service has not told since"), "{answer}");
    told(&s, &[page(hour, &all[3..])]).await;
    let (kind, answer) = asked(&s).await;
    assert_eq!(
        (counts(&kind)[2..4].to_vec(), &kind["missing_ids"]),
        (vec![1, 0], &sorted(&all[3..])),
        "{answer}"
    );
    assert!(answer["notes"].to_string().contains("an instance of traffic-service (dead)"), "{answer}");
    // A page that is not whole says nothing of its hour.
    let mut torn = page(hour, &all[3..]);
    torn.ledger.torn = true;
    told(&s, &[torn]).await;
    let (kind, answer) = asked(&s).await;
    assert_eq!(counts(&kind), [0; 5], "{answer}");
    assert!(answer["notes"].to_string().contains("cannot be read"), "{answer}");
    // Who began to count in an hour counts it in part.
    let began = LedgerInstance { from: Some(died), ..instance("t", "traffic-service") };
    s.stores.ledgers.publish(&began, &[page(hour, &all[3..])]).await.expect("publish");
    let (kind, answer) = asked(&s).await;
    assert_eq!(counts(&kind), [0; 5], "{answer}");
    assert!(answer["notes"].to_string().contains("counted in full since"), "{answer}");
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_events_are_kept_is_not_missing() {
    let s = Server::with(&[("ANALYTICS_TTL_DAYS", "1")]).await;
    let old = Hour(Hour::at(clock::now()).0 - 30);
    told(&s, &[page(old, &clicks(3, old.start()))]).await;
    let since = old.start();
    let (_, answer) = s.get(&format!("/reconciliation?since={since}")).await;
    assert_eq!(counts(&answer["kinds"][0]), [0; 5], "{answer}");
    assert!(answer["notes"].to_string().contains("ANALYTICS_TTL_DAYS"), "{answer}");
    let (status, problem) = s.get("/reconciliation?ids=1001&since=x").await;
    assert_eq!(
        (status, crate::server::paths(&problem)),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["since", "ids"])
    );
    s.stop().await;
}
