//! Configuration and conversions on MongoDB: a replica set (one member is enough) of version 5 or later, since
//! every change is a transaction.
//!
//! | collection | what |
//! |---|---|
//! | `sources` `networks` `templates` `destinations` `campaigns` `streams` `alerts` | entities, `_id` is the entity's id |
//! | `revision` | one document: the number of the last change of configuration |
//! | `kept_revisions` `kept_versions` | one document for each revision that was, and for each version of an entity, `_id` is its number |
//! | `audit` | one document for each change, `_id` is the revision that it made |
//! | `conversions` | one document for each conversion; its unique indexes decide what is new |
//! | `jobs` `job_lanes` | what is to be done later, and whose turn it is in which group |
//! | `leases` | who does what only one does at a time |
//! | `ledger_instances` `ledger_pages` | what each instance of a service accepted, by kind and hour |
//! | `accounts` | users, API tokens, login codes and sessions, `_id` is kind and id |
//! | `keys` | secrets that all instances share, `_id` is the name |
//! | `erased` | which clicks of people were erased, `_id` is a keyed hash |
//! | `rates` | one document for each rate of currencies, `_id` is pair and day |
//! | `parked` | what versions before parked; it becomes jobs |
//! | `destination_health` | one document for each destination that is probed, `_id` is its id |
//! | `destination_health_history` | one document for each change of a destination's health |
//! | `alert_states` | one document for each group that an alert looks at, `_id` is the alert and the group |
//! | `alert_log` | one document for each thing that happened to an alert |
//! | `tfx_restoring` | one document while a restore goes on, or has ended before its end; in no backup |
//! | `migrations` | which index lists were applied, see [`Mongo::migrations`] |
//!
//! What people and networks send is stored as strings, numbers and dates under fixed field names, and JSON as its
//! text: a BSON document cannot hold every JSON key (one with a NUL) or number (above 2⁶³), and no `$` or `.` of
//! anybody's becomes an operator or a path.
//!
//! Writes are acknowledged when a majority has them in its journal, whatever the connection string says; reads see
//! only what a majority has. Nothing is written before the indexes that hold its keys are there.
//!
//! An error of a write means that nothing was written, with one exception that no network protocol can rule out:
//! when the connection is lost between a commit and its answer, and does not come back within
//! [`MongoConfig::give_up_after`], the error says that the outcome is not known. The same call again then finds
//! what was written.

mod accounts;
mod alerts;
mod archive;
mod backup;
mod check;
mod client;
mod config;
mod conversions;
mod db;
mod erased;
mod error;
mod health;
mod histories;
mod indexes;
mod keys;
mod leases;
mod ledgers;
mod migrations;
mod open_error;
mod paging;
mod queue;
mod rates;
mod sequence;
mod settings;
mod time;

pub use open_error::OpenError;
pub use settings::MongoConfig;

use db::Db;
use std::sync::Arc;
use tfx_ports::{
    accounts::Accounts, alerts::AlertStore, backup::Backup, config::ConfigStore,
    conversions::ConversionStore, erasure::ErasedList, health::HealthStore, histories::Histories, keys::Keys,
    leases::Leases, ledgers::Ledgers, migrate::Migrations, queue::Queue, rates::RateStore,
};

/// The stores in one database. Cheap to clone the ports from; connections are shared and made when needed.
pub struct Mongo {
    db: Arc<Db>,
    config: Arc<config::Config>,
    accounts: Arc<accounts::AccountTable>,
    conversions: Arc<conversions::Conversions>,
    queue: Arc<queue::Jobs>,
    leases: Arc<leases::LeaseTable>,
    keys: Arc<keys::KeyTable>,
    health: Arc<health::Healths>,
    alerts: Arc<alerts::AlertTable>,
}

impl Mongo {
    /// Prepares connections without making one: the server may be away, and come later. Call it on the runtime
    /// that will use the stores.
    ///
    /// # Errors
    /// [`OpenError::Uri`], [`OpenError::Database`].
    pub async fn new(config: &MongoConfig) -> Result<Self, OpenError> {
        let db = Arc::new(client::connect(config).await?);
        let entities = Arc::new(config::Config::new(Arc::clone(&db), config.change_streams));
        Ok(Self {
            accounts: Arc::new(accounts::AccountTable { db: Arc::clone(&db), config: Arc::clone(&entities) }),
            config: entities,
            conversions: Arc::new(conversions::Conversions::new(Arc::clone(&db))),
            queue: Arc::new(queue::Jobs::new(Arc::clone(&db))),
            leases: Arc::new(leases::LeaseTable(Arc::clone(&db))),
            keys: Arc::new(keys::KeyTable(Arc::clone(&db))),
            health: Arc::new(health::Healths::new(Arc::clone(&db))),
            alerts: Arc::new(alerts::AlertTable::new(Arc::clone(&db))),
            db,
        })
    }

    /// Whether there is a server that can be worked with. The stores do without this call; it is for saying what
    /// is wrong, and which setting to correct.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn check(&self) -> Result<(), OpenError> {
        check::check(&self.db).await
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

    /// What all instances accepted.
    pub fn ledgers(&self) -> Arc<dyn Ledgers> {
        Arc::new(ledgers::LedgerTable(Arc::clone(&self.db)))
    }

    /// What grows beside the configuration.
    pub fn histories(&self) -> Arc<dyn Histories> {
        Arc::new(histories::Kinds(Arc::clone(&self.db)))
    }

    /// What was erased.
    pub fn erased(&self) -> Arc<dyn ErasedList> {
        Arc::new(erased::Erased(Arc::clone(&self.db)))
    }

    /// Rates of currencies.
    pub fn rates(&self) -> Arc<dyn RateStore> {
        Arc::new(rates::RateTable { db: Arc::clone(&self.db), config: Arc::clone(&self.config) })
    }

    /// Backups of the database, in the archive format of mongodump.
    pub fn backup(&self) -> Arc<dyn Backup> {
        Arc::new(backup::MongoBackup(Arc::clone(&self.db)))
    }

    /// The indexes, as steps. The stores apply what is pending before their first write; this is for doing it
    /// ahead of a start, and for applying what has changed.
    pub fn migrations(&self) -> Arc<dyn Migrations> {
        Arc::new(migrations::Indexes::new(Arc::clone(&self.db)))
    }
}
