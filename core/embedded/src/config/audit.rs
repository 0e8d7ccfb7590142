//! The audit log.

use crate::{
    error::OrStoreError,
    paging::{cursor, limit, page, sql_limit},
};
use rusqlite::{Connection, named_params, params};
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    page::{Page, PageRequest},
};

/// Adds a line, of the change of an entity with the revision that it makes.
pub(super) fn insert(conn: &Connection, entry: &AuditEntry, revision: Option<u64>) -> Result<(), StoreError> {
    let insert = "INSERT INTO audit (at, actor, action, kind, id, version, changes, asked_from, request_id, token, revision)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    conn.prepare_cached(insert)
        .and_then(|mut s| {
            s.execute(params![
                entry.at.to_string(),
                entry.caller.name,
                entry.action,
                entry.kind,
                entry.id,
                i64::try_from(entry.version).unwrap_or(i64::MAX),
                entry.changes.to_string(),
                entry.caller.from,
                entry.caller.request_id,
                entry.caller.token,
                revision.map(|revision| i64::try_from(revision).unwrap_or(i64::MAX)),
            ])
        })
        .or_store_error("write the audit log")
        .map(|_| ())
}

/// How many lines there are of later revisions.
pub(super) fn lines_since(conn: &Connection, revision: u64) -> Result<u64, StoreError> {
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    conn.prepare_cached("SELECT count(*) FROM audit WHERE revision > ?")
        .and_then(|mut s| s.query_row([revision], |r| r.get(0)))
        .map(i64::unsigned_abs)
        .or_store_error("read the audit log")
}

pub(super) fn list(
    conn: &Connection,
    id: Option<&str>,
    request: &PageRequest,
) -> Result<Page<AuditEntry>, StoreError> {
    let before = cursor(request, |c| c.parse::<i64>().ok())?.unwrap_or(i64::MAX);
    let limit = limit(request);
    // Two statements, so that each is answered by its index.
    let sql = match id {
        Some(_) => {
            "SELECT seq, at, actor, action, kind, id, version, changes, asked_from, request_id, token FROM audit
             WHERE id = :id AND seq < :before ORDER BY seq DESC LIMIT :limit"
        }
        None => {
            "SELECT seq, at, actor, action, kind, id, version, changes, asked_from, request_id, token FROM audit
             WHERE :id IS NULL AND seq < :before ORDER BY seq DESC LIMIT :limit"
        }
    };
    let what = "read the audit log";
    let mut statement = conn.prepare_cached(sql).or_store_error(what)?;
    let params = named_params! { ":id": id, ":before": before, ":limit": sql_limit(limit + 1) };
    let mut rows = statement.query(params).or_store_error(what)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().or_store_error(what)? {
        let text = |i: usize| row.get::<_, String>(i).or_store_error(what);
        let seq: i64 = row.get(0).or_store_error(what)?;
        let version: i64 = row.get(6).or_store_error(what)?;
        let entry = AuditEntry {
            at: text(1)?.parse().map_err(|e| StoreError::broken(format!("audit entry {seq}"), e))?,
            caller: Caller { name: text(2)?, from: text(8)?, request_id: text(9)?, token: text(10)? },
            action: text(3)?,
            kind: text(4)?,
            id: text(5)?,
            version: version.unsigned_abs(),
            changes: serde_json::from_str(&text(7)?)
                .map_err(|e| StoreError::broken(format!("audit entry {seq}"), e))?,
        };
        items.push((seq, entry));
    }
    Ok(page(items, limit, i64::to_string))
}
