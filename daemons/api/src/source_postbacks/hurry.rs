//! Trying now what waits for its next try. It keeps its tries, and what is under way is left alone: nothing is sent twice.

use super::{
    KIND, owner,
    queue::{host, open_targets},
};
use crate::{app::App, failure::Failure};
use std::time::Duration;
use tfx_api::source_postbacks::{NotNow, Target};
use tfx_domain::{
    entity::{Kind, SourceSpec},
    source_postback::SourcePostback,
};
use tfx_ports::{
    clock,
    queue::{Hurried, WaitingJob},
};

/// One that waits.
pub(super) struct Waiting {
    pub(super) job: WaitingJob,
    /// The one of its conversion that is told before it.
    pub(super) behind: Option<String>,
}

/// Makes them due now, each if nothing stands in its way: how many are, and why the others are not.
pub(super) async fn all(app: &App, waiting: Vec<Waiting>) -> Result<(u64, Vec<NotNow>), Failure> {
    let (mut hurried, mut not_now) = (0, Vec::new());
    if waiting.is_empty() {
        return Ok((hurried, not_now));
    }
    // Without postback-service nothing is sent, and what is due is when it comes back.
    let open = open_targets(app).await.unwrap_or_default();
    for Waiting { job, behind } in waiting {
        let why = match in_the_way(app, &job, &open).await? {
            Some(why) => Some(why),
            None => match (app.stores.queue.hurry(KIND, &job.key).await?, behind) {
                (Hurried::Due, None) => None,
                (Hurried::Due, Some(first)) => Some(format!("it comes behind {first}, which is tried now")),
                (Hurried::Held, _) => Some(UNDER_WAY.to_owned()),
                (Hurried::Gone, _) => Some("it was told or given up meanwhile".to_owned()),
            },
        };
        match why {
            None => hurried += 1,
            Some(why) => not_now.push(NotNow { job: job.key, why }),
        }
    }
    Ok((hurried, not_now))
}

const UNDER_WAY: &str = "it, or one of its conversion before it, is under way at this moment";

/// Why it would not be sent though it were due.
async fn in_the_way(app: &App, job: &WaitingJob, open: &[Target]) -> Result<Option<String>, Failure> {
    if job.held {
        return Ok(Some(UNDER_WAY.to_owned()));
    }
    let Ok(tell) = serde_json::from_str::<SourcePostback>(&job.payload) else { return Ok(None) };
    let Some(record) = app.stores.config.get(Kind::Source, owner(&job.key)).await? else { return Ok(None) };
    let Ok(source) = record.typed::<SourceSpec>() else { return Ok(None) };
    let delay = Duration::from_secs(source.spec.postback_delay_s.into());
    if let Some(at) = tell.not_before(delay).filter(|at| *at > clock::now()) {
        let slug = &source.spec.slug;
        return Ok(Some(format!("{slug} is told at {at:.0} at the earliest, which is its postback_delay_s")));
    }
    let Some(at) = source.spec.tell_url(&tell.conversion.status).and_then(host) else { return Ok(None) };
    let left_alone = open.iter().find(|target| {
        target.host == at && target.source_id.as_ref().is_none_or(|id| id.as_str() == record.id)
    });
    Ok(left_alone.and_then(|target| {
        let slug = &source.spec.slug;
        let Some(until) = target.open_until else {
            let why = target.unsent.as_deref()?;
            return Some(format!("the machine of postback-service cannot send to {at}: {why}"));
        };
        Some(format!(
            "{at} is left alone until {until:.0}, since {}; tfx source test {slug} --send closes that if it answers 2xx",
            target.reason
        ))
    }))
}
