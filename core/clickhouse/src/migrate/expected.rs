//! What the files make, read from the files themselves, so that there is no second list of it.

use crate::cluster::Cluster;

/// A table as a file makes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<TableColumn>,
    pub(super) order: String,
    /// What the name of its engine ends with.
    pub(super) engine: &'static str,
}

/// The engine of tables that keep rows.
const KEEPS: &str = "ReplacingMergeTree";
/// That of tables over those of all shards.
pub(super) const OVER_ALL: &str = "Distributed";

/// Each of these as it is in a cluster: the one that keeps the rows of a shard, and the one over all.
pub(super) fn of_cluster(tables: Vec<Table>) -> Vec<Table> {
    let both = |table: Table| {
        let local = Table { name: Cluster::local(&table.name), columns: table.columns.clone(), ..table };
        [local, Table { order: String::new(), engine: OVER_ALL, ..table }]
    };
    tables.into_iter().flat_map(both).collect()
}

/// A column of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) kind: String,
    /// `ALIAS …`, `MATERIALIZED …`, `DEFAULT …`; empty: a plain one.
    pub(super) made: String,
    /// All that follows the name in the file.
    pub(super) definition: String,
}

/// The tables of a file of ours: each column on a line of its own, the order on one.
pub(super) fn tables(file: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut in_columns = false;
    for line in file.lines() {
        if let Some(name) = line.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
            let (columns, order) = (Vec::new(), String::new());
            tables.push(Table { name: name.to_owned(), columns, order, engine: KEEPS });
        } else if let Some(like) = line.strip_prefix("AS ") {
            let columns =
                tables.iter().find(|t| t.name == like).map(|t| t.columns.clone()).unwrap_or_default();
            tables.iter_mut().last().into_iter().for_each(|t| t.columns.clone_from(&columns));
        } else if let Some(order) = line.strip_prefix("ORDER BY ") {
            let order = order.trim_end_matches(';').trim_matches(['(', ')']);
            tables.iter_mut().last().into_iter().for_each(|t| order.clone_into(&mut t.order));
        } else if matches!(line, "(" | ")") {
            in_columns = line == "(";
        } else if let (true, Some(column)) = (in_columns, column(line)) {
            tables.iter_mut().last().into_iter().for_each(|t| t.columns.push(column.clone()));
        }
    }
    tables
}

fn column(line: &str) -> Option<TableColumn> {
    let (name, definition) = line.trim().trim_end_matches(',').split_once(' ')?;
    let definition = definition.trim_start();
    let ends = |word: &str| definition.find(word).unwrap_or(definition.len());
    let made = ends(" ALIAS ").min(ends(" MATERIALIZED ")).min(ends(" DEFAULT "));
    let kind = definition[..made.min(ends(" CODEC("))].to_owned();
    let made = definition[made..].trim_start().to_owned();
    Some(TableColumn { name: name.to_owned(), kind, made, definition: definition.to_owned() })
}

/// What a statement makes; none for any other.
pub(super) fn object(statement: &str) -> Option<&str> {
    let rest = ["CREATE TABLE ", "CREATE MATERIALIZED VIEW ", "CREATE VIEW "];
    let rest = rest.iter().find_map(|verb| statement.strip_prefix(verb))?;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::script;

    #[test]
    fn the_file_is_understood() {
        let tables = tables(script::TABLES);
        let names: Vec<_> =
            tables.iter().map(|t| (t.name.as_str(), t.order.as_str(), t.columns.len())).collect();
        assert_eq!(
            names,
            [
                ("click_events", "at, click_id", 43),
                ("trafficback_events", "at, click_id", 43),
                ("conversion_events", "conversion_id", 38),
                ("postback_log_events", "at, id", 22),
                ("destination_health_events", "at, id", 7),
                ("kafka_ingestion_errors", "topic, partition, offset, content", 8),
            ]
        );
        let conversions = &tables[2].columns;
        let at = conversions.iter().position(|c| c.name == "source_id").expect("a source");
        assert_eq!(conversions[at - 1].name, "destination_id");
    }

    #[test]
    fn a_column_is_its_type_and_how_it_is_made() {
        let table = [
            ("    status             UInt16,", "status", "UInt16", ""),
            ("    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),", "at", "DateTime64(3, 'UTC')", ""),
            (
                "    ip  String ALIAS JSONExtractString(event, 'ip')",
                "ip",
                "String",
                "ALIAS JSONExtractString(event, 'ip')",
            ),
            ("    n UInt64 MATERIALIZED f(x)", "n", "UInt64", "MATERIALIZED f(x)"),
            ("    c String DEFAULT f(event),", "c", "String", "DEFAULT f(event)"),
        ];
        for (line, name, kind, made) in table {
            let column = column(line).expect(line);
            assert_eq!((&*column.name, &*column.kind, &*column.made), (name, kind, made));
        }
        assert_eq!(column(""), None);
    }

    #[test]
    fn a_statement_is_known_by_what_it_makes() {
        assert_eq!(object("CREATE TABLE a_queue (raw String)\nENGINE = Kafka"), Some("a_queue"));
        assert_eq!(object("CREATE TABLE rows\n(\n"), Some("rows"));
        assert_eq!(object("CREATE MATERIALIZED VIEW a_mv TO rows AS\nSELECT 1"), Some("a_mv"));
        assert_eq!(object("CREATE VIEW state AS\nSELECT 1"), Some("state"));
        assert_eq!(object("DROP VIEW IF EXISTS state"), None);
    }
}
