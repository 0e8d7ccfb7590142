//! Postbacks whose click is not known yet: jobs of the queue, tried again with pauses that double up to ten minutes, until
//! the click arrives or the time is over.
//!
//! Postbacks of one network about one click are a group of the queue: they are taken in the order in which they came, by
//! one postback-service at a time. The first that has to wait for the click holds up those behind it, and so a new one is
//! parked while there are parked ones (`take`). One that cannot be read as the configuration is now is put aside: when that
//! is mended, it counts by when it came.
//!
//! A parked postback is done only after its outcome is in the log. If the process dies before, it is tried again, by
//! whoever claims it next: recording is idempotent by its key, and the outcome's event has an id made from the parked
//! one's. What is given up is kept as a dead job (`unmatched`).

mod dropping;
mod pauses;

use crate::{
    clicks::Missing,
    exposed::without_secret,
    log::{Again, Origin, PostbackOutcome},
    record::TAKEN_BEFORE,
    take::Postbacks,
};
pub(crate) use dropping::drop_parked;
pub(crate) use pauses::first_pause;
use pauses::{give_up_at, pause, put_off};
use sha2::{Digest, Sha256};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    entity::Network,
    event::PostbackResult,
    id::ClickId,
    postback::{Interpreted, Parked},
};
use tfx_ports::{
    clock,
    queue::{Job, JobKind, NewJob},
};
use tfx_service::{LogThrottle, Shutdown};
use tfx_settings::PostbackSettings;
use tokio::{task::JoinSet, time::timeout};
use tracing::Instrument as _;

pub(crate) const KIND: JobKind = JobKind::ParkedPostback;
/// How many are claimed at once.
const BATCH: usize = 64;
/// Tries at the same time.
const AT_ONCE: usize = 8;
/// The shortest time for which a claim holds.
const LEASE: Duration = Duration::from_secs(10);
/// How often it is counted what waits.
const COUNTED: Duration = Duration::from_secs(5);

/// As a job that came then. The same of the same network and template about the same click is the same job.
pub(crate) fn job(parked: &Parked, came: Timestamp) -> Result<NewJob, serde_json::Error> {
    let params = serde_json::to_string(&parked.params)?;
    let mut said = Sha256::new();
    for part in [parked.network.as_str(), &parked.template, &parked.click_id.to_string(), &params] {
        // No part but the last, which is JSON, could hold a NUL.
        said.update(part);
        said.update([0]);
    }
    let key = said.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let payload = serde_json::to_string(parked)?;
    let group = Some(Parked::group(&parked.network, parked.click_id));
    Ok(NewJob { kind: KIND, key, group, came, payload })
}

/// Why one was given up that is taken as soon as its click comes.
pub(crate) const NOT_COME: &str = "its click did not come";
/// How many postbacks of a network may wait for one click.
pub(crate) const MOST_OF_A_CLICK: u64 = 250;

/// How long a claim holds. It is renewed before a try when a third of it is over, and a try may take half of it: the click
/// is looked up, and what came after it.
fn lease(settings: &PostbackSettings) -> Duration {
    LEASE.max(settings.lookup_timeout * 6)
}

/// Tries parked postbacks until the shutdown.
pub(crate) async fn work(postbacks: Arc<Postbacks>, shutdown: Shutdown) {
    let pause = (postbacks.settings.park_retry / 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
    let mut complaint = LogThrottle::default();
    let mut counted: Option<Instant> = None;
    // What was claimed is tried, or let go of: others need not wait until its claim is over.
    while !shutdown.is_fired() {
        let since = Instant::now();
        match postbacks.queue.claim(KIND, BATCH, lease(&postbacks.settings)).await {
            Ok(claimed) if claimed.is_empty() => complaint.over(),
            Ok(claimed) => {
                complaint.over();
                round(&postbacks, claimed, since, &shutdown).await;
                continue;
            }
            Err(e) => {
                if complaint.due() {
                    tracing::warn!(error = %e, "cannot look for parked postbacks");
                }
            }
        }
        if counted.is_none_or(|at| at.elapsed() >= COUNTED)
            && let Ok(counts) = postbacks.queue.counts(KIND).await
        {
            postbacks.counters.parked(counts);
            counted = Some(Instant::now());
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.wait() => {}
        }
    }
}

/// Tries what was claimed, `since` when.
async fn round(postbacks: &Arc<Postbacks>, claimed: Vec<Job>, since: Instant, shutdown: &Shutdown) {
    let mut lanes: Vec<Vec<Job>> = (0..AT_ONCE).map(|_| Vec::new()).collect();
    for (n, job) in claimed.into_iter().enumerate() {
        lanes[n % AT_ONCE].push(job);
    }
    let mut running = JoinSet::new();
    for lane in lanes.into_iter().filter(|l| !l.is_empty()) {
        let (postbacks, shutdown) = (Arc::clone(postbacks), shutdown.clone());
        let tries = async move {
            for job in lane {
                if let Err(e) = hold_and_try(&postbacks, &job, since, &shutdown).await {
                    tracing::warn!(error = %e, "cannot end a parked postback; it is tried again and counts once");
                }
            }
        };
        running.spawn(tries.in_current_span());
    }
    while running.join_next().await.is_some() {}
}

/// Tries one as long as its claim holds.
async fn hold_and_try(
    postbacks: &Postbacks,
    job: &Job,
    since: Instant,
    shutdown: &Shutdown,
) -> Result<(), tfx_ports::StoreError> {
    let queue = &postbacks.queue;
    if shutdown.is_fired() {
        return queue.again(job, Duration::ZERO).await.map(|_| ());
    }
    let lease = lease(&postbacks.settings);
    if since.elapsed() > lease / 3 && !queue.renew(job, lease).await? {
        // Somebody else has it.
        return Ok(());
    }
    let Ok(end) = timeout(lease / 2, attempt(postbacks, job)).await else {
        return queue.again(job, pause(postbacks.settings.park_retry, job.tries)).await.map(|_| ());
    };
    match end {
        End::Done => queue.done(job).await,
        End::Again(after) => queue.again(job, after).await,
        End::Aside(after) => queue.aside(job, after).await,
        End::Dead(why) => queue.dead(job, &why).await,
    }
    .map(|_| ())
}

/// How a try ends.
enum End {
    /// Its outcome is in the log.
    Done,
    /// It waits for its click, or for a store.
    Again(Duration),
    /// It cannot be read as the configuration is now, and holds up nobody.
    Aside(Duration),
    /// It is given up, which is in the log.
    Dead(String),
}

/// Tries one: records it, gives it up, or puts it off.
async fn attempt(postbacks: &Postbacks, job: &Job) -> End {
    let parked: Parked = match serde_json::from_str(&job.payload) {
        Ok(parked) => parked,
        Err(e) => {
            tracing::error!(error = %e, key = job.key, "a parked postback cannot be read; it is kept as it is");
            return End::Dead(format!("it cannot be read: {e}"));
        }
    };
    let now = clock::now();
    let give_up_at = give_up_at(parked.received_at, job.tries, &postbacks.settings, now);
    let later = put_off(&postbacks.settings, job.tries, now, give_up_at);
    let Some(index) = postbacks.config.owned() else { return End::Again(later) };
    // What this program cannot read is not unknown: it waits, however long.
    let unread = index.unread_network_by_id(&parked.network);
    if unread.or_else(|| index.unread_template(&parked.network, &parked.template)).is_some() {
        return End::Again(later);
    }
    let network = index.network_by_id(&parked.network);
    let origin = Origin {
        id: event_of(&parked, job),
        // A conversion counts from when it was reported, not from when its click was found.
        at: parked.received_at.min(now),
        network: network.map_or_else(|| parked.network.to_string(), |n| n.spec.slug.to_string()),
        template: parked.template.clone(),
        ip: None,
        method: "".into(),
        params: parked.params.clone(),
        note: String::new(),
        row: parked.row,
        signed: parked.signed.clone(),
        // Somebody may have had it taken from the log since it was given up.
        again: job.revived.then_some(Again { was: None }),
    };
    // A network or template that was archived meanwhile still explains what it reported before.
    let template = network.and_then(|n| index.asked_template(&n.id, &parked.template));
    let read = |n: &Network| {
        let read = origin.read(&n.spec, template.map(|t| &t.spec));
        read.and_then(|read| without_secret(&index.masks, &n.spec, &origin, read))
    };
    let interpreted = network.map(|n| (n, read(n)));
    let mut end = End::Done;
    let outcome = match interpreted {
        Some((network, Ok(Interpreted::Report(postback)))) => {
            match postbacks.click(&network.id, &postback).await {
                Ok(click) => {
                    // The click has come, so those that were given up before this one came are taken first.
                    match postbacks.revive_given_up(&Parked::group(&parked.network, parked.click_id)).await {
                        Ok(0) => {}
                        Ok(_) => return End::Again(Duration::ZERO),
                        Err(_) => return End::Again(later),
                    }
                    postbacks.record(&index, &origin, network, &postback, &click, 0).await
                }
                // Given up only when the store has what came after the click, not while it or the sink is away.
                Err(Missing::NotThere)
                    if now >= give_up_at
                        && postbacks
                            .clicks
                            .is_overtaken(postback.click_id, now, postbacks.settings.park_max_age)
                            .await =>
                {
                    let mut outcome = PostbackOutcome::accepted(0, PostbackResult::Unmatched);
                    outcome.reason = NOT_COME.to_owned();
                    outcome.click = Some(parked.click_id);
                    end = End::Dead(outcome.reason.clone());
                    postbacks.conclude(&origin, outcome, Some(network), None).await
                }
                Err(_) => return End::Again(later),
            }
        }
        Some((network, Ok(Interpreted::Ignored { raw_status }))) => {
            let mut outcome = PostbackOutcome::accepted(0, PostbackResult::Ignored);
            outcome.reason = format!("the template ignores status {raw_status}");
            postbacks.conclude(&origin, outcome, Some(network), None).await
        }
        // The configuration of this instance may be behind, or is being mended: it is tried on as long as for a click.
        None | Some((_, Err(_))) if now < give_up_at => return End::Aside(later),
        Some((network, Err(refusal))) => {
            let outcome = PostbackOutcome::rejected(0, format!("the template was changed: {refusal}"));
            postbacks.conclude(&origin, outcome, Some(network), None).await
        }
        None => {
            postbacks
                .conclude(&origin, PostbackOutcome::rejected(0, "there is no such network"), None, None)
                .await
        }
    };
    // Anything but 0 means that it is not durable yet: it stays parked.
    if matches!(outcome.status, 0 | TAKEN_BEFORE) { end } else { End::Again(later) }
}

/// The id of the event that says what became of it. One that was given up has a second, the same as when somebody has it
/// taken again (`retry`).
fn event_of(parked: &Parked, job: &Job) -> ClickId {
    let first = later_event(parked.id);
    if job.revived { later_event(first) } else { first }
}

/// The id of the event that says what became later of a postback: always the same for the same one.
pub(crate) fn later_event(parked: ClickId) -> ClickId {
    ClickId::generate(parked.timestamp(), mixed(parked))
}

fn mixed(id: ClickId) -> u128 {
    id.to_string().bytes().fold(0x9e37_79b9_7f4a_7c15, |acc: u128, b| {
        acc.wrapping_mul(0x0100_0000_0000_0000_013b).wrapping_add(u128::from(b)).rotate_left(23)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::take::after;

    fn parked(now: Timestamp, received_at: Timestamp) -> Parked {
        Parked {
            id: ClickId::generate(now, 1),
            network: "net_0000000000000000000".parse().expect("id"),
            template: String::new(),
            click_id: ClickId::generate(now, 2),
            params: vec![("payout".to_owned(), "5".to_owned())],
            received_at,
            row: None,
            signed: None,
        }
    }

    /// What says the same is one job, whenever it came; and what versions before wrote is read.
    #[test]
    fn the_same_postback_is_the_same_job() {
        let now = Timestamp::from_second(1_790_000_000).expect("time");
        let first = parked(now, now);
        let same = Parked { id: ClickId::generate(now, 9), received_at: after(now, LEASE), ..first.clone() };
        let key = |p: &Parked| job(p, p.received_at).expect("JSON").key;
        assert_eq!(key(&first), key(&same));
        let others = [
            Parked { network: "net_0000000000000000001".parse().expect("id"), ..first.clone() },
            Parked { template: "web".to_owned(), ..first.clone() },
            Parked { click_id: ClickId::generate(now, 3), ..first.clone() },
            Parked { params: vec![("payout".to_owned(), "6".to_owned())], ..first.clone() },
            Parked { params: Vec::new(), ..first.clone() },
        ];
        assert!(others.iter().all(|o| key(o) != key(&first)));
        let before = format!(
            r#"{{"id":"{}","network":"net_0000000000000000000","template":"","click_id":"{}","params":[["payout","5"]],"received_at":"2026-09-21T14:13:20Z"}}"#,
            first.id, first.click_id
        );
        assert_eq!(serde_json::from_str::<Parked>(&before).expect("read"), first);
    }

    #[test]
    fn the_later_event_is_another_and_always_the_same() {
        let ids: Vec<ClickId> = (0..1000).map(|i| ClickId::generate(Timestamp::UNIX_EPOCH, i)).collect();
        let mut later: Vec<ClickId> = ids.iter().map(|id| later_event(*id)).collect();
        assert!(ids.iter().zip(&later).all(|(a, b)| a != b && later_event(*a) == *b));
        later.sort();
        later.dedup();
        assert_eq!(later.len(), ids.len());
    }
}
