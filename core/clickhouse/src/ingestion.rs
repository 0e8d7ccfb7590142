//! [`IngestionErrors`] on `kafka_ingestion_errors`.

use crate::{
    client::Client,
    sql::{Sql, ceil_ms},
};
use async_trait::async_trait;
use clickhouse::Row;
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    ingestion::{IngestionError, IngestionErrors, IngestionQuery},
    page::Page,
};

/// A row is stored a moment after the time it bears, and rows of several topics side by side: whoever follows is shown
/// what is older than this, so that nothing older comes after.
const SETTLED_MS: i64 = 2_000;

/// See the module.
pub(crate) struct Errors {
    client: Client,
}

impl Errors {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }
}

#[derive(Row, Deserialize)]
struct ErrorRow {
    ms: i64,
    topic: String,
    partition: i32,
    offset: i64,
    content: u64,
    raw: Bytes,
    error: Bytes,
}

#[derive(Row, Deserialize)]
struct CountRow {
    n: u64,
}

/// A text of the server that need not be UTF-8.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsBytes;
        impl de::Visitor<'_> for AsBytes {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_byte_buf(AsBytes)
    }
}

/// After which row a page begins.
struct Place {
    ms: i64,
    topic: String,
    partition: i32,
    offset: i64,
    content: u64,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ' ');
        let mut next = || parts.next();
        let (ms, partition, offset, content) =
            (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
        Some(Self { ms, topic: next()?.to_owned(), partition, offset, content })
    }

    fn text(&self) -> String {
        format!("{} {} {} {} {}", self.ms, self.partition, self.offset, self.content, self.topic)
    }
}

#[async_trait]
impl IngestionErrors for Errors {
    async fn list(&self, query: &IngestionQuery) -> Result<Page<IngestionError>, StoreError> {
        let limit = query.page.limit.clamp(1, 1_000);
        let place = |text: &String| Place::parse(text).ok_or(StoreError::BadCursor);
        let after = query.page.cursor.as_ref().map(place).transpose()?;
        let mut rows: Vec<ErrorRow> =
            self.client.all("list ingestion errors", select(query, after.as_ref(), limit + 1)).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(|r| Place {
            ms: r.ms,
            topic: r.topic.clone(),
            partition: r.partition,
            offset: r.offset,
            content: r.content,
        });
        let next = match last {
            Some(last) if more || query.ascending => Some(last.text()),
            None if query.ascending => Some(after.unwrap_or_else(|| beginning(query)).text()),
            _ => None,
        };
        Ok(Page { items: rows.into_iter().map(error).collect(), next, left_out: Vec::new() })
    }

    async fn count(&self, since: Timestamp) -> Result<u64, StoreError> {
        let mut sql = Sql::new("SELECT count() AS n FROM kafka_ingestion_errors FINAL WHERE 1");
        sql.at("observed_at", ">=", ceil_ms(since));
        let rows: Vec<CountRow> = self.client.all("count ingestion errors", sql).await?;
        Ok(rows.first().map_or(0, |row| row.n))
    }
}

/// A place before every row that the query asks for.
fn beginning(query: &IngestionQuery) -> Place {
    let ms = query.since.map_or(0, ceil_ms) - 1;
    Place { ms, topic: String::new(), partition: i32::MAX, offset: i64::MAX, content: u64::MAX }
}

fn error(row: ErrorRow) -> IngestionError {
    IngestionError {
        observed_at: Timestamp::from_millisecond(row.ms).unwrap_or(Timestamp::MAX),
        topic: row.topic,
        partition: row.partition,
        offset: row.offset,
        raw: row.raw.0,
        error: row.error.0,
    }
}

fn select(query: &IngestionQuery, after: Option<&Place>, limit: usize) -> Sql {
    let (comparison, direction) = if query.ascending { (">", "ASC") } else { ("<", "DESC") };
    let mut sql = Sql::new(
        "SELECT toUnixTimestamp64Milli(observed_at) AS ms, toString(topic) AS topic, partition, offset, content,
                raw_message AS raw, error
         FROM kafka_ingestion_errors FINAL WHERE 1",
    );
    if let Some(since) = query.since {
        sql.at("observed_at", ">=", ceil_ms(since));
    }
    if query.ascending {
        sql.push(" AND observed_at < now64(3) - toIntervalMillisecond(?)").number(SETTLED_MS);
    }
    if let Some(topic) = &query.topic {
        sql.push(" AND kafka_ingestion_errors.topic = ?").text(topic);
    }
    if let Some(place) = after {
        sql.push(" AND (observed_at, kafka_ingestion_errors.topic, partition, offset, content) ")
            .push(comparison);
        sql.push(" (fromUnixTimestamp64Milli(toInt64(?), 'UTC'), ?, toInt32(?), toInt64(?), toUInt64(?))");
        sql.number(place.ms).text(&place.topic).number(place.partition.into()).number(place.offset);
        sql.text(place.content.to_string());
    }
    sql.push(" ORDER BY observed_at ")
        .push(direction)
        .push(", kafka_ingestion_errors.topic ")
        .push(direction);
    for column in ["partition", "offset", "content"] {
        sql.push(", ").push(column).push(" ").push(direction);
    }
    sql.push(" LIMIT ?").number(i64::try_from(limit).unwrap_or(i64::MAX));
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        let place =
            Place { ms: 17, topic: "a b.c".to_owned(), partition: 3, offset: i64::MAX, content: u64::MAX };
        let read = Place::parse(&place.text()).expect("a place");
        assert_eq!(read.text(), place.text());
        for bad in ["", "17", "17 3 4 5", "x 3 4 5 t", "17 3 4 -5 t", "1 99999999999 4 5 t"] {
            assert!(Place::parse(bad).is_none(), "{bad}");
        }
    }
}
