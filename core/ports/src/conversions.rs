//! Conversions. A unique index decides what is new.

use crate::{
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use tfx_domain::{
    Timestamp,
    event::{PostbackResult, TestTraffic},
    id::{CampaignId, ClickId, ConversionId, NetworkId},
    postback::{Conversion, ConversionStatus, Incoming, Postback},
    report::Conditions,
    source_postback::SourcePostback,
};

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
    /// What must hold of each, as of a conversion that a report counts at the time of its first report.
    pub conditions: Conditions,
    /// Which part.
    pub page: PageRequest,
}

/// Keeps conversions. What a method has answered survives the loss of power.
#[async_trait]
pub trait ConversionStore: Send + Sync {
    /// Applies reports in order, each by [`tfx_domain::postback::decide`] against what stands. `(network, key)` and
    /// `(network, sale_claim)` are unique. New states are marked unpublished in the same transaction, and what
    /// [`tfx_domain::source_postback::tells`] says is put into the queue in it, as a job of [`JobKind::SourcePostback`](crate::queue::JobKind);
    /// each name that is told is told once, for good.
    ///
    /// One answer for each report. Callers batch; an error means that none of the batch is recorded. A new
    /// conversion whose id another one has is an error that is not retryable.
    async fn record(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError>;

    /// What [`Self::record`] would answer now, of a batch as a whole; nothing of it is recorded.
    async fn foresee(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError>;

    /// Whether the conversion of a `tell` is the first of its click that its source is told of; from now on, if none is.
    async fn is_first_told(&self, tell: &SourcePostback) -> Result<bool, StoreError>;

    /// Whether the source of a `tell` was told of a later state of its conversion: one that has no job any more, neither
    /// waiting nor given up.
    async fn is_later_told(&self, tell: &SourcePostback) -> Result<bool, StoreError>;

    /// Whether what a line of the postback log says is taken again for the first time; from now on it was. `later` is the id of
    /// the line that says what became of it, and may not be in the log yet.
    async fn is_first_taken(&self, later: ClickId) -> Result<bool, StoreError>;

    /// It was not taken again after all: nothing says what became of it.
    async fn not_taken(&self, later: ClickId) -> Result<(), StoreError>;

    /// By id.
    async fn get(&self, id: &ConversionId) -> Result<Option<Conversion>, StoreError>;

    /// Which of these are not there, in any order; with few questions.
    async fn absent(&self, ids: &[ConversionId]) -> Result<Vec<ConversionId>, StoreError>;

    /// The conversion with this key, as the network's are unique by.
    async fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, StoreError>;

    /// A page, newest first: by the time of the first report, of one time by id. A store that has to look through very
    /// many for those that are asked for gives a short page that has a `next`.
    async fn list(&self, query: &ConversionQuery) -> Result<Page<Conversion>, StoreError>;

    /// A page of the conversions whose present state was not marked published, oldest change first. After a crash
    /// between recording and publishing they are published from here. What changed in the same microsecond as the last of
    /// a page, in another process, may come twice.
    async fn unpublished(&self, page: &PageRequest) -> Result<Page<Conversion>, StoreError>;

    /// Marks states as published; a conversion that has moved on stays unpublished, one that is not there is passed
    /// over.
    async fn mark_published(&self, states: &[(ConversionId, u64)]) -> Result<(), StoreError>;

    /// Marks the present states of conversions as not published, of those first reported in that time, inclusive and
    /// exclusive: whoever publishes what is unpublished does so again. It is no new state, and counts once wherever it is
    /// counted. Gives how many were marked, or with `dry_run` would be; those that wait already are none of them.
    async fn publish_again(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        dry_run: bool,
    ) -> Result<u64, StoreError>;

    /// Takes the facts of these clicks off what they brought, for good
    /// ([`without_person`](Conversion::without_person)): the money, its state and its keys stay, and it is no new state.
    /// Gives every conversion of these clicks, and whether it held something that is, or with `dry_run` would be, gone.
    async fn erase(&self, clicks: &[ClickId], dry_run: bool)
    -> Result<Vec<(ConversionId, bool)>, StoreError>;

    /// Why rows that were met since the start cannot be read: lists and what is unpublished go on without them, at
    /// most a hundred are named.
    fn left_out(&self) -> Vec<String>;

    /// Answers if the store does.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The conversion that a report is about, if it stands and is of the click that the report names: its facts are there also
/// when the click is not any more.
///
/// # Errors
/// The store does not answer.
pub async fn reported(
    store: &dyn ConversionStore,
    network: &NetworkId,
    postback: &Postback,
) -> Result<Option<Conversion>, StoreError> {
    for key in [Some(postback.key()), postback.click_key()].into_iter().flatten() {
        let there = store.by_key(network, &key).await?;
        if let Some(conversion) = there.filter(|c| c.click_id == postback.click_id) {
            return Ok(Some(conversion));
        }
    }
    Ok(None)
}
