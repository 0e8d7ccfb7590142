//! The configuration as a daemon needs it, in memory: made anew when the store changes. When the store does not
//! answer, the last good one stays.

use crate::{Shutdown, health::Detail};
use arc_swap::{ArcSwapOption, Guard};
use axum::{Json, Router, extract::Path, routing::post};
use serde_json::json;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tfx_domain::problem::Problems;
use tfx_ports::{
    StoreError,
    config::{ConfigStore, Record},
};
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// How long a change may go unnoticed where the store cannot wake its waiters.
const AT_MOST: Duration = Duration::from_secs(2);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);

type Make<T> = dyn Fn(u64, &[Record]) -> (T, Problems) + Send + Sync;

/// What a daemon makes of the configuration, followed.
pub struct Configuration<T> {
    store: Arc<dyn ConfigStore>,
    make: Arc<Make<T>>,
    current: ArcSwapOption<T>,
    state: Mutex<State>,
    /// The revision that is in use.
    in_use: watch::Sender<Option<u64>>,
    /// Somebody waits for another one: the store is read at once.
    asked: Notify,
}

#[derive(Default)]
struct State {
    /// The revision that `current` was made from; none: it was not read from the store.
    revision: Option<u64>,
    /// When the store last confirmed it.
    confirmed: Option<Instant>,
    error: Option<String>,
    /// What is left out of it, and why.
    left_out: Problems,
}

impl<T: Send + Sync + 'static> Configuration<T> {
    /// Nothing is read yet. `make` is called with a revision and its records, on a thread that may block; what it
    /// gives is in use when it returns. What it left out of it, since this program cannot read it, is told.
    pub fn new(
        store: Arc<dyn ConfigStore>,
        make: impl Fn(u64, &[Record]) -> (T, Problems) + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            make: Arc::new(make),
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
            in_use: watch::Sender::new(None),
            asked: Notify::new(),
        }
    }

    /// Waits until this revision, or a later one, is in use, and has the store read at once for it; false if that takes
    /// longer than `at_most`. Whoever follows reads, once for all who wait.
    pub async fn reach(&self, revision: u64, at_most: Duration) -> bool {
        let mut in_use = self.in_use.subscribe();
        let reached = async {
            loop {
                if in_use.borrow_and_update().is_some_and(|now| now >= revision) {
                    return true;
                }
                self.asked.notify_one();
                if in_use.changed().await.is_err() {
                    return false;
                }
                // What was read is still an earlier one: the store is not asked all the time.
                if in_use.borrow().is_some_and(|now| now < revision) {
                    sleep(BETWEEN_READS).await;
                }
            }
        };
        timeout(at_most, reached).await.unwrap_or(false)
    }

    /// The last good one, without a lock; none before the first.
    pub fn current(&self) -> Guard<Option<Arc<T>>> {
        self.current.load()
    }

    /// The same, to be held across a wait.
    pub fn owned(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }

    /// Takes this until the store answers, if nothing was read from it so far.
    pub fn stand_in(&self, value: T) {
        let state = self.state();
        if state.revision.is_none() {
            self.current.store(Some(Arc::new(value)));
        }
    }

    /// Reads everything; true if that worked.
    pub async fn refresh(&self) -> bool {
        let read = self.read().await.map_err(|e| e.to_string());
        self.note(&read)
    }

    /// Follows the store until the shutdown.
    pub async fn follow(&self, shutdown: Shutdown) {
        let following = async {
            loop {
                if !self.next().await {
                    sleep(PAUSE).await;
                }
            }
        };
        tokio::select! {
            () = following => {}
            () = shutdown.wait() => {}
        }
    }

    /// For `/readyz`: failed before there is anything to work with, degraded while the store does not answer.
    ///
    /// # Errors
    /// Why there is nothing.
    pub fn check(&self) -> Result<Detail, String> {
        let state = self.state();
        if self.current.load().is_none() {
            return Err(state.error.clone().unwrap_or_else(|| "not read yet".to_owned()));
        }
        let age = state.confirmed.map(|at| at.elapsed());
        let detail = match (&state.error, state.revision) {
            (Some(error), Some(revision)) => {
                Detail::degraded(format!("revision {revision}, from memory: {error}"))
            }
            (Some(error), None) => Detail::degraded(format!("the last one known, from disk: {error}")),
            (None, Some(revision)) if state.left_out.is_empty() => {
                Detail::ok().text(format!("revision {revision}"))
            }
            (None, Some(revision)) => Detail::degraded(format!(
                "revision {revision}; this program cannot read {} of its entities (did a newer one save them?): {}",
                state.left_out.0.len(),
                shortened(&state.left_out)
            )),
            (None, None) => Detail::degraded("the last one known, from disk; the store was not asked yet"),
        };
        Ok(Detail { age, ..detail })
    }

    /// Waits for a change and takes it over; true if the store answered.
    async fn next(&self) -> bool {
        let revision = self.state().revision;
        let Some(since) = revision else { return self.refresh().await };
        let changed = tokio::select! {
            changed = self.store.wait_for_change(since, AT_MOST) => changed,
            () = self.asked.notified() => return self.refresh().await,
        };
        match changed {
            Ok(revision) if revision == since => self.note(&Ok(())),
            Ok(_) => self.refresh().await,
            Err(e) => self.note(&Err(e.to_string())),
        }
    }

    async fn read(&self) -> Result<(), StoreError> {
        let (revision, records) = self.store.load().await?;
        let make = Arc::clone(&self.make);
        let span = tracing::Span::current();
        let made = spawn_blocking(move || span.in_scope(|| make(revision, &records))).await;
        let made = made.map_err(|e| StoreError::broken(format!("revision {revision}"), e))?;
        let mut state = self.state();
        let (made, left_out) = made;
        self.current.store(Some(Arc::new(made)));
        (state.revision, state.left_out) = (Some(revision), left_out);
        // Also where it is the same: who waits for a later one asks again.
        self.in_use.send_replace(Some(revision));
        Ok(())
    }

    /// Keeps what the store answered; its failure is logged when it begins and when it ends.
    fn note(&self, answer: &Result<(), String>) -> bool {
        let mut state = self.state();
        match answer {
            Ok(()) => {
                state.confirmed = Some(Instant::now());
                if state.error.take().is_some() {
                    tracing::info!("the configuration store answers again");
                }
            }
            Err(error) => {
                if state.error.replace(error.clone()).is_none() {
                    tracing::warn!(error, "the configuration cannot be read; the last one stays");
                }
            }
        }
        answer.is_ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between two reads for somebody who waits for a revision.
const BETWEEN_READS: Duration = Duration::from_millis(5);
/// How long whoever asks for a revision is kept waiting.
const REACHED_WITHIN: Duration = Duration::from_secs(5);

/// `POST /internal/configuration/{revision}`: answered when it is in use, or is not in time.
pub fn routes<T: Send + Sync + 'static>(configuration: Arc<Configuration<T>>) -> Router {
    let reach = async move |Path(revision): Path<u64>| {
        Json(json!({ "in_use": configuration.reach(revision, REACHED_WITHIN).await }))
    };
    Router::new().route("/internal/configuration/{revision}", post(reach))
}

/// The first few.
fn shortened(problems: &Problems) -> String {
    let few: Vec<_> = problems.0.iter().take(3).map(|p| format!("{}: {}", p.path, p.message)).collect();
    let more = if problems.0.len() > few.len() { "; …" } else { "" };
    format!("{}{more}", few.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use std::{
        future::pending,
        sync::atomic::{AtomicU64, Ordering},
    };
    use tfx_domain::entity::Kind;
    use tfx_ports::{
        audit::{AuditEntry, AuditLog},
        config::{Beside, Change, RecordQuery},
        page::{Page, PageRequest},
        revisions::{KeptVersion, Revision, RevisionChange, Revisions},
    };

    /// A store that wakes nobody: only who reads it finds out.
    struct Silent(AtomicU64);

    #[async_trait]
    impl AuditLog for Silent {
        async fn append(&self, _: AuditEntry) -> Result<(), StoreError> {
            unreachable!("nothing is audited")
        }

        async fn audit(&self, _: Option<&str>, _: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
            unreachable!("nothing is audited")
        }
    }

    #[async_trait]
    impl Revisions for Silent {
        async fn revisions(&self, _: &PageRequest) -> Result<Page<Revision>, StoreError> {
            unreachable!("nothing is kept")
        }

        async fn revision(&self, _: u64) -> Result<(Revision, Vec<RevisionChange>), StoreError> {
            unreachable!("nothing is kept")
        }

        async fn at_revision(&self, _: u64) -> Result<Vec<Record>, StoreError> {
            unreachable!("nothing is kept")
        }

        async fn kept_versions(&self, _: Kind, _: &PageRequest) -> Result<Page<KeptVersion>, StoreError> {
            unreachable!("nothing is kept")
        }

        async fn reseal_kept(&self, _: &KeptVersion) -> Result<(), StoreError> {
            unreachable!("nothing is kept")
        }
    }

    #[async_trait]
    impl ConfigStore for Silent {
        async fn apply_with(&self, _: Vec<Change>, _: Option<u64>, _: Beside) -> Result<u64, StoreError> {
            unreachable!("nothing is saved")
        }

        async fn get(&self, _: Kind, _: &str) -> Result<Option<Record>, StoreError> {
            Ok(None)
        }

        async fn find(&self, _: Kind, _: &str, _: &str) -> Result<Option<Record>, StoreError> {
            Ok(None)
        }

        async fn list(&self, _: &RecordQuery) -> Result<Page<Record>, StoreError> {
            unreachable!("nothing is listed")
        }

        async fn load(&self) -> Result<(u64, Vec<Record>), StoreError> {
            Ok((self.0.load(Ordering::SeqCst), Vec::new()))
        }

        async fn changed_since(&self, _: u64) -> Result<(u64, Vec<Record>), StoreError> {
            self.load().await
        }

        async fn wait_for_change(&self, _: u64, _: Duration) -> Result<u64, StoreError> {
            pending().await
        }

        async fn ping(&self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn who_asks_for_a_revision_has_it_read_at_once() {
        let store = Arc::new(Silent(AtomicU64::new(1)));
        let made = |revision: u64, _: &[Record]| (revision, Problems::default());
        let configuration = Arc::new(Configuration::new(Arc::clone(&store) as Arc<dyn ConfigStore>, made));
        assert!(configuration.refresh().await);
        let (trigger, shutdown) = Shutdown::new();
        let following = tokio::spawn({
            let configuration = Arc::clone(&configuration);
            async move { configuration.follow(shutdown).await }
        });
        let long = Duration::from_secs(60);
        for revision in 2..20 {
            store.0.store(revision, Ordering::SeqCst);
            let (one, two) =
                tokio::join!(configuration.reach(revision, long), configuration.reach(revision - 1, long));
            assert!(one && two, "revision {revision}");
            assert_eq!(configuration.owned().as_deref(), Some(&revision));
        }
        assert!(!configuration.reach(20, Duration::from_millis(50)).await, "there is none");
        trigger.fire();
        following.await.expect("followed");
    }
}
