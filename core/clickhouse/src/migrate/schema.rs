//! What is in the database, and how it differs from what the steps made: a table that lost a column, a view that is
//! gone, a queue that reads with another group. By hand, or by a backup that was half restored.

use super::expected::{self, OVER_ALL, Table, TableColumn};
use crate::{
    backup::{RESTORING, mark},
    client::Client,
    cluster::Cluster,
    sql::Sql,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use tfx_ports::{
    StoreError,
    migrate::{Difference, Remedy},
};

const WHAT: &str = "look at what is there";

/// A table or view that is there.
struct Relation {
    engine: String,
    order: String,
    /// The engine with everything said about it.
    full: String,
    /// The statement that makes it, as [`DatabaseSchema::forms`] writes ours.
    form: String,
}

/// What is in the database.
pub(super) struct DatabaseSchema {
    database: String,
    cluster: Option<Cluster>,
    relations: HashMap<String, Relation>,
    /// Type and how it is made, by table and column.
    columns: HashMap<(String, String), (String, String)>,
    /// What each server of the cluster has, by its name.
    elsewhere: BTreeMap<String, HashSet<String>>,
}

impl DatabaseSchema {
    pub(super) async fn read(client: &Client) -> Result<Self, StoreError> {
        let tables = "SELECT name, engine, sorting_key, engine_full, create_table_query, as_select
            FROM system.tables WHERE database = currentDatabase()";
        let tables: Vec<(String, String, String, String, String, String)> =
            client.all(WHAT, Sql::new(tables)).await?;
        let columns = "SELECT table, name, type, trimBoth(concat(default_kind, ' ', default_expression))
            FROM system.columns WHERE database = currentDatabase()";
        let columns: Vec<(String, String, String, String)> = client.all(WHAT, Sql::new(columns)).await?;
        // Not in texts: topics may be called after the database.
        let own = format!(" {}.", client.database);
        let relations = tables.into_iter().map(|(name, engine, order, full, create, select)| {
            // A view is written with its columns, which we do not write: they follow from what it selects.
            let form = match create.strip_suffix(&select) {
                Some(head) if !select.is_empty() => {
                    let head = head.split(" (").next().unwrap_or_default();
                    format!("{} AS {select}", head.trim_end_matches(" AS "))
                }
                _ => create,
            };
            let form = plain(&form).replace(&own, " ");
            (name, Relation { engine, order, full, form })
        });
        Ok(Self {
            database: client.database.clone(),
            cluster: client.cluster.clone(),
            relations: relations.collect(),
            elsewhere: elsewhere(client).await?,
            columns: columns.into_iter().map(|(t, c, kind, made)| ((t, c), (kind, made))).collect(),
        })
    }

    /// Those of these tables that are not there.
    pub(super) fn absent(&self, tables: &[Table]) -> Vec<Difference> {
        let absent = tables.iter().filter(|t| !self.relations.contains_key(&t.name));
        absent.map(|t| self.is_missing(&t.name)).collect()
    }

    /// Whether a restore goes on, or did not come to its end.
    pub(super) fn half_restored(&self) -> Option<Difference> {
        self.relations.contains_key(RESTORING).then(|| {
            let columns = self.columns.keys().filter(|(table, _)| table == RESTORING);
            let mut open: Vec<String> =
                columns.filter_map(|(_, name)| name.strip_prefix(mark::OF)).map(str::to_owned).collect();
            open.sort();
            let what = mark::told(&self.database, &open);
            let todo = format!("run tfx restore clickhouse again, or drop its tables {RESTORING}*");
            Difference::new(what, Remedy::ByHand, todo)
        })
    }

    /// Servers of the cluster that lack what the one that was asked has.
    pub(super) fn lacking(&self) -> Vec<Difference> {
        // Locks, and what a restore makes beside, are of one server.
        let ours = self.relations.keys().filter(|name| !name.starts_with("tfx_")).collect::<Vec<_>>();
        let lacks = self.elsewhere.iter().filter_map(|(server, has)| {
            let lacks = ours.iter().filter(|name| !has.contains(**name)).count();
            (lacks > 0).then(|| {
                let what = format!("the server {server} lacks {lacks} of {} tables and views", ours.len());
                Difference::new(what, Remedy::Up, "tfx migrate up makes them there")
            })
        });
        lacks.collect()
    }

    /// Views of these statements that are not there.
    pub(super) fn absent_views(&self, statements: &[String]) -> Vec<Difference> {
        let mut differs = Vec::new();
        let views =
            statements.iter().filter_map(|s| s.strip_prefix("CREATE MATERIALIZED VIEW IF NOT EXISTS "));
        let views = views.filter_map(|rest| rest.split_whitespace().next());
        for view in views.filter(|v| !self.relations.contains_key(*v)) {
            let what = format!("{view} is missing");
            let todo = "tfx migrate up makes it, and counts what came meanwhile";
            differs.push(Difference::new(what, Remedy::Up, todo));
        }
        differs
    }

    fn is_missing(&self, table: &str) -> Difference {
        let what = format!("table {}.{table} is missing", self.database);
        Difference::new(what, Remedy::Up, "tfx migrate up makes it, empty")
    }

    /// What differs in these tables.
    pub(super) fn tables(&self, tables: &[Table]) -> Vec<Difference> {
        let mut differs = Vec::new();
        for table in tables {
            let name = &table.name;
            let Some(Relation { engine, order, .. }) = self.relations.get(name) else {
                differs.push(self.is_missing(name));
                continue;
            };
            let wrong = if !engine.ends_with(table.engine) {
                Some(format!("its engine is {engine} instead of {}", table.engine))
            } else if bare(order) != bare(&table.order) {
                Some(format!("it is ordered by ({order}) instead of ({})", table.order))
            } else {
                None
            };
            match wrong {
                None => differs.extend(table.columns.iter().filter_map(|c| self.column(name, c))),
                Some(wrong) => differs.push(Difference::new(
                    format!("table {}.{name} is not one of this product: {wrong}", self.database),
                    Remedy::ByHand,
                    if table.engine == OVER_ALL {
                        format!(
                            "it is of one server alone (docs/scaling.md): keep it under another name (RENAME TABLE {name} TO {name}_old), run tfx migrate up clickhouse, then INSERT INTO {name} SELECT * FROM {name}_old"
                        )
                    } else {
                    format!(
                        "keep it under another name (RENAME TABLE {name} TO {name}_old) and run again: tfx migrate up clickhouse"
                    )
                    },
                )),
            }
        }
        differs
    }

    fn column(&self, table: &str, wanted: &TableColumn) -> Option<Difference> {
        let name = format!("column {table}.{}", wanted.name);
        let Some((kind, made)) = self.columns.get(&(table.to_owned(), wanted.name.clone())) else {
            let todo = "tfx migrate up adds it; rows stored without it have it empty";
            return Some(Difference::new(format!("{name} is missing"), Remedy::Up, todo));
        };
        if kind == &wanted.kind && bare(made) == bare(&wanted.made) {
            return None;
        }
        let of = |kind: &str, made: &str| format!("{kind} {made}").trim_end().to_owned();
        let (is, should) = (of(kind, made), of(&wanted.kind, &wanted.made));
        let what = format!("{name} is {is} instead of {should}");
        if bare(made) == bare(&wanted.made) && inner(kind) == inner(&wanted.kind) {
            return Some(Difference::new(what, Remedy::Kept, "it does as well"));
        }
        let todo = format!(
            "tfx migrate up leaves it alone, since that converts what is stored: look at the values, take a backup, then ALTER TABLE {}.{table} MODIFY COLUMN {} {}",
            self.database, wanted.name, wanted.definition
        );
        Some(Difference::new(what, Remedy::ByHand, todo))
    }

    /// The columns that are missing in these tables, each with the statement that adds it, in order.
    pub(super) fn additions(&self, tables: &[Table]) -> Vec<String> {
        let mut statements = Vec::new();
        let on = self.cluster.as_ref().map(Cluster::on).unwrap_or_default();
        for table in tables {
            let mut place = "FIRST".to_owned();
            for TableColumn { name, definition, .. } in &table.columns {
                if !self.columns.contains_key(&(table.name.clone(), name.clone())) {
                    let table = &table.name;
                    statements.push(format!(
                        "ALTER TABLE {table}{on} ADD COLUMN IF NOT EXISTS {name} {definition} {place}"
                    ));
                }
                place = format!("AFTER {name}");
            }
        }
        statements
    }

    /// What differs in what these statements make. All of it can be made anew at any time.
    pub(super) async fn pipeline(
        &self,
        client: &Client,
        statements: &[String],
    ) -> Result<Vec<Difference>, StoreError> {
        let statements = statements.iter().filter_map(|s| expected::object(s).map(|name| (name, s)));
        let on = self.cluster.as_ref().map(Cluster::on).unwrap_or_default();
        // A server says of what it has nothing of the others.
        let alone = |s: &String| if on.is_empty() { s.clone() } else { s.replacen(&on, "", 1) };
        let (names, statements): (Vec<_>, Vec<_>) = statements.map(|(n, s)| (n, alone(s))).unzip();
        let mut sql = Sql::new("SELECT formatQuerySingleLine(arrayJoin(?))");
        sql.texts(statements);
        let forms: Vec<String> = client.all(WHAT, sql).await?;
        let differs = names.iter().zip(forms).filter_map(|(name, form)| {
            let wrong = match self.relations.get(*name) {
                None => "is missing".to_owned(),
                Some(found) => differing(&found.form, &plain(&form))?,
            };
            let todo = "tfx migrate up makes queues and views anew; messages wait in their topics meanwhile";
            Some(Difference::new(format!("{name} {wrong}"), Remedy::Up, todo))
        });
        Ok(differs.collect())
    }

    /// The engine of a table with all that is said about it; none: it is not there.
    pub(super) fn engine(&self, table: &str) -> Option<&str> {
        self.relations.get(table).map(|r| r.full.as_str())
    }
}

/// What each server of a cluster has of our database; nothing where there is none.
async fn elsewhere(client: &Client) -> Result<BTreeMap<String, HashSet<String>>, StoreError> {
    if client.cluster.is_none() {
        return Ok(BTreeMap::new());
    }
    // A server that has nothing of it is one too.
    let sql = format!(
        "SELECT hostName() AS server, '' AS name FROM {} UNION ALL SELECT hostName(), name FROM {} WHERE database = {}",
        client.system("one", true),
        client.system("tables", true),
        client.own()
    );
    let rows: Vec<(String, String)> = client.all(WHAT, Sql::verbatim(&sql)).await?;
    let mut servers: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    for (server, name) in rows {
        servers.entry(server).or_default().insert(name);
    }
    Ok(servers)
}

/// How one statement differs from another: by the settings of a queue if it has any.
fn differing(is: &str, should: &str) -> Option<String> {
    if is == should {
        return None;
    }
    let settings = |text: &str| -> Vec<String> {
        let settings = text.split_once(" SETTINGS ").map_or("", |(_, settings)| settings);
        settings.split(", kafka_").map(|s| s.trim_start_matches("kafka_").to_owned()).collect()
    };
    let (has, wanted) = (settings(is), settings(should));
    let other: Vec<&str> = has.iter().filter(|s| !wanted.contains(s)).map(String::as_str).collect();
    if other.iter().all(|s| s.is_empty()) {
        return Some("is not as this build makes it".to_owned());
    }
    Some(format!("is not as this build makes it: it has {}", other.join(", ")))
}

/// Without the quotes that the server puts around some names.
fn plain(form: &str) -> String {
    form.replace('`', "")
}

/// Without what is written in several ways.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '(' | ')' | ' ' | '`')).collect()
}

/// A type without what only says how its values are kept.
fn inner(kind: &str) -> &str {
    kind.strip_prefix("LowCardinality(").and_then(|k| k.strip_suffix(')')).unwrap_or(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_says_which_setting_differs() {
        let queue = |group: &str| {
            format!(
                "CREATE TABLE q (raw String) ENGINE = Kafka SETTINGS kafka_broker_list = 'a:1,b:1', kafka_group_name = '{group}', kafka_format = 'RawBLOB'"
            )
        };
        assert_eq!(differing(&queue("g"), &queue("g")), None);
        let says = differing(&queue("other"), &queue("g")).expect("another group");
        assert_eq!(says, "is not as this build makes it: it has group_name = 'other'");
        let says = differing("CREATE VIEW v AS SELECT 1", "CREATE VIEW v AS SELECT 2").expect("another view");
        assert_eq!(says, "is not as this build makes it");
    }

    #[test]
    fn the_way_a_text_is_kept_makes_no_difference() {
        assert_eq!(inner("LowCardinality(String)"), inner("String"));
        assert_ne!(inner("Array(String)"), inner("String"));
    }
}
