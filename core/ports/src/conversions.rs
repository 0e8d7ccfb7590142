//! Conversions and the postbacks that wait for their click. A unique index decides what is new.

use crate::{
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tfx_domain::{
    Timestamp,
    event::{PostbackResult, TestTraffic},
    id::{CampaignId, ClickId, ConversionId, NetworkId},
    postback::{Conversion, ConversionStatus, Incoming},
};

/// The longest pause between two tries of a parked postback.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What recording did.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Recorded, Updated, Duplicate, Stale or Conflict.
    pub result: PostbackResult,
    /// The conversion as it stands after it; for a duplicate or a conflict the one that was there.
    pub conversion: Conversion,
    /// Another conversion that gave way to it, in its new state.
    pub displaced: Option<Conversion>,
}

/// A postback whose click is not known yet, with everything needed to try again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// The id of its postback log event.
    pub id: ClickId,
    /// Who reported.
    pub network: NetworkId,
    /// The slug of the template asked for; empty: none.
    pub template: String,
    /// The click it waits for.
    pub click_id: ClickId,
    /// What it said, without secrets.
    pub params: Vec<(String, String)>,
    /// When it came in.
    pub received_at: Timestamp,
    /// When it is tried next.
    pub next_try_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
}

/// Which conversions to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionQuery {
    /// First reported from, inclusive.
    pub since: Option<Timestamp>,
    /// First reported to, exclusive.
    pub until: Option<Timestamp>,
    /// Only of this campaign.
    pub campaign: Option<CampaignId>,
    /// Only reported by this network.
    pub network: Option<NetworkId>,
    /// Only with this status.
    pub status: Option<ConversionStatus>,
    /// Only of this click.
    pub click: Option<ClickId>,
    /// Whether those of test clicks are among them.
    pub test: TestTraffic,
    /// Which part.
    pub page: PageRequest,
}

/// Keeps conversions. What a method has answered survives the loss of power.
#[async_trait]
pub trait ConversionStore: Send + Sync {
    /// Applies reports in order, each by [`tfx_domain::postback::decide`] against what stands. `(network, key)` and
    /// `(network, sale_claim)` are unique. New states are marked unpublished in the same transaction.
    ///
    /// One answer for each report. Callers batch; an error means that none of the batch is recorded. A new
    /// conversion whose id another one has is an error that is not retryable.
    async fn record(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError>;

    /// By id.
    async fn get(&self, id: &ConversionId) -> Result<Option<Conversion>, StoreError>;

    /// The conversion with this key, as the network's are unique by.
    async fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, StoreError>;

    /// A page, newest first: by the time of the first report, of one time by id.
    async fn list(&self, query: &ConversionQuery) -> Result<Page<Conversion>, StoreError>;

    /// A page of the conversions whose present state was not marked published, oldest change first. After a crash
    /// between recording and publishing they are published from here. What changed in the same microsecond as the last of
    /// a page, in another process, may come twice.
    async fn unpublished(&self, page: &PageRequest) -> Result<Page<Conversion>, StoreError>;

    /// Marks states as published; a conversion that has moved on stays unpublished, one that is not there is passed
    /// over.
    async fn mark_published(&self, states: &[(ConversionId, u64)]) -> Result<(), StoreError>;

    /// Keeps a postback until its click arrives. The same `(network, template, click, params)` again
    /// changes nothing.
    async fn park(&self, parked: Parked) -> Result<(), StoreError>;

    /// Parked postbacks due at `now`, the first received first. One that is to be tried later than [`LONGEST_PAUSE`] from
    /// now was put off before the clock was set back: it is due.
    async fn parked_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Parked>, StoreError>;

    /// Parked postbacks of one network about one click, due or not, the first received first.
    async fn parked_of(
        &self,
        network: &NetworkId,
        click: ClickId,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError>;

    /// Tries again later; one that is no longer parked is passed over, here and in [`Self::unpark`].
    async fn postpone(&self, id: ClickId, next_try_at: Timestamp) -> Result<(), StoreError>;

    /// Takes a parked postback off: recorded or unmatched.
    async fn unpark(&self, id: ClickId) -> Result<(), StoreError>;

    /// How many are parked.
    async fn parked_count(&self) -> Result<u64, StoreError>;

    /// Why rows that were met since the start cannot be read: lists and what is due or unpublished go on without them, at
    /// most a hundred are named.
    fn left_out(&self) -> Vec<String>;

    /// Answers if the store does.
    async fn ping(&self) -> Result<(), StoreError>;
}
