//! Following topics.

use super::{bare, ready};
use crate::support::*;
use std::{collections::BTreeSet, time::Duration};
use tfx_domain::event::Topic;
use tfx_kafka::{Message, Positions, Start, Tail};
use tfx_ports::{clock, sink::EventSink};
use tokio::time::timeout;

const CLICKS: &[Topic] = &[Topic::ClickEvents];

async fn take(tail: &mut Tail, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let next = timeout(Duration::from_secs(30), tail.next()).await.expect("more messages");
        messages.push(next.expect("a message"));
    }
    messages
}

/// Nothing more within a moment.
async fn quiet(tail: &mut Tail) {
    if let Ok(more) = timeout(Duration::from_millis(600), tail.next()).await {
        panic!("{more:?}");
    }
}

fn places(messages: &[Message]) -> BTreeSet<(i32, i64)> {
    messages.iter().map(|m| (m.partition, m.offset)).collect()
}

#[tokio::test]
async fn from_the_end_only_what_is_new() {
    let (kafka, _) = ready().await;
    let sink = kafka.sink().expect("a sink");
    sink.deliver(&numbered(Topic::ClickEvents, 7, 70)).await.expect("taken");
    let mut tail = kafka.tail(CLICKS, Start::End).await.expect("opens");
    // Written before the first message is asked for: the place was taken when it was opened.
    sink.deliver(&numbered(Topic::ClickEvents, 9, 90)).await.expect("taken");
    sink.deliver(&numbered(Topic::ConversionEvents, 9, 90)).await.expect("taken");
    assert_eq!(repetitions(&take(&mut tail, 90).await), 0);
    quiet(&mut tail).await;
}

#[tokio::test]
async fn from_a_time() {
    let (kafka, _) = ready().await;
    let sink = kafka.sink().expect("a sink");
    sink.deliver(&numbered(Topic::ClickEvents, 7, 70)).await.expect("taken");
    let old = read(&kafka, CLICKS, 70).await;
    let newest = old.iter().filter_map(|m| m.timestamp).max().expect("timestamps");
    until("a later millisecond", || clock::now() > newest).await;
    let between = clock::now();
    let mut ahead = kafka.tail(CLICKS, Start::At(between)).await.expect("opens");
    sink.deliver(&numbered(Topic::ClickEvents, 9, 90)).await.expect("taken");
    let mut tail = kafka.tail(CLICKS, Start::At(between)).await.expect("opens");
    let new = take(&mut tail, 90).await;
    assert!(new.iter().all(|m| m.timestamp.expect("a timestamp") >= between));
    assert!(places(&new).is_disjoint(&places(&old)));
    quiet(&mut tail).await;
    assert_eq!(
        places(&take(&mut ahead, 90).await),
        places(&new),
        "a time that has not come: what comes then"
    );
    let oldest = old.iter().filter_map(|m| m.timestamp).min().expect("timestamps");
    let mut all = kafka.tail(CLICKS, Start::At(oldest)).await.expect("opens");
    assert_eq!(take(&mut all, 160).await.len(), 160);
}

#[tokio::test]
async fn taken_up_again_nothing_is_lost_and_nothing_repeated() {
    let (kafka, _) = ready().await;
    let sink = kafka.sink().expect("a sink");
    let events = numbered(Topic::ClickEvents, 11, 1100);
    let (written, mut later) = events.split_at(550);
    sink.deliver(written).await.expect("taken");
    let mut positions = Start::Beginning;
    let mut all = Vec::new();
    while all.len() < 1100 {
        let mut tail = kafka.tail(CLICKS, positions).await.expect("opens");
        all.extend(take(&mut tail, 50).await);
        positions = Start::Positions(tail.positions().clone());
        drop(tail);
        let (now, rest) = later.split_at(later.len().min(50));
        sink.deliver(now).await.expect("taken");
        later = rest;
    }
    assert_eq!(places(&all).len(), 1100);
    assert_eq!(repetitions(&all), 0);
    let mut tail = kafka.tail(CLICKS, positions).await.expect("opens");
    quiet(&mut tail).await;
}

#[tokio::test]
async fn of_several_topics() {
    let (kafka, _) = ready().await;
    let sink = kafka.sink().expect("a sink");
    let mut tail = kafka.tail(&Topic::ALL, Start::End).await.expect("opens");
    let batch: Vec<_> = Topic::ALL.into_iter().flat_map(|t| numbered(t, 4, 20)).collect();
    sink.deliver(&batch).await.expect("taken");
    let mut topics = BTreeSet::new();
    for _ in 0..100 {
        let message = timeout(Duration::from_secs(30), tail.next()).await.expect("all");
        topics.insert(message.expect("a message").topic);
    }
    assert_eq!(topics.len(), 5);
}

#[tokio::test]
async fn places_that_are_not_there_are_refused() {
    let (kafka, config) = ready().await;
    let name = config.topics.name(Topic::ClickEvents).to_owned();
    let open = async |place: (&str, i32), offset| {
        let positions = Positions::from([((place.0.to_owned(), place.1), offset)]);
        kafka.tail(CLICKS, Start::Positions(positions)).await.err().map(|e| e.to_string())
    };
    assert_eq!(open((&name, 11), 0).await, None);
    let says = open((&name, 12), 0).await.expect("refused");
    assert!(says.contains("/12 is not among the partitions"), "{says}");
    let says = open(("elsewhere", 0), 0).await.expect("refused");
    assert!(says.contains("elsewhere/0 is not among"), "{says}");
    let says = open((&name, 3), 5).await.expect("refused");
    assert!(says.contains("ends before 5"), "{says}");
    let says = open((&name, 3), -4).await.expect("refused");
    assert!(says.contains("are gone"), "{says}");
    let (kafka, config) = bare();
    let says = kafka.tail(CLICKS, Start::End).await.err().expect("no topic").to_string();
    assert!(
        says.contains(config.topics.name(Topic::ClickEvents)) && says.contains("tfx migrate up topics"),
        "{says}"
    );
}
