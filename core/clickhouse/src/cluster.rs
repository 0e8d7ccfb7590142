//! A cluster of servers: every table that keeps rows is two. `click_events_local` holds the rows of its shard, on each of its
//! replicas; `click_events` reads all shards and hands what is inserted to the one that it belongs to. That one follows from
//! what the table tells rows apart by: so one event that comes twice meets itself, and FINAL is as exact as on one server.
//!
//! Statements are written for one server and made into those of a cluster here, so that there is one list of them.

use tfx_ports::StoreError;

/// What the name of a table ends with that holds the rows of one shard.
const LOCAL: &str = "_local";

/// Servers that keep the events together, by the name that they have for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster(String);

impl Cluster {
    /// # Errors
    /// It is no name.
    pub(crate) fn new(name: &str) -> Result<Self, StoreError> {
        let may = |b: u8| b.is_ascii_alphanumeric() || b"_-.{}".contains(&b);
        if name.is_empty() || !name.bytes().all(may) {
            return Err(crate::config::broken(format!(
                "CLICKHOUSE_CLUSTER is {name:?}; allowed are letters, digits and _ - . {{ }}"
            )));
        }
        Ok(Self(name.to_owned()))
    }

    /// What makes a statement one of every server.
    pub(crate) fn on(&self) -> String {
        format!(" ON CLUSTER '{}'", self.0)
    }

    /// The name of the table of one shard.
    pub(crate) fn local(table: &str) -> String {
        format!("{table}{LOCAL}")
    }

    /// A table of the system, of one replica of each shard or of `every` server.
    pub(crate) fn system(&self, table: &str, every: bool) -> String {
        let function = if every { "clusterAllReplicas" } else { "cluster" };
        format!("{function}('{}', system.{table})", self.0)
    }

    /// The statements of one server as those of the cluster.
    pub(crate) fn statements(&self, database: &str, statements: Vec<String>) -> Vec<String> {
        statements.into_iter().flat_map(|s| self.statement(database, &s)).collect()
    }

    fn statement(&self, database: &str, statement: &str) -> Vec<String> {
        let on = self.on();
        let Some((verb, name, rest)) = parts(statement) else { return vec![statement.to_owned()] };
        if verb.starts_with("ALTER ") {
            let local = Self::local(name);
            return vec![format!("{verb}{local}{on}{rest}"), format!("{verb}{name}{on}{rest}")];
        }
        let Some((columns, engine)) = rest.split_once("\nENGINE = ").filter(|(_, e)| keeps(e)) else {
            return vec![format!("{verb}{name}{on}{rest}")];
        };
        let local = Self::local(name);
        // `AS another` names one that is kept as well.
        let like = columns.strip_prefix("\nAS ").map(|other| format!("\nAS {}", Self::local(other.trim())));
        let columns = like.as_deref().unwrap_or(columns);
        let order = engine.lines().find_map(|line| line.strip_prefix("ORDER BY ")).unwrap_or_default();
        let order = order.trim_matches(['(', ')']);
        vec![
            format!("{verb}{local}{on}{columns}\nENGINE = {}", replicated(engine)),
            format!(
                "{verb}{name}{on}\nAS {local}\nENGINE = Distributed('{}', '{database}', '{local}', cityHash64({order}))\n\
                 SETTINGS fsync_after_insert = 1, fsync_directories = 1",
                self.0
            ),
        ]
    }
}

/// Whether rows stay in a table of such an engine.
fn keeps(engine: &str) -> bool {
    engine.starts_with("ReplacingMergeTree") || engine.starts_with("MergeTree")
}

/// The engine that shares its rows with the other servers of its shard.
fn replicated(engine: &str) -> String {
    let (name, rest) = engine.split_at(engine.find(['(', '\n']).unwrap_or(engine.len()));
    let (own, rest) = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((own, rest)) => (format!(", {own}"), rest),
        None => (String::new(), rest),
    };
    format!(
        "Replicated{name}('/clickhouse/tables/{{shard}}/{{database}}/{{table}}', '{{replica}}'{own}){rest}"
    )
}

/// What a statement begins with, the name it is about, and what follows it; none: it makes and changes nothing but rows.
fn parts(statement: &str) -> Option<(&str, &str, &str)> {
    const VERBS: [&str; 9] = [
        "CREATE DATABASE IF NOT EXISTS ",
        "CREATE TABLE IF NOT EXISTS ",
        "CREATE TABLE ",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS ",
        "CREATE MATERIALIZED VIEW ",
        "CREATE VIEW ",
        "DROP TABLE IF EXISTS ",
        "DROP VIEW IF EXISTS ",
        "ALTER TABLE ",
    ];
    let verb = VERBS.into_iter().find(|verb| statement.starts_with(verb))?;
    let rest = &statement[verb.len()..];
    let (name, rest) = rest.split_at(rest.find([' ', '\n']).unwrap_or(rest.len()));
    Some((verb, name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(statement: &str) -> Vec<String> {
        let cluster = Cluster::new("main").expect("a name");
        cluster.statements("shop", vec![statement.to_owned()])
    }

    #[test]
    fn a_table_that_keeps_rows_is_one_of_its_shard_and_one_over_all() {
        let one = "CREATE TABLE IF NOT EXISTS t\n(\n    a String,\n    v UInt64\n)\nENGINE = ReplacingMergeTree(v)\nORDER BY (a, v)";
        assert_eq!(
            made(one),
            [
                "CREATE TABLE IF NOT EXISTS t_local ON CLUSTER 'main'\n(\n    a String,\n    v UInt64\n)\n\
                 ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', v)\nORDER BY (a, v)",
                "CREATE TABLE IF NOT EXISTS t ON CLUSTER 'main'\nAS t_local\n\
                 ENGINE = Distributed('main', 'shop', 't_local', cityHash64(a, v))\n\
                 SETTINGS fsync_after_insert = 1, fsync_directories = 1",
            ]
        );
        let like = "CREATE TABLE IF NOT EXISTS u\nAS t\nENGINE = ReplacingMergeTree\nORDER BY a";
        let all = made(like);
        assert!(all[0].starts_with("CREATE TABLE IF NOT EXISTS u_local ON CLUSTER 'main'\nAS t_local\nENGINE = ReplicatedReplacingMergeTree('/"), "{all:?}");
        assert!(all[0].contains("'{replica}')\nORDER BY a") && all[1].contains("cityHash64(a)"), "{all:?}");
    }

    #[test]
    fn whatever_else_is_made_or_dropped_is_so_everywhere_and_rows_go_to_the_table_over_all() {
        for (one, all) in [
            ("CREATE DATABASE IF NOT EXISTS shop", "CREATE DATABASE IF NOT EXISTS shop ON CLUSTER 'main'"),
            ("DROP TABLE IF EXISTS q", "DROP TABLE IF EXISTS q ON CLUSTER 'main'"),
            (
                "CREATE TABLE q (raw String)\nENGINE = Kafka",
                "CREATE TABLE q ON CLUSTER 'main' (raw String)\nENGINE = Kafka",
            ),
            (
                "CREATE MATERIALIZED VIEW m TO t AS\nSELECT 1",
                "CREATE MATERIALIZED VIEW m ON CLUSTER 'main' TO t AS\nSELECT 1",
            ),
            (
                "CREATE MATERIALIZED VIEW IF NOT EXISTS m\nREFRESH",
                "CREATE MATERIALIZED VIEW IF NOT EXISTS m ON CLUSTER 'main'\nREFRESH",
            ),
            ("INSERT INTO t SELECT 1", "INSERT INTO t SELECT 1"),
        ] {
            assert_eq!(made(one), [all], "{one}");
        }
        assert_eq!(
            made("ALTER TABLE t ADD COLUMN a String"),
            [
                "ALTER TABLE t_local ON CLUSTER 'main' ADD COLUMN a String",
                "ALTER TABLE t ON CLUSTER 'main' ADD COLUMN a String"
            ]
        );
    }

    #[test]
    fn a_name_ends_no_text() {
        for bad in ["", "it's", "a b", "a;", "a\\"] {
            assert!(Cluster::new(bad).is_err(), "{bad}");
        }
        for good in ["main", "{cluster}", "eu-1.click"] {
            assert_eq!(Cluster::new(good).expect(good).on(), format!(" ON CLUSTER '{good}'"));
        }
    }
}
