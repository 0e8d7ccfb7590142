//! The configuration as a daemon needs it, in memory: made anew when the store changes. When the store does not
//! answer, the last good one stays.

use crate::{Shutdown, health::Detail};
use arc_swap::{ArcSwapOption, Guard};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tfx_domain::problem::Problems;
use tfx_ports::{
    StoreError,
    config::{ConfigStore, Record},
};
use tokio::{task::spawn_blocking, time::sleep};

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
        Self { store, make: Arc::new(make), current: ArcSwapOption::empty(), state: Mutex::default() }
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
        match self.store.wait_for_change(since, AT_MOST).await {
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

/// The first few.
fn shortened(problems: &Problems) -> String {
    let few: Vec<_> = problems.0.iter().take(3).map(|p| format!("{}: {}", p.path, p.message)).collect();
    let more = if problems.0.len() > few.len() { "; …" } else { "" };
    format!("{}{more}", few.join("; "))
}
