//! What is stolen or doubled on the way from the services to the reports is found by its id.

use crate::testbed::{Testbed, until};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{FutureProducer, FutureRecord},
};
use std::time::Duration;
use tfx_api::reconciliation::{Reconciled, ReconciledKind, ReconciliationQuery};
use tfx_domain::event::Topic;
use tfx_e2e::{Engine, Service};

/// Where clicks go unless a setting says otherwise.
const TOPIC: &str = "traffoflex.click_events";

/// A click: its id.
async fn click(testbed: &Testbed) -> String {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
    let browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0 Safari/537.36";
    let asked = http.expect("a client").get(testbed.link()).header("user-agent", browser);
    let answer = asked.send().await.expect("an answer");
    let location = answer.headers()["location"].to_str().expect("text");
    location.split_once("click=").expect("an id").1.to_owned()
}

/// What is told of clicks as soon as it is so.
async fn clicks(testbed: &Testbed, what: &str, is: impl Fn(&ReconciledKind) -> bool) -> ReconciledKind {
    let api = testbed.api();
    until(what, async || {
        let found = api.reconciliation(&ReconciliationQuery::default()).await.map_err(|e| e.to_string())?;
        let kind = found.kinds.into_iter().find(|k| k.kind == Reconciled::Clicks).expect("clicks");
        if is(&kind) { Ok(kind) } else { Err(format!("{kind:?}")) }
    })
    .await
}

fn broker(testbed: &Testbed) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", testbed.setting("EVENT_BROKERS"));
    config
}

/// Has the store, which does not run, go past everything that is in the topic of clicks.
fn steal(testbed: &Testbed) {
    let within = Duration::from_secs(30);
    let mut config = broker(testbed);
    let groups = testbed.setting("CLICKHOUSE_CONSUMER_GROUP");
    config.set("group.id", format!("{groups}.{}", Topic::ClickEvents.as_str()));
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let known = consumer.fetch_metadata(Some(TOPIC), within).expect("metadata");
    let mut all = TopicPartitionList::new();
    for partition in known.topics()[0].partitions() {
        let (_, end) = consumer.fetch_watermarks(TOPIC, partition.id(), within).expect("the end");
        all.add_partition_offset(TOPIC, partition.id(), Offset::Offset(end)).expect("added");
    }
    consumer.commit(&all, CommitMode::Sync).expect("gone past");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stolen_or_doubled_on_the_way_is_found_by_id() {
    let mut testbed = Testbed::new(&[]).await;
    // What others' tests left in this hour stays as it is.
    let before = clicks(&testbed, "it is told", |_| true).await.sum;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(click(&testbed).await);
    }
    let accepted = before.accepted + 5;
    let well =
        clicks(&testbed, "all are stored", |k| k.sum.accepted == accepted && k.sum.stored == accepted).await;
    assert_eq!((well.sum.missing, well.sum.surplus, well.sum.published), (0, 0, Some(accepted)), "{well:?}");

    // From the table.
    testbed
        .sql(&format!(
            "ALTER TABLE click_events DELETE WHERE click_id = '{}' SETTINGS mutations_sync = 2",
            all[0]
        ))
        .await;
    let found = clicks(&testbed, "one is missing", |k| k.sum.missing == 1).await;
    assert_eq!((&found.missing_ids, found.sum.stored), (&all[..1].to_vec(), accepted - 1), "{found:?}");

    // From the topic, before it is read; the service is killed in between.
    testbed.stop(Engine::ClickHouse, false);
    let stolen = click(&testbed).await;
    crate::journal::until_empty(&testbed).await;
    steal(&testbed);
    testbed.kill(Service::Traffic);
    testbed.restart(Engine::ClickHouse);
    testbed.start(Service::Traffic);
    testbed.until_ready(Service::Traffic, |status, _| status == 200).await;
    let last = click(&testbed).await;
    let found =
        clicks(&testbed, "two are missing", |k| k.sum.accepted == accepted + 2 && k.sum.missing == 2).await;
    let mut missing = vec![all[0].clone(), stolen.clone()];
    missing.sort();
    assert_eq!(found.missing_ids, missing, "{found:?}");
    assert_eq!(found.sum.published, Some(accepted + 2), "they were published: {found:?}");

    // A row and a message that are there twice are told, and are no fault.
    testbed.sql("SYSTEM STOP MERGES click_events").await;
    testbed
        .sql(&format!("INSERT INTO click_events SELECT * FROM click_events WHERE click_id = '{}'", all[1]))
        .await;
    let event = testbed
        .sql(&format!("SELECT event FROM click_events WHERE click_id = '{}' FORMAT TSVRaw", all[2]))
        .await;
    let producer: FutureProducer = broker(&testbed).create().expect("a producer");
    let record = FutureRecord::<(), _>::to(TOPIC).payload(event.as_bytes());
    producer.send(record, Duration::from_secs(30)).await.expect("written");
    let found = clicks(&testbed, "two are doubled", |k| k.sum.doubled == 2).await;
    let mut doubled = vec![all[1].clone(), all[2].clone()];
    doubled.sort();
    assert_eq!((&found.doubled_ids, found.sum.surplus), (&doubled, 0), "{found:?}");

    // What nobody accepted is too many.
    let strange = last.replace(&last[24..], if last.ends_with("00") { "11" } else { "00" });
    testbed
        .sql(&format!(
            "INSERT INTO click_events SELECT * REPLACE ('{strange}' AS click_id) FROM click_events WHERE click_id = '{last}'"
        ))
        .await;
    let found = clicks(&testbed, "one is too many", |k| k.sum.surplus == 1).await;
    assert_eq!((&found.surplus_ids, found.sum.missing), (&vec![strange], 2), "{found:?}");
}
