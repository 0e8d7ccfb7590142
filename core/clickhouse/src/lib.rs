//! Analytics on ClickHouse, which reads the topics of the event log itself.
//!
//! What it reads them with (queues, views, tables) is in `deploy/clickhouse/init`; [`Schema`] brings a server there
//! and keeps it there. Nothing here writes events. Reading is in [`analytics`](ClickHouse::analytics) and
//! [`ingestion_errors`](ClickHouse::ingestion_errors); everything that users say reaches the server as a bound value.

mod analytics;
mod backup;
mod client;
mod cluster;
mod config;
mod erasure;
mod error;
mod ingestion;
mod migrate;
mod retention;
mod sql;

pub use config::{ClickHouseConfig, LEASE, PipelineConfig};
pub use migrate::Schema;

use client::Client;
use std::sync::Arc;
use tfx_ports::{
    StoreError, analytics::Analytics, erasure::EventErasure, event_log::EventLog, ingestion::IngestionErrors,
    migrate::Migrations, retention::Retention, table_backup::TableBackup,
};

/// A ClickHouse server and our database in it.
#[derive(Clone)]
pub struct ClickHouse {
    client: Client,
}

impl ClickHouse {
    /// Does not connect yet.
    ///
    /// # Errors
    /// The configuration cannot be used; not retryable.
    pub fn new(config: &ClickHouseConfig) -> Result<Self, StoreError> {
        Ok(Self { client: Client::new(config)? })
    }

    /// Reads events, wherever they come from.
    pub fn analytics(&self) -> Arc<dyn Analytics> {
        Arc::new(analytics::Reader::new(self.client.clone(), None, None))
    }

    /// Reads events of these topics: it is not well while the server reads others. With the log, it knows when the server
    /// has read what is in it.
    pub fn analytics_of(
        &self,
        pipeline: &PipelineConfig,
        log: Option<Arc<dyn EventLog>>,
    ) -> Arc<dyn Analytics> {
        Arc::new(analytics::Reader::new(self.client.clone(), Some(pipeline.clone()), log))
    }

    /// Deletes events by age.
    pub fn retention(&self) -> Arc<dyn Retention> {
        Arc::new(retention::Pruner::new(self.client.clone()))
    }

    /// Erases a person.
    pub fn erasure(&self) -> Arc<dyn EventErasure> {
        Arc::new(erasure::Eraser(self.client.clone()))
    }

    /// The messages that became no event.
    pub fn ingestion_errors(&self) -> Arc<dyn IngestionErrors> {
        Arc::new(ingestion::Errors::new(self.client.clone()))
    }

    /// Backups of the database, by tables and partitions.
    pub fn backup(&self) -> Arc<dyn TableBackup> {
        Arc::new(backup::ClickHouseBackup(self.client.clone()))
    }

    /// What brings the database to what this build needs.
    ///
    /// # Errors
    /// The configuration cannot be used; not retryable.
    pub fn migrations(&self, pipeline: &PipelineConfig) -> Result<Arc<dyn Migrations>, StoreError> {
        Ok(Arc::new(Schema::new(self.client.clone(), pipeline)?))
    }
}
