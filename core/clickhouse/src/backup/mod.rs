//! [`TableBackup`]: each partition of each table of our database as what `SELECT … FORMAT Native` answers, and back.
//!
//! Tables of the MergeTree family keep rows; everything else is made by migrations and only written down. A restore goes through a
//! table beside, from which whole partitions are attached: no view sees them, so nothing is counted twice, and a partition is
//! there whole or not at all. Where rows have ids (ReplacingMergeTree), they come beside those that are there, and count once.

mod archive;
mod catalogue;
mod kind;
pub(crate) mod mark;
mod native;
mod restore;
mod standing;
mod there;

use crate::{client::Client, config::broken};
use archive::Partition;
use async_trait::async_trait;
use std::sync::Arc;
use tfx_ports::{
    StoreError,
    backup::{Archived, BackupError, OnProgress, RestoreFailed, Restored},
    table_backup::{
        Catalogue, OpenArchive, ServerPlace, StoredColumn, StoredTable, TableBackup, TablesStanding,
    },
};

/// What the names of tables begin with that a restore makes; one of exactly this name is there while it goes on.
pub(crate) const RESTORING: &str = "tfx_restoring";
/// What the names of tables begin with that are no data: what is migrated, and who does it.
const MIGRATIONS: &str = "tfx_migration";

/// Backups of a database.
pub(crate) struct ClickHouseBackup(pub(crate) Client);

#[async_trait]
impl TableBackup for ClickHouseBackup {
    async fn catalogue(&self) -> Result<Catalogue, BackupError> {
        self.alone()?;
        catalogue::read(&self.0).await
    }

    async fn state(&self, table: &str, partition: &str) -> Result<Option<String>, StoreError> {
        let found = catalogue::partitions(&self.0, Some((table, partition))).await?;
        Ok(found.into_iter().find_map(|(_, found)| found.state))
    }

    fn partition(&self, table: &StoredTable, partition: &str) -> Arc<dyn Archived> {
        let (name, columns) = (table.name.clone(), table.columns.clone());
        Arc::new(Partition { client: self.0.clone(), table: name, columns, id: partition.to_owned() })
    }

    async fn standing(&self, wanted: &Catalogue) -> Result<TablesStanding, BackupError> {
        self.alone()?;
        standing::standing(&self.0, wanted).await
    }

    async fn restore(
        &self,
        wanted: &Catalogue,
        open: OpenArchive<'_>,
        told: OnProgress<'_>,
    ) -> Result<Vec<Restored>, RestoreFailed> {
        restore::restore(&self.0, wanted, &restore::From::Archives(open), told).await
    }

    async fn write_there(
        &self,
        wanted: &Catalogue,
        to: &ServerPlace,
        told: OnProgress<'_>,
    ) -> Result<(), BackupError> {
        there::write(&self.0, wanted, to, told).await
    }

    async fn restore_from_there(
        &self,
        wanted: &Catalogue,
        from: &ServerPlace,
        told: OnProgress<'_>,
    ) -> Result<Vec<Restored>, RestoreFailed> {
        restore::restore(&self.0, wanted, &restore::From::Server(from), told).await
    }
}

impl ClickHouseBackup {
    /// Refuses servers that keep the events together: one does not see what the others have.
    fn alone(&self) -> Result<(), StoreError> {
        let Some(cluster) = &self.0.cluster else { return Ok(()) };
        let (database, on) = (&self.0.database, cluster.on());
        Err(broken(format!(
            "the events of {database} are spread over servers (CLICKHOUSE_CLUSTER), which one backup from here cannot \
             hold; the servers do it themselves: BACKUP DATABASE {database}{on} TO Disk('backups', 'NAME'), and \
             RESTORE DATABASE {database}{on} FROM …"
        )))
    }
}

fn made_by() -> String {
    format!("tfx {}", env!("CARGO_PKG_VERSION"))
}

/// A name in a statement.
fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// Columns in a statement.
fn names(columns: &[StoredColumn]) -> String {
    columns.iter().map(|column| quoted_name(&column.name)).collect::<Vec<_>>().join(", ")
}

/// Whether rows of this engine that are there twice count once: those with the same key become one.
fn has_ids(engine: &str) -> bool {
    engine.ends_with("ReplacingMergeTree")
}

fn not_sound(what: impl Into<String>) -> BackupError {
    BackupError::NotSound { what: what.into() }
}

/// What follows the name in a statement that makes a table.
fn definition(statement: &str) -> Result<String, StoreError> {
    let after = statement.strip_prefix("CREATE TABLE ").and_then(after_name).and_then(|rest| {
        let rest = rest.strip_prefix('.').map_or(Some(rest), after_name)?;
        Some(rest.trim_start().to_owned())
    });
    after
        .ok_or_else(|| broken(format!("ClickHouse says of a table what is not understood here: {statement}")))
}

fn after_name(text: &str) -> Option<&str> {
    let Some(quoted) = text.strip_prefix('`') else {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        return Some(&text[end..]);
    };
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '`' => return Some(&quoted[at + 1..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_what_follows_the_name_however_it_is_quoted() {
        for statement in [
            "CREATE TABLE d.t (`a` UInt8) ENGINE = Null",
            "CREATE TABLE `d e`.`t\\`.x` (`a` UInt8) ENGINE = Null",
        ] {
            assert_eq!(definition(statement).expect("one"), "(`a` UInt8) ENGINE = Null");
        }
        assert!(definition("CREATE VIEW d.t AS SELECT 1").is_err());
    }
}
