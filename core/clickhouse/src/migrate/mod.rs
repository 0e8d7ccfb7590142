//! Bringing a server to what this build needs, with the very files that a new container runs.
//!
//! A step is recorded with the hash of its text, names filled in: another build, other brokers, topics or retention
//! make it changed, and it is applied anew. ClickHouse has no transactions for this; so every step may be run again
//! from its beginning, and what dies in the middle is finished by the next. Queues go first and come last
//! (`004_kafka_ingestion.sql`): messages wait in their topics meanwhile.

mod expected;
mod lock;
mod retention;
mod script;

use crate::{PipelineConfig, client::Client, error::code, sql::Sql};
use async_trait::async_trait;
use clickhouse::{Row, error::Error};
use expected::Extent;
use lock::Lock;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, error::Error as _};
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    migrate::{Migrations, Step, StepState},
};

const DATABASE: &str = "001_database";
const TABLES: &str = "003_mvp_event_tables";
const PIPELINE: &str = "004_kafka_ingestion";
const RETENTION: &str = "005_retention";

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
            ("002_early_tables", "the tables of early drafts", script::EARLY_TABLES),
            (TABLES, "tables of events and of broken messages", script::TABLES),
            (PIPELINE, "queues and views that fill them from the topics", script::PIPELINE),
        ];
        let mut steps: Vec<Planned> = files
            .into_iter()
            .map(|(id, what, file)| {
                let statements = names.statements(file);
                Planned { id, what, hash: hash(&statements.join(";\n")), work: Work::Script(statements) }
            })
            .collect();
        steps.push(Planned {
            id: RETENTION,
            what: "how long they keep their rows",
            hash: hash(&format!("{:?}", pipeline.ttl_days)),
            work: Work::Retention(pipeline.ttl_days),
        });
        Ok(Self { client, steps })
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

    fn stand(&self, recorded: &BTreeMap<String, Recorded>) -> Vec<Step> {
        let step = |planned: &Planned| {
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
            }
        };
        self.steps.iter().map(step).collect()
    }

    async fn apply(&self, planned: &Planned) -> Result<(), StoreError> {
        let what = format!("migration {}", planned.id);
        match &planned.work {
            Work::Script(statements) => {
                match planned.id {
                    TABLES => expected::check(&self.client, Extent::Some).await?,
                    PIPELINE => expected::check(&self.client, Extent::All).await?,
                    _ => {}
                }
                for statement in statements {
                    let sql = Sql::verbatim(statement);
                    if planned.id == DATABASE {
                        self.client.execute_outside(&what, sql).await?;
                    } else {
                        self.client.execute(&what, sql).await?;
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
            if self.stand(&self.recorded().await?)[place].state == StepState::Applied {
                continue;
            }
            self.apply(planned).await?;
            done(&self.stand(&self.recorded().await?)[place]);
        }
        self.status().await
    }
}

#[async_trait]
impl Migrations for Schema {
    fn target(&self) -> &'static str {
        "clickhouse"
    }

    async fn status(&self) -> Result<Vec<Step>, StoreError> {
        Ok(self.stand(&self.recorded().await?))
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
        let result = match self.client.execute("record migrations", Sql::new(RECORD)).await {
            Ok(()) => self.apply_all(done).await,
            Err(e) => Err(e),
        };
        lock.release().await;
        result
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the database or the table is not there.
fn is_missing(e: &StoreError) -> bool {
    e.source()
        .and_then(|s| s.downcast_ref::<Error>())
        .and_then(code)
        .is_some_and(|code| matches!(code, 60 | 81))
}
