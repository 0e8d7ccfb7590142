//! What waits in the queue, as people see it.

use crate::{
    error::OrStoreError,
    paging::{cursor, limit, page, sql_limit},
};
use rusqlite::{Connection, Row, params};
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    left_out::LeftOut,
    page::{Page, PageRequest},
    queue::{Counts, JobKind, Share, WaitingJob},
};

pub(super) fn waiting(
    conn: &Connection,
    kind: JobKind,
    prefix: &str,
    request: &PageRequest,
    left_out: &LeftOut,
) -> Result<Page<WaitingJob>, StoreError> {
    let what = "read waiting jobs";
    let after = cursor(request, |key| Some(key.to_owned()))?.unwrap_or_default();
    let limit = limit(request);
    let sql = "SELECT key, came_ms, payload, due_ms, coalesce(held, 0), coalesce(tries, 0)
        FROM jobs LEFT JOIN job_lanes USING (kind, lane)
        WHERE kind = ?1 AND died_ms IS NULL AND key > ?2 AND key >= ?4 AND key < ?4 || char(1114111)
        ORDER BY key LIMIT ?3";
    let mut statement = conn.prepare_cached(sql).or_store_error(what)?;
    let mut rows =
        statement.query(params![kind.as_str(), after, sql_limit(limit + 1), prefix]).or_store_error(what)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().or_store_error(what)? {
        let key: String = row.get(0).or_store_error(what)?;
        let read = left_out.noted(&key, read(row).or_store_error(what));
        items.push((key, read));
    }
    Ok(page(items, limit, String::clone).readable())
}

fn read(row: &Row<'_>) -> rusqlite::Result<WaitingJob> {
    let came = row.get(1).map(Timestamp::from_millisecond)?.map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Integer, e.into())
    })?;
    Ok(WaitingJob {
        key: row.get(0)?,
        came,
        payload: row.get(2)?,
        due: time(row.get(3)?),
        held: row.get(4)?,
        tries: row.get(5)?,
    })
}

fn time(ms: Option<i64>) -> Option<Timestamp> {
    ms.and_then(|ms| Timestamp::from_millisecond(ms).ok())
}

/// Each from an index, without the jobs.
pub(super) fn counts(conn: &Connection, kind: JobKind) -> Result<Counts, StoreError> {
    let one = |sql: &str| -> Result<Option<i64>, StoreError> {
        conn.prepare_cached(sql)
            .and_then(|mut s| s.query_row([kind.as_str()], |r| r.get(0)))
            .or_store_error("count jobs")
    };
    let waiting = one("SELECT count(*) FROM jobs WHERE kind = ?1 AND died_ms IS NULL")?;
    let dead = one("SELECT count(*) FROM jobs WHERE kind = ?1 AND died_ms IS NOT NULL")?;
    let oldest = one("SELECT min(came_ms) FROM jobs WHERE kind = ?1 AND died_ms IS NULL")?;
    let last_died = one("SELECT max(died_ms) FROM jobs WHERE kind = ?1 AND died_ms IS NOT NULL")?;
    let number = |n: Option<i64>| n.unwrap_or_default().unsigned_abs();
    Ok(Counts {
        waiting: number(waiting),
        dead: number(dead),
        oldest: time(oldest),
        last_died: time(last_died),
    })
}

pub(super) fn shares(conn: &Connection, kind: JobKind) -> Result<Vec<Share>, StoreError> {
    let what = "count jobs";
    // A lane's name begins with `g:` or `k:`.
    let sql = "SELECT substr(lane, 3, instr(lane || '/', '/') - 3) AS owner,
            count(*) FILTER (WHERE died_ms IS NULL), count(died_ms), min(came_ms) FILTER (WHERE died_ms IS NULL),
            min(due_ms) FILTER (WHERE died_ms IS NULL)
        FROM jobs LEFT JOIN job_lanes USING (kind, lane) WHERE kind = ?1 GROUP BY owner ORDER BY owner";
    let mut statement = conn.prepare_cached(sql).or_store_error(what)?;
    let rows = statement.query_map([kind.as_str()], |row| {
        Ok(Share {
            of: row.get(0)?,
            waiting: row.get::<_, i64>(1)?.unsigned_abs(),
            dead: row.get::<_, i64>(2)?.unsigned_abs(),
            oldest: time(row.get(3)?),
            next: time(row.get(4)?),
        })
    });
    rows.and_then(Iterator::collect).or_store_error(what)
}
