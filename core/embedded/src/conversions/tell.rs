//! What traffic sources are to be told, put into the queue in the transaction of the state: each name once, for good.

use crate::{error::OrStoreError, queue};
use rusqlite::{Connection, OptionalExtension, params};
use tfx_domain::tell::Tell;
use tfx_ports::{StoreError, queue::NewJob};

const WHAT: &str = "tell a source of a conversion";

/// Puts it in, unless it was told before.
pub(super) fn put(conn: &Connection, tell: &Tell) -> Result<(), StoreError> {
    if tell.only_if_told() && !is_any_told(conn, tell)? {
        return Ok(());
    }
    let not_first = !is_first(conn, tell)?;
    if !take_name(conn, &tell.name(), tell)? {
        return Ok(());
    }
    let (job, after) = NewJob::tell(&Tell { not_first, ..tell.clone() })?;
    queue::enqueue(conn, &job, after)
}

/// Whether a state of its conversion was told.
fn is_any_told(conn: &Connection, tell: &Tell) -> Result<bool, StoreError> {
    let names = tell.names();
    let first = "SELECT name FROM told WHERE name >= ?1 ORDER BY name LIMIT 1";
    let first: Option<String> = conn
        .prepare_cached(first)
        .and_then(|mut s| s.query_row([&names], |r| r.get(0)).optional())
        .or_store_error(WHAT)?;
    Ok(first.is_some_and(|name| name.starts_with(&names)))
}

/// Whether its conversion is the first of its click that is told, from now on if there was none.
fn is_first(conn: &Connection, tell: &Tell) -> Result<bool, StoreError> {
    let first = tell.first_name();
    if take_name(conn, &first, tell)? {
        return Ok(true);
    }
    let has = "SELECT 1 FROM told WHERE name = ?1 AND conversion = ?2";
    conn.prepare_cached(has)
        .and_then(|mut s| s.exists(params![first, tell.conversion.id.as_str()]))
        .or_store_error(WHAT)
}

/// Whether nobody had it.
fn take_name(conn: &Connection, name: &str, tell: &Tell) -> Result<bool, StoreError> {
    let take = "INSERT INTO told (name, conversion) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    conn.prepare_cached(take)
        .and_then(|mut s| s.execute(params![name, tell.conversion.id.as_str()]))
        .or_store_error(WHAT)
        .map(|taken| taken > 0)
}
