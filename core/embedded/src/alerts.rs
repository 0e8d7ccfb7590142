//! [`AlertStore`] on `config.db`.

use crate::{
    db::Database,
    error::OrStoreError,
    paging::{before, limit, page, sql_limit},
    queue::enqueue,
    time::ceil_ms,
};
use async_trait::async_trait;
use rusqlite::{Connection, Row, named_params, params};
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    alert::{AlertEvent, AlertState, Happened},
    id::{AlertId, ClickId},
};
use tfx_ports::{
    StoreError,
    alerts::{AlertLogQuery, AlertStore, Looked, StoredAlert, group_key},
    left_out::LeftOut,
    page::Page,
};

/// How alerts stand, on SQLite.
pub(crate) struct AlertTable {
    db: Arc<Database<()>>,
    left_out: Arc<LeftOut>,
}

impl AlertTable {
    pub(crate) fn new(db: Arc<Database<()>>) -> Self {
        Self { db, left_out: Arc::default() }
    }
}

const SAVE: &str = "save how alerts stand";
const READ: &str = "read how alerts stand";
const LOG: &str = "read the log of alerts";
const APPEND: &str = "write the log of alerts";

#[async_trait]
impl AlertStore for AlertTable {
    async fn save(&self, looked: &[Looked]) -> Result<(), StoreError> {
        if looked.is_empty() {
            return Ok(());
        }
        let looked = looked.to_vec();
        self.db.write(SAVE, move |conn, ()| looked.iter().try_for_each(|one| save(conn, one))).await
    }

    async fn states(&self, alert: Option<&AlertId>) -> Result<Vec<StoredAlert>, StoreError> {
        let (alert, left_out) = (alert.cloned(), Arc::clone(&self.left_out));
        self.db.scan(READ, move |conn| states(conn, alert.as_ref(), &left_out)).await
    }

    async fn append(&self, lines: &[AlertEvent]) -> Result<(), StoreError> {
        let lines = lines.to_vec();
        self.db.write(APPEND, move |conn, ()| lines.iter().try_for_each(|line| append(conn, line))).await
    }

    async fn rewrite(&self, lines: &[AlertEvent]) -> Result<(), StoreError> {
        let lines = lines.to_vec();
        self.db.write(APPEND, move |conn, ()| lines.iter().try_for_each(|line| rewrite(conn, line))).await
    }

    async fn log(&self, query: &AlertLogQuery) -> Result<Page<AlertEvent>, StoreError> {
        let (query, left_out) = (query.clone(), Arc::clone(&self.left_out));
        self.db.scan(LOG, move |conn| log(conn, &query, &left_out)).await
    }

    async fn forget_log(&self, before: Timestamp) -> Result<u64, StoreError> {
        let what = "forget old lines of the log of alerts";
        let forget = move |conn: &Connection, (): &mut ()| {
            let old = "DELETE FROM alert_log WHERE at_ms < ?1";
            let done = conn.prepare_cached(old).and_then(|mut s| s.execute([ceil_ms(before)]));
            done.or_store_error(what).map(|n| n as u64)
        };
        self.db.write(what, forget).await
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.told()
    }
}

/// Only if what is kept is the version before; a first one only if nothing is.
fn save(conn: &Connection, looked: &Looked) -> Result<(), StoreError> {
    let state = &looked.state;
    let version = state.version.cast_signed();
    let (alert, group) = (state.alert.as_str(), group_key(&state.group));
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        conn.prepare_cached(sql).and_then(|mut s| s.execute(values)).or_store_error(SAVE)
    };
    let saved = match (looked.over, state.version) {
        (true, _) => run(
            "DELETE FROM alert_states WHERE alert = ?1 AND grp = ?2 AND version = ?3 - 1",
            params![alert, group, version],
        ),
        // One that cannot be read counts as none.
        (false, 1) => run(
            "INSERT INTO alert_states (alert, grp, version, body) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT DO UPDATE SET version = ?3, body = ?4 WHERE NOT json_valid(body)",
            params![alert, group, version, body(state)?],
        ),
        (false, _) => run(
            "UPDATE alert_states SET version = ?3, body = ?4 WHERE alert = ?1 AND grp = ?2 AND version = ?3 - 1",
            params![alert, group, version, body(state)?],
        ),
    }?;
    if saved == 0 {
        return Ok(());
    }
    looked.log.iter().try_for_each(|line| append(conn, line))?;
    looked.jobs.iter().try_for_each(|job| enqueue(conn, job, Duration::ZERO))
}

fn append(conn: &Connection, line: &AlertEvent) -> Result<(), StoreError> {
    let insert =
        "INSERT INTO alert_log (id, alert, at_ms, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let (alert, at) = (line.alert.as_str(), ceil_ms(line.at));
    let values = params![line.id.to_string(), alert, at, body(line)?];
    conn.prepare_cached(insert).and_then(|mut s| s.execute(values)).or_store_error(APPEND)?;
    if line.happened == Happened::Sent {
        let sent =
            "UPDATE alert_states SET sent_ms = max(?3, coalesce(sent_ms, ?3)) WHERE alert = ?1 AND grp = ?2";
        let values = params![alert, group_key(&line.group), at];
        conn.prepare_cached(sent).and_then(|mut s| s.execute(values)).or_store_error(APPEND)?;
    }
    Ok(())
}

fn rewrite(conn: &Connection, line: &AlertEvent) -> Result<(), StoreError> {
    let update = "UPDATE alert_log SET body = ?2 WHERE id = ?1";
    let values = params![line.id.to_string(), body(line)?];
    conn.prepare_cached(update).and_then(|mut s| s.execute(values)).or_store_error(APPEND).map(|_| ())
}

fn states(
    conn: &Connection,
    alert: Option<&AlertId>,
    left_out: &LeftOut,
) -> Result<Vec<StoredAlert>, StoreError> {
    let sql = "SELECT alert || ' ' || grp, body, sent_ms FROM alert_states
        WHERE ?1 IS NULL OR alert = ?1 ORDER BY alert, grp";
    let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
    let rows = statement.query_map([alert.map(AlertId::as_str)], |r| {
        let state = left_out.keep(&r.get::<_, String>(0)?, body_of::<AlertState>(r));
        let sent_at = r.get::<_, Option<i64>>(2)?.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(state.map(|state| StoredAlert { state, sent_at }))
    });
    let found: Vec<Option<StoredAlert>> = rows.and_then(Iterator::collect).or_store_error(READ)?;
    Ok(found.into_iter().flatten().collect())
}

/// Newest first: by time, then by id.
fn log(conn: &Connection, query: &AlertLogQuery, left_out: &LeftOut) -> Result<Page<AlertEvent>, StoreError> {
    let (before_ms, before_id) = before::<ClickId>(&query.page)?;
    let limit = limit(&query.page);
    let sql = "SELECT id, body, at_ms FROM alert_log
        WHERE (:alert IS NULL OR alert = :alert)
            AND at_ms >= :since AND at_ms < :until AND (at_ms, id) < (:before_ms, :before_id)
        ORDER BY at_ms DESC, id DESC LIMIT :limit";
    let params = named_params! {
        ":alert": query.alert.as_ref().map(AlertId::as_str),
        ":since": query.since.map_or(i64::MIN, ceil_ms),
        ":until": query.until.map_or(i64::MAX, ceil_ms),
        ":before_ms": before_ms,
        ":before_id": before_id,
        ":limit": sql_limit(limit + 1),
    };
    let mut statement = conn.prepare_cached(sql).or_store_error(LOG)?;
    let rows = statement.query_map(params, |r| {
        let id: String = r.get(0)?;
        let line = left_out.noted(&id, body_of(r));
        Ok(((r.get::<_, i64>(2)?, id), line))
    });
    let found = rows.and_then(Iterator::collect).or_store_error(LOG)?;
    Ok(page(found, limit, |(ms, id)| format!("{ms}.{id}")).readable())
}

fn body_of<T: DeserializeOwned>(row: &Row<'_>) -> Result<T, StoreError> {
    let text: String = row.get(1).or_store_error(READ)?;
    serde_json::from_str(&text).map_err(|e| StoreError::broken("what is stored of alerts", e))
}

fn body(of: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(of).map_err(|e| StoreError::broken(SAVE, e))
}
