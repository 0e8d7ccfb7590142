//! Every port on SQLite: two files in a data folder.
//!
//! - `config.db`: entities and what they were, accounts, audit log, conversions, jobs, leases, keys, rates, the health of destinations, how alerts stand
//! - `events.db`: clicks, states of conversions, the postback log
//!
//! Both in WAL mode with `synchronous=FULL`: what a method has answered survives the loss of power. Each file has
//! one writer thread per process, which puts concurrent calls into one transaction; several processes may have the
//! same files open. Why: `docs/decisions/0004-sqlite-embedded.md`.

mod accounts;
mod alerts;
mod analytics;
pub mod backup;
mod config;
mod conversions;
mod db;
mod erasure;
mod error;
mod events;
mod health;
mod histories;
mod keys;
mod leases;
mod ledgers;
mod paging;
mod queue;
mod rates;
mod retention;
mod time;

pub use error::OpenError;

use db::{Blueprint, Database};
use std::{os::unix::fs::DirBuilderExt, path::Path, sync::Arc};
use tfx_ports::{
    accounts::Accounts,
    alerts::AlertStore,
    analytics::Analytics,
    config::ConfigStore,
    conversions::ConversionStore,
    erasure::{ErasedList, EventErasure},
    health::HealthStore,
    histories::Histories,
    keys::Keys,
    leases::Leases,
    ledgers::Ledgers,
    queue::Queue,
    rates::RateStore,
    retention::Retention,
    sink::EventSink,
};

const CONFIG: Blueprint = Blueprint {
    file: "config.db",
    migrations: &[
        include_str!("schema/config/0001.sql"),
        include_str!("schema/config/0002.sql"),
        include_str!("schema/config/0004.sql"),
        include_str!("schema/config/0005.sql"),
        include_str!("schema/config/0006.sql"),
        include_str!("schema/config/0007.sql"),
        include_str!("schema/config/0008.sql"),
        include_str!("schema/config/0009.sql"),
        include_str!("schema/config/0010.sql"),
        include_str!("schema/config/0011.sql"),
        include_str!("schema/config/0012.sql"),
        include_str!("schema/config/0013.sql"),
        include_str!("schema/config/0014.sql"),
        include_str!("schema/config/0015.sql"),
        include_str!("schema/config/0016.sql"),
        include_str!("schema/config/0017.sql"),
        include_str!("schema/config/0018.sql"),
        include_str!("schema/config/0019.sql"),
        include_str!("schema/config/0020.sql"),
    ],
    look: include_str!("schema/config/look.sql"),
    page_size: 4096,
    cache_kib: 4096,
    gives_back: false,
};

const EVENTS: Blueprint = Blueprint {
    file: "events.db",
    migrations: &[
        include_str!("schema/events/0001.sql"),
        include_str!("schema/events/0002.sql"),
        include_str!("schema/events/0003.sql"),
        include_str!("schema/events/0004.sql"),
        include_str!("schema/events/0005.sql"),
        include_str!("schema/events/0006.sql"),
        include_str!("schema/events/0007.sql"),
    ],
    look: include_str!("schema/events/look.sql"),
    page_size: 8192,
    cache_kib: 16_384,
    gives_back: true,
};

/// The open data folder. The ports keep their file open; it is closed when the last of them is dropped.
pub struct Embedded {
    config: Arc<config::Config>,
    accounts: Arc<accounts::AccountTable>,
    conversions: Arc<conversions::Conversions>,
    queue: Arc<queue::Jobs>,
    leases: Arc<leases::LeaseTable>,
    ledgers: Arc<ledgers::LedgerTable>,
    keys: Arc<keys::KeyTable>,
    rates: Arc<rates::RateTable>,
    health: Arc<health::Healths>,
    alerts: Arc<alerts::AlertTable>,
    sink: Arc<events::Sink>,
    analytics: Arc<analytics::Reader>,
    retention: Arc<retention::Pruner>,
    erasure: Arc<erasure::Eraser>,
    erased: Arc<erasure::Erased>,
    histories: Arc<histories::Kinds>,
}

impl Embedded {
    /// Opens the data folder, making what is not there.
    ///
    /// # Errors
    /// [`OpenError`]: the folder cannot be made or written, a file is not ours, damaged or too new, the device is
    /// full, or another process holds a file.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let mut folder = std::fs::DirBuilder::new();
        folder
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| OpenError::Folder { path: dir.to_owned(), source })?;
        db::beside::check(dir)?;
        let config = Arc::new(Database::open(dir, &CONFIG)?);
        let events = Arc::new(Database::open(dir, &EVENTS)?);
        let entities = Arc::new(config::Config::new(Arc::clone(&config)));
        Ok(Self {
            accounts: Arc::new(accounts::AccountTable(Arc::clone(&config))),
            config: entities,
            queue: Arc::new(queue::Jobs::new(Arc::clone(&config))),
            leases: Arc::new(leases::LeaseTable(Arc::clone(&config))),
            ledgers: Arc::new(ledgers::LedgerTable(Arc::clone(&config))),
            keys: Arc::new(keys::KeyTable(Arc::clone(&config))),
            rates: Arc::new(rates::RateTable(Arc::clone(&config))),
            conversions: Arc::new(conversions::Conversions::new(Arc::clone(&config))),
            health: Arc::new(health::Healths::new(Arc::clone(&config))),
            alerts: Arc::new(alerts::AlertTable::new(Arc::clone(&config))),
            erased: Arc::new(erasure::Erased(Arc::clone(&config))),
            histories: Arc::new(histories::Kinds(config)),
            sink: Arc::new(events::Sink::new(Arc::clone(&events))),
            analytics: Arc::new(analytics::Reader::new(Arc::clone(&events))),
            retention: Arc::new(retention::Pruner::new(Arc::clone(&events))),
            erasure: Arc::new(erasure::Eraser(events)),
        })
    }

    /// Entities and the audit log.
    pub fn config(&self) -> Arc<dyn ConfigStore> {
        Arc::clone(&self.config) as _
    }

    /// Users, API tokens, login codes, sessions.
    pub fn accounts(&self) -> Arc<dyn Accounts> {
        Arc::clone(&self.accounts) as _
    }

    /// Conversions.
    pub fn conversions(&self) -> Arc<dyn ConversionStore> {
        Arc::clone(&self.conversions) as _
    }

    /// What is to be done later.
    pub fn queue(&self) -> Arc<dyn Queue> {
        Arc::clone(&self.queue) as _
    }

    /// Who does what only one does at a time.
    pub fn leases(&self) -> Arc<dyn Leases> {
        Arc::clone(&self.leases) as _
    }

    /// Secrets that all instances share.
    pub fn keys(&self) -> Arc<dyn Keys> {
        Arc::clone(&self.keys) as _
    }

    /// The health of destinations.
    pub fn health(&self) -> Arc<dyn HealthStore> {
        Arc::clone(&self.health) as _
    }

    /// How alerts stand.
    pub fn alerts(&self) -> Arc<dyn AlertStore> {
        Arc::clone(&self.alerts) as _
    }

    /// Takes events.
    pub fn sink(&self) -> Arc<dyn EventSink> {
        Arc::clone(&self.sink) as _
    }

    /// Deletes events by age.
    pub fn retention(&self) -> Arc<dyn Retention> {
        Arc::clone(&self.retention) as _
    }

    /// Erases a person from events.
    pub fn erasure(&self) -> Arc<dyn EventErasure> {
        Arc::clone(&self.erasure) as _
    }

    /// What was erased.
    pub fn erased(&self) -> Arc<dyn ErasedList> {
        Arc::clone(&self.erased) as _
    }

    /// Rates of currencies.
    pub fn rates(&self) -> Arc<dyn RateStore> {
        Arc::clone(&self.rates) as _
    }

    /// What all instances accepted.
    pub fn ledgers(&self) -> Arc<dyn Ledgers> {
        Arc::clone(&self.ledgers) as _
    }

    /// What grows beside the configuration.
    pub fn histories(&self) -> Arc<dyn Histories> {
        Arc::clone(&self.histories) as _
    }

    /// Reads events.
    pub fn analytics(&self) -> Arc<dyn Analytics> {
        Arc::clone(&self.analytics) as _
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_table_is_left_out_of_the_look_at_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Embedded::open(folder.path()).expect("open"));
        for blueprint in [&CONFIG, &EVENTS] {
            let conn = rusqlite::Connection::open(folder.path().join(blueprint.file)).expect("open");
            let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
            let mut tables = conn.prepare(tables).expect("a query");
            let names = tables.query_map([], |r| r.get::<_, String>(0)).expect("rows");
            for name in names {
                let name = name.expect("a name");
                let looked = format!("(SELECT 1 FROM {name} ORDER BY ");
                assert!(blueprint.look.contains(&looked), "{}: {name}", blueprint.file);
            }
        }
    }
}
