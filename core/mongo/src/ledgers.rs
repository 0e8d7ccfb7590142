//! [`Ledgers`]: a document for each instance, and for each hour of it; the name of an hour begins with its number, so that
//! hours are in order.

use crate::{db::Db, time::date};
use async_trait::async_trait;
use mongodb::{
    Collection,
    bson::{Binary, DateTime, Document, doc, spec::BinarySubtype},
};
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
const INSTANCES: &str = "ledger_instances";
const PAGES: &str = "ledger_pages";

/// Ledgers on MongoDB.
pub(crate) struct LedgerTable(pub(crate) Arc<Db>);

impl LedgerTable {
    fn all(&self, name: &str) -> Collection<Document> {
        self.0.collection(name)
    }
}

/// What names of the pages of an hour begin with.
fn name(hour: Hour) -> String {
    format!("{:010}", hour.0.max(0))
}

fn instance(row: &Document) -> Option<LedgerInstance> {
    let time = |at: DateTime| Timestamp::from_millisecond(at.timestamp_millis()).ok();
    Some(LedgerInstance {
        id: row.get_str("_id").ok()?.to_owned(),
        service: row.get_str("service").ok()?.to_owned(),
        at: time(*row.get_datetime("at").ok()?)?,
        from: row.get_datetime("from").ok().and_then(|at| time(*at)),
        ended: row.get_bool("ended").ok()?,
        process: row.get_str("process").unwrap_or_default().to_owned(),
        outbox: row.get_str("outbox").ok().and_then(|text| serde_json::from_str(text).ok()),
    })
}

fn page(row: &Document) -> Option<LedgerPage> {
    let mut name = row.get_str("_id").ok()?.splitn(3, '.');
    let hour = Hour(name.next()?.parse().ok()?);
    let kind = LedgerKind::from_word(name.next()?)?;
    let by = name.next()?.to_owned();
    let ledger = row.get_binary_generic("body").ok().and_then(|body| HourLedger::from_bytes(body).ok());
    let torn = || HourLedger { torn: true, ..HourLedger::default() };
    Some(LedgerPage { by, kind, hour, ledger: ledger.unwrap_or_else(torn) })
}

#[async_trait]
impl Ledgers for LedgerTable {
    async fn publish(&self, instance: &LedgerInstance, pages: &[LedgerPage]) -> Result<(), StoreError> {
        self.0.whole().await?;
        let within = self.0.operation_timeout();
        let update = |page: &LedgerPage| {
            let body = Binary { subtype: BinarySubtype::Generic, bytes: page.ledger.to_bytes() };
            let id = format!("{}.{}.{}", name(page.hour), page.kind.as_str(), page.by);
            let events = i64::try_from(page.ledger.accepted.events()).unwrap_or(i64::MAX);
            // What versions before kept does not say how many.
            let counts_more = doc! {"$gt": [{"$ifNull": ["$events", -1_i64]}, events]};
            let body = doc! {"$cond": [counts_more, "$body", body]};
            let set = doc! {"$set": {"body": body, "events": {"$max": ["$events", events]}}};
            doc! {"q": {"_id": id}, "u": [set], "upsert": true}
        };
        if !pages.is_empty() {
            self.0.updates(KEEP, PAGES, pages.iter().map(update).collect(), within).await?;
        }
        // Last: it says that the pages are there.
        let mut set = doc! {
            "service": &instance.service, "at": date(instance.at), "ended": instance.ended,
            "process": &instance.process,
        };
        let outbox = instance.outbox.as_ref().map(serde_json::to_string).transpose();
        if let Some(outbox) = outbox.map_err(|e| StoreError::broken("write what waits in a journal", e))? {
            set.insert("outbox", outbox);
        }
        if let Some(from) = instance.from {
            set.insert("from", date(from));
        }
        let update = doc! {"q": {"_id": &instance.id}, "u": {"$set": set}, "upsert": true};
        self.0.updates(KEEP, INSTANCES, vec![update], within).await
    }

    async fn instances(&self) -> Result<Vec<LedgerInstance>, StoreError> {
        let rows = self.all(INSTANCES);
        let rows: Vec<Document> = self.0.rows(READ, rows.find(doc! {}).sort(doc! {"_id": 1})).await?;
        Ok(rows.iter().filter_map(instance).collect())
    }

    async fn pages(&self, from: Hour, to: Hour) -> Result<Vec<LedgerPage>, StoreError> {
        let rows = self.all(PAGES);
        let which = doc! {"_id": {"$gte": name(from), "$lt": name(to)}};
        let rows: Vec<Document> = self.0.rows(READ, rows.find(which)).await?;
        Ok(rows.iter().filter_map(page).collect())
    }

    async fn forget(&self, before: Hour) -> Result<(), StoreError> {
        let old = doc! {"_id": {"$lt": name(before)}};
        self.0.call(KEEP, self.all(PAGES).delete_many(old)).await?;
        let old = doc! {"at": {"$lt": date(before.start())}};
        self.0.call(KEEP, self.all(INSTANCES).delete_many(old)).await?;
        Ok(())
    }
}
