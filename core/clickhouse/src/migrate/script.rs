//! The files of `deploy/clickhouse/init`, with the names of this installation in place of those written there.

use crate::{PipelineConfig, config::broken, sql::quoted};
use tfx_domain::event::Topic;
use tfx_ports::{StoreError, ingestion::group_of};

pub(super) const DATABASE: &str = include_str!("../../../../deploy/clickhouse/init/001_database.sql");
pub(super) const EARLY_TABLES: &str = include_str!("../../../../deploy/clickhouse/init/002_early_tables.sql");
pub(super) const TABLES: &str = include_str!("../../../../deploy/clickhouse/init/003_mvp_event_tables.sql");
pub(super) const PIPELINE: &str = include_str!("../../../../deploy/clickhouse/init/004_kafka_ingestion.sql");
pub(super) const USE_OF_CAPS: &str = include_str!("../../../../deploy/clickhouse/init/007_use_of_caps.sql");

const BROKERS: &str = "'redpanda-0:9092,redpanda-1:9092,redpanda-2:9092'";
const CREATE: &str = "CREATE DATABASE IF NOT EXISTS traffoflex";
const USE: &str = "USE traffoflex";
/// As a text, where the pipeline looks at itself.
const OWN: &str = "'traffoflex'";

/// What stands in a file, and what takes its place.
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    pub(super) fn new(database: &str, pipeline: &PipelineConfig) -> Result<Self, StoreError> {
        if pipeline.brokers.trim().is_empty() || pipeline.groups.trim().is_empty() {
            return Err(broken("ClickHouse needs brokers and consumer groups to read the topics with"));
        }
        let mut names = vec![
            (CREATE.to_owned(), format!("CREATE DATABASE IF NOT EXISTS {database}")),
            (OWN.to_owned(), quoted(database)),
            (BROKERS.to_owned(), quoted(&pipeline.brokers)),
        ];
        for (topic, name) in Topic::ALL.iter().zip(&pipeline.topics) {
            // The engine takes several topics with commas between them.
            if name.trim().is_empty() || name.contains(',') {
                return Err(broken(format!("{name:?} cannot be the topic of {}", topic.as_str())));
            }
            names.push((topic_written(*topic), quoted(name)));
            names.push((group_written(*topic), quoted(&group_of(&pipeline.groups, *topic))));
        }
        Ok(Self(names))
    }

    /// The statements of a file. The database is that of the connection.
    pub(super) fn statements(&self, file: &str) -> Vec<String> {
        let lines = file.lines().filter(|line| !line.trim_start().starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let statements = text.split(";\n").flat_map(|s| s.strip_suffix(';').or(Some(s)));
        let statements = statements.map(str::trim).filter(|s| !s.is_empty() && *s != USE);
        statements.map(|statement| self.fill_in(statement)).collect()
    }

    fn fill_in(&self, statement: &str) -> String {
        let mut rest = statement;
        let mut filled = String::new();
        // In one pass, so that what is filled in is not filled in again.
        while let Some((at, (written, name))) =
            self.0.iter().filter_map(|n| rest.find(&n.0).map(|at| (at, n))).min_by_key(|(at, _)| *at)
        {
            filled.push_str(&rest[..at]);
            filled.push_str(name);
            rest = &rest[at + written.len()..];
        }
        filled + rest
    }
}

/// The statements of a file that names nothing of an installation.
pub(super) fn unnamed(file: &str) -> Vec<String> {
    Names(Vec::new()).statements(file)
}

fn topic_written(topic: Topic) -> String {
    format!("'traffoflex.{}'", topic.as_str())
}

fn group_written(topic: Topic) -> String {
    format!("'{}'", group_of("traffoflex-clickhouse", topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 5] = [DATABASE, EARLY_TABLES, TABLES, PIPELINE, USE_OF_CAPS];

    #[test]
    fn names_stand_where_they_are_replaced_and_nowhere_else() {
        let mut expected: Vec<(String, [usize; 5])> = vec![
            (CREATE.to_owned(), [1, 0, 0, 0, 0]),
            (USE.to_owned(), [0, 1, 1, 1, 1]),
            (OWN.to_owned(), [0, 0, 0, 1, 0]),
            (BROKERS.to_owned(), [0, 0, 0, 5, 0]),
            ("redpanda".to_owned(), [0, 0, 0, 15, 0]),
            // The topics, their groups, the database twice.
            ("traffoflex".to_owned(), [1, 1, 1, 12, 1]),
        ];
        expected.extend(Topic::ALL.map(|topic| (topic_written(topic), [0, 0, 0, 1, 0])));
        expected.extend(Topic::ALL.map(|topic| (group_written(topic), [0, 0, 0, 1, 0])));
        for (literal, times) in expected {
            assert_eq!(FILES.map(|file| file.matches(&literal).count()), times, "{literal}");
        }
    }

    #[test]
    fn names_are_filled_in_as_they_are_and_once() {
        let pipeline = PipelineConfig {
            topics: Topic::ALL.map(|t| format!("it's \\ 'traffoflex-clickhouse' {}", t.as_str())),
            groups: "g'; DROP TABLE click_events; --".to_owned(),
            ..PipelineConfig::new("a:1,b:2")
        };
        let names = Names::new("mine", &pipeline).expect("fine");
        assert_eq!(names.statements(DATABASE), ["CREATE DATABASE IF NOT EXISTS mine"]);
        let all = names.statements(PIPELINE);
        let queue = all.iter().find(|s| s.starts_with("CREATE TABLE click_events_queue")).expect("a queue");
        assert!(queue.contains("kafka_broker_list = 'a:1,b:2'"), "{queue}");
        assert!(
            queue.contains(r"kafka_topic_list = 'it\'s \\ \'traffoflex-clickhouse\' click_events'"),
            "{queue}"
        );
        assert!(
            queue.contains(r"kafka_group_name = 'g\'; DROP TABLE click_events; --.click_events'"),
            "{queue}"
        );
        assert!(Names::new("mine", &PipelineConfig::new(" ")).is_err());
        let two = PipelineConfig { topics: Topic::ALL.map(|_| "a,b".to_owned()), ..pipeline };
        assert!(Names::new("mine", &two).is_err());
    }

    /// What a view reads from is made after everything that the view fills, and taken away before it.
    #[test]
    fn queues_go_first_and_come_last() {
        let names = Names::new("mine", &PipelineConfig::new("a:1")).expect("fine");
        let all = names.statements(PIPELINE);
        let (drops, creates): (Vec<_>, Vec<_>) = all.iter().partition(|s| s.starts_with("DROP "));
        assert!(drops[..5].iter().all(|s| s.contains("_queue")), "{drops:#?}");
        assert!(all[..drops.len()].iter().all(|s| s.starts_with("DROP ")), "all before the first CREATE");
        let tail = &creates[creates.len() - 10..];
        assert!(tail[..5].iter().all(|s| s.contains("ENGINE = Kafka")), "{tail:#?}");
        assert!(tail[5..].iter().all(|s| s.contains("TO event_messages")), "{tail:#?}");
        assert_eq!(creates.iter().filter(|s| s.contains("_queue")).count(), 10, "one view a queue");
    }

    /// Whatever is filled in, no statement is lost or cut.
    #[test]
    fn every_statement_is_one() {
        let names = Names::new("mine", &PipelineConfig::new("a:1")).expect("fine");
        for statement in FILES.iter().flat_map(|file| names.statements(file)) {
            let verb = statement.split(' ').next().unwrap_or_default();
            assert!(matches!(verb, "CREATE" | "DROP" | "ALTER" | "INSERT"), "{statement}");
            assert!(!statement.ends_with(';'), "{statement}");
        }
    }
}
