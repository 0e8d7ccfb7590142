//! Through the journal of `tfx-events`: what was published arrives, in order per key, whatever the brokers do.

use super::Cluster;
use crate::support::*;
use rdkafka::types::RDKafkaRespErr as Error;
use std::{path::Path, sync::Arc, time::Duration};
use tfx_domain::{
    event::{ConversionEvent, Event, Topic},
    id::ClickId,
};
use tfx_events::{FailurePolicy, Producer, ProducerConfig, Published};
use tfx_kafka::{Message, Start};
use tfx_ports::clock;

const TOPIC: Topic = Topic::ConversionEvents;
const KEYS: usize = 20;

/// The states of `KEYS` conversions in turn; the key is the click's, the version counts from 0.
fn conversions(versions: std::ops::Range<usize>, clicks: &[ClickId]) -> Vec<Event> {
    let state = |version: usize, n: usize, click: &ClickId| {
        let json = serde_json::json!({
            "schema": 1,
            "conversion_id": format!("cnv_{n:019}"),
            "version": version,
            "reporter_id": "net_0123456789abcdefghj",
            "click_id": click,
            "click_at": clock::now(),
            "created_at": clock::now(),
            "updated_at": clock::now(),
            "conversion_status": "sale",
            "revenue": { "amount": "1.5", "currency": "USD" },
            "device_type": "desktop",
            "is_bot": false,
        });
        Event::Conversion(Box::new(serde_json::from_value::<ConversionEvent>(json).expect("a conversion")))
    };
    versions.flat_map(|v| clicks.iter().enumerate().map(move |(n, c)| state(v, n, c))).collect()
}

fn clicks() -> Vec<ClickId> {
    (0..KEYS as u128).map(|n| ClickId::generate(clock::now(), n)).collect()
}

fn version(m: &Message) -> (String, usize) {
    let event: ConversionEvent = serde_json::from_slice(&m.payload).expect("a conversion");
    (event.click_id.to_string(), usize::try_from(event.version).expect("small"))
}

fn open(dir: &Path, policy: FailurePolicy, c: &Cluster) -> Arc<Producer> {
    let config = ProducerConfig {
        dir: dir.to_owned(),
        policy,
        batch_size: 50,
        batch_timeout: Duration::from_millis(5),
        write_timeout: Duration::from_millis(400),
        max_attempts: 3,
        retry_backoff: Duration::from_millis(10),
        max_bytes: 64 << 20,
        segment_bytes: 1 << 20,
    };
    Producer::open(config, c.kafka.sink().expect("a sink")).expect("opens")
}

async fn publish(producer: &Producer, policy: FailurePolicy, events: &[Event]) {
    for event in events {
        let published = producer.publish(event).await.expect("the journal takes it");
        match policy {
            FailurePolicy::FailOpen => assert!(matches!(published, Published::Written | Published::Late)),
            FailurePolicy::FailClosed => assert_eq!(published, Published::Durable),
        }
    }
}

/// All that is in the topic.
async fn all(c: &Cluster) -> Vec<Message> {
    let end = c.kafka.tail(&[TOPIC], Start::End).await.expect("opens");
    let count: i64 = end.positions().values().sum();
    read(&c.kafka, &[TOPIC], usize::try_from(count).expect("positive")).await
}

async fn faults_lose_and_reorder_nothing(policy: FailurePolicy) {
    let (c, dir, clicks) =
        (Cluster::new(Duration::from_millis(300)), tempfile::tempdir().expect("a folder"), clicks());
    let producer = open(dir.path(), policy, &c);
    let delivered = |n: usize| {
        let producer = &producer;
        async move { until("delivered", || producer.stats().delivered_total == (n * KEYS) as u64).await }
    };
    publish(&producer, policy, &conversions(0..10, &clicks)).await;
    delivered(10).await;

    // All brokers away.
    c.mock.broker_down(-1).expect("down");
    publish(&producer, policy, &conversions(10..30, &clicks)).await;
    until("degraded", || producer.stats().degraded).await;
    let stats = producer.stats();
    assert!(stats.outbox_depth_events > 0 && stats.write_failure_total > 0, "{stats:?}");
    let error = stats.last_error.expect("an error");
    assert!(error.contains("EVENT_BROKERS"), "{error}");
    c.mock.broker_up(-1).expect("up");
    delivered(30).await;
    assert!(!producer.stats().degraded);

    // Single requests fail, some for good.
    for error in [
        Error::RD_KAFKA_RESP_ERR__TRANSPORT,
        Error::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Error::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    ] {
        c.fail(&[error; 2]);
    }
    publish(&producer, policy, &conversions(30..40, &clicks)).await;
    delivered(40).await;

    // Too slow for the write timeout.
    c.mock.broker_round_trip_time(-1, Duration::from_millis(1200)).expect("slow");
    publish(&producer, policy, &conversions(40..45, &clicks)).await;
    until("a time-out", || producer.stats().last_error.is_some_and(|e| e.contains("did not acknowledge")))
        .await;
    c.mock.broker_round_trip_time(-1, Duration::ZERO).expect("fast");
    delivered(45).await;

    // Leaders lost while events flow.
    publish(&producer, policy, &conversions(45..50, &clicks)).await;
    c.lead(TOPIC, 2);
    c.mock.broker_down(2).expect("down");
    publish(&producer, policy, &conversions(50..55, &clicks)).await;
    c.lead(TOPIC, 3);
    publish(&producer, policy, &conversions(55..60, &clicks)).await;
    delivered(60).await;

    until("the journal is empty", || producer.stats().outbox_depth_events == 0).await;
    let stats = producer.stats();
    assert_eq!((stats.dropped_total, stats.refused_total), (0, 0));
    let messages = all(&c).await;
    assert_eq!(messages.len() - repetitions_by(&messages, version), 60 * KEYS);
}

#[tokio::test]
async fn faults_lose_and_reorder_nothing_fail_open() {
    faults_lose_and_reorder_nothing(FailurePolicy::FailOpen).await;
}

#[tokio::test]
async fn faults_lose_and_reorder_nothing_fail_closed() {
    faults_lose_and_reorder_nothing(FailurePolicy::FailClosed).await;
}

#[tokio::test]
async fn what_was_published_while_nobody_was_there_arrives_after_a_restart() {
    for policy in [FailurePolicy::FailOpen, FailurePolicy::FailClosed] {
        let (c, dir, clicks) =
            (Cluster::new(Duration::from_millis(300)), tempfile::tempdir().expect("a folder"), clicks());
        let first = open(dir.path(), policy, &c);
        publish(&first, policy, &conversions(0..3, &clicks)).await;
        until("delivered", || first.stats().outbox_depth_events == 0).await;
        c.mock.broker_down(-1).expect("down");
        publish(&first, policy, &conversions(3..10, &clicks)).await;
        let report = first.close(Duration::from_millis(100)).await;
        assert_eq!((report.written, report.left), (true, (7 * KEYS) as u64));
        drop(first);
        c.mock.broker_up(-1).expect("up");
        let second = open(dir.path(), policy, &c);
        publish(&second, policy, &conversions(10..12, &clicks)).await;
        let report = second.close(Duration::from_secs(60)).await;
        assert_eq!((report.written, report.left), (true, 0));
        let messages = all(&c).await;
        assert_eq!(messages.len() - repetitions_by(&messages, version), 12 * KEYS, "{policy}");
    }
}
