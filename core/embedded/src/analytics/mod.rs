//! [`Analytics`] on `events.db`.

mod caller;
mod list;
mod report;
mod stored;
mod usage;

use crate::{db::Database, events::texts::Texts};
use async_trait::async_trait;
use rusqlite::Connection;
use std::sync::Arc;
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, PostbackLogEvent},
    id::{ClickId, DestinationId, StreamId},
    ledger::{Hour, LedgerKind},
    report::{RawRow, ReportQuery},
    routing::CapUse,
};
use tfx_ports::{
    StoreError,
    analytics::{Analytics, ClickQuery, LastVisit, PostbackQuery, StoredConversion, StoredHour, StoredIds},
    page::Page,
};

/// Reads events from SQLite. What was delivered is seen at once.
pub(crate) struct Reader {
    db: Arc<Database<Texts>>,
}

impl Reader {
    pub(crate) const fn new(db: Arc<Database<Texts>>) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Analytics for Reader {
    async fn click(&self, id: ClickId) -> Result<Option<ClickEvent>, StoreError> {
        self.db.read("read a click", move |conn| list::click(conn, id)).await
    }

    async fn clicks_by_id(&self, ids: &[ClickId]) -> Result<Vec<ClickEvent>, StoreError> {
        let ids = ids.to_vec();
        self.db.scan("read clicks", move |conn| list::clicks_by_id(conn, &ids)).await
    }

    async fn clicks_there(&self, ids: &[ClickId]) -> Result<Vec<ClickId>, StoreError> {
        let ids = ids.to_vec();
        self.db.scan("look for clicks", move |conn| list::clicks_there(conn, &ids)).await
    }

    async fn clicks(&self, query: &ClickQuery) -> Result<Page<ClickEvent>, StoreError> {
        let query = query.clone();
        let waiting = caller::Waiting::default();
        let caller = waiting.caller();
        self.db.scan("list clicks", move |conn| list::clicks(conn, &query, caller)).await
    }

    async fn postbacks(&self, query: &PostbackQuery) -> Result<Page<PostbackLogEvent>, StoreError> {
        let query = query.clone();
        let waiting = caller::Waiting::default();
        let caller = waiting.caller();
        self.db.scan("list postbacks", move |conn| list::postbacks(conn, &query, caller)).await
    }

    async fn report(&self, query: &ReportQuery) -> Result<Vec<RawRow>, StoreError> {
        let query = query.clone();
        let waiting = caller::Waiting::default();
        let caller = waiting.caller();
        self.db.scan("make a report", move |conn| report::report(conn, &query, caller)).await
    }

    async fn cap_use(&self, of: &[DestinationId], day_start: Timestamp) -> Result<Vec<CapUse>, StoreError> {
        let of = of.to_vec();
        let read = move |conn: &Connection| of.iter().map(|d| usage::cap_use(conn, d, day_start)).collect();
        self.db.read("read the use of caps", read).await
    }

    async fn stream_clicks(&self, of: &[StreamId], since: Option<Timestamp>) -> Result<Vec<u64>, StoreError> {
        let of = of.to_vec();
        let read = move |conn: &Connection| of.iter().map(|s| usage::stream_clicks(conn, s, since)).collect();
        self.db.read("count clicks of streams", read).await
    }

    async fn seen_since(&self, since: Timestamp, limit: usize) -> Result<Vec<LastVisit>, StoreError> {
        self.db.scan("read where visitors were", move |conn| usage::seen_since(conn, since, limit)).await
    }

    async fn stored(&self, from: Hour, to: Hour) -> Result<Vec<StoredHour>, StoreError> {
        self.db.scan("count what is stored", move |conn| stored::hours(conn, from, to)).await
    }

    async fn stored_ids(&self, kind: LedgerKind, hour: Hour, _most: usize) -> Result<StoredIds, StoreError> {
        self.db.scan("read the ids of what is stored", move |conn| stored::ids(conn, kind, hour)).await
    }

    async fn stored_conversions(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StoredConversion>, StoreError> {
        self.db.scan("read stored conversions", move |conn| stored::conversions(conn, since, until)).await
    }

    async fn caught_up(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.db.ping_reads().await
    }
}
