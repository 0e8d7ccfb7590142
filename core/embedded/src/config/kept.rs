//! Revisions that were: a row for each, and one for each version of an entity.

use super::records;
use crate::{
    error::OrStoreError,
    paging::{cursor, limit, page, sql_limit},
};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    config::{Change, Record},
    page::{Page, PageRequest},
    revisions::{KeptVersion, Revision, RevisionChange, made_by, missing},
};

const KEEP: &str = "keep a revision";
const READ: &str = "read what revisions are kept";

/// Keeps an entity as it stands now.
pub(super) fn version(conn: &Connection, change: u64, made: &Change) -> Result<(), StoreError> {
    let copy = "INSERT INTO kept_versions
                SELECT ?1, ?2, kind, id, parent, slug, status, version, created_at, updated_at, spec FROM records WHERE id = ?3";
    conn.prepare_cached(copy)
        .and_then(|mut s| s.execute(params![number(change), made.audit.action, made.record.id]))
        .or_store_error(KEEP)
        .map(|_| ())
}

/// Keeps that changes made a revision.
pub(super) fn revision(conn: &Connection, changes: &[Change], number_of: u64) -> Result<(), StoreError> {
    let Some(Revision { revision, at, by, sums }) = made_by(changes, number_of) else { return Ok(()) };
    let sums = serde_json::to_string(&sums).map_err(|e| StoreError::broken(KEEP, e))?;
    conn.prepare_cached("INSERT INTO kept_revisions VALUES (?, ?, ?, ?)")
        .and_then(|mut s| s.execute(params![number(revision), at.to_string(), by, sums]))
        .or_store_error(KEEP)
        .map(|_| ())
}

pub(super) fn list(conn: &Connection, request: &PageRequest) -> Result<Page<Revision>, StoreError> {
    let before = cursor(request, |c| c.parse::<i64>().ok())?.unwrap_or(i64::MAX);
    let limit = limit(request);
    let sql = "SELECT revision, at, actor, sums FROM kept_revisions WHERE revision < :before
               ORDER BY revision DESC LIMIT :limit";
    let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
    let params = named_params! { ":before": before, ":limit": sql_limit(limit + 1) };
    let rows = statement.query_map(params, Stored::read).or_store_error(READ)?;
    let found = rows.map(|row| {
        let stored = row.or_store_error(READ)?;
        Ok((stored.revision, stored.revision()?))
    });
    Ok(page(found.collect::<Result<Vec<_>, StoreError>>()?, limit, i64::to_string))
}

pub(super) fn one(conn: &Connection, wanted: u64) -> Result<(Revision, Vec<RevisionChange>), StoreError> {
    let sql = "SELECT revision, at, actor, sums FROM kept_revisions WHERE revision = ?";
    let stored = conn
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([number(wanted)], Stored::read).optional())
        .or_store_error(READ)?;
    let Some(stored) = stored else { return Err(none(conn, wanted)?) };
    let last = stored.revision;
    let Some(before) = beside(conn, "max", "<", last)? else { return Ok((stored.revision()?, Vec::new())) };
    let sql = "SELECT action, kind, id, version FROM kept_versions WHERE change > ? AND change <= ? ORDER BY change";
    let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
    let change = |row: &Row<'_>| {
        let version: i64 = row.get(3)?;
        let (action, kind, id) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(RevisionChange { action, kind, id, version: version.unsigned_abs() })
    };
    let rows = statement.query_map([before, last], change).or_store_error(READ)?;
    let changes = rows.collect::<rusqlite::Result<Vec<_>>>().or_store_error(READ)?;
    Ok((stored.revision()?, changes))
}

/// Everything as it was, in the order in which it was created.
pub(super) fn at(conn: &Connection, wanted: u64) -> Result<Vec<Record>, StoreError> {
    let known = conn
        .prepare_cached("SELECT 1 FROM kept_revisions WHERE revision = ?")
        .and_then(|mut s| s.exists([number(wanted)]))
        .or_store_error(READ)?;
    if !known {
        return Err(none(conn, wanted)?);
    }
    let sql = "SELECT change, kind, id, parent, slug, status, version, created_at, updated_at, spec
               FROM (SELECT min(change) AS first, max(change) AS last FROM kept_versions WHERE change <= ? GROUP BY id)
               JOIN kept_versions ON change = last ORDER BY first";
    let found = records::many(conn, sql, [number(wanted)])?;
    Ok(found.into_iter().map(|(_, record)| record).collect())
}

pub(super) fn versions(
    conn: &Connection,
    kind: Kind,
    request: &PageRequest,
) -> Result<Page<KeptVersion>, StoreError> {
    let after = cursor(request, |c| c.parse::<i64>().ok())?.unwrap_or(i64::MIN);
    let limit = limit(request);
    let sql = "SELECT change, kind, id, parent, slug, status, version, created_at, updated_at, spec
               FROM kept_versions WHERE kind = :kind AND change > :after ORDER BY change LIMIT :limit";
    let params = named_params! { ":kind": kind.noun(), ":after": after, ":limit": sql_limit(limit + 1) };
    let found = records::many(conn, sql, params)?;
    let found = found.into_iter().map(|(place, record)| (place, KeptVersion { place, record })).collect();
    Ok(page(found, limit, i64::to_string))
}

pub(super) fn reseal(conn: &Connection, version: &KeptVersion) -> Result<(), StoreError> {
    let KeptVersion { place, record } = version;
    let update = "UPDATE kept_versions SET spec = ?1 WHERE change = ?2 AND id = ?3";
    conn.prepare_cached(update)
        .and_then(|mut s| s.execute(params![record.spec.to_string(), place, record.id]))
        .or_store_error(KEEP)
        .map(|_| ())
}

/// A revision, as a row has it.
struct Stored {
    revision: i64,
    at: String,
    actor: String,
    sums: String,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { revision: row.get(0)?, at: row.get(1)?, actor: row.get(2)?, sums: row.get(3)? })
    }

    fn revision(self) -> Result<Revision, StoreError> {
        let what = || format!("kept revision {}", self.revision);
        Ok(Revision {
            revision: self.revision.unsigned_abs(),
            at: self.at.parse().map_err(|e| StoreError::broken(what(), e))?,
            sums: serde_json::from_str(&self.sums).map_err(|e| StoreError::broken(what(), e))?,
            by: self.actor,
        })
    }
}

/// Why there is no such revision.
fn none(conn: &Connection, wanted: u64) -> Result<StoreError, StoreError> {
    let ends = conn
        .query_row("SELECT min(revision), max(revision) FROM kept_revisions", [], |r| {
            Ok(r.get::<_, Option<i64>>(0)?.zip(r.get::<_, Option<i64>>(1)?))
        })
        .or_store_error(READ)?;
    let around = beside(conn, "max", "<", number(wanted))?.zip(beside(conn, "min", ">", number(wanted))?);
    let unsigned = |(one, two): (i64, i64)| (one.unsigned_abs(), two.unsigned_abs());
    Ok(missing(wanted, ends.map(unsigned), around.map(unsigned)))
}

/// The revision next to a number on one side.
fn beside(conn: &Connection, which: &str, side: &str, of: i64) -> Result<Option<i64>, StoreError> {
    let sql = format!("SELECT {which}(revision) FROM kept_revisions WHERE revision {side} ?");
    conn.prepare_cached(&sql).and_then(|mut s| s.query_row([of], |r| r.get(0))).or_store_error(READ)
}

fn number(of: u64) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}
