//! Stores that stop answering on demand.

use async_trait::async_trait;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tfx_domain::{
    Timestamp,
    entity::Kind,
    event::{ClickEvent, PostbackLogEvent},
    id::{ClickId, ConversionId, DestinationId, NetworkId, StreamId},
    ledger::{Hour, LedgerKind},
    postback::{Conversion, Incoming},
    report::{RawRow, ReportQuery},
    routing::CapUse,
    source_postback::SourcePostback,
};
use tfx_ports::{
    StoreError,
    analytics::{Analytics, ClickQuery, LastVisit, PostbackQuery, StoredConversion, StoredHour, StoredIds},
    audit::{AuditEntry, AuditLog},
    config::{Beside, Change, ConfigStore, Record, RecordQuery},
    conversions::{ConversionQuery, ConversionStore, Recorded},
    page::{Page, PageRequest},
    queue::{Counts, DeadJob, Group, Hurried, Job, JobKind, NewJob, Queue, Share, WaitingJob},
    revisions::{KeptVersion, Revision, RevisionChange, Revisions},
    sink::{Envelope, EventSink, Refused},
};
use tokio::sync::watch;

/// A fault that can be switched on and off. It is off at first.
#[derive(Debug, Clone, Default)]
pub struct Switch(watch::Sender<bool>);

impl Switch {
    /// From now on it fails.
    pub fn on(&self) {
        self.0.send_replace(true);
    }

    /// From now on it works.
    pub fn off(&self) {
        self.0.send_replace(false);
    }

    fn check(&self) -> Result<(), StoreError> {
        if *self.0.borrow() { Err(switched_off()) } else { Ok(()) }
    }

    /// Fails as soon as the fault is on, also while `work` is under way.
    async fn interrupt<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let mut state = self.0.subscribe();
        tokio::select! {
            biased;
            _ = state.wait_for(|on| *on) => Err(switched_off()),
            done = work => done,
        }
    }
}

fn switched_off() -> StoreError {
    StoreError::Unavailable { what: "switched off by the test".to_owned(), source: None }
}

/// What does not answer at the moment; and the stores themselves, which always do. Is each of the ports itself.
#[derive(Clone)]
pub struct Faults {
    /// Reading the configuration fails.
    pub config_away: Switch,
    /// How often yet readers of the configuration do not see what has changed.
    pub unseen: Arc<AtomicU64>,
    /// Every question to the analytics store fails.
    pub analytics_away: Switch,
    /// Events are not taken.
    pub sink_away: Switch,
    /// Events that hold this text are refused for good; empty: none.
    pub sink_refuses: watch::Sender<&'static str>,
    /// Conversions cannot be recorded.
    pub record_fails: Switch,
    /// Conversions cannot be marked as published.
    pub mark_fails: Switch,
    /// Jobs cannot be put into a queue of [`Faults::queue`].
    pub enqueue_fails: Switch,
    /// Jobs of it cannot be taken off.
    pub done_fails: Switch,
    /// How often a job of it was put off.
    pub put_off: Arc<AtomicU64>,
    /// The store behind.
    pub config: Arc<dyn ConfigStore>,
    /// The store behind.
    pub conversions: Arc<dyn ConversionStore>,
    /// The store behind.
    pub analytics: Arc<dyn Analytics>,
    /// The sink behind.
    pub sink: Arc<dyn EventSink>,
}

impl Faults {
    /// Around these.
    pub fn around(
        config: Arc<dyn ConfigStore>,
        conversions: Arc<dyn ConversionStore>,
        analytics: Arc<dyn Analytics>,
        sink: Arc<dyn EventSink>,
    ) -> Self {
        Self {
            config_away: Switch::default(),
            unseen: Arc::default(),
            analytics_away: Switch::default(),
            sink_away: Switch::default(),
            sink_refuses: watch::Sender::default(),
            record_fails: Switch::default(),
            mark_fails: Switch::default(),
            enqueue_fails: Switch::default(),
            done_fails: Switch::default(),
            put_off: Arc::default(),
            config,
            conversions,
            analytics,
            sink,
        }
    }
}

impl Faults {
    /// A queue with these faults.
    pub fn queue(&self, queue: Arc<dyn Queue>) -> Arc<dyn Queue> {
        Arc::new(FaultyQueue { faults: self.clone(), queue })
    }
}

struct FaultyQueue {
    faults: Faults,
    queue: Arc<dyn Queue>,
}

#[async_trait]
impl Queue for FaultyQueue {
    async fn enqueue(&self, job: &NewJob, after: Duration) -> Result<(), StoreError> {
        self.faults.enqueue_fails.check()?;
        self.queue.enqueue(job, after).await
    }
    async fn group(&self, kind: JobKind, group: &str) -> Result<Group, StoreError> {
        self.queue.group(kind, group).await
    }
    async fn claim_but(
        &self,
        kind: JobKind,
        limit: usize,
        lease: Duration,
        owners: &[String],
    ) -> Result<Vec<Job>, StoreError> {
        self.queue.claim_but(kind, limit, lease, owners).await
    }
    async fn renew(&self, job: &Job, lease: Duration) -> Result<bool, StoreError> {
        self.queue.renew(job, lease).await
    }
    async fn done(&self, job: &Job) -> Result<bool, StoreError> {
        if let Err(e) = self.faults.done_fails.check() {
            // As when its holder died, and its claim was over.
            self.queue.again(job, Duration::ZERO).await?;
            return Err(e);
        }
        self.queue.done(job).await
    }
    async fn left(&self, job: &Job) -> Result<bool, StoreError> {
        self.queue.left(job).await
    }
    async fn again(&self, job: &Job, after: Duration) -> Result<bool, StoreError> {
        self.faults.put_off.fetch_add(1, Relaxed);
        self.queue.again(job, after).await
    }
    async fn postpone(&self, job: &Job, after: Duration) -> Result<bool, StoreError> {
        self.queue.postpone(job, after).await
    }
    async fn aside(&self, job: &Job, after: Duration) -> Result<bool, StoreError> {
        self.queue.aside(job, after).await
    }
    async fn dead(&self, job: &Job, why: &str) -> Result<bool, StoreError> {
        self.queue.dead(job, why).await
    }
    async fn dead_jobs(&self, kind: JobKind, page: &PageRequest) -> Result<Page<DeadJob>, StoreError> {
        self.queue.dead_jobs(kind, page).await
    }
    async fn revive(&self, kind: JobKind, keys: &[String], spread: Duration) -> Result<u64, StoreError> {
        self.queue.revive(kind, keys, spread).await
    }
    async fn bring_forward(&self, kind: JobKind, most: Duration) -> Result<(), StoreError> {
        self.queue.bring_forward(kind, most).await
    }
    async fn hurry(&self, kind: JobKind, key: &str) -> Result<Hurried, StoreError> {
        self.queue.hurry(kind, key).await
    }
    async fn remove(&self, kind: JobKind, keys: &[String]) -> Result<u64, StoreError> {
        self.queue.remove(kind, keys).await
    }
    async fn forget(&self, kind: JobKind, older: Duration) -> Result<u64, StoreError> {
        self.queue.forget(kind, older).await
    }
    async fn waiting(
        &self,
        kind: JobKind,
        prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<WaitingJob>, StoreError> {
        self.queue.waiting(kind, prefix, page).await
    }
    async fn shares(&self, kind: JobKind) -> Result<Vec<Share>, StoreError> {
        self.queue.shares(kind).await
    }
    async fn counts(&self, kind: JobKind) -> Result<Counts, StoreError> {
        self.queue.counts(kind).await
    }
    fn left_out(&self) -> Vec<String> {
        self.queue.left_out()
    }
}

#[async_trait]
impl AuditLog for Faults {
    async fn append(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.config.append(entry).await
    }
    async fn audit(&self, id: Option<&str>, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        self.config.audit(id, page).await
    }
}

#[async_trait]
impl Revisions for Faults {
    async fn revisions(&self, page: &PageRequest) -> Result<Page<Revision>, StoreError> {
        self.config.revisions(page).await
    }

    async fn revision(&self, number: u64) -> Result<(Revision, Vec<RevisionChange>), StoreError> {
        self.config.revision(number).await
    }

    async fn at_revision(&self, number: u64) -> Result<Vec<Record>, StoreError> {
        self.config.at_revision(number).await
    }

    async fn kept_versions(&self, kind: Kind, page: &PageRequest) -> Result<Page<KeptVersion>, StoreError> {
        self.config.kept_versions(kind, page).await
    }

    async fn reseal_kept(&self, version: &KeptVersion) -> Result<(), StoreError> {
        self.config.reseal_kept(version).await
    }
}

#[async_trait]
impl ConfigStore for Faults {
    async fn apply_with(
        &self,
        changes: Vec<Change>,
        at: Option<u64>,
        beside: Beside,
    ) -> Result<u64, StoreError> {
        self.config.apply_with(changes, at, beside).await
    }
    async fn changed_since(&self, revision: u64) -> Result<(u64, Vec<Record>), StoreError> {
        self.config_away.check()?;
        if self.unseen.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Ok((revision, Vec::new()));
        }
        self.config.changed_since(revision).await
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
        self.config_away.check()?;
        self.config.load().await
    }
    async fn wait_for_change(&self, since: u64, at_most: Duration) -> Result<u64, StoreError> {
        self.config_away.interrupt(self.config.wait_for_change(since, at_most)).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.config_away.check()?;
        self.config.ping().await
    }
}

#[async_trait]
impl ConversionStore for Faults {
    async fn record(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
        self.record_fails.check()?;
        self.conversions.record(reports).await
    }
    async fn foresee(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
        self.conversions.foresee(reports).await
    }
    async fn is_first_told(&self, tell: &SourcePostback) -> Result<bool, StoreError> {
        self.conversions.is_first_told(tell).await
    }

    async fn is_later_told(&self, tell: &SourcePostback) -> Result<bool, StoreError> {
        self.conversions.is_later_told(tell).await
    }
    async fn is_first_taken(&self, later: ClickId) -> Result<bool, StoreError> {
        self.conversions.is_first_taken(later).await
    }
    async fn not_taken(&self, later: ClickId) -> Result<(), StoreError> {
        self.conversions.not_taken(later).await
    }
    async fn get(&self, id: &ConversionId) -> Result<Option<Conversion>, StoreError> {
        self.conversions.get(id).await
    }
    async fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, StoreError> {
        self.conversions.by_key(network, key).await
    }
    async fn list(&self, query: &ConversionQuery) -> Result<Page<Conversion>, StoreError> {
        self.conversions.list(query).await
    }
    async fn unpublished(&self, page: &PageRequest) -> Result<Page<Conversion>, StoreError> {
        self.conversions.unpublished(page).await
    }
    async fn absent(&self, ids: &[ConversionId]) -> Result<Vec<ConversionId>, StoreError> {
        self.conversions.absent(ids).await
    }
    async fn mark_published(&self, states: &[(ConversionId, u64)]) -> Result<(), StoreError> {
        self.mark_fails.check()?;
        self.conversions.mark_published(states).await
    }
    async fn publish_again(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        dry_run: bool,
    ) -> Result<u64, StoreError> {
        self.conversions.publish_again(since, until, dry_run).await
    }
    async fn erase(
        &self,
        clicks: &[ClickId],
        dry_run: bool,
    ) -> Result<Vec<(ConversionId, bool)>, StoreError> {
        self.conversions.erase(clicks, dry_run).await
    }
    fn left_out(&self) -> Vec<String> {
        self.conversions.left_out()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.conversions.ping().await
    }
}

#[async_trait]
impl Analytics for Faults {
    async fn not_whole(&self) -> Result<Option<String>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.not_whole().await
    }
    async fn caught_up(&self) -> Result<bool, StoreError> {
        self.analytics_away.check()?;
        self.analytics.caught_up().await
    }
    async fn click(&self, id: ClickId) -> Result<Option<ClickEvent>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.click(id).await
    }
    async fn clicks_by_id(&self, ids: &[ClickId]) -> Result<Vec<ClickEvent>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.clicks_by_id(ids).await
    }
    async fn clicks_there(&self, ids: &[ClickId]) -> Result<Vec<ClickId>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.clicks_there(ids).await
    }
    async fn clicks(&self, query: &ClickQuery) -> Result<Page<ClickEvent>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.clicks(query).await
    }
    async fn postbacks(&self, query: &PostbackQuery) -> Result<Page<PostbackLogEvent>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.postbacks(query).await
    }
    async fn report(&self, query: &ReportQuery) -> Result<Vec<RawRow>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.report(query).await
    }
    async fn cap_use(&self, of: &[DestinationId], day_start: Timestamp) -> Result<Vec<CapUse>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.cap_use(of, day_start).await
    }
    async fn stream_clicks(&self, of: &[StreamId], since: Option<Timestamp>) -> Result<Vec<u64>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.stream_clicks(of, since).await
    }
    async fn stored(&self, from: Hour, to: Hour) -> Result<Vec<StoredHour>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.stored(from, to).await
    }
    async fn stored_ids(&self, kind: LedgerKind, hour: Hour, most: usize) -> Result<StoredIds, StoreError> {
        self.analytics_away.check()?;
        self.analytics.stored_ids(kind, hour, most).await
    }
    async fn stored_conversions(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StoredConversion>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.stored_conversions(since, until).await
    }
    async fn seen_since(&self, since: Timestamp, limit: usize) -> Result<Vec<LastVisit>, StoreError> {
        self.analytics_away.check()?;
        self.analytics.seen_since(since, limit).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.analytics_away.check()?;
        self.analytics.ping().await
    }
}

#[async_trait]
impl EventSink for Faults {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        self.sink_away.check()?;
        let text = *self.sink_refuses.borrow();
        let bad = |e: &Envelope| !text.is_empty() && String::from_utf8_lossy(&e.payload).contains(text);
        let (refused, good): (Vec<_>, Vec<_>) = batch.iter().enumerate().partition(|(_, e)| bad(e));
        let places: Vec<usize> = good.iter().map(|(at, _)| *at).collect();
        let good: Vec<Envelope> = good.into_iter().map(|(_, e)| e.clone()).collect();
        let of_good = self.sink.deliver(&good).await?;
        let of_good = of_good.into_iter().map(|r| Refused { index: places[r.index], ..r });
        let reason = "refused by the test".to_owned();
        Ok(refused
            .into_iter()
            .map(|(index, _)| Refused { index, reason: reason.clone() })
            .chain(of_good)
            .collect())
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.sink_away.check()?;
        self.sink.ping().await
    }
}
