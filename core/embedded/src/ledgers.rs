//! [`Ledgers`] on `config.db`.

use crate::{db::Database, error::OrStoreError};
use async_trait::async_trait;
use rusqlite::{Connection, params};
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
        let pages: Vec<_> = pages.iter().map(|p| (p.hour.0, p.kind.as_str(), p.ledger.to_bytes())).collect();
        let keep = move |conn: &Connection, (): &mut ()| {
            let from = one.from.map(Timestamp::as_millisecond);
            let sql = "INSERT OR REPLACE INTO ledger_instances (id, service, at_ms, from_ms, ended) VALUES (?, ?, ?, ?, ?)";
            let values = params![one.id, one.service, one.at.as_millisecond(), from, one.ended];
            conn.prepare_cached(sql).and_then(|mut s| s.execute(values)).or_store_error(KEEP)?;
            let sql = "INSERT OR REPLACE INTO ledger_pages (hour, kind, instance, body) VALUES (?, ?, ?, ?)";
            let mut statement = conn.prepare_cached(sql).or_store_error(KEEP)?;
            for (hour, kind, body) in &pages {
                statement.execute(params![hour, kind, one.id, body]).or_store_error(KEEP)?;
            }
            Ok(())
        };
        self.0.write(KEEP, keep).await
    }

    async fn instances(&self) -> Result<Vec<LedgerInstance>, StoreError> {
        let read = |conn: &Connection| {
            let sql = "SELECT id, service, at_ms, from_ms, ended FROM ledger_instances ORDER BY id";
            let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
            let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MIN);
            let rows = statement.query_map([], |r| {
                Ok(LedgerInstance {
                    id: r.get(0)?,
                    service: r.get(1)?,
                    at: time(r.get(2)?),
                    from: r.get::<_, Option<i64>>(3)?.map(time),
                    ended: r.get(4)?,
                })
            });
            rows.and_then(Iterator::collect).or_store_error(READ)
        };
        self.0.read(READ, read).await
    }

    async fn pages(&self, from: Hour, to: Hour) -> Result<Vec<LedgerPage>, StoreError> {
        let read = move |conn: &Connection| {
            let sql = "SELECT hour, kind, body FROM ledger_pages WHERE hour >= ?1 AND hour < ?2";
            let mut statement = conn.prepare_cached(sql).or_store_error(READ)?;
            let rows = statement.query_map([from.0, to.0], |r| {
                let Some(kind) = LedgerKind::from_word(&r.get::<_, String>(1)?) else { return Ok(None) };
                let torn = |_| HourLedger { torn: true, ..HourLedger::default() };
                let ledger = HourLedger::from_bytes(&r.get::<_, Vec<u8>>(2)?).unwrap_or_else(torn);
                Ok(Some(LedgerPage { kind, hour: Hour(r.get(0)?), ledger }))
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
