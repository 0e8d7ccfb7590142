//! Brokers that are slow, lose their partitions, or go away altogether.

use super::Cluster;
use crate::support::*;
use std::time::Duration;
use tfx_domain::event::Topic;
use tfx_kafka::Start;
use tfx_ports::sink::{Envelope, EventSink};
use tokio::time::timeout;

const TOPIC: Topic = Topic::ClickEvents;
const HASTY: Duration = Duration::from_millis(300);

/// Gives the batch until it is taken; returns what was said until then.
async fn insist(sink: &dyn EventSink, batch: &[Envelope]) -> Vec<String> {
    let mut said = Vec::new();
    while said.len() < 200 {
        match sink.deliver(batch).await {
            Ok(refused) => {
                assert_eq!(refused, []);
                return said;
            }
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                said.push(error.to_string());
            }
        }
    }
    panic!("never taken: {said:?}");
}

#[tokio::test]
async fn a_slow_answer_doubles_nothing() {
    let c = Cluster::new(HASTY);
    let sink = c.kafka.sink().expect("a sink");
    let events = numbered(TOPIC, 20, 1000);
    let (first, rest) = events.split_at(500);
    insist(&*sink, first).await;
    c.mock.broker_round_trip_time(-1, Duration::from_millis(900)).expect("slow");
    // The caller's own patience ends first.
    timeout(Duration::from_millis(50), sink.deliver(rest)).await.expect_err("no answer yet");
    let said = insist(&*sink, rest).await;
    assert!(!said.is_empty(), "it took longer than anybody waited");
    for text in said {
        assert!(text.contains("did not acknowledge") && text.contains("within 300 ms"), "{text}");
    }
    c.mock.broker_round_trip_time(-1, Duration::ZERO).expect("fast again");
    assert_eq!(repetitions(&read(&c.kafka, &[TOPIC], events.len()).await), 0);
    let tail = c.kafka.tail(&[TOPIC], Start::End).await.expect("opens");
    assert_eq!(tail.positions().values().sum::<i64>(), 1000, "none is there twice");
}

#[tokio::test]
async fn a_partition_whose_leader_is_lost_waits_for_the_next_one() {
    let c = Cluster::new(HASTY);
    let sink = c.kafka.sink().expect("a sink");
    let events = numbered(TOPIC, 20, 900);
    for (batch, (leader, next)) in events.chunks(300).zip([(1, 2), (2, 3), (3, 1)]) {
        c.lead(TOPIC, leader);
        let (before, after) = batch.split_at(100);
        insist(&*sink, before).await;
        c.mock.broker_down(leader).expect("down");
        for _ in 0..3 {
            let error = sink.deliver(after).await.expect_err("its leader is down");
            assert!(error.is_retryable(), "{error}");
        }
        c.lead(TOPIC, next);
        insist(&*sink, after).await;
        c.mock.broker_up(leader).expect("up");
    }
    assert_eq!(repetitions(&read(&c.kafka, &[TOPIC], events.len()).await), 0);
}

#[tokio::test]
async fn all_brokers_go_away_and_come_back() {
    let c = Cluster::new(HASTY);
    let sink = c.kafka.sink().expect("a sink");
    let events = numbered(TOPIC, 20, 1200);
    for (n, batch) in events.chunks(300).enumerate() {
        if n % 2 == 1 {
            c.mock.broker_down(-1).expect("down");
            for _ in 0..3 {
                let error = sink.deliver(batch).await.expect_err("nobody there");
                assert!(error.to_string().contains("EVENT_BROKERS"), "{error}");
            }
            sink.ping().await.expect_err("nobody there");
            c.mock.broker_up(-1).expect("up");
        }
        insist(&*sink, batch).await;
        sink.ping().await.expect("it is well");
    }
    assert_eq!(repetitions(&read(&c.kafka, &[TOPIC], events.len()).await), 0);
}

#[tokio::test]
async fn who_follows_goes_on_after_an_outage() {
    let c = Cluster::new(HASTY);
    let sink = c.kafka.sink().expect("a sink");
    let events = numbered(TOPIC, 20, 600);
    let mut tail = c.kafka.tail(&[TOPIC], Start::End).await.expect("opens");
    let mut messages = Vec::new();
    for batch in events.chunks(200) {
        insist(&*sink, batch).await;
        for _ in batch {
            messages.push(
                timeout(Duration::from_secs(30), tail.next()).await.expect("in time").expect("a message"),
            );
        }
        c.mock.broker_down(-1).expect("down");
        timeout(Duration::from_millis(500), tail.next()).await.expect_err("it waits");
        c.mock.broker_up(-1).expect("up");
    }
    assert_eq!(repetitions(&messages), 0);
}
