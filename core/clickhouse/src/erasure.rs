//! [`EventErasure`]: `ALTER TABLE … DELETE` and `… UPDATE`, waited for. Mutations name ids of clicks, of lines and of
//! conversions, never a person: the server keeps their texts. Parts of before leave its disk minutes later
//! (`old_parts_lifetime`).

use crate::{
    client::Client,
    sql::{Sql, ceil_ms},
};
use async_trait::async_trait;
use clickhouse::Row;
use serde::Deserialize;
use tfx_domain::{
    Timestamp,
    event::{ClickDims, ClickHousePlace, EventCounts, JsonType, PersonNames, PostbackLogEvent},
    id::ClickId,
};
use tfx_ports::{
    StoreError,
    erasure::{EventErasure, FoundClick, MOST_CLICKS, Traces, Whom},
};

const WHAT: &str = "erase a person";
/// Ids in one statement, and texts that are looked for at once: the server takes no more of these.
const IDS: usize = 4_000;
const TEXTS: usize = 200;
/// Lines of the postback log that are written anew by one statement.
const LINES: usize = 100;
/// Waits until every replica has done it.
const SYNC: &str = " SETTINGS mutations_sync = 2";
/// Tables of clicks, the last of early drafts, which need not be there.
const CLICKS: [&str; 3] = ["click_events", "trafficback_events", "clicks"];

/// Erases events.
pub(crate) struct Eraser(pub(crate) Client);

#[derive(Row, Deserialize)]
struct ClickRow {
    click_id: String,
    visitor_id: String,
}

#[derive(Row, Deserialize)]
struct LineRow {
    id: String,
    #[serde(with = "serde_bytes")]
    event: Vec<u8>,
}

#[async_trait]
impl EventErasure for Eraser {
    async fn find(&self, whom: &Whom, until: Timestamp) -> Result<Vec<FoundClick>, StoreError> {
        let mut sql = Sql::new("SELECT DISTINCT click_id, visitor_id FROM (");
        for (n, table) in CLICKS[..2].iter().enumerate() {
            sql.push(if n == 0 { "" } else { " UNION ALL " });
            sql.push("SELECT click_id, visitor_id FROM ").push(table).push(" WHERE event != ''");
            match whom {
                Whom::Visitor(visitor) => sql.push(" AND visitor_id = ?").text(visitor.to_string()),
                Whom::Address(forms) => sql.push(" AND ip IN ?").texts(forms.clone()),
            };
            sql.at("at", "<", ceil_ms(until));
        }
        sql.push(&format!(") LIMIT {}", MOST_CLICKS + 1));
        let rows: Vec<ClickRow> = self.0.all("find the clicks of a person", sql).await?;
        if rows.len() > MOST_CLICKS {
            let what = format!("there are more than {MOST_CLICKS} clicks, which are no one person's");
            return Err(StoreError::TooMuch { what });
        }
        let found = rows.iter().filter_map(|row| {
            Some(FoundClick { click: row.click_id.parse().ok()?, visitor: row.visitor_id.parse().ok()? })
        });
        Ok(found.collect())
    }

    async fn erase(&self, traces: &Traces, dry_run: bool) -> Result<EventCounts, StoreError> {
        let mut counts = EventCounts::default();
        let early = self.has("clicks").await?;
        for some in traces.clicks.chunks(IDS) {
            let ids: Vec<String> = some.iter().map(ToString::to_string).collect();
            for (n, table) in CLICKS.into_iter().enumerate().filter(|(n, _)| *n < 2 || early) {
                let rows =
                    self.remove(table, "click_id", &ids, times(some).filter(|_| n < 2), dry_run).await?;
                *(if n == 1 { &mut counts.trafficback } else { &mut counts.clicks }) += rows;
            }
            counts.conversions += self.blank_conversions(&ids, dry_run).await?;
            if self.has("postback_logs").await? {
                counts.postbacks += self.remove("postback_logs", "click_id", &ids, None, dry_run).await?;
            }
            counts.postbacks += self.blank_lines(("click_id IN ?", None), ids, traces, dry_run).await?;
        }
        let clicks = traces.clicks.iter().map(ToString::to_string);
        let texts: Vec<String> = traces.texts.iter().cloned().chain(clicks).collect();
        for some in traces.texts.chunks(TEXTS) {
            let names = PersonNames::new(some);
            let condition = ("multiSearchAny(event, ?)", Some(&names));
            counts.postbacks += self.blank_lines(condition, some.to_vec(), traces, dry_run).await?;
        }
        for some in texts.chunks(TEXTS) {
            counts.other += self.remove_messages(some, dry_run).await?;
        }
        Ok(counts)
    }

    /// The server does it by itself.
    async fn wipe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The first and the last millisecond of these clicks.
fn times(clicks: &[ClickId]) -> Option<(i64, i64)> {
    let ms = |id: &ClickId| id.timestamp().as_millisecond();
    clicks.iter().map(ms).min().zip(clicks.iter().map(ms).max())
}

/// The columns in which conversions have facts of a person, and whether each is a list.
fn personal() -> impl Iterator<Item = (&'static str, bool)> {
    let personal = ClickDims::FIELDS.iter().filter(|f| !matches!(f.json, JsonType::Id(_) | JsonType::Mark));
    personal
        .filter(|f| matches!(f.kept, ClickHousePlace::Column(_)))
        .map(|f| (f.name, f.json == JsonType::Texts))
}

impl Eraser {
    async fn has(&self, table: &str) -> Result<bool, StoreError> {
        let mut sql =
            Sql::new("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = ?");
        sql.text(table);
        Ok(self.one(sql).await? > 0)
    }

    async fn one(&self, sql: Sql) -> Result<u64, StoreError> {
        Ok(self.0.all(WHAT, sql).await?.into_iter().next().unwrap_or(0))
    }

    /// Removes rows by a column of ids, from a stretch of time where that is known.
    async fn remove(
        &self,
        table: &str,
        column: &str,
        ids: &[String],
        times: Option<(i64, i64)>,
        dry_run: bool,
    ) -> Result<u64, StoreError> {
        let condition = |sql: &mut Sql| {
            sql.push(" WHERE ").push(column).push(" IN ?").texts(ids.to_vec());
            if let Some((first, last)) = times {
                sql.at("at", ">=", first).at("at", "<", last + 1);
            }
        };
        let mut count = Sql::new(format!("SELECT uniqExact({column}) FROM {table}"));
        condition(&mut count);
        let rows = self.one(count).await?;
        if rows > 0 && !dry_run {
            let mut sql = Sql::new(format!("ALTER TABLE {} DELETE", self.0.altered(table)));
            condition(&mut sql);
            sql.push(SYNC);
            self.0.execute(WHAT, sql).await?;
        }
        Ok(rows)
    }

    async fn blank_conversions(&self, clicks: &[String], dry_run: bool) -> Result<u64, StoreError> {
        let held: Vec<String> = personal()
            .map(|(column, list)| match column {
                "device_type" => "device_type NOT IN ('', 'unknown')".to_owned(),
                _ if list => format!("notEmpty({column})"),
                _ => format!("{column} != ''"),
            })
            .collect();
        let condition = |sql: &mut Sql| {
            sql.push(" WHERE click_id IN ?").texts(clicks.to_vec());
            sql.push(&format!(" AND (event != '' OR {})", held.join(" OR ")));
        };
        let mut count = Sql::new("SELECT uniqExact(conversion_id) FROM conversion_events");
        condition(&mut count);
        let rows = self.one(count).await?;
        if rows > 0 && !dry_run {
            let blank: Vec<String> = personal()
                .map(|(column, list)| match column {
                    "device_type" => "device_type = 'unknown'".to_owned(),
                    _ if list => format!("{column} = []"),
                    _ => format!("{column} = ''"),
                })
                .collect();
            let table = self.0.altered("conversion_events");
            let update = format!("ALTER TABLE {table} UPDATE event = '', {}", blank.join(", "));
            let mut sql = Sql::new(update);
            condition(&mut sql);
            sql.push(SYNC);
            self.0.execute(WHAT, sql).await?;
        }
        Ok(rows)
    }

    /// Takes off lines of the postback log what they say, if they meet a condition and the names, where there are some,
    /// stand in them; one that cannot be read goes as a whole.
    async fn blank_lines(
        &self,
        (condition, names): (&str, Option<&PersonNames>),
        values: Vec<String>,
        traces: &Traces,
        dry_run: bool,
    ) -> Result<u64, StoreError> {
        let mut sql = Sql::new("SELECT DISTINCT id, event FROM postback_log_events WHERE ");
        sql.push(condition).texts(values);
        let rows: Vec<LineRow> = self.0.all(WHAT, sql).await?;
        let (mut lines, mut lost) = (Vec::new(), Vec::new());
        for row in rows {
            if names.is_some_and(|names| !names.stand_in(&row.event)) {
                continue;
            }
            let Ok(line) = serde_json::from_slice::<PostbackLogEvent>(&row.event) else {
                lost.push(row.id);
                continue;
            };
            let left = line.without_person(&traces.texts);
            if left != line {
                let text = serde_json::to_string(&left).map_err(|e| StoreError::broken(WHAT, e))?;
                lines.push((row.id, text));
            }
        }
        let changed = (lines.len() + lost.len()) as u64;
        if dry_run {
            return Ok(changed);
        }
        for some in lines.chunks(LINES) {
            let (ids, texts): (Vec<String>, Vec<String>) = some.iter().cloned().unzip();
            let table = self.0.altered("postback_log_events");
            let mut sql = Sql::new(format!(
                "ALTER TABLE {table} UPDATE reason = '', event = transform(id, ?, ?, event),
                    remote_ip = JSONExtractString(transform(id, ?, ?, event), 'remote_ip') WHERE id IN ?",
            ));
            sql.texts(ids.clone()).texts(texts.clone()).texts(ids.clone()).texts(texts).texts(ids);
            sql.push(SYNC);
            self.0.execute(WHAT, sql).await?;
        }
        for some in lost.chunks(IDS) {
            self.remove("postback_log_events", "id", some, None, false).await?;
        }
        Ok(changed)
    }

    /// Removes messages that are no events and hold one of these texts.
    async fn remove_messages(&self, texts: &[String], dry_run: bool) -> Result<u64, StoreError> {
        #[derive(Row, Deserialize)]
        struct Place {
            topic: String,
            partition: i32,
            offset: i64,
            #[serde(with = "serde_bytes")]
            raw: Vec<u8>,
        }
        let names = PersonNames::new(texts);
        let mut sql = Sql::new(
            "SELECT DISTINCT toString(topic) AS topic, partition, offset, raw_message AS raw FROM kafka_ingestion_errors
             WHERE multiSearchAny(raw_message, ?)",
        );
        sql.texts(texts.to_vec());
        let mut places: Vec<Place> = self.0.all(WHAT, sql).await?;
        places.retain(|place| names.stand_in(&place.raw));
        for some in places.chunks(IDS).filter(|_| !dry_run) {
            let names = some.iter().map(|p| format!("{}/{}/{}", p.partition, p.offset, p.topic)).collect();
            let table = self.0.altered("kafka_ingestion_errors");
            let mut sql = Sql::new(format!(
                "ALTER TABLE {table} DELETE
                 WHERE concat(toString(partition), '/', toString(offset), '/', topic) IN ?",
            ));
            sql.texts(names).push(SYNC);
            self.0.execute(WHAT, sql).await?;
        }
        Ok(places.len() as u64)
    }
}
