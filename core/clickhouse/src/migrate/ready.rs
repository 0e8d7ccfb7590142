//! Whether the database is what running services need. Health checks ask it again and again, so it is one question; all
//! that differs is told by [`Schema`](super::Schema).

use super::{
    expected::{self, TableColumn},
    script,
};
use crate::{
    PipelineConfig,
    client::Client,
    config::broken,
    sql::{Sql, quoted},
};
use std::collections::{HashMap, HashSet};
use tfx_domain::event::Topic;
use tfx_ports::{StoreError, ingestion::group_of};

/// Columns of tables and views, and what queues say about themselves.
const THERE: &str = "SELECT table, name, '' FROM system.columns WHERE database = currentDatabase()
    UNION ALL
    SELECT name, '', engine_full FROM system.tables WHERE database = currentDatabase() AND engine = 'Kafka'";

/// What is there.
#[derive(Default)]
struct There {
    columns: HashSet<(String, String)>,
    relations: HashSet<String>,
    /// By name: the engine with its settings.
    queues: HashMap<String, String>,
}

/// Whether the tables and columns that this build reads are there, and whether what services write is read into them if
/// it is known what they write.
pub(crate) async fn ready(client: &Client, pipeline: Option<&PipelineConfig>) -> Result<(), StoreError> {
    let mut there = There::default();
    let rows: Vec<(String, String, String)> = client.all("look at the tables", Sql::new(THERE)).await?;
    for (table, column, engine) in rows {
        if column.is_empty() {
            there.queues.insert(table, engine);
        } else {
            there.relations.insert(table.clone());
            there.columns.insert((table, column));
        }
    }
    there.complete(&client.database)?;
    pipeline.map_or(Ok(()), |pipeline| there.fed(&client.database, pipeline))
}

impl There {
    fn complete(&self, database: &str) -> Result<(), StoreError> {
        let mut lacks = Vec::new();
        for table in [script::TABLES, script::USE_OF_CAPS].into_iter().flat_map(expected::tables) {
            let has = |c: &TableColumn| self.columns.contains(&(table.name.clone(), c.name.clone()));
            let missing: Vec<_> = table.columns.iter().filter(|c| !has(c)).collect();
            if missing.len() == table.columns.len() {
                lacks.push(format!("table {}", table.name));
            } else {
                lacks.extend(missing.iter().map(|c| format!("column {}.{}", table.name, c.name)));
            }
        }
        if lacks.is_empty() {
            return Ok(());
        }
        let lacks = lacks.join(", ");
        Err(broken(format!(
            "the database {database} is not what this build needs (it lacks {lacks}); run: tfx migrate up clickhouse"
        )))
    }

    /// Whether a queue reads each of the topics. Settings may have changed since the queues were made; then all looks
    /// well, and events never arrive.
    fn fed(&self, database: &str, pipeline: &PipelineConfig) -> Result<(), StoreError> {
        let (mut others, mut groups, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        for (topic, name) in Topic::ALL.iter().zip(&pipeline.topics) {
            let kind = topic.as_str();
            let group = group_of(&pipeline.groups, *topic);
            // A queue does nothing without the view that takes messages from it.
            let queue = self.queues.get(&format!("{kind}_queue"));
            match queue.filter(|_| self.relations.contains(&format!("{kind}_mv"))) {
                None => unread.push(name.as_str()),
                Some(queue) if !has(queue, "kafka_topic_list", name) => {
                    let reads = value(queue, "kafka_topic_list").unwrap_or("something else");
                    others.push(format!("{reads}, not {name} ({}_TOPIC)", kind.to_uppercase()));
                }
                Some(queue) if !has(queue, "kafka_group_name", &group) => {
                    let reads = value(queue, "kafka_group_name").unwrap_or("unknown");
                    groups.push(format!("{reads}, not {group}"));
                }
                Some(_) => {}
            }
        }
        let mut wrong = Vec::new();
        if !others.is_empty() {
            wrong.push(format!("ClickHouse reads {}", others.join("; ")));
        }
        if let [first, rest @ ..] = groups.as_slice() {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            wrong.push(format!(
                "ClickHouse reads with the consumer group {first} (CLICKHOUSE_CONSUMER_GROUP){more}"
            ));
        }
        if !unread.is_empty() {
            wrong.push(format!("nothing reads {} into the database {database}", unread.join(", ")));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(broken(format!("{}; run: tfx migrate up clickhouse", wrong.join("; "))))
    }
}

/// Whether a queue has this setting.
fn has(queue: &str, setting: &str, wanted: &str) -> bool {
    queue.contains(&format!(" {setting} = {}", quoted(wanted)))
}

/// What a queue has for a setting, for people: as it is written there.
fn value<'q>(queue: &'q str, setting: &str) -> Option<&'q str> {
    let (_, rest) = queue.split_once(&format!(" {setting} = '"))?;
    Some(rest.split("', kafka_").next()?.trim_end_matches('\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database in which everything reads what this pipeline says.
    fn reading(pipeline: &PipelineConfig) -> There {
        let mut there = There::default();
        for (topic, name) in Topic::ALL.iter().zip(&pipeline.topics) {
            let (kind, group) = (topic.as_str(), group_of(&pipeline.groups, *topic));
            let engine = format!(
                "Kafka SETTINGS kafka_broker_list = 'b:1', kafka_topic_list = {}, kafka_group_name = {}, kafka_format = 'RawBLOB'",
                quoted(name),
                quoted(&group)
            );
            there.queues.insert(format!("{kind}_queue"), engine);
            there.relations.insert(format!("{kind}_mv"));
        }
        there
    }

    fn says(there: &There, pipeline: &PipelineConfig) -> String {
        let e = there.fed("mine", pipeline).expect_err("events do not arrive");
        assert!(!e.is_retryable());
        e.to_string()
    }

    #[test]
    fn what_is_read_and_what_is_written_must_be_the_same() {
        let pipeline = PipelineConfig::new("b:1");
        let mut there = reading(&pipeline);
        // Which brokers it asks is the server's own matter: it may reach them under other names.
        there.fed("mine", &PipelineConfig::new("other:2")).expect("the same topics and groups");

        let mut topics = pipeline.topics.clone();
        topics[0] = "shop.clicks".to_owned();
        let renamed = PipelineConfig { topics, ..pipeline.clone() };
        assert_eq!(
            says(&there, &renamed),
            "ClickHouse reads traffoflex.click_events, not shop.clicks (CLICK_EVENTS_TOPIC); run: tfx migrate up clickhouse"
        );
        let shop = PipelineConfig { groups: "shop".to_owned(), ..pipeline.clone() };
        assert_eq!(
            says(&there, &shop),
            "ClickHouse reads with the consumer group traffoflex-clickhouse.click_events, not shop.click_events (CLICKHOUSE_CONSUMER_GROUP), and 4 more; run: tfx migrate up clickhouse"
        );
        there.relations.remove("click_events_mv");
        there.queues.remove("conversion_events_queue");
        assert_eq!(
            says(&there, &pipeline),
            "nothing reads traffoflex.click_events, traffoflex.conversion_events into the database mine; run: tfx migrate up clickhouse"
        );
    }

    #[test]
    fn a_name_is_another_one_when_it_only_begins_alike_or_has_quotes() {
        let named = |groups: &str| PipelineConfig { groups: groups.to_owned(), ..PipelineConfig::new("b:1") };
        let odd = named(r"it's a \ group");
        reading(&odd).fed("mine", &odd).expect("itself");
        for other in ["it", "it's a ", r"it's a \ group.click_events"] {
            assert!(says(&reading(&odd), &named(other)).contains("CLICKHOUSE_CONSUMER_GROUP"), "{other}");
        }
    }
}
