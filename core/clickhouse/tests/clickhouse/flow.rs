//! The whole way: topics, the Kafka engine, tables, reports. Good messages, messages twice, broken messages.

use crate::{
    broker::{Broker, Place},
    kit::{Database, click, postback, report, sale, until},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Mutex};
use tfx_clickhouse::{ClickHouse, PipelineConfig};
use tfx_domain::event::Topic;
use tfx_ports::{
    analytics::{ClickQuery, PostbackQuery},
    ingestion::{IngestionError, IngestionQuery},
    migrate::StepState,
    page::PageRequest,
};

fn with(mut event: Value, field: &str, value: Value) -> Vec<u8> {
    event[field] = value;
    bytes(&event)
}

fn bytes(event: &Value) -> Vec<u8> {
    serde_json::to_vec(event).expect("JSON")
}

/// Messages that are no event, each with a word that must be in what is said about it.
fn broken() -> Vec<(Topic, Vec<u8>, &'static str)> {
    let clicks = Topic::ClickEvents;
    let whole = bytes(&click(900));
    let twice = [&whole[..whole.len() - 1], br#","click_id":"01M60A7Q800000000000000901"}"#].concat();
    let mut no_id = click(900);
    no_id.as_object_mut().expect("an object").remove("click_id");
    let deep = format!("{{\"deep\":{}{}}}", "[".repeat(150), "]".repeat(150)).into_bytes();
    vec![
        (clicks, b"not JSON".to_vec(), "not JSON"),
        (clicks, b" ".to_vec(), "empty"),
        (clicks, b"\0\0".to_vec(), "not JSON"),
        (clicks, [&whole[..], b"\0"].concat(), "not JSON"),
        (clicks, [&whole[..], &whole[..]].concat(), "not JSON"),
        (clicks, whole[..100].to_vec(), "not JSON"),
        (clicks, [b"\xef\xbb\xbf", &whole[..]].concat(), "not JSON"),
        (clicks, b"[1,2]".to_vec(), "not a JSON object"),
        (clicks, b"\xff\xfe{}".to_vec(), "not UTF-8"),
        (clicks, b"{\"country\":\"\xc3\x28\"}".to_vec(), "not UTF-8"),
        (clicks, deep, "nested"),
        (clicks, vec![b'x'; 1_000_000], "not JSON"),
        (clicks, with(click(900), "country", json!(vec!["x"; 200_000])), "country"),
        (clicks, b"{}".to_vec(), "without schema, click_id"),
        (clicks, bytes(&no_id), "without click_id"),
        (clicks, twice, "twice"),
        (clicks, with(click(900), "schema", json!(2)), "schema 2"),
        (clicks, with(click(900), "schema", json!(1.0)), "whole number"),
        (clicks, with(click(900), "status", json!("302")), "status"),
        (clicks, with(click(900), "click_id", json!("01M60A7Q80")), "click_id"),
        (clicks, with(click(900), "cost", json!({"amount": 5, "currency": "USD"})), "cost"),
        (clicks, with(click(900), "params", json!([["a"]])), "params"),
        (Topic::TrafficbackEvents, with(click(900), "outcome", json!("vanished")), "outcome"),
        (Topic::ConversionEvents, with(sale(900), "revenue", json!("5")), "revenue"),
        (Topic::ConversionEvents, with(sale(900), "created_at", json!("2026-02-30T00:00:00Z")), "created_at"),
        (Topic::ConversionEvents, bytes(&click(900)), "without conversion_id"),
        (Topic::PostbackLogEvents, with(postback(900), "result", json!("lost")), "result"),
        (Topic::DestinationHealthEvents, b"{\"schema\":1}".to_vec(), "without id"),
    ]
}

async fn errors(store: &ClickHouse, query: IngestionQuery) -> Vec<IngestionError> {
    let mut query = query;
    let mut all = Vec::new();
    loop {
        let page = store.ingestion_errors().list(&query).await.expect("errors");
        if page.items.is_empty() {
            return all;
        }
        all.extend(page.items);
        let Some(next) = page.next else { return all };
        query.page.cursor = Some(next);
    }
}

fn all_errors(ascending: bool, limit: usize) -> IngestionQuery {
    IngestionQuery { since: None, topic: None, ascending, page: PageRequest::first(limit) }
}

/// Everything there is to see.
async fn view(store: &ClickHouse) -> String {
    let clicks = ClickQuery {
        since: None,
        until: None,
        campaign: None,
        visitor: None,
        unrouted: None,
        test: tfx_domain::event::TestTraffic::Include,
        conditions: tfx_domain::report::Conditions::default(),
        page: PageRequest::first(1_000),
    };
    let postbacks = PostbackQuery {
        since: None,
        until: None,
        network: None,
        result: None,
        direction: None,
        test: tfx_domain::event::TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(1_000),
    };
    let analytics = store.analytics();
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}",
        report(store, &["destination", "status", "day"]).await,
        analytics.clicks(&clicks).await.expect("clicks"),
        analytics.postbacks(&postbacks).await.expect("postbacks"),
        errors(store, all_errors(false, 1_000)).await
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_become_rows_or_errors_once_however_often_they_are_read() {
    let broker = Broker::new().await;
    let database = Database::unmade();
    let store = database.store();
    let migrations = store.migrations(&broker.pipeline).expect("migrations");
    let done = Mutex::new(Vec::new());
    let note = |step: &tfx_ports::migrate::Step| done.lock().expect("done").push(step.id.clone());
    assert!(migrations.status().await.expect("status").iter().all(|s| s.state == StepState::Pending));
    let steps = migrations.up(&note).await.expect("up");
    assert!(steps.iter().all(|s| s.state == StepState::Applied && s.applied_at.is_some()), "{steps:?}");
    assert_eq!(*done.lock().expect("done"), steps.iter().map(|s| s.id.clone()).collect::<Vec<_>>());

    // Good and broken ones take turns, over all partitions.
    let mut places: BTreeMap<Place, (Vec<u8>, &str)> = BTreeMap::new();
    for (n, (topic, payload, says)) in broken().into_iter().enumerate() {
        let n = u32::try_from(n).expect("small");
        let key = n.to_string();
        broker.write(Topic::ClickEvents, &key, &bytes(&click(n))).await;
        broker.write(Topic::TrafficbackEvents, &key, &with(click(500 + n), "outcome", json!("loop"))).await;
        broker.write(Topic::ConversionEvents, &key, &bytes(&sale(n))).await;
        broker.write(Topic::PostbackLogEvents, &key, &bytes(&postback(n))).await;
        // The engine passes over these; they stop nothing.
        broker.write(topic, &key, b"").await;
        places.insert(broker.write(topic, &key, &payload).await, (payload, says));
        broker.write(Topic::ClickEvents, &key, &bytes(&click(n))).await;
        broker.write(Topic::ConversionEvents, &key, &with(sale(n), "version", json!(2))).await;
        broker.write(Topic::ConversionEvents, &key, &bytes(&sale(n))).await;
    }
    let big = bytes(&json!({"user_agent": "x".repeat(1_000_000)}));
    let whole = bytes(&click(700));
    let big = [&whole[..whole.len() - 1], b",", &big[1..]].concat();
    broker.write(Topic::ClickEvents, "big", &big).await;

    broker.taken_by(&broker.pipeline.groups).await;
    let good = u64::try_from(places.len()).expect("small");
    let row = report(&store, &[]).await.remove(0);
    assert_eq!((row.clicks, row.trafficbacks, row.sales), (good + 1, good, good), "{row:?}");
    assert_eq!(row.revenue_confirmed.values().next().map(ToString::to_string), Some((good * 5).to_string()));

    let found = errors(&store, all_errors(false, 7)).await;
    assert!(found.windows(2).all(|w| w[0].observed_at >= w[1].observed_at), "newest first");
    let by_place: BTreeMap<Place, &IngestionError> = found
        .iter()
        .map(|e| (Place { topic: e.topic.clone(), partition: e.partition, offset: e.offset }, e))
        .collect();
    assert_eq!(by_place.len(), found.len(), "each once");
    assert_eq!(by_place.keys().collect::<Vec<_>>(), places.keys().collect::<Vec<_>>());
    for (place, (payload, says)) in &places {
        let error = by_place[place];
        assert!(error.raw == *payload, "{place:?}: other bytes");
        let said = String::from_utf8_lossy(&error.error);
        assert!(said.contains(says), "{place:?}: {said}, not {says}");
    }
    followers_miss_and_repeat_nothing(&store, &found).await;

    let before = view(&store).await;
    let again =
        PipelineConfig { groups: format!("{}-again", broker.pipeline.groups), ..broker.pipeline.clone() };
    let migrations = store.migrations(&again).expect("migrations");
    let states: Vec<_> = migrations.status().await.expect("status").iter().map(|s| s.state).collect();
    let applied = StepState::Applied;
    assert_eq!(states, [applied, applied, applied, StepState::Changed, applied, applied]);
    migrations.up(&|_| ()).await.expect("up");
    broker.taken_by(&again.groups).await;
    assert_eq!(view(&store).await, before, "after the topics were read from the beginning again");
}

async fn followers_miss_and_repeat_nothing(store: &ClickHouse, newest_first: &[IngestionError]) {
    let followed = until("errors settle", async || {
        let seen = errors(store, all_errors(true, 5)).await;
        (seen.len() == newest_first.len()).then_some(seen)
    })
    .await;
    assert!(followed.iter().rev().eq(newest_first), "the same, oldest first");
    let end = store.ingestion_errors().list(&all_errors(true, 1_000)).await.expect("errors");
    let after = IngestionQuery { page: PageRequest { cursor: end.next, limit: 10 }, ..all_errors(true, 1) };
    let nothing = store.ingestion_errors().list(&after).await.expect("errors");
    assert!(nothing.items.is_empty() && nothing.next == after.page.cursor, "goes on from the end");

    let since = followed[followed.len() / 2].observed_at;
    let of_time = errors(store, IngestionQuery { since: Some(since), ..all_errors(true, 3) }).await;
    let want: Vec<_> = followed.iter().filter(|e| e.observed_at >= since).cloned().collect();
    assert_eq!(of_time, want);
    let topic = followed[0].topic.clone();
    let of_topic = errors(store, IngestionQuery { topic: Some(topic.clone()), ..all_errors(false, 3) }).await;
    let want: Vec<_> = newest_first.iter().filter(|e| e.topic == topic).cloned().collect();
    assert_eq!(of_topic, want);
    let none = IngestionQuery { topic: Some("nobody's".to_owned()), ..all_errors(true, 3) };
    let none = store.ingestion_errors().list(&none).await.expect("errors");
    assert!(none.items.is_empty() && none.next.is_some());
}
