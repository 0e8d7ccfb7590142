//! What the product needs from outside: traits by noun, and their errors. No adapter is known here.
//!
//! | trait | what it keeps | embedded | at scale |
//! |---|---|---|---|
//! | [`config::ConfigStore`] | entities, their versions | SQLite | MongoDB |
//! | [`revisions::Revisions`] | the configuration as it was at each revision | SQLite | MongoDB |
//! | [`audit::AuditLog`] | who did what, when | SQLite | MongoDB |
//! | [`accounts::Accounts`] | users, API tokens, login codes, sessions | SQLite | MongoDB |
//! | [`conversions::ConversionStore`] | conversions with their unique keys | SQLite | MongoDB |
//! | [`queue::Queue`] | what is to be done later, claimed by one at a time | SQLite | MongoDB |
//! | [`leases::Leases`] | who does what only one does at a time | SQLite | MongoDB |
//! | [`ledgers::Ledgers`] | what all instances accepted | SQLite | MongoDB |
//! | [`keys::Keys`] | secrets that all instances share | SQLite | MongoDB |
//! | [`rates::RateStore`] | rates of currencies | SQLite | MongoDB |
//! | [`health::HealthStore`] | the health of destinations, its changes | SQLite | MongoDB |
//! | [`alerts::AlertStore`] | how alerts stand, what happened to them | SQLite | MongoDB |
//! | [`sink::EventSink`] | takes events, durably | SQLite | Kafka |
//! | [`analytics::Analytics`] | clicks, reports, usage; written only through the sink | SQLite | ClickHouse |
//! | [`retention::Retention`] | nothing: deletes events by age | SQLite | ClickHouse |
//! | [`erasure::EventErasure`] | nothing: erases a person | SQLite | ClickHouse |
//! | [`erasure::ErasedList`] | what was erased | SQLite | MongoDB |
//! | [`histories::Histories`] | nothing: counts and forgets what grows beside the configuration | SQLite | MongoDB |
//! | [`sealing::Sealing`] | nothing: seals the secrets of the configuration | `tfx-wiring`, around either | |
//! | [`event_log::EventLog`] | the log between sink and analytics, as operators see it | none | Kafka |
//! | [`ingestion::IngestionErrors`] | what the analytics store could not read of it | none | ClickHouse |
//! | [`backup::Backup`] | nothing: takes all that a store holds into an archive, and back | none | MongoDB |
//! | [`table_backup::TableBackup`] | nothing: the same by tables and partitions | none | ClickHouse |
//! | [`migrate::Migrations`] | the steps that bring an engine to what this build needs | none | each engine |
//!
//! The `conformance` feature holds the suite that every adapter must pass.

pub mod accounts;
pub mod alerts;
pub mod analytics;
pub mod audit;
pub mod backup;
pub mod clock;
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod conversions;
pub mod entropy;
pub mod erasure;
pub mod error;
pub mod event_log;
pub mod files;
pub mod health;
pub mod histories;
pub mod ingestion;
pub mod keys;
pub mod leases;
pub mod ledgers;
pub mod left_out;
mod log_throttle;
pub mod migrate;
pub mod page;
pub mod queue;
pub mod rates;
pub mod retention;
pub mod retry;
pub mod revisions;
pub mod sealing;
pub mod sink;
pub mod table_backup;

pub use error::StoreError;
pub use log_throttle::LogThrottle;
