//! The click of a postback: recent ones from memory, the others from the analytics store within a time limit.

use quick_cache::sync::Cache;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    entity::Due,
    event::{ClickDims, ClickEvent, TestTraffic},
    id::ClickId,
    money::Money,
};
use tfx_ports::{
    StoreError,
    analytics::{Analytics, ClickQuery, PostbackQuery},
    page::PageRequest,
};

/// How many clicks are remembered; a click's lead, sale and rejection mostly come close together.
const REMEMBERED: usize = 10_000;

/// How much newer a click must be for the store to have had all before it: partitions are read at different speeds.
const APART: Duration = Duration::from_secs(60);
/// The longest time after which a click is not waited for when none comes after it.
const LONGEST_QUIET: Duration = Duration::from_secs(3600);
/// Clicks in one question.
const TOGETHER: usize = 500;
/// How long many may take: whoever imports a file waits, no network does.
const FOR_MANY: Duration = Duration::from_secs(4);
/// How many clicks are watched for that.
const WATCHED: usize = 10_000;

/// Why a click was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The store answered that it has none (yet).
    NotThere,
    /// The store did not answer.
    NotAnswered(String),
}

impl Missing {
    /// For the log and the answer.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::NotThere => "there is no such click (yet)".to_owned(),
            Self::NotAnswered(why) => format!("the click could not be looked up: {why}"),
        }
    }
}

/// What is remembered of a click.
#[derive(Debug, Clone)]
pub(crate) struct KnownClick {
    pub(crate) dims: ClickDims,
    /// The source's own id of it.
    pub(crate) external_id: String,
    /// What it cost.
    pub(crate) cost: Option<Money>,
    /// What its conversions cost.
    pub(crate) due: Due,
}

/// Finds clicks.
pub(crate) struct Clicks {
    analytics: Arc<dyn Analytics>,
    recent: Cache<ClickId, Arc<KnownClick>>,
    at_most: Duration,
    /// Since when the store was seen to take events that are newer than a click, though no newer clicks.
    quiet: Mutex<HashMap<ClickId, Instant>>,
    /// Look-ups in vain since the store answered last.
    away: AtomicU64,
}

impl Clicks {
    pub(crate) fn new(analytics: Arc<dyn Analytics>, at_most: Duration) -> Self {
        Self {
            analytics,
            recent: Cache::new(REMEMBERED),
            at_most,
            quiet: Mutex::default(),
            away: AtomicU64::new(0),
        }
    }

    /// Whether a click that is not there is not on its way either: the store has later clicks, which come after it in the
    /// journal that holds it. Where nobody clicks any more, it has had later postbacks for `patience`. While the sink is
    /// away it has neither.
    pub(crate) async fn is_overtaken(&self, id: ClickId, now: Timestamp, patience: Duration) -> bool {
        match tokio::time::timeout(self.at_most, self.overtaken(id, now, patience)).await {
            Ok(Ok(overtaken)) => overtaken,
            // Whoever looks up a click says so.
            Ok(Err(_)) | Err(_) => false,
        }
    }

    async fn overtaken(&self, id: ClickId, now: Timestamp, patience: Duration) -> Result<bool, StoreError> {
        let clicked = id.timestamp();
        // Not those of a clock that was ahead.
        let (since, until) = (Some(clicked), Timestamp::from_millisecond(now.as_millisecond() + 1).ok());
        let page = PageRequest::first(1);
        let (campaign, visitor, unrouted) = (None, None, None);
        let clicks = ClickQuery {
            since,
            until,
            campaign,
            visitor,
            unrouted,
            test: TestTraffic::Include,
            conditions: tfx_domain::report::Conditions::default(),
            page: page.clone(),
        };
        let newest = self.analytics.clicks(&clicks).await?.items.pop().map(|c| c.click_id.timestamp());
        let apart = |at: Timestamp| at.as_millisecond().saturating_sub(clicked.as_millisecond());
        if newest.is_some_and(|at| apart(at) >= APART.min(patience).as_millis() as i64) {
            self.quiet().remove(&id);
            return Ok(true);
        }
        let postbacks = PostbackQuery {
            since,
            until,
            network: None,
            result: None,
            direction: None,
            test: TestTraffic::Include,
            filters: Vec::new(),
            page,
        };
        if self.analytics.postbacks(&postbacks).await?.items.is_empty() {
            self.quiet().remove(&id);
            return Ok(false);
        }
        let mut quiet = self.quiet();
        if quiet.len() >= WATCHED {
            // They are watched anew: nothing is given up too early.
            quiet.clear();
        }
        let first = *quiet.entry(id).or_insert_with(Instant::now);
        let over = first.elapsed() >= patience.min(LONGEST_QUIET);
        if over {
            quiet.remove(&id);
        }
        Ok(over)
    }

    fn quiet(&self) -> std::sync::MutexGuard<'_, HashMap<ClickId, Instant>> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store behind.
    pub(crate) fn analytics(&self) -> &dyn Analytics {
        &*self.analytics
    }

    /// Remembers no click any more: each is looked up anew.
    pub(crate) fn forget(&self) {
        self.recent.clear();
        self.quiet().clear();
    }

    /// The facts of a click.
    ///
    /// # Errors
    /// Why they are not known (yet).
    pub(crate) async fn find(&self, id: ClickId) -> Result<Arc<KnownClick>, Missing> {
        if let Some(known) = self.recent.get(&id) {
            return Ok(known);
        }
        let event = self.event(id).await?.ok_or(Missing::NotThere)?;
        let due = event.due();
        let ClickEvent { dims, external_id, cost, .. } = event;
        let known = Arc::new(KnownClick { dims, external_id, cost, due });
        self.recent.insert(id, Arc::clone(&known));
        Ok(known)
    }

    /// The facts of many clicks, as far as they are there. They are asked of the store alone, and none is remembered: a
    /// million of a file would drive out those of today.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn find_many(&self, ids: &[ClickId]) -> Result<HashMap<ClickId, KnownClick>, Missing> {
        let mut known = HashMap::with_capacity(ids.len());
        let asking = async {
            for some in ids.chunks(TOGETHER) {
                for click in self.analytics.clicks_by_id(some).await? {
                    let due = click.due();
                    let ClickEvent { click_id, dims, external_id, cost, .. } = click;
                    known.insert(click_id, KnownClick { dims, external_id, cost, due });
                }
            }
            Ok::<(), StoreError>(())
        };
        let within = FOR_MANY.max(self.at_most);
        match tokio::time::timeout(within, asking).await {
            Ok(Ok(())) => {
                self.answers();
                Ok(known)
            }
            Ok(Err(e)) => Err(self.away(e.to_string())),
            Err(_) => Err(self.away(format!("no answer within {} ms", within.as_millis()))),
        }
    }

    /// All of a click; none: it is not there (yet, or any more).
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn event(&self, id: ClickId) -> Result<Option<ClickEvent>, Missing> {
        match tokio::time::timeout(self.at_most, self.analytics.click(id)).await {
            Ok(Ok(click)) => {
                self.answers();
                Ok(click)
            }
            Ok(Err(e)) => Err(self.away(e.to_string())),
            Err(_) => Err(self.away(format!("no answer within {} ms", self.at_most.as_millis()))),
        }
    }

    /// Says so when it begins.
    fn away(&self, why: String) -> Missing {
        if self.away.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(error = why, "cannot look up clicks; postbacks wait for them");
        }
        Missing::NotAnswered(why)
    }

    /// Says so when it is over.
    fn answers(&self) {
        if self.away.load(Ordering::Relaxed) > 0 {
            let in_vain = self.away.swap(0, Ordering::Relaxed);
            if in_vain > 0 {
                tracing::info!(in_vain, "clicks can be looked up again");
            }
        }
    }
}
