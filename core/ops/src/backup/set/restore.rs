//! Restores a store of tables from a set: every file of what is wanted is read and compared with the manifest first, then what is at its
//! places is looked at, and only then is anything changed.

use super::{
    FoundSet,
    tables::catalogue,
    verify::{Damage, verify_parts},
};
use crate::backup::{OnPhase, Phase, RestoreError, names::captures};
use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Read},
    sync::Arc,
};
use tfx_domain::problem::Problems;
use tfx_ports::{
    backup::{BackupError, Progress, RestoreFailed, Restored},
    table_backup::{Catalogue, StoredPartition, StoredTable, TableBackup, TablesStanding},
};
use tokio::task::spawn_blocking;

/// What is known before anything is changed.
#[derive(Debug, Clone)]
pub struct TablesLook {
    /// What is wanted of the backup.
    pub wanted: Catalogue,
    /// Tables of it that are not wanted.
    pub left_out: Vec<String>,
    /// What is at their places.
    pub standing: TablesStanding,
}

/// Reads everything of the tables that a pattern names, no pattern: of all, and looks at what is at their places. Changes nothing.
///
/// # Errors
/// [`RestoreError`].
pub async fn look_at_tables(
    backup: &Arc<dyn TableBackup>,
    store: &'static str,
    set: &FoundSet,
    patterns: &[String],
    teller: &OnPhase,
) -> Result<TablesLook, RestoreError> {
    let read = |set: &FoundSet, teller: &OnPhase| (set.clone(), Arc::clone(teller));
    let (of, _) = read(set, teller);
    let said = spawn_blocking(move || catalogue(&of, store)).await;
    let mut wanted = said.unwrap_or_else(|e| Err(BackupError::Read(io::Error::other(e))))?;
    let mut problems = Problems::default();
    for pattern in patterns {
        if !wanted.tables.iter().any(|table| captures(pattern, &table.name).is_some()) {
            let has: Vec<&str> = wanted.tables.iter().map(|table| table.name.as_str()).collect();
            problems.add(
                "--tables",
                format!("{pattern:?} names none of the tables of the backup: {}", has.join(", ")),
            );
        }
    }
    if !problems.is_empty() {
        return Err(RestoreError::Selection(problems));
    }
    let is_wanted = |table: &StoredTable| {
        patterns.is_empty() || patterns.iter().any(|pattern| captures(pattern, &table.name).is_some())
    };
    let (in_it, out): (Vec<StoredTable>, Vec<StoredTable>) = wanted.tables.into_iter().partition(is_wanted);
    wanted.tables = in_it;
    let left_out = out.into_iter().map(|table| table.name).collect();
    let (of, tell) = read(set, teller);
    let files: HashMap<String, String> = (wanted.tables.iter())
        .flat_map(|table| table.partitions.iter().map(|p| (p.file.clone(), table.name.clone())))
        .collect();
    let verified = spawn_blocking(move || {
        let found = verify_parts(&of, |part| files.contains_key(&part.file), &tell)
            .map_err(|e| BackupError::Read(io::Error::other(e)))?;
        match found.is_empty() {
            true => Ok(()),
            false => Err(BackupError::NotSound { what: damaged(&of, &found, &files) }),
        }
    });
    verified.await.unwrap_or_else(|e| Err(BackupError::Read(io::Error::other(e))))?;
    let standing = backup.standing(&wanted).await?;
    Ok(TablesLook { wanted, left_out, standing })
}

/// What is damaged, and that the rest can be restored.
fn damaged(set: &FoundSet, found: &[Damage], of: &HashMap<String, String>) -> String {
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    let tables: BTreeSet<&str> =
        found.iter().filter_map(|damage| of.get(&damage.file)).map(String::as_str).collect();
    let tables = tables.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "{}: {}; --tables restores others than {tables}, an earlier set may have these whole",
        set.path.display(),
        told.join("; ")
    )
}

/// Restores what was looked at.
///
/// # Errors
/// [`RestoreFailed`], with how far it came.
pub async fn restore_tables(
    backup: &Arc<dyn TableBackup>,
    set: &FoundSet,
    look: &TablesLook,
    teller: &OnPhase,
) -> Result<Vec<Restored>, RestoreFailed> {
    let of = look.wanted.tables.iter().map(StoredTable::bytes).sum();
    let told = |progress| teller(Phase::Restoring, Progress { of: Some(of), ..progress });
    if let Some(place) = &look.wanted.there {
        return backup.restore_from_there(&look.wanted, place, &told).await;
    }
    let open = |partition: &StoredPartition| -> io::Result<Box<dyn Read + Send>> {
        set.files.archive(&partition.file)?.read()
    };
    backup.restore(&look.wanted, &open, &told).await
}
