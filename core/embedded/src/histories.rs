//! [`Histories`] on `config.db`.

use crate::{db::Database, error::OrStoreError, time::ceil_ms};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    histories::{Grows, Histories, History, Kept},
};

const WHAT: &str = "count what is kept";
const FORGET: &str = "forget what is old";
/// Rows that are forgotten in one turn of the writer.
const AT_ONCE: i64 = 500;

/// Histories on SQLite.
pub(crate) struct Kinds(pub(crate) Arc<Database<()>>);

/// How many there are, and the milliseconds of the oldest.
const fn counted(of: Grows) -> &'static str {
    match of {
        Grows::Conversions => "SELECT count(*), min(created_ms) FROM conversions",
        // Its times are texts: the first line is the oldest.
        Grows::Audit => {
            "SELECT count(*), CAST(unixepoch((SELECT at FROM audit ORDER BY seq LIMIT 1)) AS INTEGER) * 1000 FROM audit"
        }
        Grows::Versions => "SELECT count(*), NULL FROM kept_versions",
        Grows::HealthHistory => "SELECT count(*), min(at_ms) FROM destination_health_history",
        Grows::AlertLog => "SELECT count(*), min(at_ms) FROM alert_log",
        Grows::Parked => {
            "SELECT count(*), min(came_ms) FROM jobs WHERE kind = 'parked_postback' AND died_ms IS NULL"
        }
        Grows::Unmatched => {
            "SELECT count(*), min(died_ms) FROM jobs WHERE kind = 'parked_postback' AND died_ms IS NOT NULL"
        }
        Grows::SourcePostbacks => {
            "SELECT count(*), min(came_ms) FROM jobs WHERE kind = 'tell' AND died_ms IS NULL"
        }
        Grows::SourcePostbacksDead => {
            "SELECT count(*), min(died_ms) FROM jobs WHERE kind = 'tell' AND died_ms IS NOT NULL"
        }
        Grows::AlertsDead => {
            "SELECT count(*), min(died_ms) FROM jobs WHERE kind = 'alert' AND died_ms IS NOT NULL"
        }
        Grows::Expiring => "SELECT count(*), NULL FROM accounts WHERE until_ms IS NOT NULL",
        Grows::Told => "SELECT count(*), NULL FROM told",
        Grows::Erased => "SELECT count(*), NULL FROM erased",
    }
}

#[async_trait]
impl Histories for Kinds {
    async fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        let count = |conn: &Connection| {
            let one = |of: Grows| {
                let row = |r: &rusqlite::Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, Option<i64>>(1)?));
                let (rows, ms) = conn.query_row(counted(of), [], row).or_store_error(WHAT)?;
                let oldest = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
                Ok(Kept { of, rows: rows.unsigned_abs(), oldest })
            };
            Grows::ALL.into_iter().map(one).collect()
        };
        self.0.scan(WHAT, count).await
    }

    async fn older(&self, history: History, before: Timestamp) -> Result<u64, StoreError> {
        let count = move |conn: &Connection| {
            let until = end(conn, history, before)?;
            let sql = match history {
                History::Audit => "SELECT count(*) FROM audit WHERE seq < ?1",
                History::Health => {
                    "SELECT count(*) FROM destination_health_history WHERE at_ms < ?1 AND unpublished IS NULL"
                }
            };
            conn.query_row(sql, [until], |r| r.get(0)).map(i64::unsigned_abs).or_store_error(WHAT)
        };
        self.0.scan(WHAT, count).await
    }

    async fn forget(&self, history: History, before: Timestamp) -> Result<u64, StoreError> {
        let until = self.0.scan(FORGET, move |conn| end(conn, history, before)).await?;
        let mut forgotten = 0;
        loop {
            let some = move |conn: &Connection, (): &mut ()| {
                let sql = match history {
                    History::Audit => {
                        "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq < ?1 ORDER BY seq LIMIT ?2)"
                    }
                    History::Health => {
                        "DELETE FROM destination_health_history WHERE id IN (SELECT id FROM destination_health_history
                         WHERE at_ms < ?1 AND unpublished IS NULL LIMIT ?2)"
                    }
                };
                let done = conn.prepare_cached(sql).and_then(|mut s| s.execute(params![until, AT_ONCE]));
                done.map(|n| n as u64).or_store_error(FORGET)
            };
            let gone = self.0.write(FORGET, some).await?;
            forgotten += gone;
            if gone == 0 {
                return Ok(forgotten);
            }
        }
    }
}

/// Where what is old ends: the first line of the audit log that is not, or a millisecond.
fn end(conn: &Connection, history: History, before: Timestamp) -> Result<i64, StoreError> {
    match history {
        History::Health => Ok(ceil_ms(before)),
        History::Audit => {
            // Times of the log are texts of seconds and their parts: whole seconds say enough.
            let first = "SELECT seq FROM audit WHERE unixepoch(at) >= ?1 ORDER BY seq LIMIT 1";
            let found =
                conn.query_row(first, [before.as_second()], |r| r.get(0)).optional().or_store_error(WHAT)?;
            Ok(found.unwrap_or(i64::MAX))
        }
    }
}
