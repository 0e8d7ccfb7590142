//! Postbacks that wait for their click.

use crate::{error::OrStoreError, paging::sql_limit, time::ceil_ms};
use rusqlite::{Connection, Params, Row, params};
use tfx_domain::{
    Timestamp,
    id::{ClickId, NetworkId},
};
use tfx_ports::{
    StoreError,
    conversions::{LONGEST_PAUSE, Parked},
    left_out::LeftOut,
};

pub(super) fn park(conn: &Connection, p: &Parked) -> Result<(), StoreError> {
    let insert = "INSERT INTO parked (id, network, click_id, params, template, received_at, received_ms,
        next_try_at, next_try_ms, tries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
    let params = serde_json::to_string(&p.params).map_err(|e| StoreError::broken("park a postback", e))?;
    conn.prepare_cached(insert)
        .and_then(|mut s| {
            s.execute(params![
                p.id.to_string(),
                p.network.as_str(),
                p.click_id.to_string(),
                params,
                p.template,
                p.received_at.to_string(),
                ceil_ms(p.received_at),
                p.next_try_at.to_string(),
                ceil_ms(p.next_try_at),
                p.tries,
            ])
        })
        .or_store_error("park a postback")
        .map(|_| ())
}

const READ: &str = "read parked postbacks";
const COLUMNS: &str =
    "SELECT id, network, click_id, params, template, received_at, next_try_at, tries FROM parked";

pub(super) fn due(
    conn: &Connection,
    now: Timestamp,
    limit: usize,
    left_out: &LeftOut,
) -> Result<Vec<Parked>, StoreError> {
    let now = now.as_millisecond();
    let never = now.saturating_add(i64::try_from(LONGEST_PAUSE.as_millis()).unwrap_or(i64::MAX));
    let sql =
        format!("{COLUMNS} WHERE next_try_ms <= ?1 OR next_try_ms > ?2 ORDER BY received_ms, id LIMIT ?3");
    rows(conn, &sql, params![now, never, with_room(limit)], limit, left_out)
}

pub(super) fn of_click(
    conn: &Connection,
    network: &NetworkId,
    click: ClickId,
    limit: usize,
    left_out: &LeftOut,
) -> Result<Vec<Parked>, StoreError> {
    let sql = format!("{COLUMNS} WHERE network = ?1 AND click_id = ?2 ORDER BY received_ms, id LIMIT ?3");
    rows(conn, &sql, params![network.as_str(), click.to_string(), with_room(limit)], limit, left_out)
}

/// For SQL's LIMIT: rows that cannot be read take no place.
fn with_room(limit: usize) -> i64 {
    sql_limit(limit.saturating_add(LeftOut::room()))
}

fn rows(
    conn: &Connection,
    sql: &str,
    values: impl Params,
    limit: usize,
    left_out: &LeftOut,
) -> Result<Vec<Parked>, StoreError> {
    let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
    let mut rows = statement.query(values).or_store_error(READ)?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().or_store_error(READ)?
    {
        let id: String = row.get(0).or_store_error(READ)?;
        found.extend(left_out.keep(&id, parked(row, &id)));
    }
    Ok(found)
}

fn parked(row: &Row<'_>, id: &str) -> Result<Parked, StoreError> {
    let broken = |e: &dyn std::fmt::Display| StoreError::Broken {
        what: format!("stored parked postback {id}: {e}"),
        source: None,
    };
    let text = |i: usize| row.get::<_, String>(i).map_err(|e| broken(&e));
    Ok(Parked {
        id: id.parse().map_err(|e| broken(&e))?,
        network: text(1)?.parse().map_err(|e| broken(&e))?,
        click_id: text(2)?.parse().map_err(|e| broken(&e))?,
        params: serde_json::from_str(&text(3)?).map_err(|e| broken(&e))?,
        template: text(4)?,
        received_at: text(5)?.parse().map_err(|e| broken(&e))?,
        next_try_at: text(6)?.parse().map_err(|e| broken(&e))?,
        tries: row.get(7).map_err(|e| broken(&e))?,
    })
}

pub(super) fn postpone(conn: &Connection, id: ClickId, next_try_at: Timestamp) -> Result<(), StoreError> {
    let update = "UPDATE parked SET next_try_at = ?2, next_try_ms = ?3, tries = tries + 1 WHERE id = ?1";
    conn.prepare_cached(update)
        .and_then(|mut s| s.execute(params![id.to_string(), next_try_at.to_string(), ceil_ms(next_try_at)]))
        .or_store_error("postpone a postback")
        .map(|_| ())
}

pub(super) fn unpark(conn: &Connection, id: ClickId) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM parked WHERE id = ?1")
        .and_then(|mut s| s.execute([id.to_string()]))
        .or_store_error("unpark a postback")
        .map(|_| ())
}

pub(super) fn count(conn: &Connection) -> Result<u64, StoreError> {
    let read =
        conn.prepare_cached("SELECT count(*) FROM parked").and_then(|mut s| s.query_row([], |r| r.get(0)));
    read.map(i64::unsigned_abs).or_store_error("count parked postbacks")
}
