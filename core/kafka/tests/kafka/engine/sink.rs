//! What the sink took is in the log, as it was.

use super::{bare, ready};
use crate::support::*;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rand::Rng as _;
use std::collections::BTreeMap;
use tfx_domain::event::Topic;
use tfx_kafka::{Message, OffsetContent};
use tfx_ports::{
    clock,
    migrate::Migrations,
    sink::{Envelope, EventSink},
};

/// By topic, key and payload.
fn contents(messages: &[Message]) -> BTreeMap<(String, Vec<u8>, Bytes), usize> {
    let mut all = BTreeMap::new();
    for m in messages {
        let key = m.key.as_deref().unwrap_or_default().to_vec();
        *all.entry((m.topic.clone(), key, m.payload.clone())).or_default() += 1;
    }
    all
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    rand::rng().fill_bytes(&mut noise);
    noise
}

#[tokio::test]
async fn every_topic_gets_its_events_as_they_are() {
    let (kafka, config) = ready().await;
    let before = clock::now();
    let batch: Vec<Envelope> = (0..500)
        .map(|n| event(Topic::ALL[n % 5], &format!("key-{n}"), n, format!("{{\"n\":{n},\"text\":\"ä€🦀\"}}")))
        .collect();
    let sink = kafka.sink().expect("a sink");
    assert_eq!(sink.deliver(&batch).await.expect("taken"), []);
    sink.ping().await.expect("it is well");
    let messages = read(&kafka, &Topic::ALL, batch.len()).await;
    let expected: BTreeMap<_, _> = batch
        .iter()
        .map(|e| ((config.topics.name(e.topic).to_owned(), e.key.as_bytes().to_vec(), e.payload.clone()), 1))
        .collect();
    assert_eq!(contents(&messages), expected);
    for m in &messages {
        let at = m.timestamp.expect("a timestamp");
        assert!(before <= at && at <= clock::now(), "{at}");
    }
}

#[tokio::test]
async fn events_of_a_key_stay_in_order_over_many_batches() {
    let (kafka, _) = ready().await;
    let sink = kafka.sink().expect("a sink");
    let events = numbered(Topic::ClickEvents, 37, 10_000);
    for batch in events.chunks(500) {
        assert_eq!(sink.deliver(batch).await.expect("taken"), []);
    }
    let messages = read(&kafka, &[Topic::ClickEvents], events.len()).await;
    assert_eq!(repetitions(&messages), 0);
}

#[tokio::test]
async fn batches_on_the_way_at_once_stay_in_order() {
    let (kafka, _) = ready().await;
    let sink = kafka.sink().expect("a sink");
    let events = numbered(Topic::ClickEvents, 37, 20_000);
    let batches = stream::iter(events.chunks(500).map(|b| sink.deliver(b)));
    let refused: Vec<_> = batches.buffered(8).map(|taken| taken.expect("taken")).concat().await;
    assert_eq!(refused, []);
    assert_eq!(repetitions(&read(&kafka, &[Topic::ClickEvents], events.len()).await), 0);
}

#[tokio::test]
async fn awkward_events_arrive_to_the_byte() {
    let (kafka, _) = ready().await;
    let sink = kafka.sink().expect("a sink");
    let topic = Topic::PostbackLogEvents;
    let batch = [
        event(topic, "empty", 0, ""),
        event(topic, "nul", 0, *b"\0\0a\0"),
        event(topic, "key\0with\0nul", 0, "x"),
        event(topic, "", 0, "no key"),
        event(topic, "no text", 0, [0xff, 0xfe, 0x80, b'{']),
        event(topic, "1 MB", 0, noise(1 << 20)),
        event(topic, "4 MB of the same", 0, vec![b'a'; (4 << 20) - 1024]),
    ];
    assert_eq!(sink.deliver(&batch).await.expect("taken"), []);
    let messages = read(&kafka, &[topic], batch.len()).await;
    for e in &batch {
        let found = messages.iter().find(|m| m.key.as_deref().unwrap_or_default() == e.key.as_bytes());
        assert_eq!(found.map(|m| &m.payload), Some(&e.payload), "{:?}", e.key);
    }
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_and_the_others_are_in() {
    let (kafka, config) = ready().await;
    let sink = kafka.sink().expect("a sink");
    let topic = Topic::ClickEvents;
    let batch = [
        event(topic, "a", 0, "a 0"),
        event(topic, "a", 1, noise(5 << 20)),
        event(topic, "a", 2, "a 1"),
        event(topic, "b", 0, noise(6 << 20)),
    ];
    let refused = sink.deliver(&batch).await.expect("the others are in");
    assert_eq!(refused.iter().map(|r| r.index).collect::<Vec<_>>(), [1, 3]);
    let reason = &refused[0].reason;
    assert!(
        reason.contains("too large: 5242880 bytes") && reason.contains(config.topics.name(topic)),
        "{reason}"
    );
    assert_eq!(repetitions(&read(&kafka, &[topic], 2).await), 0);
    assert_eq!(sink.deliver(&[]).await.expect("nothing to do"), []);
}

#[tokio::test]
async fn a_missing_topic_is_named_and_its_events_are_in_once_it_is_made() {
    let (kafka, config) = bare();
    let sink = kafka.sink().expect("a sink");
    let events = numbered(Topic::ConversionEvents, 5, 100);
    for _ in 0..2 {
        let error = sink.deliver(&events).await.expect_err("no such topic");
        assert!(error.is_retryable(), "the events wait: {error}");
        let says = format!(
            "the topic {} does not exist: run `tfx migrate up topics`",
            config.topics.name(Topic::ConversionEvents)
        );
        assert_eq!(error.to_string(), says);
    }
    assert!(sink.ping().await.expect_err("it is not well").to_string().contains("tfx migrate up topics"));
    kafka.topic_admin().up(&|_| {}).await.expect("made");
    let mut taken = sink.deliver(&events).await;
    for _ in 0..100 {
        // The producer learns of the topic within a moment.
        let Err(error) = &taken else { break };
        assert!(error.is_retryable(), "{error}");
        taken = sink.deliver(&events).await;
    }
    assert_eq!(taken.expect("taken"), []);
    assert_eq!(repetitions(&read(&kafka, &[Topic::ConversionEvents], 100).await), 0);
    sink.ping().await.expect("it is well");
}

#[tokio::test]
async fn messages_are_read_back_one_by_one_and_written_anew() {
    let (kafka, config) = ready().await;
    let sink = kafka.sink().expect("a sink");
    let topic = config.topics.name(Topic::ClickEvents).to_owned();
    let events = numbered(Topic::ClickEvents, 3, 30);
    sink.deliver(&events).await.expect("taken");
    let messages = read(&kafka, &[Topic::ClickEvents], 30).await;
    let mut lookup = kafka.lookup().expect("a lookup");
    for m in messages.iter().rev() {
        let found = lookup.read(&topic, m.partition, m.offset).await.expect("read");
        assert_eq!(found, OffsetContent::Message(m.clone()));
    }
    let last = messages.iter().max_by_key(|m| m.offset).expect("messages");
    let next = last.offset + 1;
    let end = messages.iter().filter(|m| m.partition == last.partition).count() as i64;
    assert_eq!(
        lookup.read(&topic, last.partition, next).await.expect("asked"),
        OffsetContent::NotYet { end }
    );
    assert_eq!(
        lookup.read(&topic, last.partition, -1).await.expect("asked"),
        OffsetContent::Gone { first: 0 }
    );
    let error = lookup.read(&topic, 12, 0).await.expect_err("no such partition");
    assert!(error.to_string().contains("12 partitions"), "{error}");
    let error = lookup.read("nowhere", 0, 0).await.expect_err("no such topic");
    assert!(error.to_string().contains("nowhere does not exist"), "{error}");

    // Twice the same bytes is twice a message, with the key's partition.
    for _ in 0..2 {
        sink.republish(&topic, last.key.as_deref(), b"mended \0").await.expect("written");
    }
    for offset in [next, next + 1] {
        let OffsetContent::Message(m) = lookup.read(&topic, last.partition, offset).await.expect("read")
        else {
            panic!("not there");
        };
        assert_eq!((&m.payload[..], &m.key), (&b"mended \0"[..], &last.key));
    }
    sink.republish(&topic, None, b"").await.expect("neither key nor payload");
    let error = sink.republish("elsewhere", None, b"x").await.expect_err("not ours");
    assert_eq!(error.to_string(), "elsewhere is not a topic of this product");
    let error = sink.republish(&topic, None, &noise(5 << 20)).await.expect_err("too large");
    assert!(!error.is_retryable() && error.to_string().contains("too large"), "{error}");
}
