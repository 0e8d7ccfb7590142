//! Stores that stop answering on demand.

use async_trait::async_trait;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tfx_domain::{
    Timestamp,
    entity::Kind,
    event::{ClickEvent, PostbackLogEvent},
    id::{ClickId, ConversionId, DestinationId, StreamId},
    postback::{Conversion, Incoming},
    report::{RawRow, ReportQuery},
    routing::CapUse,
};
use tfx_ports::{
    StoreError,
    analytics::{Analytics, ClickQuery, PostbackQuery, Seen},
    config::{AuditEntry, ConfigStore, Record, RecordQuery},
    conversions::{ConversionQuery, ConversionStore, Parked, Recorded},
    page::{Page, PageRequest},
};
use tfx_wiring::Stores;

/// What does not answer at the moment, and the stores themselves, which always do.
#[derive(Clone)]
pub(crate) struct Faults {
    pub(crate) config_away: Arc<AtomicBool>,
    pub(crate) analytics_away: Arc<AtomicBool>,
    pub(crate) record_fails: Arc<AtomicBool>,
    pub(crate) mark_fails: Arc<AtomicBool>,
    pub(crate) park_fails: Arc<AtomicBool>,
    pub(crate) unpark_fails: Arc<AtomicBool>,
    pub(crate) config: Arc<dyn ConfigStore>,
    pub(crate) conversions: Arc<dyn ConversionStore>,
    pub(crate) analytics: Arc<dyn Analytics>,
}

impl Faults {
    pub(crate) fn around(stores: Stores) -> (Stores, Self) {
        let faults = Self {
            config_away: Arc::default(),
            analytics_away: Arc::default(),
            record_fails: Arc::default(),
            mark_fails: Arc::default(),
            park_fails: Arc::default(),
            unpark_fails: Arc::default(),
            config: Arc::clone(&stores.config),
            conversions: Arc::clone(&stores.conversions),
            analytics: Arc::clone(&stores.analytics),
        };
        let all = Arc::new(faults.clone());
        (Stores { config: all.clone(), conversions: all.clone(), analytics: all, sink: stores.sink }, faults)
    }
}

/// Switches a fault.
pub(crate) fn set(fault: &AtomicBool, on: bool) {
    fault.store(on, Ordering::SeqCst);
}

fn unless(fault: &AtomicBool) -> Result<(), StoreError> {
    if fault.load(Ordering::SeqCst) {
        return Err(StoreError::Unavailable { what: "switched off by the test".to_owned(), source: None });
    }
    Ok(())
}

#[async_trait]
impl ConfigStore for Faults {
    async fn create(&self, record: Record, audit: AuditEntry) -> Result<u64, StoreError> {
        self.config.create(record, audit).await
    }
    async fn update(&self, record: Record, audit: AuditEntry) -> Result<u64, StoreError> {
        self.config.update(record, audit).await
    }
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        self.config.get(kind, id).await
    }
    async fn find(&self, kind: Kind, parent: &str, slug: &str) -> Result<Option<Record>, StoreError> {
        self.config.find(kind, parent, slug).await
    }
    async fn list(&self, query: &RecordQuery) -> Result<Page<Record>, StoreError> {
        self.config.list(query).await
    }
    async fn load(&self) -> Result<(u64, Vec<Record>), StoreError> {
        unless(&self.config_away)?;
        self.config.load().await
    }
    async fn wait_for_change(&self, since: u64, _: Duration) -> Result<u64, StoreError> {
        unless(&self.config_away)?;
        self.config.wait_for_change(since, Duration::from_millis(20)).await
    }
    async fn audit(&self, id: Option<&str>, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        self.config.audit(id, page).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        unless(&self.config_away)?;
        self.config.ping().await
    }
}

#[async_trait]
impl ConversionStore for Faults {
    async fn record(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
        unless(&self.record_fails)?;
        self.conversions.record(reports).await
    }
    async fn get(&self, id: &ConversionId) -> Result<Option<Conversion>, StoreError> {
        self.conversions.get(id).await
    }
    async fn list(&self, query: &ConversionQuery) -> Result<Page<Conversion>, StoreError> {
        self.conversions.list(query).await
    }
    async fn unpublished(&self, limit: usize) -> Result<Vec<Conversion>, StoreError> {
        self.conversions.unpublished(limit).await
    }
    async fn mark_published(&self, states: &[(ConversionId, u64)]) -> Result<(), StoreError> {
        unless(&self.mark_fails)?;
        self.conversions.mark_published(states).await
    }
    async fn park(&self, parked: Parked) -> Result<(), StoreError> {
        unless(&self.park_fails)?;
        self.conversions.park(parked).await
    }
    async fn parked_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Parked>, StoreError> {
        self.conversions.parked_due(now, limit).await
    }
    async fn postpone(&self, id: ClickId, next_try_at: Timestamp) -> Result<(), StoreError> {
        self.conversions.postpone(id, next_try_at).await
    }
    async fn unpark(&self, id: ClickId) -> Result<(), StoreError> {
        unless(&self.unpark_fails)?;
        self.conversions.unpark(id).await
    }
    async fn parked_count(&self) -> Result<u64, StoreError> {
        self.conversions.parked_count().await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.conversions.ping().await
    }
}

#[async_trait]
impl Analytics for Faults {
    async fn click(&self, id: ClickId) -> Result<Option<ClickEvent>, StoreError> {
        unless(&self.analytics_away)?;
        self.analytics.click(id).await
    }
    async fn clicks(&self, query: &ClickQuery) -> Result<Page<ClickEvent>, StoreError> {
        self.analytics.clicks(query).await
    }
    async fn postbacks(&self, query: &PostbackQuery) -> Result<Page<PostbackLogEvent>, StoreError> {
        self.analytics.postbacks(query).await
    }
    async fn report(&self, query: &ReportQuery) -> Result<Vec<RawRow>, StoreError> {
        self.analytics.report(query).await
    }
    async fn cap_use(&self, destination: &DestinationId, day_start: Timestamp) -> Result<CapUse, StoreError> {
        self.analytics.cap_use(destination, day_start).await
    }
    async fn stream_clicks(&self, stream: &StreamId, since: Option<Timestamp>) -> Result<u64, StoreError> {
        self.analytics.stream_clicks(stream, since).await
    }
    async fn seen_since(&self, since: Timestamp, limit: usize) -> Result<Vec<Seen>, StoreError> {
        self.analytics.seen_since(since, limit).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        unless(&self.analytics_away)?;
        self.analytics.ping().await
    }
}
