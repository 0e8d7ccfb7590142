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
    /// What of them is not whole in the set and so is not wanted, of each table that lacks something.
    pub missing: Vec<MissingRows>,
    /// What is at their places.
    pub standing: TablesStanding,
}

/// What a set does not have of a table any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRows {
    /// The table.
    pub table: String,
    /// Its partitions whose files are missing or damaged.
    pub partitions: Vec<String>,
    /// Rows in them.
    pub rows: u64,
    /// Rows of the whole table.
    pub of: u64,
    /// What is wrong with each file.
    pub why: Vec<String>,
}

/// What of a set is wanted.
#[derive(Debug, Clone, Default)]
pub struct TablesWanted {
    /// Tables that one of these patterns names; none: all.
    pub patterns: Vec<String>,
    /// Of a set that is damaged, the partitions that are whole; else such a set is refused.
    pub only_whole: bool,
}

/// Reads everything that is wanted, and looks at what is at its places. Changes nothing.
///
/// # Errors
/// [`RestoreError`].
pub async fn look_at_tables(
    backup: &Arc<dyn TableBackup>,
    store: &'static str,
    set: &FoundSet,
    TablesWanted { patterns, only_whole }: &TablesWanted,
    teller: &OnPhase,
) -> Result<TablesLook, RestoreError> {
    let set = Some(set).filter(|_| *only_whole).and_then(FoundSet::as_it_says).unwrap_or_else(|| set.clone());
    let of = set.clone();
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
    let (of, tell) = (set.clone(), Arc::clone(teller));
    let files: HashMap<String, String> = (wanted.tables.iter())
        .flat_map(|table| table.partitions.iter().map(|p| (p.file.clone(), table.name.clone())))
        .collect();
    let verified = spawn_blocking(move || {
        let found = verify_parts(&of, |part| files.contains_key(&part.file), &tell);
        found.map(|found| (found, files)).map_err(|e| BackupError::Read(io::Error::other(e)))
    });
    let (found, files) = verified.await.unwrap_or_else(|e| Err(BackupError::Read(io::Error::other(e))))?;
    if !found.is_empty() && !only_whole {
        return Err(BackupError::NotSound { what: damaged(&set, &found, &files) }.into());
    }
    let missing = take_out(&mut wanted, &found);
    if !found.is_empty() && wanted.tables.iter().all(|table| table.partitions.is_empty()) {
        let what = format!("{}: nothing of it is whole", set.path.display());
        return Err(BackupError::NotSound { what }.into());
    }
    let standing = backup.standing(&wanted).await?;
    Ok(TablesLook { wanted, left_out, missing, standing })
}

/// Takes partitions whose files are damaged out of what is wanted.
fn take_out(wanted: &mut Catalogue, damaged: &[Damage]) -> Vec<MissingRows> {
    let mut missing = Vec::new();
    for table in &mut wanted.tables {
        let of = table.rows();
        let why = |p: &StoredPartition| damaged.iter().find(|d| d.file == p.file).map(ToString::to_string);
        let lost: Vec<(StoredPartition, String)> =
            table.partitions.iter().filter_map(|p| Some((p.clone(), why(p)?))).collect();
        table.partitions.retain(|partition| lost.iter().all(|(lost, _)| lost.id != partition.id));
        if !lost.is_empty() {
            missing.push(MissingRows {
                table: table.name.clone(),
                partitions: lost.iter().map(|(p, _)| p.id.clone()).collect(),
                rows: lost.iter().map(|(p, _)| p.rows).sum(),
                of,
                why: lost.into_iter().map(|(_, why)| why).collect(),
            });
        }
    }
    missing
}

/// What is damaged, and that the rest can be restored.
fn damaged(set: &FoundSet, found: &[Damage], of: &HashMap<String, String>) -> String {
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    let tables: BTreeSet<&str> =
        found.iter().filter_map(|damage| of.get(&damage.file)).map(String::as_str).collect();
    let tables = tables.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "{}: {}; --tables restores others than {tables}, --only-whole all that is whole; an earlier set may have these whole",
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
