//! What is written is what is read, over TLS and after a login; a login that is refused loses nothing.

use super::{USER, stand::Stand};
use crate::support::*;
use std::time::Duration;
use tfx_domain::event::Topic;
use tfx_events::{FailurePolicy, Producer, ProducerConfig};
use tfx_kafka::{KafkaConfig, OffsetContent};
use tfx_ports::{migrate::Migrations, sink::EventSink};

async fn all_goes_well(config: &KafkaConfig) {
    let kafka = kafka(config);
    kafka.topic_admin().up(&|_| {}).await.expect("topics are made");
    let sink = kafka.sink().expect("a sink");
    sink.ping().await.expect("answers");
    let batch = numbered(Topic::ClickEvents, 7, 700);
    assert_eq!(sink.deliver(&batch).await.expect("delivered"), []);
    let messages = read(&kafka, &[Topic::ClickEvents], batch.len()).await;
    assert_eq!((messages.len(), repetitions(&messages)), (batch.len(), 0));
    let first = messages.first().expect("one");
    let mut lookup = kafka.lookup().expect("a reader");
    let found = lookup.read(&first.topic, first.partition, first.offset).await.expect("answers");
    assert!(matches!(&found, OffsetContent::Message(m) if m.payload == first.payload), "{found:?}");
}

#[tokio::test]
async fn events_travel_over_tls() {
    let stand = Stand::start("localhost", None).await;
    all_goes_well(&stand.config("security.protocol=ssl")).await;
    all_goes_well(&stand.config("security.protocol=SSL")).await;
}

#[tokio::test]
async fn events_travel_over_tls_after_a_login() {
    let stand = Stand::start("localhost", Some(USER)).await;
    for mechanism in ["sasl.mechanism", "sasl.mechanisms"] {
        all_goes_well(&stand.config(&format!(
            "security.protocol=sasl_ssl, {mechanism}=SCRAM-SHA-512, sasl.username=tfx, sasl.password=canary=8"
        )))
        .await;
    }
}

#[tokio::test]
async fn a_refused_login_loses_no_event() {
    let stand = Stand::start("localhost", Some(USER)).await;
    let login = "security.protocol=sasl_ssl,sasl.mechanism=SCRAM-SHA-512,sasl.username=tfx,sasl.password=";
    let right = stand.config(&format!("{login}canary=8"));
    let wrong = KafkaConfig { options: stand.config(&format!("{login}canary")).options, ..right.clone() };
    kafka(&right).topic_admin().up(&|_| {}).await.expect("topics are made");
    let dir = tempfile::tempdir().expect("a folder");
    let open = |config: &KafkaConfig| {
        let config_of_producer = ProducerConfig {
            dir: dir.path().to_owned(),
            policy: FailurePolicy::FailClosed,
            batch_size: 50,
            batch_timeout: Duration::from_millis(5),
            write_timeout: Duration::from_secs(5),
            max_attempts: 2,
            retry_backoff: Duration::from_millis(10),
            max_bytes: 64 << 20,
            segment_bytes: 1 << 20,
        };
        Producer::open(config_of_producer, kafka(config).sink().expect("a sink")).expect("opens")
    };
    let refused = open(&wrong);
    // One alone, which nobody but itself could be to blame for, and several.
    refused.publish(&click(0)).await.expect("the journal takes it");
    until("it has failed", || refused.stats().degraded).await;
    for n in 1..20 {
        refused.publish(&click(n)).await.expect("the journal takes it");
    }
    let failures = refused.stats().write_failure_total;
    until("they have failed", || refused.stats().write_failure_total > failures).await;
    let stats = refused.stats();
    assert_eq!(
        (stats.outbox_depth_events, stats.refused_total, stats.dropped_total),
        (20, 0, 0),
        "{stats:?}"
    );
    let error = stats.last_error.expect("an error");
    assert!(error.contains("refuse the login") && !error.contains("canary"), "{error}");
    let report = refused.close(Duration::from_millis(100)).await;
    assert_eq!((report.written, report.left), (true, 20));
    drop(refused);

    let taken = open(&right);
    let report = taken.close(Duration::from_secs(60)).await;
    assert_eq!((report.written, report.left), (true, 0));
    let messages = read(&kafka(&right), &[Topic::ClickEvents], 20).await;
    assert_eq!(messages.len(), 20);
}
