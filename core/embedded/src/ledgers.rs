//! [`Ledgers`] on `config.db`.

use crate::{db::Database, error::OrStoreError};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;
use tfx_domain::{
    Timestamp,
    ledger::{Hour, HourLedger, LedgerKind},
};
use tfx_ports::{
    StoreError,
    ledgers::{LedgerInstance, LedgerPage, Ledgers},
};

const KEEP: &str = "keep what was accepted";
const READ: &str = "read what was accepted";

/// Ledgers on SQLite.
pub(crate) struct LedgerTable(pub(crate) Arc<Database<()>>);

#[async_trait]
impl Ledgers for LedgerTable {
    async fn publish(&self, instance: &LedgerInstance, pages: &[LedgerPage]) -> Result<(), StoreError> {
        let one = instance.clone();
        let pages = pages.to_vec();
        let keep = move |conn: &Connection, (): &mut ()| {
            let from = one.from.map(Timestamp::as_millisecond);
            let outbox = one.outbox.as_ref().map(serde_json::to_string).transpose();
            let outbox = outbox.map_err(|e| StoreError::broken("write what waits in a journal", e))?;
            let sql = "INSERT OR REPLACE INTO ledger_instances (id, service, at_ms, from_ms, ended, process, outbox)
                       VALUES (?, ?, ?, ?, ?, ?, ?)";
            let values =
                params![one.id, one.service, one.at.as_millisecond(), from, one.ended, one.process, outbox];
            conn.prepare_cached(sql).and_then(|mut s| s.execute(values)).or_store_error(KEEP)?;
            let sql = "INSERT OR REPLACE INTO ledger_pages (hour, kind, instance, body) VALUES (?, ?, ?, ?)";
            let mut keep = conn.prepare_cached(sql).or_store_error(KEEP)?;
            let sql = "SELECT body FROM ledger_pages WHERE hour = ? AND kind = ? AND instance = ?";
            let mut before = conn.prepare_cached(sql).or_store_error(KEEP)?;
            for page in &pages {
                let (hour, kind) = (page.hour.0, page.kind.as_str());
                let known = before.query_row(params![hour, kind, page.by], |r| r.get::<_, Vec<u8>>(0));
                let known = known.optional().or_store_error(KEEP)?;
                let known = known.and_then(|body| HourLedger::from_bytes(&body).ok());
                if known.is_none_or(|known| known.accepted.events() <= page.ledger.accepted.events()) {
                    let values = params![hour, kind, page.by, page.ledger.to_bytes()];
                    keep.execute(values).or_store_error(KEEP)?;
                }
            }
            Ok(())
        };
        self.0.write(KEEP, keep).await
    }

    async fn instances(&self) -> Result<Vec<LedgerInstance>, StoreError> {
        let read = |conn: &Connection| {
            let sql = "SELECT id, service, at_ms, from_ms, ended, process, outbox FROM ledger_instances ORDER BY id";
            let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
            let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MIN);
            let rows = statement.query_map([], |r| {
                Ok(LedgerInstance {
                    id: r.get(0)?,
                    service: r.get(1)?,
                    at: time(r.get(2)?),
                    from: r.get::<_, Option<i64>>(3)?.map(time),
                    ended: r.get(4)?,
                    process: r.get(5)?,
                    outbox: r.get::<_, Option<String>>(6)?.and_then(|text| serde_json::from_str(&text).ok()),
                })
            });
            rows.and_then(Iterator::collect).or_store_error(READ)
        };
        self.0.read(READ, read).await
    }

    async fn pages(&self, from: Hour, to: Hour) -> Result<Vec<LedgerPage>, StoreError> {
        let read = move |conn: &Connection| {
            let sql = "SELECT hour, kind, body, instance FROM ledger_pages WHERE hour >= ?1 AND hour < ?2";
            let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
            let rows = statement.query_map([from.0, to.0], |r| {
                let Some(kind) = LedgerKind::from_word(&r.get::<_, String>(1)?) else { return Ok(None) };
                let torn = |_| HourLedger { torn: true, ..HourLedger::default() };
                let ledger = HourLedger::from_bytes(&r.get::<_, Vec<u8>>(2)?).unwrap_or_else(torn);
                Ok(Some(LedgerPage { by: r.get(3)?, kind, hour: Hour(r.get(0)?), ledger }))
            });
            let pages: Vec<Option<LedgerPage>> = rows.and_then(Iterator::collect).or_store_error(READ)?;
            Ok(pages.into_iter().flatten().collect())
        };
        self.0.scan(READ, read).await
    }

    async fn forget(&self, before: Hour) -> Result<(), StoreError> {
        let forget = move |conn: &Connection, (): &mut ()| {
            let ms = before.start().as_millisecond();
            conn.execute("DELETE FROM ledger_pages WHERE hour < ?1", [before.0]).or_store_error(KEEP)?;
            conn.execute("DELETE FROM ledger_instances WHERE at_ms < ?1", [ms]).or_store_error(KEEP)?;
            Ok(())
        };
        self.0.write(KEEP, forget).await
    }
}
