//! What traffic sources are to be told, put into the queue in the transaction of the state: each name once, for good.

use crate::{error::OrStoreError, queue};
use rusqlite::{Connection, OptionalExtension, params};
use tfx_domain::source_postback::SourcePostback;
use tfx_ports::{
    StoreError,
    queue::{JobKind, NewJob, group_lane},
};

const WHAT: &str = "tell a source of a conversion";

/// Puts it in, unless it was told before.
pub(super) fn put(conn: &Connection, tell: &SourcePostback) -> Result<(), StoreError> {
    if tell.only_if_told() && !is_any_told(conn, tell)? {
        return Ok(());
    }
    let not_first = !is_first(conn, tell)?;
    if !take_name(conn, &tell.name(), tell)? {
        return Ok(());
    }
    let (job, after) = NewJob::tell(&SourcePostback { not_first, ..tell.clone() })?;
    queue::enqueue(conn, &job, after)
}

/// Its source is not told of it: another conversion of its click can be the first, unless the source was told of a state of
/// this one, or one waits. `forget`: its own name is given back too. In the transaction in which its job ends.
pub(crate) fn give_back(conn: &Connection, payload: &str, forget: bool) -> Result<(), StoreError> {
    // What cannot be read here keeps what it took.
    let Ok(tell) = serde_json::from_str::<SourcePostback>(payload) else { return Ok(()) };
    let jobs = jobs(conn, &tell)?;
    let end = |sql: &str, name: &str| {
        conn.prepare_cached(sql)
            .and_then(|mut s| s.execute(params![name, tell.conversion.id.as_str()]))
            .or_store_error(WHAT)
    };
    let free = "DELETE FROM told WHERE name = ?1 AND conversion = ?2";
    if forget {
        end(free, &tell.name())?;
    }
    if jobs.iter().any(|(_, waits)| *waits) {
        return Ok(());
    }
    let names = names(conn, &tell)?;
    let given_up: Vec<String> = jobs.into_iter().map(|(key, _)| key).collect();
    if !tell.is_any_told(names.iter().map(String::as_str), &given_up) {
        end(free, &tell.first_name())?;
    }
    Ok(())
}

/// Whether its source was told of a later state of its conversion.
pub(super) fn is_later_told(conn: &Connection, tell: &SourcePostback) -> Result<bool, StoreError> {
    let jobs: Vec<String> = jobs(conn, tell)?.into_iter().map(|(key, _)| key).collect();
    Ok(tell.is_later_told(names(conn, tell)?.iter().map(String::as_str), &jobs))
}

/// The keys of what is there of its conversion, and whether each waits; the others were given up.
fn jobs(conn: &Connection, tell: &SourcePostback) -> Result<Vec<(String, bool)>, StoreError> {
    let lane = group_lane(&tell.group());
    let jobs = "SELECT key, died_ms IS NULL FROM jobs WHERE kind = ?1 AND lane = ?2";
    conn.prepare_cached(jobs)
        .and_then(|mut s| {
            s.query_map(params![JobKind::SourcePostback.as_str(), lane], |r| Ok((r.get(0)?, r.get(1)?)))?
                .collect()
        })
        .or_store_error(WHAT)
}

/// The names that are kept of its conversion.
fn names(conn: &Connection, tell: &SourcePostback) -> Result<Vec<String>, StoreError> {
    // `0` comes behind `/`.
    let names = "SELECT name FROM told WHERE name >= ?1 || '/' AND name < ?1 || '0'";
    conn.prepare_cached(names)
        .and_then(|mut s| s.query_map([tell.conversion.id.as_str()], |r| r.get(0))?.collect())
        .or_store_error(WHAT)
}

/// Whether a state of its conversion was told.
fn is_any_told(conn: &Connection, tell: &SourcePostback) -> Result<bool, StoreError> {
    let names = tell.names();
    let first = "SELECT name FROM told WHERE name >= ?1 ORDER BY name LIMIT 1";
    let first: Option<String> = conn
        .prepare_cached(first)
        .and_then(|mut s| s.query_row([&names], |r| r.get(0)).optional())
        .or_store_error(WHAT)?;
    Ok(first.is_some_and(|name| name.starts_with(&names)))
}

/// Whether its conversion is the first of its click that is told, from now on if there was none.
pub(super) fn is_first(conn: &Connection, tell: &SourcePostback) -> Result<bool, StoreError> {
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
fn take_name(conn: &Connection, name: &str, tell: &SourcePostback) -> Result<bool, StoreError> {
    let take = "INSERT INTO told (name, conversion) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    conn.prepare_cached(take)
        .and_then(|mut s| s.execute(params![name, tell.conversion.id.as_str()]))
        .or_store_error(WHAT)
        .map(|taken| taken > 0)
}
