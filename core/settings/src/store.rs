//! Which engines are used. Unset means embedded; half a set is an error that names both settings.

use crate::{ClickHouse, Secret, source::Reader, vars};
use std::{collections::BTreeMap, fmt, time::Duration};
use tfx_domain::event::Topic;

/// Longest name of a topic, by the brokers' rule.
const LONGEST_TOPIC: usize = 249;

/// MongoDB.
#[derive(Debug, Clone)]
pub struct Mongo {
    /// `MONGO_URI`.
    pub uri: Secret,
    /// `MONGO_DATABASE`.
    pub database: String,
}

/// The event log: a broker that speaks the protocol of Kafka, and its topics.
#[derive(Clone)]
pub struct EventLog {
    /// `EVENT_BROKERS`.
    pub brokers: Vec<String>,
    topics: [String; Topic::ALL.len()],
    /// `EVENT_TOPIC_REPLICATION`.
    pub replication: u8,
    /// `EVENT_TOPIC_RETENTION_HOURS`.
    pub retention: Duration,
    /// `EVENT_KAFKA_OPTIONS`; values may be secrets.
    pub options: BTreeMap<String, String>,
}

impl EventLog {
    /// The whole name of a topic.
    pub fn topic(&self, topic: Topic) -> &str {
        let at = Topic::ALL.iter().position(|t| *t == topic);
        at.and_then(|i| self.topics.get(i)).map_or(topic.as_str(), String::as_str)
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let brokers = r.addresses(&vars::EVENT_BROKERS);
        let topics = Topic::ALL.map(|topic| topic_name(r, &topic_var(topic)));
        let replication = r.number(&vars::EVENT_TOPIC_REPLICATION, 1, 15);
        let hours = r.number(&vars::EVENT_TOPIC_RETENTION_HOURS, 1, 87_600);
        let mut options = BTreeMap::new();
        for pair in r.list::<String>(&vars::EVENT_KAFKA_OPTIONS) {
            match pair.split_once('=') {
                Some((name, value)) => {
                    options.insert(name.trim().to_owned(), value.trim().to_owned());
                }
                None => {
                    r.problem(&vars::EVENT_KAFKA_OPTIONS, "has an option without '='; allowed is name=value");
                }
            }
        }
        let retention = Duration::from_secs(hours * 3600);
        (!brokers.is_empty()).then_some(Self { brokers, topics, replication, retention, options })
    }
}

impl fmt::Debug for EventLog {
    /// Options may be secrets: their names alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog")
            .field("brokers", &self.brokers)
            .field("topics", &self.topics)
            .field("options", &self.options.keys())
            .finish_non_exhaustive()
    }
}

/// As brokers take it.
fn topic_name(r: &mut Reader<'_>, var: &vars::Var) -> String {
    let name = r.text(var).unwrap_or_default();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.len() > LONGEST_TOPIC || !name.chars().all(good) || matches!(name.as_str(), "." | "..") {
        r.problem(
            var,
            format!(
                "is '{name}'; allowed are letters, digits, '.', '_' and '-', at most {LONGEST_TOPIC} of them"
            ),
        );
    }
    name
}

const fn topic_var(topic: Topic) -> vars::Var {
    match topic {
        Topic::ClickEvents => vars::CLICK_EVENTS_TOPIC,
        Topic::ConversionEvents => vars::CONVERSION_EVENTS_TOPIC,
        Topic::PostbackLogEvents => vars::POSTBACK_LOG_EVENTS_TOPIC,
        Topic::TrafficbackEvents => vars::TRAFFICBACK_EVENTS_TOPIC,
        Topic::DestinationHealthEvents => vars::DESTINATION_HEALTH_EVENTS_TOPIC,
    }
}

/// Which engines are used.
#[derive(Debug, Clone)]
pub struct Engines {
    /// Configuration and conversions; none: SQLite.
    pub mongo: Option<Mongo>,
    /// The event log and the analytics that read it; none: SQLite. Never one without the other.
    pub events: Option<(EventLog, ClickHouse)>,
}

impl Engines {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        let database = r.text(&vars::MONGO_DATABASE).unwrap_or_default();
        let mongo = r.secret(&vars::MONGO_URI).map(|uri| Mongo { uri, database });
        let schemes = ["mongodb://", "mongodb+srv://"];
        if mongo.as_ref().is_some_and(|m| !schemes.iter().any(|s| m.uri.expose().starts_with(s))) {
            let message = "is '***'; allowed is a URI that begins with mongodb:// or mongodb+srv://";
            r.problem(&vars::MONGO_URI, message);
        }
        let log = EventLog::read(r);
        let clickhouse = ClickHouse::read(r, log.as_ref().map_or(&[], |l| &l.brokers));
        let half = match (&log, r.text(&vars::CLICKHOUSE_HTTP_URL)) {
            (Some(_), None) => Some((vars::EVENT_BROKERS, vars::CLICKHOUSE_HTTP_URL)),
            (None, Some(_)) => Some((vars::CLICKHOUSE_HTTP_URL, vars::EVENT_BROKERS)),
            _ => None,
        };
        if let Some((set, unset)) = half {
            r.problem(
                &unset,
                format!("must be set when {} is: ClickHouse reads the brokers' topics", set.name),
            );
        }
        Self { mongo, events: log.zip(clickhouse) }
    }

    /// True when nothing but SQLite is used.
    pub const fn embedded(&self) -> bool {
        self.mongo.is_none() && self.events.is_none()
    }
}
