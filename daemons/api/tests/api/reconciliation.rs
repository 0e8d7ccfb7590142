//! What was accepted held against what is stored: each fault is found by its id, and what is none is not called one.

use crate::server::Server;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, ConversionEvent, Event},
    id::{ClickId, ConversionId},
    ledger::{Hour, HourLedger, LedgerKind},
    postback::{Conversion, Incoming, TransactionScope},
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
    // Of a page that is not whole what it counts is missing, and of the rest nothing is known.
    let mut torn = page(hour, &all[3..]);
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
    let mut lines = page(hour, &clicks(3, hour.start()));
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

/// A sale of a click, recorded at its own time.
async fn sold(s: &Server, click: &ClickEvent, tx: &str, status: &str, revenue: &str) -> Conversion {
    let at = click.click_id.timestamp();
    let incoming = Incoming {
        new_id: ConversionId::generate(at, u128::from(click.click_id.to_bits() as u64) << 30),
        network: "net_0000000000000000000".parse().expect("an id"),
        scope: TransactionScope::Network,
        key: format!("tx:{tx}"),
        transaction_id: Some(tx.to_owned()),
        click_id: click.click_id,
        status: status.parse().expect("a status"),
        raw_status: None,
        unmapped: false,
        revenue: serde_json::from_value(json!({ "amount": revenue, "currency": "USD" })).expect("money"),
        revenue_given: true,
        allow_upsell: true,
        at,
        click: click.dims.clone(),
        cost_terms: tfx_domain::entity::Due::default(),
        tell: None,
    };
    s.stores.conversions.record(&[incoming]).await.expect("recorded").remove(0).conversion
}

/// A change that was lost, or an amount that was altered, is as wrong a report as a conversion that is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_that_is_stored_in_another_state_is_told_with_both() {
    let s = Server::start().await;
    told(&s, &[]).await;
    let all = clicks(4, over().start());
    let event = |c: &Conversion| Event::Conversion(Box::new(ConversionEvent::from(c)));
    // One whose sale was lost, one whose amount is another, one as it is, and one that nobody recorded.
    let lead = sold(&s, &all[0], "T1", "lead", "11").await;
    let sale = sold(&s, &all[0], "T1", "sale", "500").await;
    assert_eq!(sale.version, 2);
    let mut altered = sold(&s, &all[1], "T2", "sale", "5").await;
    altered.revenue.amount = "500".parse().expect("an amount");
    let well = sold(&s, &all[2], "T3", "sale", "7").await;
    let strange = Conversion { id: ConversionId::generate(over().start(), 9 << 60), ..well.clone() };
    deliver(&s, [&lead, &altered, &well, &strange].into_iter().map(event)).await;
    let (_, answer) = asked(&s).await;
    let kind = of(&answer, "conversions");
    assert_eq!((counts(&kind), kind["differing"].as_u64()), ([3, 4, 0, 1, 0], Some(2)), "{answer}");
    let mut ids = vec![lead.id.to_string(), altered.id.to_string()];
    ids.sort();
    let mut told_ids: Vec<String> = serde_json::from_value(kind["differing_ids"].clone()).expect("ids");
    told_ids.sort();
    assert_eq!(told_ids, ids);
    let states = kind["differing_states"].as_array().expect("states");
    let of_lead = states.iter().find(|states| states["id"] == lead.id.to_string()).expect("the lead");
    assert_eq!(
        (&of_lead["stored"]["version"], &of_lead["stored"]["status"], &of_lead["is"]["revenue"]["amount"]),
        (&json!(1), &json!("lead"), &json!("500")),
        "{answer}"
    );
    // All of them, also what is too many, stand in their hour.
    let hours = kind["hours"].as_array().expect("hours");
    assert_eq!((hours.len(), counts(&hours[0])), (1, counts(&kind)), "{answer}");
    // What changed since may be on its way; an amount that is another is not.
    let before = sale.updated_at;
    let (_, answer) = s.get(&format!("/reconciliation?as_of={before}")).await;
    assert_eq!(of(&answer, "conversions")["differing"], 1, "{answer}");
    // Published again, both are right.
    let altered = s.stores.conversions.get(&altered.id).await.expect("reads").expect("there");
    deliver(&s, [&sale, &altered].into_iter().map(event)).await;
    let (_, answer) = asked(&s).await;
    assert_eq!(of(&answer, "conversions")["differing"], 0, "{answer}");
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

/// Both are whole hours, so that a conversion is of the same time as its click.
#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_are_of_the_same_whole_hours() {
    let s = Server::start().await;
    told(&s, &[]).await;
    let hour = over();
    let all = clicks(1, hour.start() + Duration::from_secs(600));
    sold(&s, &all[0], "T1", "sale", "5").await;
    let at = |minutes: u64| hour.start() + Duration::from_secs(60 * minutes);
    let (_, answer) = s.get(&format!("/reconciliation?since={}&until={}", at(20), at(30))).await;
    assert_eq!(counts(&of(&answer, "conversions")), [1, 0, 1, 0, 0], "{answer}");
    assert_eq!((&answer["since"], &answer["until"]), (&json!(at(0)), &json!(at(60))), "{answer}");
    // What needs no ledger is compared however old it is.
    let old = Hour(hour.0 - 24 * 60);
    let old_click = clicks(1, old.start());
    sold(&s, &old_click[0], "T2", "sale", "5").await;
    let (_, answer) = s.get(&format!("/reconciliation?since={}", old.start())).await;
    assert_eq!(counts(&of(&answer, "conversions")), [2, 0, 2, 0, 0], "{answer}");
    assert!(answer["uncompared"].to_string().contains("only conversions are compared"), "{answer}");
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
