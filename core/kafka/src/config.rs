//! What the adapter is told: brokers, topics, and options of librdkafka.
//!
//! TLS and logins are options (`security.protocol`, `sasl.mechanism`, `sasl.username`, …), `security.rs` checks them.

use crate::{connect, error, security};
use std::{collections::BTreeMap, fmt, time::Duration};
use tfx_domain::event::Topic;
use tfx_ports::StoreError;

/// Partitions of a topic. A key keeps its partition only as long as this does not change.
pub const PARTITIONS: i32 = 12;

/// Longest name of a topic that Kafka allows.
const NAME_BYTES: usize = 249;

/// Which topic is which in the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNames([String; Topic::ALL.len()]);

impl TopicNames {
    /// The names by topic.
    pub fn new(name: impl FnMut(Topic) -> String) -> Self {
        Self(Topic::ALL.map(name))
    }

    /// The whole name of a topic.
    pub fn name(&self, topic: Topic) -> &str {
        let at = Topic::ALL.iter().position(|t| *t == topic);
        at.and_then(|i| self.0.get(i)).map_or(topic.as_str(), String::as_str)
    }

    /// The topic of that whole name.
    pub fn topic(&self, name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().zip(&self.0).find(|(_, n)| *n == name).map(|(t, _)| t)
    }
}

impl Default for TopicNames {
    fn default() -> Self {
        Self::new(|topic| format!("traffoflex.{}", topic.as_str()))
    }
}

/// What the adapter is told.
#[derive(Clone)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated (`EVENT_BROKERS`).
    pub brokers: String,
    /// The topics' names.
    pub topics: TopicNames,
    /// Copies of each partition of a topic that is made here.
    pub replication: i32,
    /// How long a topic that is made here keeps its messages.
    pub retention: Duration,
    /// How long [`crate::KafkaSink`] waits before it says why there is no answer; shorter than the write timeout of whoever
    /// calls it, which cannot know.
    pub answer_within: Duration,
    /// More options of librdkafka. Those that a promise rests on are refused.
    pub options: BTreeMap<String, String>,
}

impl KafkaConfig {
    /// The defaults for these brokers.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topics: TopicNames::default(),
            replication: 3,
            retention: Duration::from_secs(7 * 24 * 3600),
            answer_within: Duration::from_millis(4500),
            options: BTreeMap::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let broken = |what| Err(StoreError::Broken { what, source: None });
        if self.brokers.split(',').all(|b| b.trim().is_empty()) {
            return broken("EVENT_BROKERS names no broker: host:port, comma-separated".to_owned());
        }
        if let Some(option) = self.options.keys().find(|k| connect::is_ours(k)) {
            return broken(format!(
                "the Kafka option {option} cannot be set: the order and durability of events rest on it"
            ));
        }
        for (at, name) in self.topics.0.iter().enumerate() {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty()
                || name.len() > NAME_BYTES
                || !name.chars().all(allowed)
                || name == "."
                || name == ".."
            {
                return broken(format!(
                    "{name:?} cannot be the name of a topic: 1 to {NAME_BYTES} letters, digits, '.', '_' or '-'"
                ));
            }
            if self.topics.0.iter().take(at).any(|other| other == name) {
                return broken(format!("two kinds of events cannot share the topic {name}"));
            }
        }
        let bad = |why: String| error::bad_options(&why);
        security::check_protocol(&self.options).map_err(bad)?;
        connect::check(self)?; // whether there are such options
        security::check(&self.options).map_err(bad)
    }
}

impl fmt::Debug for KafkaConfig {
    /// Options may be secrets: their names alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("topics", &self.topics)
            .field("replication", &self.replication)
            .field("retention", &self.retention)
            .field("answer_within", &self.answer_within)
            .field("options", &self.options.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(tune: impl FnOnce(&mut KafkaConfig)) -> String {
        let mut config = KafkaConfig::new("localhost:9092");
        tune(&mut config);
        config.check().expect_err("refused").to_string()
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_reason() {
        KafkaConfig::new("a:1, b:2").check().expect("fine");
        assert!(refusal(|c| c.brokers = " , ".into()).contains("EVENT_BROKERS"));
        let option = |key: &str, value: &str| {
            refusal(|c| {
                c.options.insert(key.into(), value.into());
            })
        };
        assert!(option("acks", "1").contains("acks cannot be set"));
        assert!(option("request.required.acks", "1").contains("cannot be set"));
        let unknown = option("sasl.mecanism", "PLAIN");
        assert!(unknown.contains("sasl.mecanism") && unknown.contains("No such"), "{unknown}");
        let rest = option("nary=7", "x");
        assert!(!rest.contains("nary") && rest.contains("a comma ends a value"), "{rest}");
        let value = option("socket.timeout.ms", "soon");
        assert!(value.contains("socket.timeout.ms"), "{value}");
        assert!(refusal(|c| c.topics = TopicNames::new(|_| "a b".into())).contains("\"a b\""));
        assert!(refusal(|c| c.topics = TopicNames::new(|_| "same".into())).contains("share the topic same"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut config = KafkaConfig::new("localhost:9092");
        config.options.insert("sasl.password".into(), "canary-7".into());
        assert!(!format!("{config:?}").contains("canary"));
        config.options.insert("socket.timeout.ms".into(), "canary-8".into());
        assert!(!config.check().expect_err("no number").to_string().contains("canary-7"));
    }

    #[test]
    fn names_lead_both_ways() {
        let names = TopicNames::default();
        for topic in Topic::ALL {
            assert_eq!(names.topic(names.name(topic)), Some(topic));
        }
        assert_eq!(names.name(Topic::ClickEvents), "traffoflex.click_events");
        assert_eq!(names.topic("click_events"), None);
    }
}
