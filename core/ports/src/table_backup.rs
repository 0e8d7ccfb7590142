//! Backups of a store of tables: each partition of a table is an archive of its own, so that one that did not change since
//! an earlier backup need not be read again. What archives look like is the store's; where they lie, the caller's.

use crate::{
    StoreError,
    backup::{Archived, BackupError, OnProgress, RestoreFailed, Restored},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Read},
    sync::Arc,
};

/// The form of catalogues that is written, and the newest that is read.
pub const CATALOGUE_FORMAT: u32 = 1;

/// A column whose values are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredColumn {
    /// Its name.
    pub name: String,
    /// Its type, in the store's words.
    pub kind: String,
}

/// Rows of a table that are kept, read and restored together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredPartition {
    /// Its name in the store.
    pub id: String,
    /// Rows of it.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The same text means the same rows; none: that cannot be told.
    pub state: Option<String>,
    /// The file with its rows; empty as long as there is none.
    pub file: String,
}

/// A table that keeps rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredTable {
    /// Its name.
    pub name: String,
    /// What keeps it, in the store's words.
    pub engine: String,
    /// What makes it, all that follows its name.
    pub definition: String,
    /// The columns whose values are kept, in order.
    pub columns: Vec<StoredColumn>,
    /// Its partitions, in order.
    pub partitions: Vec<StoredPartition>,
}

impl StoredTable {
    /// Rows of all partitions.
    pub fn rows(&self) -> u64 {
        self.partitions.iter().map(|p| p.rows).sum()
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.partitions.iter().map(|p| p.bytes).sum()
    }
}

/// What keeps no rows of its own: a view, a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// What it is, in the store's words.
    pub engine: String,
    /// The statement that makes it.
    pub statement: String,
}

/// Where the server itself puts a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPlace {
    /// A disk, by the name that the server has for it.
    pub disk: String,
    /// A name on it.
    pub name: String,
}

/// What a database holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The form of it.
    pub format: u32,
    /// Which program made it.
    pub made_by: String,
    /// The server and its version.
    pub server: String,
    /// The database.
    pub database: String,
    /// Tables with rows.
    pub tables: Vec<StoredTable>,
    /// What is made anew by migrations, told for a person.
    pub definitions: Vec<Definition>,
    /// What holds rows and is not in the backup, with the reason.
    pub left_out: Vec<String>,
    /// Where the rows are, if the server itself wrote them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<ServerPlace>,
}

/// How a table of a catalogue stands where it is to be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStanding {
    /// Its name.
    pub name: String,
    /// Rows that are there; none: there is no such table, and it is made.
    pub there: Option<u64>,
    /// Partitions that are there already and are passed over, since nothing else would keep their rows from being doubled.
    pub passed_over: Vec<String>,
    /// Why it cannot be restored.
    pub problem: Option<String>,
}

/// What is at the places of a restore now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TablesStanding {
    /// Each table of the catalogue.
    pub tables: Vec<TableStanding>,
    /// What tells that the installation runs on it.
    pub running: Vec<String>,
    /// What is open of a restore that goes on, or did not come to its end; none: there is no such one.
    pub half: Option<Vec<String>>,
}

/// Opens the archive of a partition.
pub type OpenArchive<'o> = &'o (dyn Fn(&StoredPartition) -> io::Result<Box<dyn Read + Send>> + Send + Sync);

/// A store of tables of which backups are made.
#[async_trait]
pub trait TableBackup: Send + Sync {
    /// What is there now.
    ///
    /// # Errors
    /// There is nothing, or half of a restore.
    async fn catalogue(&self) -> Result<Catalogue, BackupError>;

    /// The state of a partition now, as in a catalogue.
    ///
    /// # Errors
    /// The store does not say.
    async fn state(&self, table: &str, partition: &str) -> Result<Option<String>, StoreError>;

    /// The rows of a partition at one moment, as an archive.
    fn partition(&self, table: &StoredTable, partition: &str) -> Arc<dyn Archived>;

    /// What is at the places of these tables now. Changes nothing.
    ///
    /// # Errors
    /// The store does not say.
    async fn standing(&self, wanted: &Catalogue) -> Result<TablesStanding, BackupError>;

    /// Restores these tables, whose archives were found whole, beside the rows that are there. A partition comes whole or not
    /// at all; rows that are there already count once.
    ///
    /// # Errors
    /// [`RestoreFailed`], with how far it came.
    async fn restore(
        &self,
        wanted: &Catalogue,
        open: OpenArchive<'_>,
        told: OnProgress<'_>,
    ) -> Result<Vec<Restored>, RestoreFailed>;

    /// Has the server itself write these tables to a disk of its own.
    ///
    /// # Errors
    /// It does not allow that, or cannot.
    async fn write_there(
        &self,
        wanted: &Catalogue,
        to: &ServerPlace,
        told: OnProgress<'_>,
    ) -> Result<(), BackupError>;

    /// Restores what [`TableBackup::write_there`] wrote, as [`TableBackup::restore`] does.
    ///
    /// # Errors
    /// [`RestoreFailed`], with how far it came.
    async fn restore_from_there(
        &self,
        wanted: &Catalogue,
        from: &ServerPlace,
        told: OnProgress<'_>,
    ) -> Result<Vec<Restored>, RestoreFailed>;
}
