//! Requests that fail.

use super::Cluster;
use crate::support::*;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Error};
use std::time::Duration;
use tfx_domain::event::Topic;
use tfx_kafka::Start;
use tfx_ports::sink::{Envelope, EventSink, Refused};

const TOPIC: Topic = Topic::ClickEvents;
const PATIENT: Duration = Duration::from_secs(20);

/// Gives the batch until it is taken, as the journal does; returns how often it failed.
async fn deliver(sink: &dyn EventSink, batch: &[Envelope]) -> (Vec<Refused>, usize) {
    let mut last = String::new();
    for failures in 0..200 {
        match sink.deliver(batch).await {
            Ok(refused) => return (refused, failures),
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                last = error.to_string();
            }
        }
    }
    panic!("never taken: {last}");
}

#[tokio::test]
async fn passing_errors_are_ridden_out() {
    let passing = [
        Error::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Error::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        Error::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Error::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Error::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        Error::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        Error::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    let c = Cluster::new(PATIENT);
    let sink = c.kafka.sink().expect("a sink");
    let events = numbered(TOPIC, 30, 300 * passing.len());
    for (batch, error) in events.chunks(300).zip(passing) {
        c.fail(&[error; 7]);
        let (refused, failures) = deliver(&*sink, batch).await;
        assert_eq!(refused, [], "{error:?}");
        // A lost connection to every broker is told at once.
        let told = usize::from(error == Error::RD_KAFKA_RESP_ERR__TRANSPORT);
        assert!(failures <= told * 5, "{error:?}: {failures}");
    }
    read_in_order(&c, events.len()).await;
}

#[tokio::test]
async fn what_librdkafka_gives_up_on_is_sent_again_and_the_rest_is_not() {
    let c = Cluster::new(PATIENT);
    let sink = c.kafka.sink().expect("a sink");
    let events = numbered(TOPIC, 30, 600);
    for (batch, error) in events
        .chunks(300)
        .zip([Error::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, Error::RD_KAFKA_RESP_ERR_POLICY_VIOLATION])
    {
        c.fail(&[error; 3]);
        let said = sink.deliver(batch).await.expect_err("three requests failed").to_string();
        assert!(said.contains("does not take events"), "{said}");
        assert_eq!(deliver(&*sink, batch).await, (vec![], 0), "{error:?}");
    }
    assert_eq!(repetitions(&read(&c.kafka, &[TOPIC], events.len()).await), 0);
    assert_eq!(read_len(&c).await, 600, "none is there twice");
}

#[tokio::test]
async fn a_producer_that_is_beyond_repair_is_replaced() {
    let fatal = [
        Error::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        Error::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        Error::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    ];
    let c = Cluster::new(PATIENT);
    let sink = c.kafka.sink().expect("a sink");
    let events = numbered(TOPIC, 30, 300 * fatal.len());
    for (batch, error) in events.chunks(300).zip(fatal) {
        c.fail(&[error; 3]);
        let (refused, failures) = deliver(&*sink, batch).await;
        assert_eq!(refused, [], "{error:?}");
        assert!(failures < 5, "{error:?}: {failures}");
    }
    read_in_order(&c, events.len()).await;
}

/// Everything is there, in order, some perhaps twice.
async fn read_in_order(c: &Cluster, distinct: usize) {
    let mut count = distinct;
    loop {
        let messages = read(&c.kafka, &[TOPIC], count).await;
        let repeated = repetitions(&messages);
        if messages.len() - repeated == distinct {
            return;
        }
        count = distinct + repeated;
    }
}

#[tokio::test]
async fn the_innocent_of_a_refused_request_are_sent_alone() {
    let c = Cluster::new(PATIENT);
    let sink = c.kafka.sink().expect("a sink");
    for error in [Error::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Error::RD_KAFKA_RESP_ERR_INVALID_RECORD] {
        let before = read_len(&c).await;
        c.fail(&[error; 2]);
        let batch = numbered(TOPIC, 10, 100);
        assert_eq!(deliver(&*sink, &batch).await, (vec![], 0), "{error:?}");
        assert_eq!(read_len(&c).await, before + 100, "all are in, once");
    }
    c.fail(&[Error::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 2]);
    let (refused, _) = deliver(&*sink, &[event(TOPIC, "a", 0, "a 0")]).await;
    let [Refused { index: 0, reason }] = refused.as_slice() else { panic!("{refused:?}") };
    assert!(reason.contains("too large: 3 bytes"), "{reason}");
    c.fail(&[Error::RD_KAFKA_RESP_ERR_INVALID_RECORD; 2]);
    let (refused, _) = deliver(&*sink, &[event(TOPIC, "a", 0, "a 0")]).await;
    assert!(refused[0].reason.contains("the brokers refuse it"), "{refused:?}");
}

/// How many messages there are.
async fn read_len(c: &Cluster) -> i64 {
    c.kafka.tail(&[TOPIC], Start::End).await.expect("opens").positions().values().sum()
}

#[tokio::test]
async fn what_is_missing_in_the_set_up_refuses_no_event() {
    let c = Cluster::new(PATIENT);
    let sink = c.kafka.sink().expect("a sink");
    let events = numbered(TOPIC, 4, 40);
    c.fail(&[Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 12]);
    let error = sink.deliver(&events).await.expect_err("not allowed");
    assert!(error.is_retryable());
    let says = format!("not allowed to write to the topic {}", c.config.topics.name(TOPIC));
    assert!(error.to_string().contains(&says), "{error}");
    c.mock.clear_request_errors(RDKafkaApiKey::Produce);
    assert_eq!(deliver(&*sink, &events).await.0, []);

    c.mock.request_errors(
        RDKafkaApiKey::InitProducerId,
        &[Error::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 1],
    );
    let sink = c.kafka.sink().expect("a sink");
    let error = sink.deliver(&numbered(Topic::ConversionEvents, 4, 40)).await.expect_err("not allowed");
    assert!(error.is_retryable() && error.to_string().contains("IDEMPOTENT_WRITE"), "{error}");
    let (refused, _) = deliver(&*sink, &numbered(Topic::ConversionEvents, 4, 40)).await;
    assert_eq!(refused, [], "another producer has taken over");
}
