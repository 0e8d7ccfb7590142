//! What is stored, to be held against what was accepted. An event has one row here: its id is the key.

use crate::{
    error::OrStoreError,
    events::{id_bytes, id_of, money, texts::Names},
    time::ceil_ms,
};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use tfx_domain::{
    Timestamp,
    event::Topic,
    id::ClickId,
    ledger::{Digest, Hour, LedgerKind},
};
use tfx_ports::{
    StoreError,
    analytics::{StoredConversion, StoredHour, StoredIds},
};

const WHAT: &str = "count what is stored";

pub(super) fn hours(conn: &Connection, from: Hour, to: Hour) -> Result<Vec<StoredHour>, StoreError> {
    let mut all = Vec::new();
    for kind in LedgerKind::ALL {
        let mut hours = BTreeMap::<Hour, Digest>::new();
        each_id(conn, kind, from, to, |id| hours.entry(Hour::of(id)).or_default().add(id))?;
        all.extend(hours.into_iter().map(|(hour, ids)| {
            let events = ids.events();
            StoredHour { kind, hour, events, rows: events, total: ids.total() }
        }));
    }
    Ok(all)
}

pub(super) fn ids(conn: &Connection, kind: LedgerKind, hour: Hour) -> Result<StoredIds, StoreError> {
    let mut stored = StoredIds::default();
    each_id(conn, kind, hour, hour.next(), |id| stored.ids.add(id))?;
    Ok(stored)
}

/// Ids are in the order of time.
fn each_id(
    conn: &Connection,
    kind: LedgerKind,
    from: Hour,
    to: Hour,
    mut each: impl FnMut(ClickId),
) -> Result<(), StoreError> {
    let [from, to] = [from, to].map(|hour| ClickId::floor(hour.start()));
    let table = match kind {
        LedgerKind::Clicks => "clicks",
        LedgerKind::Postbacks => "postbacks",
        LedgerKind::HealthChanges => {
            let sql = "SELECT id FROM other_events WHERE topic = ?1 AND id >= ?2 AND id < ?3";
            let mut statement = conn.prepare_cached(sql).or_store_error(WHAT)?;
            let topic = Topic::DestinationHealthEvents.code();
            let values = params![topic, from.to_string(), to.to_string()];
            let mut rows = statement.query(values).or_store_error(WHAT)?;
            while let Some(row) = rows.next().or_store_error(WHAT)? {
                let id: String = row.get(0).or_store_error(WHAT)?;
                each(id.parse().map_err(|e| StoreError::broken("stored id", e))?);
            }
            return Ok(());
        }
    };
    let sql = format!("SELECT id FROM {table} WHERE id >= ?1 AND id < ?2");
    let mut statement = conn.prepare_cached(&sql).or_store_error(WHAT)?;
    let mut rows = statement.query([id_bytes(from), id_bytes(to)]).or_store_error(WHAT)?;
    while let Some(row) = rows.next().or_store_error(WHAT)? {
        let id: [u8; 16] = row.get(0).or_store_error(WHAT)?;
        each(id_of(&id)?);
    }
    Ok(())
}

pub(super) fn conversions(
    conn: &Connection,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<StoredConversion>, StoreError> {
    let mut names = Names::new(conn)?;
    let sql =
        "SELECT id, version, created_ms, status, revenue, currency, cost, cost_currency FROM conversions
               WHERE created_ms >= ?1 AND created_ms < ?2";
    let mut statement = conn.prepare_cached(sql).or_store_error(WHAT)?;
    let mut rows = statement.query([ceil_ms(since), ceil_ms(until)]).or_store_error(WHAT)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().or_store_error(WHAT)? {
        let id: String = row.get(0).or_store_error(WHAT)?;
        let broken =
            |e: &dyn std::fmt::Display| StoreError::broken(format!("stored conversion {id}"), e.to_string());
        let number = |place: usize| row.get::<_, Option<i64>>(place).or_store_error(WHAT);
        let status = names.name(number(3)?.unwrap_or(0))?;
        let version = number(1)?.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let created_at = Timestamp::from_millisecond(number(2)?.unwrap_or(0)).map_err(|e| broken(&e))?;
        all.push(StoredConversion {
            version,
            created_at,
            status: status.parse().map_err(|e| broken(&e))?,
            revenue: money(number(4)?.unwrap_or(0), number(5)?.unwrap_or(0))?,
            cost: number(7)?.map(|code| money(number(6)?.unwrap_or(0), code)).transpose()?,
            id: id.parse().map_err(|e| broken(&e))?,
        });
    }
    Ok(all)
}
