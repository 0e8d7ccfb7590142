//! Which engines are used. Unset means embedded; half a set is an error that names both settings.

use crate::{ClickHouse, Secret, source::Reader, vars};

/// MongoDB.
#[derive(Debug, Clone)]
pub struct Mongo {
    /// `MONGO_URI`.
    pub uri: Secret,
    /// `MONGO_DATABASE`.
    pub database: String,
}

/// Which engines are used.
#[derive(Debug, Clone)]
pub struct Engines {
    /// Configuration and conversions; none: SQLite.
    pub mongo: Option<Mongo>,
    /// Event log; none: SQLite.
    pub brokers: Vec<String>,
    /// Analytics; none: SQLite.
    pub clickhouse: Option<ClickHouse>,
}

impl Engines {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        let database = r.text(&vars::MONGO_DATABASE).unwrap_or_default();
        let mongo = r.secret(&vars::MONGO_URI).map(|uri| Mongo { uri, database });
        let brokers: Vec<String> = r.list(&vars::EVENT_BROKERS);
        let clickhouse = ClickHouse::read(r);
        if brokers.is_empty() == clickhouse.is_some() {
            let (set, unset) = if brokers.is_empty() {
                (vars::CLICKHOUSE_HTTP_URL, vars::EVENT_BROKERS)
            } else {
                (vars::EVENT_BROKERS, vars::CLICKHOUSE_HTTP_URL)
            };
            r.problem(
                &unset,
                format!("must be set when {} is: ClickHouse reads the brokers' topics", set.name),
            );
        }
        Self { mongo, brokers, clickhouse }
    }

    /// True when nothing but SQLite is used.
    pub fn embedded(&self) -> bool {
        self.mongo.is_none() && self.brokers.is_empty() && self.clickhouse.is_none()
    }
}
