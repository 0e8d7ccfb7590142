//! What the tests share: where the engines are, names of their own, events.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use tfx_domain::{
    event::{ClickEvent, Event, Topic},
    id::ClickId,
};
use tfx_kafka::{Kafka, KafkaConfig, Message, Start, TopicNames};
use tfx_ports::{clock, entropy, sink::Envelope};
use tokio::time::timeout;

/// A setting of the engines that `make engines` brought up.
pub(crate) fn engine(name: &str) -> String {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/engines/env"));
    let file = std::env::var_os("TFX_ENGINES").map_or_else(default, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(&file) else {
        panic!(
            "run `make engines` first: it brings up the real engines that this test needs ({})",
            file.display()
        );
    };
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("{} has no {name}", file.display())).trim().to_owned()
}

/// Topics of one test alone.
pub(crate) fn own_topics() -> TopicNames {
    let suffix = entropy::secret();
    TopicNames::new(|t| format!("test-{}.{}", suffix.get(..10).unwrap_or_default(), t.as_str()))
}

/// A configuration with topics of its own on these brokers.
pub(crate) fn config(brokers: impl Into<String>) -> KafkaConfig {
    KafkaConfig { topics: own_topics(), replication: 1, ..KafkaConfig::new(brokers) }
}

/// An adapter.
pub(crate) fn kafka(config: &KafkaConfig) -> Kafka {
    Kafka::new(config.clone()).expect("a configuration")
}

/// An event of any bytes.
#[allow(dead_code, reason = "the benchmark makes clicks")]
pub(crate) fn event(topic: Topic, key: &str, n: usize, payload: impl Into<Vec<u8>>) -> Envelope {
    Envelope { topic, id: format!("{key}.{n}").into(), key: key.into(), payload: payload.into().into() }
}

/// `count` events of `keys` keys in turn; the payload says the key and its place in the order of that key.
#[allow(dead_code, reason = "the benchmark makes clicks")]
pub(crate) fn numbered(topic: Topic, keys: usize, count: usize) -> Vec<Envelope> {
    (0..count)
        .map(|n| {
            let (key, n) = (format!("key-{}", n % keys), n / keys);
            event(topic, &key, n, format!("{key} {n}"))
        })
        .collect()
}

/// A click with that number.
pub(crate) fn click(n: u64) -> Event {
    let json = serde_json::json!({
        "schema": 1,
        "click_id": ClickId::generate(clock::now(), u128::from(n)),
        "at": clock::now(),
        "visitor_id": format!("{n:032x}"),
        "device_type": "desktop",
        "is_bot": false,
        "status": 302,
        "config_revision": n,
    });
    Event::Click(Box::new(serde_json::from_value::<ClickEvent>(json).expect("a click")))
}

/// Everything in these topics from the first message on, until `count` messages are there.
#[allow(dead_code, reason = "the benchmark reads nothing")]
pub(crate) async fn read(kafka: &Kafka, topics: &[Topic], count: usize) -> Vec<Message> {
    let mut tail = kafka.tail(topics, Start::Beginning).await.expect("topics");
    let mut messages = Vec::new();
    while messages.len() < count {
        let next = timeout(Duration::from_secs(30), tail.next()).await;
        let next = next.unwrap_or_else(|_| panic!("only {} of {count} messages", messages.len()));
        messages.push(next.expect("a message"));
    }
    messages
}

/// Fails unless the first occurrences of each key's numbers ascend without a gap, in one partition; returns how many
/// messages were repetitions. `read` tells a message's key and number.
#[allow(dead_code, reason = "the benchmark counts nothing")]
pub(crate) fn repetitions_by(messages: &[Message], read: impl Fn(&Message) -> (String, usize)) -> usize {
    let mut next: BTreeMap<String, (i32, usize)> = BTreeMap::new();
    let mut repeated = 0;
    for m in messages {
        let (key, n) = read(m);
        let (partition, expected) = next.entry(key.clone()).or_insert((m.partition, 0));
        assert_eq!(*partition, m.partition, "{key} has one partition");
        assert!(n <= *expected, "{key}: {n} came before {expected}");
        if n == *expected {
            *expected += 1;
        } else {
            repeated += 1;
        }
    }
    repeated
}

/// [`repetitions_by`] for [`numbered`] events.
#[allow(dead_code, reason = "the benchmark counts nothing")]
pub(crate) fn repetitions(messages: &[Message]) -> usize {
    repetitions_by(messages, |m| {
        let text = std::str::from_utf8(&m.payload).expect("text");
        let (key, n) = text.split_once(' ').expect("a key and a number");
        (key.to_owned(), n.parse().expect("a number"))
    })
}

/// Waits until that is so.
#[allow(dead_code, reason = "the benchmark waits for nothing")]
pub(crate) async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
