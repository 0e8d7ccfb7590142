//! The stores on MongoDB pass the suite that every adapter must pass.

use crate::support::Fresh;
use mongodb::bson::{DateTime, Document, doc};
use tfx_ports::{
    config::ConfigStore,
    conformance::{
        Pair, accounts::Accounting, alerts::AlertStores, conversions::SourcePostbackStores,
        histories::HistoryStore, rates::RateStores,
    },
    conversions::ConversionStore,
    erasure::ErasedList,
    health::HealthStore,
    keys::Keys,
    leases::Leases,
    ledgers::Ledgers,
    queue::Queue,
};

async fn fresh_config() -> Pair<dyn ConfigStore> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.config(), two: two.config(), keep: Box::new(fresh) }
}

async fn fresh_conversions() -> Pair<dyn ConversionStore> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.conversions(), two: two.conversions(), keep: Box::new(fresh) }
}

async fn fresh_queue() -> Pair<dyn Queue> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.queue(), two: two.queue(), keep: Box::new(fresh) }
}

async fn fresh_tells() -> SourcePostbackStores {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    SourcePostbackStores {
        one: one.conversions(),
        two: two.conversions(),
        queue: two.queue(),
        keep: Box::new(fresh),
    }
}

async fn fresh_leases() -> Pair<dyn Leases> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.leases(), two: two.leases(), keep: Box::new(fresh) }
}

async fn fresh_accounts() -> Accounting {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Accounting { one: one.accounts(), two: two.accounts(), log: two.config(), keep: Box::new(fresh) }
}

async fn fresh_histories() -> HistoryStore {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    let (config, health, queue, histories) = (one.config(), one.health(), one.queue(), two.histories());
    HistoryStore { config, health, queue, histories, keep: Box::new(fresh) }
}

async fn fresh_erased() -> Pair<dyn ErasedList> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.erased(), two: two.erased(), keep: Box::new(fresh) }
}

async fn fresh_alerts() -> AlertStores {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    let stores = Pair { one: one.alerts(), two: two.alerts(), keep: Box::new(fresh) };
    AlertStores::new(stores, two.queue())
}

async fn fresh_keys() -> Pair<dyn Keys> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.keys(), two: two.keys(), keep: Box::new(fresh) }
}

async fn fresh_rates() -> RateStores {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    RateStores { one: one.rates(), two: two.rates(), log: two.config(), keep: Box::new(fresh) }
}

async fn fresh_ledgers() -> Pair<dyn Ledgers> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.ledgers(), two: two.ledgers(), keep: Box::new(fresh) }
}

/// Changes a document as damage does it, or a newer program.
async fn spoiled(raw: &mongodb::Database, collection: &str, id: String, change: Document) {
    let all = raw.collection::<Document>(collection);
    let done = all.update_one(doc! {"_id": id}, doc! {"$set": change}).await.expect("spoiled");
    assert_eq!(done.modified_count, 1);
}

#[tokio::test]
async fn jobs_that_cannot_be_read_are_left_out() {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    let raw = fresh.raw().await;
    let stores = Pair { one: one.queue(), two: two.queue(), keep: Box::new(fresh) };
    let spoil =
        async |key| spoiled(&raw, "jobs", format!("parked_postback/{key}"), doc! {"payload": 7}).await;
    tfx_ports::conformance::queue::jobs_that_cannot_be_read_are_left_out(stores, spoil).await;
}

#[tokio::test]
async fn a_clock_that_was_ahead_puts_nothing_off_for_long() {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    let raw = fresh.raw().await;
    let stores = Pair { one: one.queue(), two: two.queue(), keep: Box::new(fresh) };
    let put_off = async |time: std::time::Duration| {
        let ms = i64::try_from(time.as_millis()).expect("in range");
        let set = vec![doc! {"$set": {"due": {"$add": ["$$NOW", ms]}}}];
        raw.collection::<Document>("job_lanes").update_many(doc! {}, set).await.expect("put off");
    };
    tfx_ports::conformance::queue::a_clock_that_was_ahead_puts_nothing_off_for_long(stores, put_off).await;
}

#[tokio::test]
async fn what_was_put_off_by_a_clock_that_is_set_back_waits_no_longer() {
    let fresh = Fresh::new();
    let raw = fresh.raw().await;
    let set_back = async |time: std::time::Duration| {
        let ms = i64::try_from(time.as_millis()).expect("in range");
        let later = |field: &str| doc! {"$add": [field, ms]};
        let set = vec![doc! {"$set": {"due": later("$due"), "since": later("$since")}}];
        raw.collection::<Document>("job_lanes").update_many(doc! {}, set).await.expect("set back");
    };
    let open = async || fresh.open().await.queue();
    tfx_ports::conformance::queue::what_was_put_off_by_a_clock_that_is_set_back_waits_no_longer(
        open, set_back,
    )
    .await;
}

#[tokio::test]
async fn a_lease_ends_in_its_time_though_the_clock_is_set_back() {
    let fresh = Fresh::new();
    let raw = fresh.raw().await;
    let set_back = async |time: std::time::Duration| {
        let ms = i64::try_from(time.as_millis()).expect("in range");
        let later = |field: &str| doc! {"$add": [field, ms]};
        let set = vec![doc! {"$set": {"until": later("$until"), "since": later("$since")}}];
        raw.collection::<Document>("leases").update_many(doc! {}, set).await.expect("set back");
    };
    let both =
        Pair { one: fresh.open().await.leases(), two: fresh.open().await.leases(), keep: Box::new(fresh) };
    tfx_ports::conformance::leases::a_lease_ends_in_its_time_though_the_clock_is_set_back(both, set_back)
        .await;
}

/// A lane that somebody's transaction holds, since he died in it, holds up no other: not for the minute that MongoDB keeps it.
#[tokio::test]
async fn a_lane_that_is_locked_holds_up_no_other() {
    use tfx_ports::queue::{JobKind::SourcePostback, NewJob};
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    let (one, two) = (one.queue(), two.queue());
    let job = |n: u8| NewJob {
        kind: SourcePostback,
        key: format!("src_{n}/cnv"),
        group: None,
        came: tfx_ports::clock::now(),
        payload: "{}".to_owned(),
    };
    for n in 1..=4 {
        one.enqueue(&job(n), std::time::Duration::ZERO).await.expect("put in");
    }
    let raw = fresh.raw().await;
    let all = raw.collection::<Document>("job_lanes");
    let mut session = raw.client().start_session().await.expect("a session");
    session.start_transaction().await.expect("begun");
    let first = doc! {"_id": {"$regex": "src_1"}};
    let held =
        all.update_one(first, doc! {"$set": {"wanted": null}}).session(&mut session).await.expect("held");
    assert_eq!(held.matched_count, 1);
    let began = std::time::Instant::now();
    let mut claimed = Vec::new();
    while claimed.len() < 3 && began.elapsed() < std::time::Duration::from_secs(8) {
        let lease = std::time::Duration::from_secs(60);
        claimed.extend(
            two.claim(SourcePostback, 9, lease).await.expect("claimed").into_iter().map(|job| job.key),
        );
    }
    claimed.sort();
    assert_eq!(claimed, [2, 3, 4].map(|n| job(n).key));
    session.abort_transaction().await.expect("ended");
}

/// What the version before parked is found as jobs, also what it parks beside this one.
#[tokio::test]
async fn what_the_version_before_parked_becomes_jobs() {
    use tfx_ports::queue::JobKind::ParkedPostback;
    let fresh = Fresh::new();
    let raw = fresh.raw().await.collection::<Document>("parked");
    let row = |id: &str, click: &str, params: &str, received: i64| {
        doc! {
            "_id": id, "network": "net_1", "click": click, "params": params, "template": "web", "digest": id, "tries": 3_i64,
            "received": DateTime::from_millis(received), "received_at": "2026-03-01T10:00:00Z",
            "next_try": DateTime::from_millis(received), "next_try_at": "2026-03-01T10:01:00Z",
        }
    };
    let rows = [
        row("P2", "C1", r#"[["tid","é\u0000$set"]]"#, 2_000),
        row("P1", "C1", "[]", 1_000),
        row("P3", "C2", "{", 3),
    ];
    raw.insert_many(rows).await.expect("parked");
    let queue = fresh.open().await.queue();
    assert_eq!(queue.counts(ParkedPostback).await.expect("count").waiting, 3);
    let minute = std::time::Duration::from_secs(60);
    let mut first = queue.claim(ParkedPostback, 9, minute).await.expect("claim");
    first.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(
        first.iter().map(|j| j.key.as_str()).collect::<Vec<_>>(),
        ["P1", "P3"],
        "the first of each click"
    );
    assert!(first[1].payload.contains(r#""params":"{""#), "damaged as it was: {}", first[1].payload);
    assert_eq!(raw.count_documents(doc! {}).await.expect("count"), 0);
    assert!(queue.done(&first[0]).await.expect("done"));
    raw.insert_one(row("P4", "C3", "[]", 4_000)).await.expect("parked");
    let mut second = queue.claim(ParkedPostback, 9, minute).await.expect("claim");
    second.sort_by(|a, b| a.key.cmp(&b.key));
    let want = serde_json::json!({
        "id": "P2", "network": "net_1", "template": "web", "click_id": "C1", "params": [["tid", "é\u{0}$set"]],
        "received_at": "2026-03-01T10:00:00Z",
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&second[0].payload).expect("JSON"), want);
    assert_eq!((second.len(), second[1].key.as_str()), (2, "P4"));
}

async fn fresh_health() -> Pair<dyn HealthStore> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.health(), two: two.health(), keep: Box::new(fresh) }
}

#[tokio::test]
async fn what_cannot_be_read_is_probed_anew() {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    let raw = fresh.raw().await;
    let stores = Pair { one: one.health(), two: two.health(), keep: Box::new(fresh) };
    let spoil = async |collection: &'static str, id: String| {
        let all = raw.collection::<Document>(collection);
        let done = all.update_one(doc! {"_id": id}, doc! {"$set": {"body": 7}}).await.expect("spoiled");
        assert_eq!(done.modified_count, 1);
    };
    tfx_ports::conformance::health::what_cannot_be_read_is_probed_anew(stores, spoil).await;
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_left_out() {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    let raw = fresh.raw().await;
    let stores = Pair { one: one.conversions(), two: two.conversions(), keep: Box::new(fresh) };
    let spoil = async |id: String| spoiled(&raw, "conversions", id, doc! {"body": "{"}).await;
    tfx_ports::conformance::conversions::rows_that_cannot_be_read_are_left_out(stores, spoil).await;
}

tfx_ports::conformance!(config_store: fresh_config);
tfx_ports::conformance!(revisions: fresh_config);
tfx_ports::conformance!(conversion_store: fresh_conversions);
tfx_ports::conformance!(queue: fresh_queue);
tfx_ports::conformance!(tells: fresh_tells);
tfx_ports::conformance!(leases: fresh_leases);
tfx_ports::conformance!(ledgers: fresh_ledgers);
tfx_ports::conformance!(keys: fresh_keys);
tfx_ports::conformance!(alerts: fresh_alerts);
tfx_ports::conformance!(erased: fresh_erased);
tfx_ports::conformance!(histories: fresh_histories);
tfx_ports::conformance!(accounts: fresh_accounts);
tfx_ports::conformance!(health_store: fresh_health);
tfx_ports::conformance!(rates: fresh_rates);
