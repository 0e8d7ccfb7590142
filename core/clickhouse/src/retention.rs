//! [`Retention`] by age on request: `ALTER TABLE … DELETE`, which the server does behind everything else. What
//! `ANALYTICS_TTL_DAYS` says, the server does by itself (`migrate/retention.rs`).

use crate::{
    client::Client,
    sql::{Sql, ceil_ms},
};
use async_trait::async_trait;
use tfx_domain::{Timestamp, event::EventCounts};
use tfx_ports::{
    StoreError,
    retention::{PruneStep, Retention, StoreSize},
};

/// Where a count goes.
type Count = fn(&mut EventCounts) -> &mut u64;

/// Tables, the time by which their rows leave, and what they count as.
const TABLES: [(&str, &str, Count); 6] = [
    ("click_events", "at", |rows| &mut rows.clicks),
    ("trafficback_events", "at", |rows| &mut rows.trafficback),
    ("conversion_events", "created_at", |rows| &mut rows.conversions),
    ("postback_log_events", "at", |rows| &mut rows.postbacks),
    ("destination_health_events", "at", |rows| &mut rows.other),
    ("kafka_ingestion_errors", "observed_at", |rows| &mut rows.other),
];

const WHAT: &str = "delete old events";

/// Deletes events by age.
pub(crate) struct Pruner {
    client: Client,
}

impl Pruner {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Deletions that the server has not ended.
    async fn under_way(&self) -> Result<u64, StoreError> {
        let sql = format!(
            "SELECT table, latest_fail_reason FROM {}
            WHERE database = {} AND NOT is_done AND command LIKE '%DELETE WHERE%'",
            self.client.system("mutations", true),
            self.client.own()
        );
        let rows: Vec<(String, String)> = self.client.all(WHAT, Sql::verbatim(&sql)).await?;
        if let Some((table, why)) = rows.iter().find(|(_, why)| !why.is_empty()) {
            let what = format!(
                "ClickHouse cannot delete from {table}: {why}; KILL MUTATION ends it, when what is wrong is mended it \
                 goes on by itself"
            );
            return Err(StoreError::Unavailable { what, source: None });
        }
        Ok(rows.len() as u64)
    }

    /// Refuses a time before which there are clicks that caps count one by one: those of days that are not closed.
    async fn counted(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut sql = Sql::new(
            "WITH (SELECT if(count() = 0, toDateTime64(0, 3, 'UTC'), toDateTime64(max(day) + 1, 3, 'UTC'))
                FROM closed_days WHERE entity = '') AS rest
             SELECT toString(toDate(min(at), 'UTC')) FROM click_events WHERE kind = 'click' AND at >= rest",
        );
        sql.at("at", "<", ceil_ms(before)).push(" HAVING count() > 0");
        let first: Vec<String> = self.client.all(WHAT, sql).await?;
        first.first().map_or(Ok(()), |day| {
            let what = format!(
                "the clicks of {day} and later are not counted for caps and limits yet, which ClickHouse does at 03:00 \
                 UTC, a whole day after the end of a day; delete what is older than {day}"
            );
            Err(StoreError::TooMuch { what })
        })
    }

    async fn rows(&self, table: &str, time: &str, before: Timestamp) -> Result<u64, StoreError> {
        let mut sql = Sql::new(format!("SELECT count() FROM {table} WHERE true"));
        sql.at(time, "<", ceil_ms(before));
        Ok(self.client.all("count old events", sql).await?.into_iter().next().unwrap_or(0))
    }
}

#[async_trait]
impl Retention for Pruner {
    async fn count(&self, before: Timestamp) -> Result<EventCounts, StoreError> {
        let mut all = EventCounts::default();
        for (table, time, count) in TABLES {
            *count(&mut all) += self.rows(table, time, before).await?;
        }
        Ok(all)
    }

    /// The first call begins the deletions; the others wait for their end.
    async fn prune(&self, before: Timestamp) -> Result<PruneStep, StoreError> {
        let mut step = PruneStep::default();
        if self.under_way().await? > 0 {
            return Ok(PruneStep { more: true, ..step });
        }
        self.counted(before).await?;
        for (table, time, count) in TABLES {
            let rows = self.rows(table, time, before).await?;
            if rows == 0 {
                continue;
            }
            let mut sql = Sql::new(format!("ALTER TABLE {} DELETE WHERE true", self.client.altered(table)));
            sql.at(time, "<", ceil_ms(before));
            self.client.execute(WHAT, sql).await?;
            *count(&mut step.deleted) += rows;
            step.more = true;
        }
        Ok(step)
    }

    async fn size(&self) -> Result<StoreSize, StoreError> {
        let tables = TABLES.map(|(table, ..)| self.client.stored(table)).to_vec();
        let mut sql = Sql::new(format!(
            "SELECT sum(bytes_on_disk) FROM {} WHERE active AND database = {} AND table IN ?",
            self.client.system("parts", false),
            self.client.own()
        ));
        sql.texts(tables);
        let bytes =
            self.client.all("read the size of the tables", sql).await?.into_iter().next().unwrap_or(0);
        Ok(StoreSize { bytes, free_bytes: 0, gives_back: true })
    }

    async fn rewrite(&self) -> Result<StoreSize, StoreError> {
        self.size().await
    }
}
