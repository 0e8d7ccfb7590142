//! What is read from the events: clicks, reports, and the past that routing needs.

use crate::{
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use jiff::tz::TimeZone;
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, PostbackDirection, PostbackFilter, PostbackLogEvent, PostbackResult, TestTraffic},
    id::{CampaignId, ClickId, ConversionId, DestinationId, StreamId, VisitorId},
    ledger::{Digest, Hour, LedgerKind},
    money::Money,
    postback::ConversionStatus,
    report::{Conditions, RawRow, ReportQuery},
    routing::CapUse,
};

/// So many lines of one moment are read at once; the rows of a file may all have the same.
const OF_A_MOMENT: usize = 1_000;

/// Which clicks to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickQuery {
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// Only of this campaign.
    pub campaign: Option<CampaignId>,
    /// Only of this visitor.
    pub visitor: Option<VisitorId>,
    /// Only those that no stream took (`false`: only those that one took).
    pub unrouted: Option<bool>,
    /// Whether test clicks are among them.
    pub test: TestTraffic,
    /// What must hold of each, as of a click that a report counts.
    pub conditions: Conditions,
    /// Which part.
    pub page: PageRequest,
}

/// Which postbacks to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostbackQuery {
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// Only to this network's slug.
    pub network: Option<String>,
    /// Only with this result.
    pub result: Option<PostbackResult>,
    /// Only those that came in, or only those that were sent.
    pub direction: Option<PostbackDirection>,
    /// Whether those about test clicks are among them.
    pub test: TestTraffic,
    /// What must hold of each: all of them.
    pub filters: Vec<PostbackFilter>,
    /// Which part.
    pub page: PageRequest,
}

impl PostbackQuery {
    /// All that the log has of a moment.
    #[must_use]
    pub fn of_moment(at: Timestamp) -> Self {
        Self {
            since: Some(at),
            until: Timestamp::from_millisecond(at.as_millisecond() + 1).ok(),
            network: None,
            result: None,
            direction: None,
            test: TestTraffic::Include,
            filters: Vec::new(),
            page: PageRequest::first(OF_A_MOMENT),
        }
    }
}

/// The last time a visitor was somewhere, to fill the memory of a traffic-service that starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastVisit {
    /// The visitor who was seen.
    pub visitor: VisitorId,
    /// In the campaign of which link.
    pub campaign: CampaignId,
    /// Streams that handed him over to another campaign, in order.
    pub handed_over: Vec<StreamId>,
    /// The campaign that decided: the link's, or the last to which he was handed over.
    pub decided_by: CampaignId,
    /// Taken by which stream.
    pub stream: StreamId,
    /// Sent to which destination.
    pub destination: Option<DestinationId>,
    /// When last.
    pub at: Timestamp,
}

/// How much is stored of one kind of event in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredHour {
    /// Of which kind.
    pub kind: LedgerKind,
    /// In which hour.
    pub hour: Hour,
    /// Events, as reports count them.
    pub events: u64,
    /// Rows: more than events where some came twice. A store may throw the others away at any time.
    pub rows: u64,
    /// [`Digest::total`] of the events.
    pub total: u64,
}

/// By which ids the events of one kind in one hour are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredIds {
    /// The ids of the events, as reports count them.
    pub ids: Digest,
    /// Some of those that have several rows.
    pub doubled: Vec<ClickId>,
    /// Of those some whose rows do not say the same: which of them reports count is chance.
    pub differing: Vec<ClickId>,
    /// How many of them there are.
    pub differ: u64,
}

/// A conversion as reports count it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConversion {
    /// Which one.
    pub id: ConversionId,
    /// Of its states the one with this version.
    pub version: u64,
    /// When it was first reported, to the millisecond.
    pub created_at: Timestamp,
    /// Its status.
    pub status: ConversionStatus,
    /// What it brings.
    pub revenue: Money,
    /// What it costs.
    pub cost: Option<Money>,
}

/// A time zone by its IANA name.
///
/// # Errors
/// [`StoreError::Broken`]: there is none of that name.
pub fn time_zone(name: &str) -> Result<TimeZone, StoreError> {
    TimeZone::get(name).map_err(|e| StoreError::broken(format!("no time zone '{name}'"), e))
}

/// Reads events. Everything counts each event once, and each conversion in its latest state. The time of a click or
/// of a postback is that of its id.
#[async_trait]
pub trait Analytics: Send + Sync {
    /// A click of either topic, by id; looked for only around the id's time.
    async fn click(&self, id: ClickId) -> Result<Option<ClickEvent>, StoreError>;

    /// These clicks of either topic, as far as they are there, in any order, with one question; looked for only around the
    /// ids' times.
    async fn clicks_by_id(&self, ids: &[ClickId]) -> Result<Vec<ClickEvent>, StoreError>;

    /// Which of these clicks are there, with one question; looked for only around the ids' times.
    async fn clicks_there(&self, ids: &[ClickId]) -> Result<Vec<ClickId>, StoreError>;

    /// A page, newest first. What cannot be read is left out of it and told in it.
    async fn clicks(&self, query: &ClickQuery) -> Result<Page<ClickEvent>, StoreError>;

    /// A page, newest first. What cannot be read is left out of it and told in it.
    async fn postbacks(&self, query: &PostbackQuery) -> Result<Page<PostbackLogEvent>, StoreError>;

    /// Whether the log has this line about a postback.
    async fn postback_is_there(&self, line: ClickId) -> Result<bool, StoreError> {
        let mut query = PostbackQuery::of_moment(line.timestamp());
        loop {
            let page = self.postbacks(&query).await?;
            if page.items.iter().any(|there| there.id == line) {
                return Ok(true);
            }
            query.page.cursor = page.next;
            if query.page.cursor.is_none() {
                return Ok(false);
            }
        }
    }

    /// The groups of a report, in [`tfx_domain::report::key_order`]. See [`RawRow`] for what each count means. More than
    /// `max_groups` are [`StoreError::TooMuch`], found before they take more memory. The work ends soon after the
    /// future is dropped.
    async fn report(&self, query: &ReportQuery) -> Result<Vec<RawRow>, StoreError>;

    /// What has been used of each of these destinations since the beginning of their day and ever, in their order:
    /// visits of people that a stream took, and conversions that are not rejected, at the time they were first
    /// reported.
    async fn cap_use(&self, of: &[DestinationId], day_start: Timestamp) -> Result<Vec<CapUse>, StoreError>;

    /// Visits of people that each of these streams took, in their order: since `since`, inclusive, or ever.
    async fn stream_clicks(&self, of: &[StreamId], since: Option<Timestamp>) -> Result<Vec<u64>, StoreError>;

    /// Where people (no bots, no prefetches) were since `since`, inclusive, the latest first, at most `limit`: each
    /// visitor once for each way from a link to a destination, at the last time a stream took him there.
    async fn seen_since(&self, since: Timestamp, limit: usize) -> Result<Vec<LastVisit>, StoreError>;

    /// How much is stored of each kind from one hour, inclusive, to another, exclusive; hours of which there is nothing are
    /// left out.
    async fn stored(&self, from: Hour, to: Hour) -> Result<Vec<StoredHour>, StoreError>;

    /// The ids of what is stored of a kind in an hour; of those with several rows, and of those whose rows differ, at most
    /// `most` each.
    async fn stored_ids(&self, kind: LedgerKind, hour: Hour, most: usize) -> Result<StoredIds, StoreError>;

    /// The conversions that reports count in the time in which they were first reported: since `since`, inclusive, until
    /// `until`, exclusive; each as often as it is counted, in no order.
    async fn stored_conversions(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StoredConversion>, StoreError>;

    /// Returns when reads see every click that the sink had taken when this was asked; whether they see every conversion
    /// that it has taken by then, too. Waits as long as that takes: who has no such patience drops it.
    async fn caught_up(&self) -> Result<bool, StoreError>;

    /// Why what is stored is not all there, if a restore of it goes on or did not come to its end.
    async fn not_whole(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// Answers if the store does.
    async fn ping(&self) -> Result<(), StoreError>;
}
