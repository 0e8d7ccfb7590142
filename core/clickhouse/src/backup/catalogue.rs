//! What the database holds: tables with their partitions, and what is only written down.

use super::{MIGRATIONS, RESTORING, definition, kind::Kind, made_by, mark, not_sound};
use crate::{client::Client, sql::Sql};
use std::collections::{BTreeMap, BTreeSet};
use tfx_ports::{
    StoreError,
    backup::BackupError,
    table_backup::{CATALOGUE_FORMAT, Catalogue, Definition, StoredColumn, StoredPartition, StoredTable},
};

const WHAT: &str = "look at what is there";
/// A table that is in every database that was migrated.
const OURS: &str = "click_events";
/// What begins the names of tables in which the server keeps the rows of views.
const OF_VIEWS: &str = ".inner";
/// What begins the names of partitions that change rows of others when they are read.
const PATCHES: &str = "patch-";
/// Engines that keep no rows of their own.
const ROWLESS: [&str; 12] = [
    "Kafka",
    "Null",
    "View",
    "MaterializedView",
    "Dictionary",
    "Distributed",
    "Merge",
    "RabbitMQ",
    "NATS",
    "URL",
    "S3Queue",
    "GenerateRandom",
];

/// A table as the server has it.
pub(super) struct Found {
    pub(super) engine: String,
    pub(super) statement: String,
    /// Those whose values are kept.
    pub(super) columns: Vec<StoredColumn>,
}

pub(super) async fn tables(client: &Client) -> Result<BTreeMap<String, Found>, StoreError> {
    let sql = "SELECT name, engine, create_table_query FROM system.tables
        WHERE database = currentDatabase() AND NOT is_temporary";
    let tables: Vec<(String, String, String)> = client.all(WHAT, Sql::new(sql)).await?;
    let sql = "SELECT table, name, type FROM system.columns
        WHERE database = currentDatabase() AND default_kind IN ('', 'DEFAULT') ORDER BY table, position";
    let columns: Vec<(String, String, String)> = client.all(WHAT, Sql::new(sql)).await?;
    let mut found: BTreeMap<String, Found> = tables
        .into_iter()
        .map(|(name, engine, statement)| (name, Found { engine, statement, columns: Vec::new() }))
        .collect();
    for (table, name, kind) in columns {
        if let Some(table) = found.get_mut(&table) {
            table.columns.push(StoredColumn { name, kind });
        }
    }
    Ok(found)
}

/// Partitions with their tables, of all or of one. The state is made of the names and checksums of the parts, which never
/// change: other rows are other parts.
pub(super) async fn partitions(
    client: &Client,
    of: Option<(&str, &str)>,
) -> Result<Vec<(String, StoredPartition)>, StoreError> {
    let mut sql = Sql::new(
        "SELECT table, partition_id, sum(rows), sum(data_uncompressed_bytes),
            lower(hex(sipHash128(arrayStringConcat(arraySort(groupArray(concat(name, ':', hash_of_all_files))), ','))))
         FROM system.parts WHERE database = currentDatabase() AND active",
    );
    if let Some((table, partition)) = of {
        // Patches of any partition may be of this one.
        sql.push(" AND table = ?")
            .text(table)
            .push(" AND (partition_id = ? OR startsWith(partition_id, 'patch-'))");
        sql.text(partition);
    }
    sql.push(" GROUP BY table, partition_id ORDER BY table, partition_id");
    let rows: Vec<(String, String, u64, u64, String)> = client.all(WHAT, sql).await?;
    let patched: BTreeSet<String> =
        rows.iter().filter(|row| row.1.starts_with(PATCHES)).map(|row| row.0.clone()).collect();
    let rows = rows.into_iter().filter(|row| !row.1.starts_with(PATCHES));
    let partition = |(table, id, rows, bytes, state)| {
        let state = Some(state).filter(|_| !patched.contains(&table));
        (table, StoredPartition { id, rows, bytes, state, file: String::new() })
    };
    Ok(rows.map(partition).collect())
}

pub(super) async fn read(client: &Client) -> Result<Catalogue, BackupError> {
    let found = tables(client).await?;
    let database = &client.database;
    if let Some(open) = mark::open(client).await? {
        let what = format!(
            "{}: wait for tfx restore clickhouse, or run it again; if {database} is whole all the same, drop its tables \
             {RESTORING}*",
            mark::told(database, &open)
        );
        return Err(BackupError::HalfRestored { what });
    }
    let (mut kept, mut definitions, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for (name, Found { engine, statement, columns }) in found {
        if name.starts_with(MIGRATIONS) {
            continue;
        }
        if ROWLESS.contains(&engine.as_str()) {
            definitions.push(Definition { name, engine, statement });
            continue;
        }
        let unknown = columns.iter().find(|column| Kind::of(&column.kind).is_none());
        if name.starts_with(OF_VIEWS) {
            left_out.push(format!("{name}: it is the inside of a view"));
        } else if !engine.ends_with("MergeTree") {
            left_out.push(format!("{name}: of the engine {engine}, whose rows are not exported"));
        } else if let Some(column) = unknown {
            left_out.push(format!(
                "{name}: its column {} is of type {}, which is not exported; --server-side has it",
                column.name, column.kind
            ));
        } else {
            let definition = definition(&statement)?;
            kept.push(StoredTable { name, engine, definition, columns, partitions: Vec::new() });
        }
    }
    if !kept.iter().any(|table| table.name == OURS) {
        let what = format!(
            "{database} at {} has no tables with rows of tfx: is CLICKHOUSE_DATABASE right?",
            client.url
        );
        return Err(not_sound(what));
    }
    for (table, partition) in partitions(client, None).await? {
        if let Some(table) = kept.iter_mut().find(|t| t.name == table) {
            table.partitions.push(partition);
        }
    }
    Ok(Catalogue {
        format: CATALOGUE_FORMAT,
        made_by: made_by(),
        server: version(client).await?,
        database: database.clone(),
        tables: kept,
        definitions,
        left_out,
        there: None,
    })
}

async fn version(client: &Client) -> Result<String, StoreError> {
    let said: Vec<String> = client.all("ask for the version", Sql::new("SELECT version()")).await?;
    Ok(said.first().map(|version| format!("ClickHouse {version}")).unwrap_or_default())
}
