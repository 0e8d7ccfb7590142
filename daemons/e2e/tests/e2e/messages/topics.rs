//! What is written to the topics: events as the services write them, and messages that are none.

use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use serde_json::{Value, json};
use std::time::Duration;
use tfx_domain::{Timestamp, event::Topic, id::ClickId};
use tfx_e2e::Services;

/// All of a topic goes to one partition: what is broken stands in front of what is good.
const PARTITION: i32 = 5;

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i64,
    pub(crate) offset: i64,
}

impl Place {
    /// Of a line of `tfx ingest errors`.
    pub(crate) fn of(row: &Value) -> Self {
        let number = |name: &str| row[name].as_i64().unwrap_or_else(|| panic!("no {name} in {row}"));
        let topic = row["topic"].as_str().expect("a topic").to_owned();
        Self { topic, partition: number("partition"), offset: number("offset") }
    }
}

/// Whoever writes to the topics of these services.
pub(crate) struct Topics {
    producer: FutureProducer,
    names: [String; 5],
}

impl Topics {
    pub(crate) fn of(services: &Services) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", services.setting("EVENT_BROKERS"))
            .set("message.max.bytes", "4000000");
        config.set("allow.auto.create.topics", "false");
        let name = |t: Topic| services.setting(&format!("{}_TOPIC", t.as_str().to_uppercase())).to_owned();
        Self { producer: config.create().expect("a producer"), names: Topic::ALL.map(name) }
    }

    pub(crate) fn name(&self, topic: Topic) -> &str {
        &self.names[Topic::ALL.iter().position(|t| *t == topic).expect("one of all")]
    }

    pub(crate) async fn write(&self, topic: Topic, payload: &[u8]) -> Place {
        let record = FutureRecord::<(), _>::to(self.name(topic)).partition(PARTITION).payload(payload);
        let written = self.producer.send(record, Duration::from_secs(30)).await.expect("written");
        let (topic, partition) = (self.name(topic).to_owned(), i64::from(written.partition));
        Place { topic, partition, offset: written.offset }
    }
}

/// An event of the topic, with ids of that number.
pub(crate) fn event(topic: Topic, at: Timestamp, n: u32) -> Value {
    let id = ClickId::generate(at, u128::from(topic.code()) << 32 | u128::from(n));
    let mut click = json!({ "schema": 1, "click_id": id, "at": at, "outcome": "routed", "request": "visit",
        "campaign_id": "cmp_0000000000000000001", "is_bot": false, "visitor_id": format!("{n:032x}"),
        "device_type": "desktop", "unique_campaign": true, "cost": { "amount": "0.01", "currency": "USD" },
        "status": 302, "config_revision": 1 });
    match topic {
        Topic::ClickEvents => click,
        Topic::TrafficbackEvents => {
            click["outcome"] = json!("trafficback");
            click
        }
        Topic::ConversionEvents => {
            json!({ "schema": 1, "conversion_id": format!("cnv_{n:019}"), "version": 1,
            "reporter_id": "net_0000000000000000001", "click_id": id, "click_at": at, "created_at": at,
            "updated_at": at, "conversion_status": "sale", "revenue": { "amount": "5", "currency": "USD" },
            "campaign_id": "cmp_0000000000000000001", "device_type": "desktop", "is_bot": false })
        }
        Topic::PostbackLogEvents => json!({ "schema": 1, "id": id, "at": at, "network": "acme",
            "remote_ip": "192.0.2.1", "method": "GET", "params": [["sum", "5"]], "result": "recorded",
            "status": 200 }),
        Topic::DestinationHealthEvents => json!({ "schema": 1, "id": id, "at": at,
            "destination_id": "dst_0000000000000000001" }),
    }
}

/// Messages that are no event of the topic, each with a word that must be in what is said about it.
pub(crate) fn broken(topic: Topic, at: Timestamp) -> Vec<(Vec<u8>, &'static str)> {
    let good = event(topic, at, 999_999);
    let whole = bytes(&good);
    let wrong = match topic {
        Topic::ClickEvents | Topic::TrafficbackEvents => ("cost", json!(0.01)),
        Topic::ConversionEvents => ("revenue", json!("5")),
        Topic::PostbackLogEvents => ("result", json!(["recorded"])),
        Topic::DestinationHealthEvents => ("destination_id", json!(7)),
    };
    let mut typed = good.clone();
    typed[wrong.0] = wrong.1;
    vec![
        (vec![b'x'; 1_000_000], "not JSON"),
        (whole[..whole.len() - 1].to_vec(), "not JSON"),
        (bytes(&typed), wrong.0),
        (b"\0\0\0".to_vec(), "not JSON"),
        ([&whole[..], b"\0"].concat(), "not JSON"),
        (b"{\"schema\":1,\"id\":\"\xff\xfe\"}".to_vec(), "not UTF-8"),
        (b"{}".to_vec(), "without schema"),
    ]
}

pub(crate) fn bytes(event: &Value) -> Vec<u8> {
    serde_json::to_vec(event).expect("JSON")
}
