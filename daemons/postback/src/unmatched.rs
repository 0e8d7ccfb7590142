//! Postbacks that were given up, since their click did not come: dead jobs of the queue. The click may still wait in the
//! journal of a machine that was away for long, so now and then the clicks of all of them are looked for, many with one
//! question, and those that have come are taken. One postback-service does so at a time.

use crate::{parked::KIND, take::Postbacks};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tfx_domain::{id::ClickId, postback::Parked};
use tfx_ports::{
    StoreError,
    leases::{Lease, Leases},
    page::PageRequest,
};
use tfx_service::{LogThrottle, Shutdown};

/// How long what was given up is kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// The longest pause between two looks.
const LONGEST_PERIOD: Duration = Duration::from_secs(600);
/// Clicks in one question.
const TOGETHER: usize = 500;
const LEASE_NAME: &str = "unmatched_postbacks";
const LEASE: Duration = Duration::from_secs(120);

/// Looks until the shutdown.
pub(crate) async fn work(postbacks: Arc<Postbacks>, leases: Arc<dyn Leases>, shutdown: Shutdown) {
    let period = (postbacks.settings.park_max_age / 10).clamp(Duration::from_secs(1), LONGEST_PERIOD);
    let looking = async {
        let mut complaint = LogThrottle::default();
        loop {
            tokio::time::sleep(period).await;
            match look(&postbacks, &*leases).await {
                Ok(0) => complaint.over(),
                Ok(revived) => {
                    complaint.over();
                    tracing::info!(postbacks = revived, "clicks of postbacks that were given up have come");
                }
                Err(e) => {
                    if complaint.due() {
                        tracing::warn!(error = %e, "cannot look for the clicks of postbacks that were given up");
                    }
                }
            }
        }
    };
    // A lease that is not given back is over soon.
    tokio::select! {
        () = looking => {}
        () = shutdown.wait() => {}
    }
}

/// Has those taken whose clicks have come; how many.
async fn look(postbacks: &Postbacks, leases: &dyn Leases) -> Result<u64, StoreError> {
    let Some(lease) = leases.take(LEASE_NAME, LEASE).await? else { return Ok(0) };
    let revived = pages(postbacks, leases, &lease).await;
    leases.release(&lease).await?;
    revived
}

async fn pages(postbacks: &Postbacks, leases: &dyn Leases, lease: &Lease) -> Result<u64, StoreError> {
    postbacks.queue.forget(KIND, KEPT).await?;
    let (mut revived, mut page) = (0, PageRequest::first(TOGETHER));
    loop {
        let dead = postbacks.queue.dead_jobs(KIND, &page).await?;
        let dead_of = |payload: &str| serde_json::from_str::<Parked>(payload).ok().map(|p| p.click_id);
        let of: Vec<(String, ClickId)> =
            dead.items.into_iter().filter_map(|d| Some((d.key, dead_of(&d.payload)?))).collect();
        let mut ids: Vec<ClickId> = of.iter().map(|(_, click)| *click).collect();
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            let there: HashSet<ClickId> =
                postbacks.clicks.analytics().clicks_there(&ids).await?.into_iter().collect();
            let come = of.into_iter().filter(|(_, click)| there.contains(click)).map(|(key, _)| key);
            revived += postbacks.queue.revive(KIND, &come.collect::<Vec<_>>(), Duration::ZERO).await?;
        }
        page.cursor = dead.next;
        if page.cursor.is_none() || !leases.renew(lease, LEASE).await? {
            return Ok(revived);
        }
    }
}
