//! Whether the tables that are there are those that the views are going to fill. A table of an early volume is
//! completed by `003_mvp_event_tables.sql`; what that cannot do must be known before the queues go on, since a view
//! that fails stops its topic.

use super::script;
use crate::{client::Client, config::broken, sql::Sql};
use tfx_ports::StoreError;

/// A table as the file makes it.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    name: String,
    columns: Vec<String>,
    order: String,
}

/// How much must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Before the file is run: what is there must be what the file can complete.
    Some,
    /// After it: everything.
    All,
}

/// Compares what is there.
pub(super) async fn check(client: &Client, extent: Extent) -> Result<(), StoreError> {
    let what = "check the tables";
    let columns = Sql::new("SELECT table, name FROM system.columns WHERE database = currentDatabase()");
    let columns: Vec<(String, String)> = client.all(what, columns).await?;
    let tables =
        Sql::new("SELECT name, engine, sorting_key FROM system.tables WHERE database = currentDatabase()");
    let tables: Vec<(String, String, String)> = client.all(what, tables).await?;
    for table in made_by(script::TABLES) {
        let name = &table.name;
        let found = tables.iter().find(|(n, ..)| n == name);
        if found.is_none() && extent == Extent::Some {
            continue;
        }
        let (engine, order) = found.map_or(("", ""), |(_, engine, order)| (engine, order));
        let lacks = |c: &&String| !columns.iter().any(|(t, n)| t == name && n == *c);
        let missing: Vec<&str> = table.columns.iter().filter(lacks).map(String::as_str).collect();
        let wrong = if !engine.ends_with("ReplacingMergeTree") {
            format!("its engine is {engine} instead of ReplacingMergeTree")
        } else if plain(order) != plain(&table.order) {
            format!("it is ordered by ({order}) instead of ({})", table.order)
        } else if !missing.is_empty() && extent == Extent::All {
            format!("it lacks {}", missing.join(", "))
        } else {
            continue;
        };
        return Err(broken(format!(
            "the table {}.{name} is not one of this product: {wrong}. Keep it under another name (RENAME TABLE {name} TO {name}_old) and run again: tfx migrate up clickhouse",
            client.database
        )));
    }
    Ok(())
}

fn plain(order: &str) -> String {
    order.chars().filter(|c| !matches!(c, '(' | ')' | ' ' | '`')).collect()
}

/// The tables of a file of ours: each column on a line of its own, the order on one.
fn made_by(file: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut in_columns = false;
    for line in file.lines() {
        if let Some(name) = line.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
            tables.push(Table { name: name.to_owned(), columns: Vec::new(), order: String::new() });
        } else if let Some(like) = line.strip_prefix("AS ") {
            let columns =
                tables.iter().find(|t| t.name == like).map(|t| t.columns.clone()).unwrap_or_default();
            tables.iter_mut().last().into_iter().for_each(|t| t.columns.clone_from(&columns));
        } else if let Some(order) = line.strip_prefix("ORDER BY ") {
            let order = order.trim_end_matches(';').trim_matches(['(', ')']);
            tables.iter_mut().last().into_iter().for_each(|t| order.clone_into(&mut t.order));
        } else if matches!(line, "(" | ")") {
            in_columns = line == "(";
        } else if let (true, Some(column)) = (in_columns, line.split_whitespace().next()) {
            tables.iter_mut().last().into_iter().for_each(|t| t.columns.push(column.to_owned()));
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_understood() {
        let tables = made_by(script::TABLES);
        let names: Vec<_> =
            tables.iter().map(|t| (t.name.as_str(), t.order.as_str(), t.columns.len())).collect();
        assert_eq!(
            names,
            [
                ("click_events", "at, click_id", 39),
                ("trafficback_events", "at, click_id", 39),
                ("conversion_events", "conversion_id", 33),
                ("postback_log_events", "at, id", 16),
                ("destination_health_events", "at, id", 7),
                ("kafka_ingestion_errors", "topic, partition, offset, content", 8),
            ]
        );
        let conversions = &tables[2].columns;
        let at = conversions.iter().position(|c| c == "source_id").expect("a source");
        assert_eq!(conversions[at - 1], "destination_id");
    }
}
