//! Bringing a server to what this build needs, with the very files that a new container runs.
//!
//! A step is recorded with the hash of its text, names filled in: another build, other brokers, topics or retention
//! make it changed, and it is applied anew. ClickHouse has no transactions for this; so every step may be run again
//! from its beginning, and what dies in the middle is finished by the next. Queues go first and come last
//! (`004_kafka_ingestion.sql`): messages wait in their topics meanwhile.
//!
//! A step that is recorded is still compared with what is there. Applied again it makes what is missing, columns too;
//! what would convert or replace stored rows is told, and left to a person.

#[cfg(test)]
mod artefact;
mod expected;
mod lock;
mod ready;
mod retention;
mod schema;
mod script;

pub(crate) use ready::ready;

use crate::{PipelineConfig, client::Client, config::broken, error::code, sql::Sql};
use async_trait::async_trait;
use clickhouse::{Row, error::Error};
use expected::Table;
use lock::Lock;
use schema::DatabaseSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, error::Error as _};
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    migrate::{Difference, Migrations, Remedy, Step, StepState},
};

const DATABASE: &str = "001_database";
const EARLY_TABLES: &str = "002_early_tables";
const TABLES: &str = "003_mvp_event_tables";
const PIPELINE: &str = "004_kafka_ingestion";
const RETENTION: &str = "005_retention";
const USE_OF_CAPS: &str = "007_use_of_caps";

const RECORD: &str = "CREATE TABLE IF NOT EXISTS tfx_migrations
(
    id         String,
    hash       String,
    applied_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY id";

/// What a step does.
enum Work {
    /// Statements, one after the other.
    Script(Vec<String>),
    /// Sets how many days rows are kept.
    Retention(Option<u32>),
}

struct Planned {
    id: &'static str,
    what: &'static str,
    work: Work,
    hash: String,
}

/// The steps of one database.
pub struct Schema {
    client: Client,
    steps: Vec<Planned>,
}

#[derive(Row, Deserialize)]
struct Recorded {
    id: String,
    hash: String,
    ms: i64,
}

impl Schema {
    pub(crate) fn new(client: Client, pipeline: &PipelineConfig) -> Result<Self, StoreError> {
        let names = script::Names::new(&client.database, pipeline)?;
        let files = [
            (DATABASE, "the database", script::DATABASE),
            (EARLY_TABLES, "the tables of early drafts", script::EARLY_TABLES),
            (TABLES, "tables of events and of broken messages", script::TABLES),
            (PIPELINE, "queues and views that fill them from the topics", script::PIPELINE),
        ];
        let mut steps: Vec<Planned> = files
            .into_iter()
            .map(|(id, what, file)| {
                let statements = of_all(&client, names.statements(file));
                Planned { id, what, hash: hash(&statements.join(";\n")), work: Work::Script(statements) }
            })
            .collect();
        steps.push(Planned {
            id: RETENTION,
            what: "how long they keep their rows",
            hash: hash(&format!("{:?}", pipeline.ttl_days)),
            work: Work::Retention(pipeline.ttl_days),
        });
        let statements = of_all(&client, names.statements(script::USE_OF_CAPS));
        steps.push(Planned {
            id: USE_OF_CAPS,
            what: "the use of caps, whatever the retention",
            hash: hash(&statements.join(";\n")),
            work: Work::Script(statements),
        });
        Ok(Self { client, steps })
    }

    /// The tables of a file as they are to be on the server that is asked.
    fn tables(&self, file: &str) -> Vec<Table> {
        let tables = expected::tables(file);
        if self.client.cluster.is_some() { expected::of_cluster(tables) } else { tables }
    }

    /// What is recorded; nothing if there is nowhere to record it.
    async fn recorded(&self) -> Result<BTreeMap<String, Recorded>, StoreError> {
        let sql = "SELECT id, hash, toUnixTimestamp64Milli(applied_at) AS ms FROM tfx_migrations FINAL";
        match self.client.all::<Recorded>("read what is migrated", Sql::new(sql)).await {
            Ok(rows) => Ok(rows.into_iter().map(|r| (r.id.clone(), r)).collect()),
            Err(e) if is_missing(&e) => Ok(BTreeMap::new()),
            Err(e) => Err(e),
        }
    }

    /// Every step, as it is recorded and as what it made is found.
    async fn stand(&self) -> Result<Vec<Step>, StoreError> {
        let recorded = self.recorded().await?;
        let steps = self.steps.iter().map(|planned| {
            let record = recorded.get(planned.id);
            Step {
                id: planned.id.to_owned(),
                what: planned.what.to_owned(),
                state: match record {
                    None => StepState::Pending,
                    Some(r) if r.hash == planned.hash => StepState::Applied,
                    Some(_) => StepState::Changed,
                },
                applied_at: record.and_then(|r| Timestamp::from_millisecond(r.ms).ok()),
                differs: Vec::new(),
            }
        });
        let mut steps: Vec<Step> = steps.collect();
        if steps.iter().any(|s| s.state == StepState::Applied) {
            let found = DatabaseSchema::read(&self.client).await?;
            for (step, planned) in steps.iter_mut().zip(&self.steps) {
                if step.state == StepState::Applied {
                    *step = step.clone().compared(self.differences(&found, planned).await?);
                }
            }
        }
        Ok(steps)
    }

    async fn differences(
        &self,
        found: &DatabaseSchema,
        planned: &Planned,
    ) -> Result<Vec<Difference>, StoreError> {
        Ok(match (&planned.work, planned.id) {
            // Whoever still reads them may have changed them.
            (_, EARLY_TABLES) => found.absent(&expected::tables(script::EARLY_TABLES)),
            (_, TABLES) => {
                let mut differs = found.tables(&self.tables(script::TABLES));
                differs.extend(found.half_restored());
                differs.extend(found.lacking());
                differs
            }
            (Work::Script(statements), USE_OF_CAPS) => {
                let mut differs = found.tables(&self.tables(script::USE_OF_CAPS));
                differs.extend(found.absent_views(statements));
                differs
            }
            (Work::Script(statements), PIPELINE) => found.pipeline(&self.client, statements).await?,
            (Work::Retention(days), _) => retention::differences(&self.client, found, *days),
            (Work::Script(_), _) => Vec::new(),
        })
    }

    async fn apply(&self, planned: &Planned) -> Result<(), StoreError> {
        let what = format!("migration {}", planned.id);
        match &planned.work {
            Work::Script(statements) => {
                if planned.id == PIPELINE {
                    // A view that fails stops its topic.
                    let differs =
                        DatabaseSchema::read(&self.client).await?.tables(&self.tables(script::TABLES));
                    refuse(differs.iter().filter(|d| d.remedy != Remedy::Kept))?;
                }
                for statement in statements {
                    let sql = Sql::verbatim(statement);
                    if planned.id == DATABASE {
                        self.client.execute_outside(&what, sql).await?;
                    } else {
                        self.client.execute(&what, sql).await?;
                    }
                }
                if planned.id == TABLES {
                    let found = DatabaseSchema::read(&self.client).await?;
                    for addition in found.additions(&self.tables(script::TABLES)) {
                        self.client.execute(&what, Sql::verbatim(&addition)).await?;
                    }
                }
            }
            Work::Retention(days) => retention::apply(&self.client, &what, *days).await?,
        }
        let mut sql = Sql::new("INSERT INTO tfx_migrations SELECT ?, ?, now64(3)");
        sql.text(planned.id).text(&planned.hash);
        self.client.execute(&what, sql).await
    }

    /// What is due, in order, while nobody else is at it.
    async fn apply_all(
        &self,
        done: &(dyn for<'s> Fn(&'s Step) + Send + Sync),
    ) -> Result<Vec<Step>, StoreError> {
        for (place, planned) in self.steps.iter().enumerate() {
            let step = self.stand().await?.swap_remove(place);
            if !step.is_due() {
                continue;
            }
            if planned.id == TABLES && step.state != StepState::Differs {
                let found = DatabaseSchema::read(&self.client).await?;
                let there = found.tables(&self.tables(script::TABLES));
                refuse(there.iter().filter(|d| d.remedy == Remedy::ByHand))?;
            }
            self.apply(planned).await?;
            done(&self.stand().await?[place]);
        }
        let steps = self.stand().await?;
        refuse(steps.iter().flat_map(|s| &s.differs).filter(|d| d.remedy == Remedy::ByHand))?;
        Ok(steps)
    }
}

/// Statements of one server as those of all that keep the events together.
fn of_all(client: &Client, statements: Vec<String>) -> Vec<String> {
    match &client.cluster {
        Some(cluster) => cluster.statements(&client.database, statements),
        None => statements,
    }
}

/// An error of all of these, if there are any.
fn refuse<'d>(differs: impl Iterator<Item = &'d Difference>) -> Result<(), StoreError> {
    let all: Vec<String> = differs.map(|d| format!("{}; {}", d.what, d.todo)).collect();
    if all.is_empty() { Ok(()) } else { Err(broken(all.join("\n"))) }
}

#[async_trait]
impl Migrations for Schema {
    fn target(&self) -> &'static str {
        "clickhouse"
    }

    async fn engine(&self) -> Result<Option<String>, StoreError> {
        let said: Vec<String> =
            self.client.all("ask for the version", Sql::verbatim("SELECT version()")).await?;
        Ok(said.first().map(|version| format!("ClickHouse {version}")))
    }

    async fn status(&self) -> Result<Vec<Step>, StoreError> {
        self.stand().await
    }

    async fn up(&self, done: &(dyn for<'s> Fn(&'s Step) + Send + Sync)) -> Result<Vec<Step>, StoreError> {
        let steps = self.status().await?;
        if steps.iter().all(|s| s.state == StepState::Applied) {
            return Ok(steps);
        }
        // The lock and the record need the database: made here in any case, recorded below.
        if let Some(Planned { work: Work::Script(statements), .. }) =
            self.steps.iter().find(|s| s.id == DATABASE)
        {
            for statement in statements {
                self.client.execute_outside("make the database", Sql::verbatim(statement)).await?;
            }
        }
        let lock = Lock::take(&self.client).await?;
        let work = async {
            self.client.execute("record migrations", Sql::new(RECORD)).await?;
            self.apply_all(done).await
        };
        lock.hold(work).await
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The statements that count what caps are counted from, out of all events: the table that they fill, the one that they
/// read, and the statement. Each may be run at any time.
pub(crate) fn counts() -> Vec<(String, String, String)> {
    let statements = script::unnamed(script::USE_OF_CAPS).into_iter();
    let count = |statement: String| {
        let into = statement.strip_prefix("INSERT INTO ")?.split_whitespace().next()?.to_owned();
        let from = statement.split_once("\nFROM ")?.1.split_whitespace().next()?.to_owned();
        Some((into, from, statement))
    };
    statements.filter_map(count).collect()
}

/// Whether the database or the table is not there.
pub(crate) fn is_missing(e: &StoreError) -> bool {
    e.source()
        .and_then(|s| s.downcast_ref::<Error>())
        .and_then(code)
        .is_some_and(|code| matches!(code, 60 | 81))
}
