//! [`HealthStore`] on `config.db`.

use crate::{
    db::Database,
    error::OrStoreError,
    paging::{before, limit, page, sql_limit},
    time::ceil_ms,
};
use async_trait::async_trait;
use rusqlite::{Connection, Params, Row, named_params, params};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use tfx_domain::{
    event::HealthEvent,
    health::DestinationHealth,
    id::{ClickId, DestinationId},
    routing::Health,
};
use tfx_ports::{
    StoreError,
    health::{HealthQuery, HealthStore, Probed},
    left_out::LeftOut,
    page::Page,
};

/// The health of destinations on SQLite.
pub(crate) struct Healths {
    db: Arc<Database<()>>,
    left_out: Arc<LeftOut>,
}

impl Healths {
    pub(crate) fn new(db: Arc<Database<()>>) -> Self {
        Self { db, left_out: Arc::default() }
    }
}

const SAVE: &str = "save the health of destinations";
const READ: &str = "read the health of destinations";

#[async_trait]
impl HealthStore for Healths {
    async fn save(&self, probed: &[Probed]) -> Result<(), StoreError> {
        if probed.is_empty() {
            return Ok(());
        }
        let probed = probed.to_vec();
        self.db.write(SAVE, move |conn, ()| probed.iter().try_for_each(|p| save(conn, p))).await
    }

    async fn all(&self) -> Result<Vec<DestinationHealth>, StoreError> {
        let left_out = Arc::clone(&self.left_out);
        let sql = "SELECT destination, body FROM destination_health ORDER BY destination";
        self.db.scan(READ, move |conn| bodies(conn, sql, [], &left_out)).await
    }

    async fn of(&self, destinations: &[DestinationId]) -> Result<Vec<DestinationHealth>, StoreError> {
        let (ids, left_out) = (destinations.to_vec(), Arc::clone(&self.left_out));
        let sql = "SELECT destination, body FROM destination_health WHERE destination = ?1";
        let read = move |conn: &Connection| {
            let one = |id: &DestinationId| bodies(conn, sql, [id.as_str()], &left_out);
            Ok(ids.iter().map(one).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        };
        self.db.read(READ, read).await
    }

    async fn down(&self) -> Result<Vec<DestinationId>, StoreError> {
        let sql = "SELECT destination FROM destination_health WHERE down = 1 ORDER BY destination";
        let down = |conn: &Connection| {
            let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
            let ids = statement.query_map([], |r| r.get::<_, String>(0)).or_store_error(READ)?;
            let id = |id: rusqlite::Result<String>| {
                id.or_store_error(READ)?.parse().map_err(|e| StoreError::broken(READ, e))
            };
            ids.map(id).collect()
        };
        self.db.read(READ, down).await
    }

    async fn history(&self, query: &HealthQuery) -> Result<Page<HealthEvent>, StoreError> {
        let (query, left_out) = (query.clone(), Arc::clone(&self.left_out));
        self.db.scan(READ, move |conn| history(conn, &query, &left_out)).await
    }

    async fn unpublished(&self, limit: usize) -> Result<Vec<HealthEvent>, StoreError> {
        let left_out = Arc::clone(&self.left_out);
        let sql = "SELECT id, body FROM destination_health_history WHERE unpublished IS NOT NULL
            ORDER BY unpublished LIMIT ?1";
        let read = move |conn: &Connection| {
            let found = bodies(conn, sql, [sql_limit(limit.saturating_add(LeftOut::room()))], &left_out)?;
            Ok(found.into_iter().take(limit).collect())
        };
        self.db.read(READ, read).await
    }

    async fn mark_published(&self, changes: &[ClickId]) -> Result<(), StoreError> {
        let ids = changes.iter().map(ToString::to_string).collect();
        let sql = "UPDATE destination_health_history SET unpublished = NULL WHERE id = ?1";
        self.each("mark changes of health published", sql, ids).await
    }

    async fn forget(&self, destinations: &[DestinationId]) -> Result<(), StoreError> {
        let ids = destinations.iter().map(ToString::to_string).collect();
        self.each(SAVE, "DELETE FROM destination_health WHERE destination = ?1", ids).await
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.told()
    }
}

impl Healths {
    /// Runs a statement for each id.
    async fn each(&self, what: &'static str, sql: &'static str, ids: Vec<String>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let run = move |conn: &Connection, (): &mut ()| {
            let mut statement = conn.prepare_cached(sql).or_store_error(what)?;
            ids.iter().try_for_each(|id| statement.execute([id]).or_store_error(what).map(|_| ()))
        };
        self.db.write(what, run).await
    }
}

/// Only if what is kept is the version before; a first one only if nothing is.
fn save(conn: &Connection, probed: &Probed) -> Result<(), StoreError> {
    let (health, version) = (&probed.health, probed.health.version.cast_signed());
    let sql = if version == 1 {
        // One that cannot be read counts as none.
        "INSERT INTO destination_health (destination, version, down, body) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET version = ?2, down = ?3, body = ?4 WHERE NOT json_valid(body)"
    } else {
        "UPDATE destination_health SET version = ?2, down = ?3, body = ?4
            WHERE destination = ?1 AND version = ?2 - 1"
    };
    let id = health.destination_id.as_str();
    let params = params![id, version, health.state == Health::Down, body(health)?];
    let saved = conn.prepare_cached(sql).and_then(|mut s| s.execute(params)).or_store_error(SAVE)?;
    let Some(change) = probed.change.as_ref().filter(|_| saved == 1) else { return Ok(()) };
    let sql = "INSERT INTO destination_health_history (id, destination, at_ms, unpublished, body)
        VALUES (?1, ?2, ?3, (SELECT coalesce(max(unpublished), 0) + 1 FROM destination_health_history
            WHERE unpublished IS NOT NULL), ?4)";
    let params = params![change.id.to_string(), id, ceil_ms(change.at), body(change)?];
    conn.prepare_cached(sql).and_then(|mut s| s.execute(params)).or_store_error(SAVE).map(|_| ())
}

/// Newest first: by time, then by id.
fn history(
    conn: &Connection,
    query: &HealthQuery,
    left_out: &LeftOut,
) -> Result<Page<HealthEvent>, StoreError> {
    let (before_ms, before_id) = before::<ClickId>(&query.page)?;
    let limit = limit(&query.page);
    let sql = "SELECT id, body, at_ms FROM destination_health_history
        WHERE (:destination IS NULL OR destination = :destination)
            AND at_ms >= :since AND at_ms < :until AND (at_ms, id) < (:before_ms, :before_id)
        ORDER BY at_ms DESC, id DESC LIMIT :limit";
    let params = named_params! {
        ":destination": query.destination.as_ref().map(DestinationId::as_str),
        ":since": query.since.map_or(i64::MIN, ceil_ms),
        ":until": query.until.map_or(i64::MAX, ceil_ms),
        ":before_ms": before_ms,
        ":before_id": before_id,
        ":limit": sql_limit(limit + 1),
    };
    let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
    let rows = statement.query_map(params, |r| {
        let id: String = r.get(0)?;
        let event = left_out.noted(&id, body_of(r));
        Ok(((r.get::<_, i64>(2)?, id), event))
    });
    let found = rows.and_then(Iterator::collect).or_store_error(READ)?;
    Ok(page(found, limit, |(ms, id)| format!("{ms}.{id}")).readable())
}

/// All that the second column of the rows holds; the first one names a row.
fn bodies<T: DeserializeOwned>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    left_out: &LeftOut,
) -> Result<Vec<T>, StoreError> {
    let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
    let rows = statement.query_map(params, |r| Ok(left_out.keep(&r.get::<_, String>(0)?, body_of(r))));
    let found: Vec<Option<T>> = rows.and_then(Iterator::collect).or_store_error(READ)?;
    Ok(found.into_iter().flatten().collect())
}

fn body_of<T: DeserializeOwned>(row: &Row<'_>) -> Result<T, StoreError> {
    let text: String = row.get(1).or_store_error(READ)?;
    serde_json::from_str(&text).map_err(|e| StoreError::broken("stored health of a destination", e))
}

fn body(of: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(of).map_err(|e| StoreError::broken(SAVE, e))
}
