//! [`Analytics`] on the events tables.

mod behind;
mod list;
mod report;
mod stored;
mod usage;

use crate::{PipelineConfig, backup::mark, client::Client};
use async_trait::async_trait;
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
    event_log::EventLog,
    page::Page,
};

/// Reads events. What was delivered is seen after the server has read it from its topic.
pub(crate) struct Reader {
    client: Client,
    /// What services write, if that is known.
    pipeline: Option<PipelineConfig>,
    /// Where they write it, if that is known.
    log: Option<Arc<dyn EventLog>>,
}

impl Reader {
    pub(crate) fn new(
        client: Client,
        pipeline: Option<PipelineConfig>,
        log: Option<Arc<dyn EventLog>>,
    ) -> Self {
        Self { client, pipeline, log }
    }
}

#[async_trait]
impl Analytics for Reader {
    async fn click(&self, id: ClickId) -> Result<Option<ClickEvent>, StoreError> {
        list::click(&self.client, id).await
    }

    async fn clicks_by_id(&self, ids: &[ClickId]) -> Result<Vec<ClickEvent>, StoreError> {
        list::clicks_by_id(&self.client, ids).await
    }

    async fn clicks_there(&self, ids: &[ClickId]) -> Result<Vec<ClickId>, StoreError> {
        list::clicks_there(&self.client, ids).await
    }

    async fn clicks(&self, query: &ClickQuery) -> Result<Page<ClickEvent>, StoreError> {
        list::clicks(&self.client, query).await
    }

    async fn postbacks(&self, query: &PostbackQuery) -> Result<Page<PostbackLogEvent>, StoreError> {
        list::postbacks(&self.client, query).await
    }

    async fn report(&self, query: &ReportQuery) -> Result<Vec<RawRow>, StoreError> {
        report::report(&self.client, query).await
    }

    async fn cap_use(&self, of: &[DestinationId], day_start: Timestamp) -> Result<Vec<CapUse>, StoreError> {
        usage::cap_use(&self.client, of, day_start).await
    }

    async fn stream_clicks(&self, of: &[StreamId], since: Option<Timestamp>) -> Result<Vec<u64>, StoreError> {
        usage::stream_clicks(&self.client, of, since).await
    }

    async fn seen_since(&self, since: Timestamp, limit: usize) -> Result<Vec<LastVisit>, StoreError> {
        usage::seen_since(&self.client, since, limit).await
    }

    async fn stored(&self, from: Hour, to: Hour) -> Result<Vec<StoredHour>, StoreError> {
        stored::hours(&self.client, from, to).await
    }

    async fn stored_ids(&self, kind: LedgerKind, hour: Hour, most: usize) -> Result<StoredIds, StoreError> {
        stored::ids(&self.client, kind, hour, most).await
    }

    async fn stored_conversions(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StoredConversion>, StoreError> {
        stored::conversions(&self.client, since, until).await
    }

    /// Where no log is known, what reaches the server is seen at once.
    async fn caught_up(&self) -> Result<bool, StoreError> {
        match (&self.pipeline, &self.log) {
            (Some(config), Some(log)) => behind::caught_up(&self.client, log.as_ref(), &config.groups).await,
            _ => Ok(true),
        }
    }

    async fn not_whole(&self) -> Result<Option<String>, StoreError> {
        let open = mark::open(&self.client).await?;
        Ok(open.map(|open| mark::told(&self.client.database, &open)))
    }

    /// Also asks for the newest of the columns that are read, so that a schema that is too old is not ready; and whether
    /// the server reads what services write.
    async fn ping(&self) -> Result<(), StoreError> {
        crate::migrate::ready(&self.client, self.pipeline.as_ref()).await
    }
}
