//! What is at the places of a restore: tables that fit, rows that would be doubled, and whether the installation runs on it.

use super::{
    catalogue::{self, Found},
    definition, has_ids, mark,
};
use crate::{client::Client, error::is_denied, migrate::is_missing, sql::Sql};
use std::collections::BTreeMap;
use tfx_ports::{
    StoreError,
    backup::BackupError,
    table_backup::{Catalogue, StoredTable, TableStanding, TablesStanding},
};

const WHAT: &str = "look at what is there";

pub(super) async fn standing(client: &Client, wanted: &Catalogue) -> Result<TablesStanding, BackupError> {
    let found = match catalogue::tables(client).await {
        Ok(found) => found,
        // The database is made by the restore.
        Err(e) if is_missing(&e) => BTreeMap::new(),
        Err(e) => return Err(e.into()),
    };
    if found.is_empty() {
        let absent = |table: &StoredTable| TableStanding {
            name: table.name.clone(),
            there: None,
            passed_over: Vec::new(),
            problem: None,
        };
        return Ok(TablesStanding {
            tables: wanted.tables.iter().map(absent).collect(),
            ..TablesStanding::default()
        });
    }
    let mut rows: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (table, partition) in catalogue::partitions(client, None).await? {
        rows.entry(table).or_default().insert(partition.id, partition.rows);
    }
    let none = BTreeMap::new();
    let stands = |table: &StoredTable| {
        let there = found.get(&table.name);
        of_table(table, there, rows.get(&table.name).unwrap_or(&none))
    };
    Ok(TablesStanding {
        tables: wanted.tables.iter().map(stands).collect(),
        running: running(client).await?,
        half: mark::open(client).await?,
    })
}

fn of_table(table: &StoredTable, there: Option<&Found>, rows: &BTreeMap<String, u64>) -> TableStanding {
    let name = table.name.clone();
    let mut standing = TableStanding { name, there: None, passed_over: Vec::new(), problem: None };
    let Some(there) = there else { return standing };
    let has: u64 = rows.values().sum();
    standing.there = Some(has);
    standing.problem = mismatch(table, there);
    if standing.problem.is_some() || has_ids(&there.engine) || has == 0 {
        return standing;
    }
    // Nothing but what is passed over here keeps these rows from being there twice.
    if definition(&there.statement).ok().as_ref() != Some(&table.definition) {
        standing.problem = Some(format!(
            "it has {has} rows without ids and is defined otherwise, so that nobody can tell which of them are in the \
             backup: TRUNCATE it, or leave it out by --tables"
        ));
        return standing;
    }
    for partition in table.partitions.iter().filter(|p| p.rows > 0) {
        match rows.get(&partition.id).copied().unwrap_or(0) {
            0 => {}
            n if n == partition.rows => standing.passed_over.push(partition.id.clone()),
            n => {
                standing.problem = Some(format!(
                    "its partition {} has {n} rows without ids where the backup has {}: TRUNCATE it, or leave it out by \
                     --tables",
                    partition.id, partition.rows
                ));
            }
        }
    }
    standing
}

/// Why the rows of the backup do not fit into what is there.
fn mismatch(table: &StoredTable, there: &Found) -> Option<String> {
    if !there.engine.ends_with("MergeTree") {
        return Some(format!(
            "it is of the engine {} there and of {} in the backup",
            there.engine, table.engine
        ));
    }
    for column in &table.columns {
        match there.columns.iter().find(|c| c.name == column.name) {
            None => {
                return Some(format!(
                    "it has no column {} there, which the backup has: tfx migrate up clickhouse brings what this version has",
                    column.name
                ));
            }
            Some(found) if found.kind != column.kind => {
                return Some(format!(
                    "its column {} is of type {} there and of {} in the backup",
                    column.name, found.kind, column.kind
                ));
            }
            Some(_) => {}
        }
    }
    None
}

/// Queues that feed views, and queries that are being answered, as far as this user may see them.
async fn running(client: &Client) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT name FROM system.tables
        WHERE database = currentDatabase() AND engine = 'Kafka' AND notEmpty(dependencies_table) ORDER BY name";
    let queues: Vec<String> = client.all(WHAT, Sql::new(sql)).await?;
    let mut why = Vec::new();
    if !queues.is_empty() {
        why.push(format!("ClickHouse reads topics into it ({})", queues.join(", ")));
    }
    let sql = "SELECT count() FROM system.processes WHERE current_database = currentDatabase() AND query_id != queryID()";
    match client.all::<u64>(WHAT, Sql::new(sql)).await {
        Ok(queries) => {
            let queries = queries.first().copied().unwrap_or(0);
            if queries > 0 {
                why.push(format!("{queries} queries of clients are being answered"));
            }
        }
        Err(e) if is_denied(&e) => {}
        Err(e) => return Err(e),
    }
    Ok(why)
}
