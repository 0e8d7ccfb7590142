//! Probes that this service could not make through a fault of its own: put off, told, and held against no destination.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tfx_api::health::PutOff;
use tfx_domain::{Timestamp, id::DestinationId};
use tfx_outbound::Failure;
use tfx_ports::clock;

/// Destinations that are remembered; those beyond are counted in the metrics alone.
const MOST: usize = 10_000;

/// Destinations whose last probe of this service was put off.
#[derive(Debug, Default)]
pub(crate) struct PutOffs(Mutex<HashMap<DestinationId, Last>>);

#[derive(Debug)]
struct Last {
    since: Instant,
    /// In a row.
    times: u32,
    at: Timestamp,
    failure: &'static str,
    reason: String,
}

impl PutOffs {
    fn lock(&self) -> MutexGuard<'_, HashMap<DestinationId, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One was put off: how often in a row.
    pub(crate) fn add(&self, id: &DestinationId, failure: &Failure) -> u32 {
        let (name, reason) = (failure.name(), failure.to_string());
        let mut all = self.lock();
        if !all.values().any(|last| last.failure == name) {
            tracing::warn!(failure = name, reason, "probes are put off; no destination changes through that");
        }
        let times = all.get(id).map_or(0, |last| last.times).saturating_add(1);
        if all.len() < MOST || times > 1 {
            let last = Last { since: Instant::now(), times, at: clock::now(), failure: name, reason };
            all.insert(id.clone(), last);
        }
        times
    }

    /// One was made.
    pub(crate) fn over(&self, id: &DestinationId) {
        self.lock().remove(id);
    }

    /// What was put off within a time and not made since, by failure. What is older was made by another service, or is not
    /// asked for any more.
    pub(crate) fn told(&self, within: Duration) -> Vec<PutOff> {
        let mut all = self.lock();
        all.retain(|_, last| last.since.elapsed() <= within);
        let mut told: BTreeMap<&str, PutOff> = BTreeMap::new();
        for last in all.values() {
            let item = told.entry(last.failure).or_insert_with(|| PutOff {
                failure: last.failure.to_owned(),
                destinations: 0,
                reason: String::new(),
                at: last.at,
            });
            item.destinations += 1;
            if item.reason.is_empty() || last.at > item.at {
                (item.at, item.reason) = (last.at, last.reason.clone());
            }
        }
        told.into_values().collect()
    }
}
