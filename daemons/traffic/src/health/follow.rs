//! From the store to memory, and changes to the event log.

use super::kept::HealthFile;
use crate::snapshot::Live;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tfx_domain::{Timestamp, event::Event, id::DestinationId};
use tfx_events::Producer;
use tfx_memory::Memory;
use tfx_ports::{StoreError, clock, health::HealthStore};
use tfx_service::{LogThrottle, Shutdown, health::Detail};
use tokio::time::sleep;

/// A change is known everywhere within two of these.
const EVERY: Duration = Duration::from_millis(800);
/// How often everything that is known is read: for what is told, not for routing.
pub(crate) const READ_ALL_EVERY: Duration = Duration::from_secs(10);
/// A newest probe that is further in the future was made before the clock was set back.
const AHEAD_S: i64 = 5;
/// Changes published at once.
const BATCH: usize = 500;

/// What is told of the health of destinations.
#[derive(Debug, Default)]
pub(crate) struct HealthState(Mutex<WatchedHealth>);

#[derive(Debug, Clone, Default)]
struct WatchedHealth {
    watched: usize,
    down: usize,
    newest_probe: Option<Timestamp>,
    failure: Option<String>,
}

/// Keeps memory in step with the store.
pub(crate) struct Follower {
    pub(crate) store: Arc<dyn HealthStore>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) live: Arc<Live>,
    pub(crate) producer: Arc<Producer>,
    pub(crate) state: Arc<HealthState>,
    pub(crate) file: HealthFile,
}

impl Follower {
    /// Until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut complaint = LogThrottle::default();
        let mut read_all: Option<Instant> = None;
        let following = async {
            loop {
                let all = read_all.is_none_or(|at| at.elapsed() >= READ_ALL_EVERY);
                if all {
                    read_all = Some(Instant::now());
                }
                let followed = match self.overlay().await {
                    Ok(()) => self.tell_and_publish(all).await,
                    Err(e) => Err(e),
                };
                self.state.set(|told| told.failure = followed.as_ref().err().map(ToString::to_string));
                match followed {
                    Ok(()) => complaint.over(),
                    Err(error) if complaint.due() => {
                        tracing::warn!(%error, "cannot follow the health of destinations; what was known last goes on");
                    }
                    Err(_) => {}
                }
                sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = following => {}
            () = shutdown.wait() => {}
        }
    }

    /// Has memory know which destinations are down.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn overlay(&self) -> Result<(), StoreError> {
        let down = self.store.down().await?;
        self.take(&down);
        self.file.keep(&down).await;
        Ok(())
    }

    /// The same with what was known last, for who cannot ask the store: since when it was so, if something was.
    pub(crate) fn recall(&self) -> Option<Timestamp> {
        let known = self.file.last_known()?;
        self.take(&known.down);
        let watched = self.live.current().as_ref().map_or(0, |s| s.watched().count());
        self.state.set(|told| {
            (told.watched, told.down) = (watched, self.memory.down());
            told.failure = Some("the store does not answer".to_owned());
        });
        Some(known.at)
    }

    fn take(&self, down: &[DestinationId]) {
        let snapshot = self.live.current();
        // What has no health check any more is probed by nobody, and counts as healthy.
        let watched = |id: &DestinationId| {
            let plan = snapshot.as_ref().and_then(|s| s.destination(id));
            plan.is_none_or(tfx_domain::routing::DestinationPlan::is_watched)
        };
        self.memory.set_down(down.iter().filter(|id| watched(id)).cloned().collect());
    }

    async fn tell_and_publish(&self, all: bool) -> Result<(), StoreError> {
        if all {
            let known = self.store.all().await?;
            let newest_probe = known.iter().map(|h| h.probe.at).max();
            self.state.set(|told| told.newest_probe = newest_probe);
        }
        let watched = self.live.current().as_ref().map_or(0, |s| s.watched().count());
        self.state.set(|told| (told.watched, told.down) = (watched, self.memory.down()));
        let changes = self.store.unpublished(BATCH).await?;
        if changes.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = changes.iter().map(|c| c.id).collect();
        let events: Vec<Event> = changes.into_iter().map(|change| Event::Health(Box::new(change))).collect();
        // Whatever the policy for clicks: a change is on disk before it is marked. What is not stays unpublished and is
        // tried again; an id that comes twice counts once.
        if let Err(e) = self.producer.publish_durable(&events).await {
            return Err(StoreError::Unavailable {
                what: format!("publish changes of health: {e}"),
                source: None,
            });
        }
        self.store.mark_published(&ids).await
    }
}

impl HealthState {
    fn set(&self, change: impl FnOnce(&mut WatchedHealth)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// For `/readyz`; a newest probe that is older than `at_most` is told.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) fn check(&self, at_most: Duration) -> Result<Detail, String> {
        let WatchedHealth { watched, down, newest_probe, failure } =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(failure) = failure {
            return Err(format!("{failure}; as was known last, {down} of {watched} destinations are down"));
        }
        if watched == 0 {
            return Ok(Detail::ok().text("no active destination has a health check"));
        }
        let age = newest_probe.map(age_s);
        let said = match age {
            Some(age) if age < -AHEAD_S => {
                let ahead = age.unsigned_abs();
                format!(
                    "{down} of {watched} destinations are down, the newest probe is {ahead} s in the future: was the clock set back?"
                )
            }
            Some(age) => {
                let age = age.max(0);
                format!("{down} of {watched} destinations are down, the newest probe is {age} s old")
            }
            None => format!("none of {watched} destinations was probed yet"),
        };
        let at_most = i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX);
        let late = age.is_none_or(|age| !(-AHEAD_S..=at_most).contains(&age));
        Ok(if late { Detail::degraded(said) } else { Detail::ok().text(said) })
    }

    /// Watched, down, and how old the newest probe is in seconds; less than nothing: the clock was set back.
    pub(crate) fn figures(&self) -> (usize, usize, Option<i64>) {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (told.watched, told.down, told.newest_probe.map(age_s))
    }
}

fn age_s(at: Timestamp) -> i64 {
    clock::now().duration_since(at).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newest_probe_in_the_future_is_no_fresh_one() {
        let state = HealthState::default();
        let at_most = Duration::from_secs(100);
        for (age_s, said, is_well) in [
            (2, "the newest probe is 2 s old", true),
            (-2, "the newest probe is 0 s old", true),
            (-80, "s in the future: was the clock set back?", false),
            (200, "the newest probe is 200 s old", false),
        ] {
            let at = Timestamp::from_second(clock::now().as_second() - age_s).expect("a time");
            state.set(|told| (told.watched, told.newest_probe) = (3, Some(at)));
            let told = state.check(at_most).expect("it is followed");
            let text = told.text.clone().expect("a text");
            assert!(text.contains(said), "{text}");
            assert_eq!(!told.degraded, is_well, "{text}");
        }
    }
}
