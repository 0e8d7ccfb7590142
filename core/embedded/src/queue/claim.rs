//! Taking jobs that are due, one of each lane.

use super::{changed, millis, never, now};
use crate::{error::OrStoreError, paging::sql_limit};
use rusqlite::{Connection, params};
use std::time::Duration;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    left_out::LeftOut,
    queue::{Job, JobKind},
};

/// Lanes that are due, those that wait longest first, but of groups of owners, as JSON.
pub(super) fn due(
    conn: &Connection,
    kind: JobKind,
    limit: usize,
    now: i64,
    but: &str,
) -> Result<Vec<String>, StoreError> {
    // Thousands of an owner may be passed over: owners are read once, and looked up by what stands before the `/`.
    let due = "SELECT lane FROM job_lanes WHERE kind = ?1 AND (due_ms <= ?2 OR due_ms > ?3) AND NOT
            (lane GLOB 'g:*/*' AND substr(lane, 3, instr(lane, '/') - 3) IN (SELECT value FROM json_each(?5)))
        ORDER BY due_ms LIMIT ?4";
    conn.prepare_cached(due)
        .and_then(|mut s| {
            let values = params![kind.as_str(), now, never(now), sql_limit(limit), but];
            s.query_map(values, |r| r.get(0))?.collect()
        })
        .or_store_error("claim jobs")
}

/// What was put off by a clock that was ahead is put off by as much from now on.
pub(super) fn put_off_anew(conn: &Connection) -> Result<(), StoreError> {
    let what = "put off jobs anew";
    let anew = "UPDATE job_lanes SET due_ms = ?1 + due_ms - since_ms, since_ms = ?1 WHERE since_ms > ?1";
    let lanes = changed(conn, what, anew, [now(conn, what)?])?;
    if lanes > 0 {
        tracing::warn!(lanes, "the clock was set back; jobs wait anew from now on");
    }
    Ok(())
}

pub(super) fn bring_forward(conn: &Connection, kind: JobKind, most: Duration) -> Result<(), StoreError> {
    let what = "bring jobs forward";
    let forward = "UPDATE job_lanes SET due_ms = ?2 + (due_ms - ?2) % ?3, since_ms = ?2
        WHERE kind = ?1 AND NOT held AND due_ms > ?2 + ?3";
    let values = params![kind.as_str(), now(conn, what)?, millis(most).max(1)];
    changed(conn, what, forward, values).map(|_| ())
}

pub(super) fn claim(
    conn: &Connection,
    kind: JobKind,
    limit: usize,
    lease: Duration,
    but: &str,
    left_out: &LeftOut,
) -> Result<Vec<Job>, StoreError> {
    let what = "claim jobs";
    let now = now(conn, what)?;
    let lanes = due(conn, kind, limit, now, but)?;
    let mut claimed = Vec::with_capacity(lanes.len());
    for lane in lanes {
        claimed.extend(claim_lane(conn, kind, lane, now, lease, left_out)?);
    }
    Ok(claimed)
}

fn claim_lane(
    conn: &Connection,
    kind: JobKind,
    lane: String,
    now: i64,
    lease: Duration,
    left_out: &LeftOut,
) -> Result<Option<Job>, StoreError> {
    let what = "claim jobs";
    // The fence grows also when the lane was empty in between, and is made anew.
    let hold =
        "UPDATE job_lanes SET held = 1, due_ms = ?3 + ?4, since_ms = ?3, wanted_ms = NULL, fence = max(fence + 1, ?3),
            tries = tries + 1
        WHERE kind = ?1 AND lane = ?2 RETURNING fence, tries";
    let (fence, tries): (i64, u32) = conn
        .prepare_cached(hold)
        .and_then(|mut s| {
            s.query_row(params![kind.as_str(), lane, now, millis(lease)], |r| Ok((r.get(0)?, r.get(1)?)))
        })
        .or_store_error(what)?;
    let first = |order: &str| {
        format!(
            "SELECT key, came_ms, payload, revived FROM jobs
            WHERE kind = ?1 AND lane = ?2 AND died_ms IS NULL ORDER BY {order}"
        )
    };
    let first = first(if kind.is_ordered_by_key() { "key" } else { "came_ms, key" });
    let mut statement = conn.prepare_cached(&first).or_store_error(what)?;
    let mut rows = statement.query(params![kind.as_str(), lane]).or_store_error(what)?;
    let mut empty = true;
    // One that cannot be read holds up nobody.
    while let Some(row) = rows.next().or_store_error(what)? {
        empty = false;
        let key: String = row.get(0).or_store_error(what)?;
        if let Some((came, payload, revived)) = left_out.keep(&key, read(row).or_store_error(what)) {
            let (tries, fence) = (tries.saturating_sub(1), fence.cast_unsigned());
            return Ok(Some(Job { kind, key, came, payload, tries, revived, lane, fence }));
        }
    }
    drop(rows);
    if empty {
        changed(
            conn,
            what,
            "DELETE FROM job_lanes WHERE kind = ?1 AND lane = ?2",
            params![kind.as_str(), lane],
        )?;
    }
    Ok(None)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Timestamp, String, bool)> {
    let came = Timestamp::from_millisecond(row.get(1)?);
    let came = came.map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Integer, e.into())
    })?;
    Ok((came, row.get(2)?, row.get(3)?))
}
