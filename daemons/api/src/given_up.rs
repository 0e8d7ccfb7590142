//! Jobs that were given up, to be done again on request: what of it is alike for whoever is told.

use crate::{app::App, failure::Failure};
use std::time::Duration;
use tfx_domain::Timestamp;
use tfx_ports::{
    page::PageRequest,
    queue::{DeadJob, JobKind},
};

/// The most that one call makes due again, which a store does in seconds.
const AT_ONCE: usize = 1_000;
/// The most ids that one call takes.
pub(crate) const MOST_IDS: usize = 100;
/// The most pages of jobs that ids are looked for on.
pub(crate) const SEARCHED: usize = 200;
/// Those that are done again are due one after the other, so far apart: new ones go between them.
const EACH: Duration = Duration::from_millis(10);
const PAGE: usize = 1_000;

/// Over how long so many are due.
pub(crate) fn spread(jobs: usize) -> Duration {
    EACH * u32::try_from(jobs).unwrap_or(u32::MAX)
}

/// The moment after the last that was given up, by the clock that tells when they were: the store's, not this machine's.
pub(crate) async fn until_now(app: &App, kind: JobKind) -> Result<Option<Timestamp>, Failure> {
    let last = app.stores.queue.counts(kind).await?.last_died;
    Ok(last.and_then(|at| at.checked_add(Duration::from_millis(1)).ok()))
}

/// Those that were given up before a time, and whether there are more.
pub(crate) async fn all(
    app: &App,
    kind: JobKind,
    before: Timestamp,
    mut wanted: impl FnMut(&DeadJob) -> bool,
) -> Result<(Vec<DeadJob>, bool), Failure> {
    let mut page = PageRequest::first(PAGE);
    let mut jobs = Vec::new();
    loop {
        let found = app.stores.queue.dead_jobs(kind, &page).await?;
        // The first that died come first.
        let over = found.next.is_none() || found.items.last().is_some_and(|job| job.died >= before);
        let of_before = found.items.into_iter().filter(|job| job.died < before);
        jobs.extend(of_before.filter(|job| wanted(job)));
        page.cursor = found.next;
        if over || jobs.len() >= AT_ONCE {
            return Ok((jobs, !over));
        }
    }
}
