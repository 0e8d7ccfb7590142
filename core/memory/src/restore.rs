//! What earlier processes saw comes back from the events while clicks are already served.

use crate::Memory;
use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tfx_domain::{
    Timestamp,
    entity::Bind,
    routing::{CampaignPlan, Snapshot},
};
use tfx_ports::{LogThrottle, StoreError, analytics::Analytics, clock};
use tokio::{task::spawn_blocking, time::sleep};

/// Pause before the store is asked again.
const RETRY: Duration = Duration::from_secs(2);
/// How far back is looked in any case.
const DAY_S: i64 = 86_400;
/// How far back is looked for bindings, which have no window of their own.
const BINDINGS_S: i64 = 30 * DAY_S;
/// The longest anybody may ask for.
const YEAR_S: i64 = 366 * DAY_S;

/// How far the restore has come.
#[derive(Debug, Clone, Default)]
pub struct Restoring(Arc<Mutex<Progress>>);

#[derive(Debug, Clone, Default)]
enum Progress {
    #[default]
    Running,
    Failing(String),
    Done(usize),
}

impl Restoring {
    fn set(&self, progress: Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    /// For people: how it goes, or why it does not.
    ///
    /// # Errors
    /// What keeps it from coming to its end, for now.
    pub fn tell(&self, entries: usize) -> Result<String, String> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Progress::Running => Ok(format!("restoring; {entries} entries so far")),
            Progress::Failing(why) => {
                Err(format!("restoring, tried again: {why}; visitors of before count as new until then"))
            }
            Progress::Done(visits) => Ok(format!("{entries} entries; {visits} visits restored")),
        }
    }
}

/// Restores, however long it takes the store to answer, or until `stop`: at most `limit` visits, for what `snapshot` holds.
pub async fn restore(
    memory: Arc<Memory>,
    analytics: Arc<dyn Analytics>,
    snapshot: impl Fn() -> Option<Arc<Snapshot>> + Send + Sync,
    limit: usize,
    progress: Restoring,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = pin!(stop);
    let mut complaint = LogThrottle::default();
    loop {
        let tried = tokio::select! {
            tried = once(&memory, &*analytics, snapshot(), limit) => tried,
            () = stop.as_mut() => return,
        };
        match tried {
            Ok(visits) => {
                tracing::info!(visits, "visitors of earlier runs restored");
                progress.set(Progress::Done(visits));
                return;
            }
            Err(error) => {
                if complaint.due() {
                    tracing::warn!(%error, "visitors of earlier runs cannot be restored; trying again");
                }
                progress.set(Progress::Failing(error.to_string()));
            }
        }
        tokio::select! {
            () = sleep(RETRY) => {}
            () = stop.as_mut() => return,
        }
    }
}

async fn once(
    memory: &Arc<Memory>,
    analytics: &dyn Analytics,
    snapshot: Option<Arc<Snapshot>>,
    limit: usize,
) -> Result<usize, StoreError> {
    let unknown =
        || StoreError::Unavailable { what: "the configuration is not known yet".to_owned(), source: None };
    let snapshot = snapshot.ok_or_else(unknown)?;
    let since = since(&snapshot, clock::now());
    let visits = analytics.seen_since(since, limit).await?;
    let memory = Arc::clone(memory);
    let recall = move || {
        // The latest come last: should there be too many, it is the oldest that are forgotten.
        visits.iter().rev().for_each(|seen| memory.recall(&snapshot, seen));
        visits.len()
    };
    spawn_blocking(recall).await.map_err(|e| StoreError::broken("restoring visitors", e))
}

/// The earliest time that anything configured asks about.
fn since(snapshot: &Snapshot, now: Timestamp) -> Timestamp {
    let seconds = |s: u64| i64::try_from(s).unwrap_or(YEAR_S);
    let windows = snapshot.campaigns().map(|c| seconds(c.campaign.spec.unique_window_s));
    let repeats = snapshot.destinations().filter_map(|d| d.destination.spec.anti_repeat_s).map(seconds);
    let mut streams = snapshot.campaigns().flat_map(CampaignPlan::streams);
    let bindings = streams.any(|s| s.stream.spec.bind != Bind::None).then_some(BINDINGS_S);
    let longest = windows.chain(repeats).chain(bindings).max().unwrap_or(DAY_S).clamp(DAY_S, YEAR_S);
    now.checked_sub(jiff::SignedDuration::from_secs(longest)).unwrap_or(Timestamp::UNIX_EPOCH)
}
