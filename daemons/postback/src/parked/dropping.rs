//! Parked postbacks that a person wants gone: each is taken off the queue, and a line of the log says so, from which it can
//! be taken again.

use super::{KIND, later_event};
use crate::{
    log::{Again, Origin, PostbackOutcome},
    record::TAKEN_BEFORE,
    take::Postbacks,
};
use tfx_api::{parked::DropParked, source_postbacks::NotNow};
use tfx_domain::{event::PostbackResult, postback::Parked};
use tfx_ports::StoreError;

/// Drops them: how many, and why others are not.
///
/// # Errors
/// A store does not answer; those before are dropped.
pub(crate) async fn drop_parked(
    postbacks: &Postbacks,
    asked: DropParked,
) -> Result<(u64, Vec<NotNow>), StoreError> {
    let (mut dropped, mut not_now) = (0, Vec::new());
    for (job, payload) in asked.jobs {
        let Ok(parked) = serde_json::from_str::<Parked>(&payload) else {
            let why = "it cannot be read by this version, which could not say what was lost".to_owned();
            not_now.push(NotNow { job, why });
            continue;
        };
        // One that was given up has a line that says so, in the log or on its way there; what comes after it is another.
        let first = later_event(parked.id);
        let group = Parked::group(&parked.network, parked.click_id);
        let dead = postbacks.queue.group(KIND, &group).await?.dead;
        let given_up = dead.iter().any(|(key, _)| *key == job)
            || postbacks.clicks.analytics().postback_is_there(first).await?;
        let id = if given_up { later_event(first) } else { first };
        if postbacks.queue.remove(KIND, std::slice::from_ref(&job)).await? == 0 {
            not_now.push(NotNow { job, why: "it was taken or dropped meanwhile".to_owned() });
            continue;
        }
        let index = postbacks.config.owned();
        let network = index.as_ref().and_then(|index| index.network_by_id(&parked.network));
        let origin = Origin {
            id,
            at: parked.received_at,
            network: network.map_or_else(|| parked.network.to_string(), |n| n.spec.slug.to_string()),
            template: parked.template,
            ip: None,
            method: "".into(),
            note: String::new(),
            row: parked.row,
            signed: None,
            again: given_up.then_some(Again { was: None }),
            params: parked.params,
        };
        let mut outcome = PostbackOutcome::accepted(0, PostbackResult::Rejected);
        outcome.reason = format!("it waited for its click, and {} dropped it", asked.by);
        outcome.click = Some(parked.click_id);
        let outcome = postbacks.conclude(&origin, outcome, network, None).await;
        if !matches!(outcome.status, 0 | TAKEN_BEFORE) {
            let why = format!("it is dropped, and the log does not say so: {}", outcome.reason);
            not_now.push(NotNow { job, why });
            continue;
        }
        dropped += 1;
    }
    Ok((dropped, not_now))
}
