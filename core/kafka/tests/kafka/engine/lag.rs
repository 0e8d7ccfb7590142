//! How far a group is behind.

use super::ready;
use crate::support::*;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use std::collections::BTreeMap;
use tfx_domain::event::Topic;
use tfx_ports::{StoreError, sink::EventSink};

#[tokio::test]
async fn nothing_written_and_nothing_read_is_no_lag() {
    let (kafka, _) = ready().await;
    let log = kafka.event_log().expect("a log");
    let lag = log.lag("nobody", &Topic::ALL).await.expect("a lag");
    assert!(!lag.is_empty() && lag.iter().all(|lag| lag.messages() == 0), "{lag:?}");
    let sink = kafka.sink().expect("a sink");
    sink.deliver(&numbered(Topic::ClickEvents, 1, 1)).await.expect("taken");
    assert!(matches!(log.lag("nobody", &Topic::ALL).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn lag_is_told_by_partition() {
    let (kafka, config) = ready().await;
    let sink = kafka.sink().expect("a sink");
    sink.deliver(&numbered(Topic::ClickEvents, 40, 400)).await.expect("taken");
    let group = format!("group-{}", config.topics.name(Topic::ClickEvents));
    let topics = [Topic::ClickEvents, Topic::ConversionEvents];
    let nobody = kafka.lag(&group, &topics).await.expect("a lag");
    assert!(!nobody.is_known && nobody.partitions.iter().all(|l| l.taken.is_none()), "{nobody:?}");

    let messages = read(&kafka, &[Topic::ClickEvents], 400).await;
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    for m in &messages {
        *ends.entry(m.partition).or_default() += 1;
    }
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("group.id", &group)
        .create()
        .expect("a consumer");
    let mut taken = TopicPartitionList::new();
    let (first, last) = (*ends.keys().next().expect("a key"), *ends.keys().last().expect("a key"));
    let name = config.topics.name(Topic::ClickEvents);
    taken.add_partition_offset(name, first, Offset::Offset(ends[&first])).expect("an offset");
    taken.add_partition_offset(name, last, Offset::Offset(1)).expect("an offset");
    reader.commit(&taken, CommitMode::Sync).expect("committed");

    let lag = kafka.lag(&group, &topics).await.expect("a lag");
    assert!(lag.is_known);
    let lag = lag.partitions;
    assert_eq!(lag.len(), 24);
    for l in &lag {
        let (end, taken) = if l.topic == name {
            let taken = match l.partition {
                p if p == first => Some(ends[&first]),
                p if p == last => Some(1),
                _ => None,
            };
            (ends.get(&l.partition).copied().unwrap_or(0), taken)
        } else {
            (0, None)
        };
        assert_eq!((l.end, l.taken), (end, taken), "{l:?}");
    }
    let behind: u64 = lag.iter().map(tfx_ports::ingestion::Lag::messages).sum();
    assert_eq!(behind, 400 - u64::try_from(ends[&first] + 1).expect("positive"));
    let places: Vec<_> = lag.iter().map(|l| (l.topic.clone(), l.partition)).collect();
    let sorted: Vec<_> =
        topics.iter().flat_map(|t| (0..12).map(|p| (config.topics.name(*t).to_owned(), p))).collect();
    assert_eq!(places, sorted);
}
