//! What traffic sources are to be told, put into the queue in the transaction of the state: each name once, for good.

use crate::{error::OrStoreError, queue};
use rusqlite::{Connection, params};
use tfx_domain::tell::Tell;
use tfx_ports::{StoreError, queue::NewJob};

const WHAT: &str = "tell a source of a conversion";

/// Puts it in, unless it was told before.
pub(super) fn put(conn: &Connection, tell: &Tell) -> Result<(), StoreError> {
    if let Some(first) = tell.first_name() {
        take_name(conn, &first, tell)?;
        let has = "SELECT 1 FROM told WHERE name = ?1 AND conversion = ?2";
        let is_first = conn
            .prepare_cached(has)
            .and_then(|mut s| s.exists(params![first, tell.conversion.id.as_str()]))
            .or_store_error(WHAT)?;
        if !is_first {
            return Ok(());
        }
    }
    if !take_name(conn, &tell.name(), tell)? {
        return Ok(());
    }
    let (job, after) = NewJob::tell(tell)?;
    queue::enqueue(conn, &job, after)
}

/// Whether nobody had it.
fn take_name(conn: &Connection, name: &str, tell: &Tell) -> Result<bool, StoreError> {
    let take = "INSERT INTO told (name, conversion) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    conn.prepare_cached(take)
        .and_then(|mut s| s.execute(params![name, tell.conversion.id.as_str()]))
        .or_store_error(WHAT)
        .map(|taken| taken > 0)
}
