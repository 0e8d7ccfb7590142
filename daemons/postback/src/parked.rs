//! Postbacks whose click is not known yet: tried again, with pauses that double up to ten minutes, until the click
//! arrives or the time is over.
//!
//! A parked postback is taken off only after its outcome is in the log. If the process dies before, it is tried
//! again: recording is idempotent by its key, and the outcome's event has an id made from the parked one's.
//!
//! Postbacks of one network about one click are taken in the order in which they came: the first that has to wait for the
//! click holds up those behind it, and so a new one is parked while there are parked ones (`take`). One that cannot be
//! read as the configuration is now holds up nobody: when that is mended, it counts by when it came.

use crate::{
    clicks::Missing,
    log::{Origin, PostbackOutcome},
    take::{Postbacks, after},
};
use std::{sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    event::PostbackResult,
    id::{ClickId, NetworkId},
    postback::{Interpreted, interpret},
};
use tfx_ports::{
    clock,
    conversions::{LONGEST_PAUSE, Parked},
};
use tfx_service::{LogThrottle, Shutdown};
use tfx_settings::PostbackSettings;
use tokio::task::JoinSet;
use tracing::Instrument as _;

const BATCH: usize = 256;
/// Look-ups at the same time.
const AT_ONCE: usize = 8;

/// Tries parked postbacks until the shutdown.
pub(crate) async fn work(postbacks: Arc<Postbacks>, shutdown: Shutdown) {
    let pause = (postbacks.settings.park_retry / 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
    let mut complaint = LogThrottle::default();
    let trying = async {
        loop {
            match postbacks.conversions.parked_due(clock::now(), BATCH).await {
                Ok(due) => {
                    complaint.over();
                    let full = due.len() == BATCH;
                    round(&postbacks, due).await;
                    if full {
                        continue;
                    }
                }
                Err(e) => {
                    if complaint.due() {
                        tracing::warn!(error = %e, "cannot look for parked postbacks");
                    }
                }
            }
            tokio::time::sleep(pause).await;
        }
    };
    // What is cut off in the middle is tried again after the next start, as after a death.
    tokio::select! {
        () = trying => {}
        () = shutdown.wait() => {}
    }
}

/// Tries the clicks of all that are due, those of one click in the order in which they came.
async fn round(postbacks: &Arc<Postbacks>, due: Vec<Parked>) {
    let mut lanes: Vec<Vec<(NetworkId, ClickId)>> = (0..AT_ONCE).map(|_| Vec::new()).collect();
    for parked in due {
        let lane = &mut lanes[(mixed(parked.click_id) % AT_ONCE as u128) as usize];
        let of = (parked.network, parked.click_id);
        if !lane.contains(&of) {
            lane.push(of);
        }
    }
    let mut running = JoinSet::new();
    for lane in lanes.into_iter().filter(|l| !l.is_empty()) {
        let postbacks = Arc::clone(postbacks);
        let tries = async move {
            for (network, click) in lane {
                in_order(&postbacks, &network, click).await;
            }
        };
        running.spawn(tries.in_current_span());
    }
    while running.join_next().await.is_some() {}
}

/// What became of a try.
enum Tried {
    /// It is taken, or given up.
    Done,
    /// It waits for its click, or for a store.
    Waits,
    /// It cannot be read as the configuration is now.
    Unreadable,
}

/// Tries the postbacks of one click, also those that are not due yet; once one has to wait, those behind it wait too.
async fn in_order(postbacks: &Postbacks, network: &NetworkId, click: ClickId) {
    let all = match postbacks.conversions.parked_of(network, click, BATCH).await {
        Ok(all) => all,
        Err(e) => {
            tracing::warn!(error = %e, click_id = %click, "cannot read the parked postbacks of a click");
            return;
        }
    };
    let mut waits = false;
    for parked in all {
        if !waits {
            waits = matches!(attempt(postbacks, parked).await, Tried::Waits);
            continue;
        }
        let now = clock::now();
        // What a clock put off that was ahead is due too.
        if parked.next_try_at <= now || parked.next_try_at > after(now, LONGEST_PAUSE) {
            let give_up_at = give_up_at(&parked, &postbacks.settings, now);
            put_off(postbacks, &parked, now, give_up_at).await;
        }
    }
}

/// Tries one: records it, gives it up, or puts it off.
async fn attempt(postbacks: &Postbacks, parked: Parked) -> Tried {
    let Some(index) = postbacks.config.owned() else { return Tried::Waits };
    let now = clock::now();
    let park_max_age = postbacks.settings.park_max_age;
    let give_up_at = give_up_at(&parked, &postbacks.settings, now);
    let network = index.network_by_id(&parked.network);
    let origin = Origin {
        id: later_event(parked.id),
        // A conversion counts from when it was reported, not from when its click was found.
        at: parked.received_at.min(now),
        network: network.map_or_else(|| parked.network.to_string(), |n| n.spec.slug.to_string()),
        template: parked.template.clone(),
        ip: None,
        method: "".into(),
        params: parked.params.clone(),
    };
    // A network or template that was archived meanwhile still explains what it reported before.
    let template = network.and_then(|n| index.asked_template(&n.id, &parked.template));
    let interpreted =
        network.map(|n| (n, interpret(&n.spec, template.map(|t| &t.spec), &parked.params, &[])));
    let outcome = match interpreted {
        Some((network, Ok(Interpreted::Report(postback)))) => {
            match postbacks.clicks.find(postback.click_id).await {
                Ok(click) => postbacks.record(&index, &origin, network, &postback, &click, 0).await,
                // Given up only when the store has what came after the click, not while it or the sink is away.
                Err(Missing::NotThere)
                    if now >= give_up_at
                        && postbacks.clicks.is_overtaken(postback.click_id, now, park_max_age).await =>
                {
                    let mut outcome = PostbackOutcome::accepted(0, PostbackResult::Unmatched);
                    outcome.reason = "its click did not come".to_owned();
                    outcome.click = Some(parked.click_id);
                    postbacks.conclude(&origin, outcome, Some(network), None).await
                }
                Err(_) => {
                    put_off(postbacks, &parked, now, give_up_at).await;
                    return Tried::Waits;
                }
            }
        }
        Some((network, Ok(Interpreted::Ignored { raw_status }))) => {
            let mut outcome = PostbackOutcome::accepted(0, PostbackResult::Ignored);
            outcome.reason = format!("the template ignores status {raw_status}");
            postbacks.conclude(&origin, outcome, Some(network), None).await
        }
        // The configuration of this instance may be behind, or is being mended: it is tried on as long as for a click.
        None | Some((_, Err(_))) if now < give_up_at => {
            put_off(postbacks, &parked, now, give_up_at).await;
            return Tried::Unreadable;
        }
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
    if outcome.status != 0 {
        put_off(postbacks, &parked, now, give_up_at).await;
        return Tried::Waits;
    }
    if let Err(e) = postbacks.conversions.unpark(parked.id).await {
        tracing::warn!(error = %e, "cannot take off a parked postback; it is tried again and counts once");
        return Tried::Waits;
    }
    Tried::Done
}

/// When it is given up. One that came before the clock was set back is given up when it was tried for as long.
fn give_up_at(parked: &Parked, settings: &PostbackSettings, now: Timestamp) -> Timestamp {
    if parked.received_at <= now {
        return after(parked.received_at, settings.park_max_age);
    }
    // Pauses are the longest from the 20th on; before, they come to little.
    let waited: Duration = (0..parked.tries.min(20)).map(|n| pause(settings.park_retry, n)).sum();
    let waited = waited + LONGEST_PAUSE * parked.tries.saturating_sub(20);
    after(now, settings.park_max_age.saturating_sub(waited))
}

/// Tries again after a pause, at `give_up_at` at the latest unless that is over.
async fn put_off(postbacks: &Postbacks, parked: &Parked, now: Timestamp, give_up_at: Timestamp) {
    let next = after(now, pause(postbacks.settings.park_retry, parked.tries));
    let next = if give_up_at > now { next.min(give_up_at) } else { next };
    if let Err(e) = postbacks.conversions.postpone(parked.id, next).await {
        tracing::warn!(error = %e, "cannot put off a parked postback; it is tried again at once");
    }
}

/// The pause after a number of tries.
fn pause(first: Duration, tries: u32) -> Duration {
    first.saturating_mul(1 << tries.saturating_add(1).min(20)).min(LONGEST_PAUSE)
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

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let seconds: Vec<u64> = (0..12).map(|n| pause(Duration::from_secs(2), n).as_secs()).collect();
        assert_eq!(seconds, [4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]);
        assert_eq!(pause(Duration::from_secs(3600), u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_clock_that_was_ahead_gives_no_more_time() {
        let (now, age) = (Timestamp::from_second(1_790_000_000).expect("time"), Duration::from_secs(86_400));
        let settings = PostbackSettings {
            lookup_timeout: Duration::from_secs(1),
            lookup_failure: tfx_settings::LookupFailure::Park,
            park_max_age: age,
            park_retry: Duration::from_secs(2),
        };
        let parked = |received_at, tries| Parked {
            id: ClickId::generate(now, 1),
            network: "net_0000000000000000000".parse().expect("id"),
            template: String::new(),
            click_id: ClickId::generate(now, 2),
            params: Vec::new(),
            received_at,
            next_try_at: now,
            tries,
        };
        let ahead = after(now, age * 2);
        assert_eq!(give_up_at(&parked(now, 3), &settings, now), after(now, age));
        assert_eq!(give_up_at(&parked(ahead, 0), &settings, now), after(now, age));
        assert!(give_up_at(&parked(ahead, 100), &settings, now) < after(now, age / 2));
        assert!(give_up_at(&parked(ahead, 200), &settings, now) <= now);
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
