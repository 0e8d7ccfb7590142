//! What was accepted held against what is stored: each fault is found by its id, and what is none is not called one.

mod conversions;

use crate::server::Server;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, Event, PostbackResult},
    id::ClickId,
    ledger::{Hour, HourLedger, LedgerKind, Outbox},
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
    deliver(s, clicks.iter().map(|click| Event::Click(Box::new(click.clone())))).await;
}

async fn deliver(s: &Server, events: impl Iterator<Item = Event>) {
    let envelope = |event: Event| {
        let payload = event.to_json().expect("JSON").into();
        Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload }
    };
    let batch: Vec<_> = events.map(envelope).collect();
    assert_eq!(s.stores.sink.deliver(&batch).await.expect("deliver"), []);
}

/// One that tells again as soon as somebody asks.
fn instance(id: &str, service: &str) -> LedgerInstance {
    LedgerInstance {
        id: id.to_owned(),
        process: String::new(),
        service: service.to_owned(),
        at: clock::now() + Duration::from_secs(20),
        from: None,
        ended: false,
        outbox: None,
    }
}

/// What one process of an instance counts.
fn page<'c>(hour: Hour, clicks: impl IntoIterator<Item = &'c ClickEvent>) -> LedgerPage {
    page_by("t", hour, clicks)
}

fn page_by<'c>(by: &str, hour: Hour, clicks: impl IntoIterator<Item = &'c ClickEvent>) -> LedgerPage {
    let mut ledger = HourLedger::default();
    clicks.into_iter().for_each(|click| {
        ledger.accept(click.click_id, None);
        ledger.published += 1;
    });
    LedgerPage { by: by.to_owned(), kind: LedgerKind::Clicks, hour, ledger }
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
    (of(&answer, "clicks"), answer)
}

/// What is told of a kind.
fn of(answer: &Value, kind: &str) -> Value {
    let found = answer["kinds"].as_array().expect("kinds").iter().find(|k| k["kind"] == kind);
    found.expect("the kind").clone()
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
    s.stores.ledgers.publish(&ended, &[page_by("other", hour, &all[5..9])]).await.expect("publish");
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
    s.stores.ledgers.publish(&dead, &[page_by("dead", hour, &all[..1])]).await.expect("publish");
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
    // Of a page that is not whole what it counts is missing, and of the rest nothing is known.
    let mut torn = page_by("t.torn", hour, []);
    torn.ledger.torn = true;
    told(&s, &[torn]).await;
    let (kind, answer) = asked(&s).await;
    assert_eq!(
        (counts(&kind)[2..4].to_vec(), &kind["missing_ids"]),
        (vec![1, 0], &sorted(&all[3..])),
        "{answer}"
    );
    assert!(answer["uncompared"].to_string().contains("cannot be read"), "{answer}");
    s.stop().await;
}

/// Who lost its ledger knows nothing of what it accepted before. What it, and what others, had told of it holds.
#[tokio::test(flavor = "multi_thread")]
async fn who_began_to_count_anew_hides_nothing_that_was_told() {
    let s = Server::start().await;
    let hour = over();
    let all = clicks(6, hour.start());
    store(&s, &all[2..]).await;
    told(&s, &[page(hour, &all[..4])]).await;
    let began = LedgerInstance { from: Some(clock::now()), ..instance("new", "traffic-service") };
    s.stores.ledgers.publish(&began, &[]).await.expect("publish");
    let mut lines = page_by("p", hour, &clicks(3, hour.start()));
    lines.kind = LedgerKind::Postbacks;
    s.stores.ledgers.publish(&instance("p", "postback-service"), &[lines]).await.expect("publish");
    let (kind, answer) = asked(&s).await;
    // Two that nobody told of may be what it accepted.
    assert_eq!(counts(&kind), [4, 2, 2, 0, 0], "{answer}");
    assert_eq!(kind["missing_ids"], sorted(&all[..2]));
    let uncompared = answer["uncompared"].as_array().expect("what is not compared");
    assert!(
        uncompared.len() == 1 && uncompared[0].to_string().contains("traffic-service counts"),
        "{answer}"
    );
    let lines = of(&answer, "postbacks");
    assert_eq!(counts(&lines), [3, 0, 3, 0, 0], "the other service's are whole: {answer}");
    s.stop().await;
}

/// What waits in a journal, and why, is told of each instance, and of postbacks what became of them later apart.
#[tokio::test(flavor = "multi_thread")]
async fn each_instance_tells_what_waits_and_what_became_of_what_had_waited() {
    let s = Server::start().await;
    told(&s, &[]).await;
    let outbox = Outbox { waiting: 5, error: Some("no broker".to_owned()), ..Outbox::default() };
    let stuck = LedgerInstance { outbox: Some(outbox), ended: true, ..instance("stuck", "traffic-service") };
    let ended =
        LedgerInstance { outbox: Some(Outbox::default()), ended: true, ..instance("e", "traffic-service") };
    let mut lines = page_by("p", over(), []);
    lines.kind = LedgerKind::Postbacks;
    let ids = clicks(3, over().start());
    lines.ledger.accept(ids[0].click_id, Some(PostbackResult::Parked));
    lines.ledger.accept_later(ids[1].click_id, PostbackResult::Recorded);
    s.stores.ledgers.publish(&stuck, &[]).await.expect("publish");
    s.stores.ledgers.publish(&ended, &[lines]).await.expect("publish");
    let (_, answer) = asked(&s).await;
    let instances = answer["instances"].as_array().expect("instances");
    let names: Vec<&str> = instances.iter().filter_map(|i| i["id"].as_str()).collect();
    assert_eq!(names, ["p", "stuck", "t"], "who ended with nothing left is not named: {answer}");
    assert_eq!(
        (&instances[1]["outbox"]["waiting"], &instances[1]["outbox"]["error"]),
        (&json!(5), &json!("no broker"))
    );
    let kind = of(&answer, "postbacks");
    assert_eq!(
        (&kind["results"], &kind["later"]),
        (&json!({"parked": 1}), &json!({"recorded": 1})),
        "{answer}"
    );
    s.stop().await;
}

/// A service that dies between writing what became of a postback and ending its job leaves it to the next, which writes the same
/// line: accepted twice, it is stored once, and nothing is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_written_twice_is_not_missing() {
    let s = Server::start().await;
    let mut sample = Sample::new(8);
    let lines: Vec<_> = (0..4).map(|_| sample.postback(over().start())).collect();
    let stored = lines[..3].iter().cloned().map(|line| Event::PostbackLog(Box::new(line)));
    deliver(&s, stored).await;
    let mut counted = page_by("p", over(), []);
    counted.kind = LedgerKind::Postbacks;
    for line in lines.iter().chain([&lines[0]]) {
        counted.ledger.accept_later(line.id, PostbackResult::Recorded);
    }
    told(&s, &[counted]).await;
    let (_, answer) = asked(&s).await;
    let kind = of(&answer, "postbacks");
    assert_eq!(kind["missing_ids"], json!([lines[3].id]), "{answer}");
    assert_eq!(counts(&kind), [4, 3, 1, 0, 0], "{answer}");
    assert!(
        answer["notes"].to_string().contains("1 were written into the journal a second time"),
        "{answer}"
    );
    s.stop().await;
}

/// As many gone as others added: that both are as many is no balance.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_gone_as_added_do_not_balance() {
    let s = Server::start().await;
    let hour = over();
    let all = clicks(600, hour.start());
    store(&s, &all[300..]).await;
    told(&s, &[page(hour, &all[..300])]).await;
    let (kind, answer) = asked(&s).await;
    let [accepted, stored, missing, surplus, _] = counts(&kind);
    assert_eq!((accepted, stored), (300, 300));
    assert!(missing > 0 && surplus > 0, "{answer}");
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
