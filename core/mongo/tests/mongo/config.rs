//! Configuration beyond what every store must do: how soon changes arrive, and what strangers' texts do.

use crate::support::Fresh;
use mongodb::bson::{Document, doc};
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    entity::{CampaignSpec, Kind, Status},
};
use tfx_mongo::{Mongo, MongoConfig};
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind},
    audit::{AuditEntry, Caller},
    config::{ConfigStore, Record, RecordQuery},
    page::PageRequest,
};
use tokio::time::Instant;

fn record(n: u32, slug: &str, spec: Value) -> Record {
    let at = Timestamp::from_nanosecond(1_790_000_000_123_456_789).expect("in range");
    Record {
        kind: Kind::Campaign,
        id: format!("cmp_{n:019}"),
        parent: String::new(),
        slug: slug.to_owned(),
        status: Status::Active,
        version: 1,
        created_at: at,
        updated_at: at,
        spec,
    }
}

fn audit(record: &Record) -> AuditEntry {
    AuditEntry {
        at: record.updated_at,
        caller: Caller::named("$where: \0 {\"$gt\": \"\"}"),
        action: "create".to_owned(),
        kind: record.kind.noun().to_owned(),
        id: record.id.clone(),
        version: record.version,
        changes: record.spec.clone(),
    }
}

async fn create(store: &Arc<dyn ConfigStore>, record: &Record) -> Result<u64, StoreError> {
    store.create(record.clone(), audit(record)).await
}

/// The time between the answer to a change and the waking of a waiter in another instance, five times.
async fn waking_times(config: &MongoConfig) -> Vec<Duration> {
    let reader = Mongo::new(config).await.expect("settings").config();
    let writer = Mongo::new(config).await.expect("settings").config();
    let mut since = create(&writer, &record(0, "first", json!({}))).await.expect("create");
    // The stream is open once a waiter has waited; what comes before that is found by looking.
    reader.wait_for_change(since, Duration::from_millis(1_500)).await.expect("wait");
    let mut times = Vec::new();
    for n in 1..=5 {
        let waiter = Arc::clone(&reader);
        let waiting = tokio::spawn(async move {
            let revision = waiter.wait_for_change(since, Duration::from_secs(30)).await.expect("wait");
            (revision, Instant::now())
        });
        let revision = create(&writer, &record(n, &format!("s{n}"), json!({}))).await.expect("create");
        let answered = Instant::now();
        let (seen, woken) = waiting.await.expect("the waiter");
        assert_eq!(seen, revision);
        times.push(woken.saturating_duration_since(answered));
        since = revision;
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_wakes_another_instance_within_two_seconds() {
    let fresh = Fresh::new();
    let times = waking_times(&fresh.config()).await;
    println!("with a change stream: {times:?}");
    assert!(times.iter().all(|t| *t < Duration::from_secs(2)), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_without_a_change_stream() {
    let fresh = Fresh::new();
    let times = waking_times(&MongoConfig { change_streams: false, ..fresh.config() }).await;
    println!("by looking: {times:?}");
    assert!(times.iter().all(|t| *t < Duration::from_secs(2)), "{times:?}");
}

#[tokio::test]
async fn texts_of_strangers_are_stored_as_they_are() {
    let fresh = Fresh::new();
    let store = fresh.open().await.config();
    let hostile =
        ["$ne", "a.b.$[]", "\0", "a\0b", "{\"$gt\":\"\"}", "$$ROOT", "__proto__", "", "💥'\"\\\u{202e}"];
    let mut there = Vec::new();
    for (n, text) in (0..).zip(hostile) {
        let mut spec = Map::new();
        spec.insert(text.to_owned(), json!({text: [text, u64::MAX, i64::MIN, 1e300, -0.5, null]}));
        let record = record(n, text, Value::Object(spec));
        create(&store, &record).await.unwrap_or_else(|e| panic!("{text:?}: {e}"));
        there.push(record);
    }
    for (record, text) in there.iter().zip(hostile) {
        assert_eq!(store.find(Kind::Campaign, "", text).await.expect("find").as_ref(), Some(record));
        assert_eq!(store.find(Kind::Campaign, text, "x").await.expect("find"), None);
        let again = Record { id: format!("cmp_{:019}", 99), ..record.clone() };
        assert!(matches!(create(&store, &again).await, Err(StoreError::SlugTaken { .. })), "{text:?}");
        if !text.is_empty() {
            assert_eq!(store.get(Kind::Campaign, text).await.expect("get"), None);
        }
        let log = store.audit(Some(&record.id), &PageRequest::first(10)).await.expect("audit");
        assert_eq!(log.items, [audit(record)]);
        assert!(store.audit(Some(text), &PageRequest::first(10)).await.expect("audit").items.is_empty());
        let page = PageRequest { cursor: Some(text.to_owned()), limit: usize::MAX };
        let query =
            RecordQuery { kind: Kind::Campaign, parent: Some(text.to_owned()), statuses: vec![], page };
        assert!(matches!(store.list(&query).await, Err(StoreError::BadCursor)), "{text:?}");
    }
    assert_eq!(store.load().await.expect("load").1, there);
}

#[tokio::test]
async fn a_version_may_be_any_number() {
    let fresh = Fresh::new();
    let store = fresh.open().await.config();
    let versions = [0, 1, i64::MAX as u64 - 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1];
    for (n, version) in (0..).zip(versions) {
        let first = Record { version, ..record(n, &format!("s{n}"), json!({})) };
        create(&store, &first).await.expect("create");
        assert_eq!(store.get(Kind::Campaign, &first.id).await.expect("get"), Some(first.clone()));
        let next = Record { version: version + 1, ..first.clone() };
        store.update(next.clone(), audit(&next)).await.expect("update");
        assert_eq!(store.get(Kind::Campaign, &first.id).await.expect("get"), Some(next));
        let old = Record { version: 0, ..first };
        let refused = store.update(old.clone(), audit(&old)).await;
        assert!(matches!(&refused, Err(StoreError::VersionMismatch { current }) if *current == version + 1));
    }
}

/// A document holds 16 MB: more is refused for good, and nothing of it stays.
#[tokio::test]
async fn what_is_too_large_is_refused_whole() {
    let fresh = Fresh::new();
    let store = fresh.open().await.config();
    let big = record(1, "big", json!({"text": "x".repeat(17 << 20)}));
    let e = create(&store, &big).await.expect_err("too large");
    assert!(!e.is_retryable(), "{e}");
    for name in ["campaigns", "audit"] {
        let collection = fresh.raw().await.collection::<Document>(name);
        assert_eq!(collection.count_documents(doc! {}).await.expect("count"), 0, "{name}");
    }
    create(&store, &record(2, "big", json!({}))).await.expect("its slug is free");
}

/// A database whose revision was lost goes on after the last change in the audit log.
#[tokio::test]
async fn a_lost_revision_is_found_again() {
    let fresh = Fresh::new();
    let store = fresh.open().await.config();
    for n in 1..=3 {
        create(&store, &record(n, &format!("s{n}"), json!({}))).await.expect("create");
    }
    let revisions = fresh.raw().await.collection::<Document>("revision");
    revisions.delete_one(doc! {}).await.expect("delete");
    assert_eq!(create(&store, &record(4, "s4", json!({}))).await.expect("create"), 4);
}

/// Something in the database that is not ours is named, and does not pass for a record.
#[tokio::test]
async fn a_broken_document_is_named() {
    let fresh = Fresh::new();
    let store = fresh.open().await.config();
    create(&store, &record(1, "one", json!({}))).await.expect("create");
    let campaigns = fresh.raw().await.collection::<Document>("campaigns");
    campaigns.update_one(doc! {}, doc! {"$set": {"spec": "{"}}).await.expect("break it");
    // It is there, so that others go on beside it, and says why nothing can be made of it.
    let found =
        store.get(Kind::Campaign, &record(1, "", json!({})).id).await.expect("an answer").expect("there");
    let e = found.typed::<CampaignSpec>().expect_err("broken");
    assert!(!e.is_retryable() && e.to_string().contains("cmp_"), "{e}");
}

/// A process that is killed in the middle of a change leaves its transaction behind, which the server ends after a minute:
/// who logs in meanwhile waits for nothing, and who changes something is told what is in the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_left_behind_stops_no_login_and_is_told() {
    let fresh = Fresh::new();
    let mongo = Mongo::new(&MongoConfig { give_up_after: Duration::from_millis(300), ..fresh.config() })
        .await
        .expect("settings");
    create(&mongo.config(), &record(1, "first", json!({}))).await.expect("create");
    let client = mongodb::Client::with_uri_str(&fresh.uri).await.expect("a client");
    let mut left = client.start_session().await.expect("a session");
    left.start_transaction().await.expect("a transaction");
    let revisions = client.database(&fresh.name).collection::<Document>("revision");
    let count = revisions.update_one(doc! {"_id": "config"}, doc! {"$inc": {"value": 1_i64}});
    count.session(&mut left).await.expect("held");

    let session = Account::new(AccountKind::Session, "ses_1", "ses_1", &json!({})).expect("JSON");
    let line = AuditEntry {
        action: "login".to_owned(),
        kind: "user".to_owned(),
        ..audit(&record(1, "first", json!({})))
    };
    mongo.accounts().save(vec![session], Some(line.clone())).await.expect("a login");
    mongo.config().append(line).await.expect("a line");
    let refused = create(&mongo.config(), &record(2, "second", json!({}))).await.expect_err("held");
    assert!(refused.is_retryable(), "{refused:?}");
    let told = refused.to_string();
    assert!(told.contains("not over yet") && told.contains("within 60 s"), "{told}");
    assert!(!told.contains("Plan executor"), "{told}");

    left.abort_transaction().await.expect("over");
    create(&mongo.config(), &record(2, "second", json!({}))).await.expect("free again");
}

/// What a program of before changes is kept by nobody: from what it left on, revisions are kept anew, and no change is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_begin_anew_behind_a_change_that_nobody_kept() {
    let fresh = Fresh::new();
    let store = fresh.open().await.config();
    for n in 1..=2 {
        create(&store, &record(n, &format!("s{n}"), json!({}))).await.expect("create");
    }
    let raw = fresh.raw().await;
    let kept =
        raw.collection::<Document>("kept_versions").find_one(doc! {}).await.expect("read").expect("one");
    raw.collection::<Document>("revision")
        .update_one(doc! {}, doc! {"$inc": {"value": 1_i64}})
        .await
        .expect("changed");
    raw.collection::<Document>("campaigns")
        .update_one(doc! {"slug": "s1"}, doc! {"$set": {"status": "paused", "version": 2_i64}})
        .await
        .expect("changed");
    assert_eq!(create(&store, &record(4, "s4", json!({}))).await.expect("create"), 4);
    let now = store.load().await.expect("load");
    assert_eq!((now.0, store.at_revision(4).await.expect("kept")), now);
    let left = store.at_revision(3).await.expect("what was left");
    assert_eq!((left.len(), left[0].status), (2, Status::Paused));
    for gone in [1, 2] {
        let told = store.at_revision(gone).await.expect_err("they began anew").to_string();
        assert!(told.contains("not kept"), "{told}");
    }
    assert_eq!(kept.get_i64("_id").expect("a number"), 1);
    // Also where the database is put back to a state of before they were kept.
    for of in ["kept_versions", "kept_revisions"] {
        raw.collection::<Document>(of).drop().await.expect("dropped");
    }
    let writers = [5, 6].map(|n| {
        let store = store.clone();
        tokio::spawn(async move { create(&store, &record(n, &format!("s{n}"), json!({}))).await })
    });
    for writer in writers {
        writer.await.expect("a writer").expect("create");
    }
    let now = store.load().await.expect("load");
    assert_eq!((now.0, store.at_revision(6).await.expect("kept")), now);
    assert_eq!(store.revisions(&PageRequest::first(9)).await.expect("listed").items.len(), 3, "4, 5 and 6");
}
