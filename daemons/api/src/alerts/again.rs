//! Sending notices again that were given up, and now those that wait for their next try. What was to be done (a pause, its
//! return) and was given up stays so: its time may be over.

use super::{KIND, routes::rule};
use crate::{
    app::App,
    failure::Failure,
    given_up::{self, MOST_IDS, SEARCHED},
    input::{Body, Query, read},
    reply::json,
};
use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use serde_json::json;
use std::{collections::HashMap, sync::Arc};
use tfx_api::{
    alerts::{AlertRetry, AlertRetryAnswer},
    source_postbacks::NotNow,
};
use tfx_domain::{Timestamp, alert::AlertJob, id::AlertId, problem::Problems};
use tfx_ports::{
    audit::{AuditEntry, Caller},
    clock,
    page::PageRequest,
    queue::{DeadJob, Hurried, WaitingJob},
};

const PAGE: usize = 1_000;
const UNDER_WAY: &str = "it, or one to the same channel before it, is under way at this moment";

pub(super) async fn again(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let asked: AlertRetry = read(input)?;
    let mut problems = Problems::default();
    problems.require(asked.dead == asked.ids.is_empty(), "ids", "give ids, or dead: true for all");
    problems.require(asked.ids.len() <= MOST_IDS, "ids", "must be at most 100");
    let all_of = asked.alert.is_none() || asked.dead;
    problems.require(all_of, "alert", "goes with dead: true; ids say what they are of");
    problems.require(asked.before.is_none() || asked.dead, "before", "goes with dead: true");
    problems.into_result(())?;
    let alert = match &asked.alert {
        Some(text) => Some(rule(&app, text).await?.id),
        None => None,
    };
    let mut answer = AlertRetryAnswer::default();
    let (mut dead, mut waiting) = (Vec::new(), Waiting::default());
    if asked.dead {
        answer.before = match asked.before {
            Some(before) => Some(before),
            None => given_up::until_now(&app, KIND).await?,
        };
        if let Some(before) = answer.before {
            let wanted = |job: &DeadJob| match lane(&job.payload) {
                Lane::Notice(of, _) => alert.as_ref().is_none_or(|alert| *alert == of),
                Lane::Deed(of) => {
                    answer.left += u64::from(alert.as_ref().is_none_or(|alert| *alert == of));
                    false
                }
                Lane::Unread => false,
            };
            (dead, answer.more) = given_up::all(&app, KIND, before, wanted).await?;
        }
    } else {
        (dead, waiting) = named(&app, &asked.ids).await?;
        let of_all = dead.len();
        dead.retain(|job| matches!(lane(&job.payload), Lane::Notice(..)));
        answer.left = (of_all - dead.len()) as u64;
    }
    if dead.is_empty() && waiting.named.is_empty() {
        return Ok(json(StatusCode::OK, &answer));
    }
    written(&app, caller, &asked, alert.as_ref()).await?;
    let keys: Vec<String> = dead.into_iter().map(|job| job.key).collect();
    answer.revived = app.stores.queue.revive(KIND, &keys, given_up::spread(keys.len())).await?;
    for job in &waiting.named {
        match now(&app, job, &waiting.first).await? {
            None => answer.hurried += 1,
            Some(why) => answer.not_now.push(NotNow { job: job.key.clone(), why }),
        }
    }
    app.alerts.due.notify_one();
    Ok(json(StatusCode::OK, &answer))
}

/// What nobody could read about afterwards is not done.
async fn written(
    app: &App,
    caller: Caller,
    asked: &AlertRetry,
    alert: Option<&AlertId>,
) -> Result<(), Failure> {
    let changes = match asked.dead {
        true => json!({ "dead": [null, true] }),
        false => json!({ "ids": [null, asked.ids] }),
    };
    let entry = AuditEntry {
        at: clock::now(),
        caller,
        action: "retry".to_owned(),
        kind: "alert".to_owned(),
        id: alert.map(ToString::to_string).unwrap_or_default(),
        version: 0,
        changes,
    };
    Ok(app.stores.config.append(entry).await?)
}

/// What a job is, and of which rule; of a notice also to which of its channels.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Lane {
    Notice(AlertId, usize),
    Deed(AlertId),
    /// Another version has put it in.
    Unread,
}

fn lane(payload: &str) -> Lane {
    match serde_json::from_str(payload) {
        Ok(AlertJob::Tell { notice, place, .. }) => Lane::Notice(notice.alert, place),
        Ok(AlertJob::Pause { alert, .. } | AlertJob::Return { alert, .. }) => Lane::Deed(alert),
        Err(_) => Lane::Unread,
    }
}

/// What goes by ids and waits, and the first of each lane.
#[derive(Default)]
struct Waiting {
    named: Vec<WaitingJob>,
    first: HashMap<Lane, (Timestamp, String)>,
}

/// Those that were given up or wait and go by these ids.
///
/// # Errors
/// 404 naming every id that nothing goes by; nothing is sent again then.
async fn named(app: &App, ids: &[String]) -> Result<(Vec<DeadJob>, Waiting), Failure> {
    let mut names: Vec<(&str, bool)> = ids.iter().map(|id| (id.as_str(), false)).collect();
    let mut dead = Vec::new();
    let mut page = PageRequest::first(PAGE);
    for _ in 0..SEARCHED {
        let found = app.stores.queue.dead_jobs(KIND, &page).await?;
        dead.extend(found.items.into_iter().filter(|job| go_by(&job.key, &mut names)));
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    // Of a notice some channels may have been given up, while others wait: those come by themselves.
    names.retain(|(_, found)| !found);
    let mut waiting = Waiting::default();
    let mut page = PageRequest::first(PAGE);
    for _ in 0..if names.is_empty() { 0 } else { SEARCHED } {
        let found = app.stores.queue.waiting(KIND, "", &page).await?;
        for job in found.items {
            let place = (job.came, job.key.clone());
            let first = waiting.first.entry(lane(&job.payload)).or_insert_with(|| place.clone());
            *first = place.min(first.clone());
            if go_by(&job.key, &mut names) {
                waiting.named.push(job);
            }
        }
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    let missing: Vec<&str> = names.iter().filter(|(_, found)| !found).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok((dead, waiting));
    }
    let missing = missing.join(", ");
    Err(Failure::not_found(format!(
        "no notice that waits or was given up goes by {missing}; it may have been sent since"
    )))
}

/// Whether a job goes by some of these names, its own or its notice's, which are found then.
fn go_by(key: &str, names: &mut [(&str, bool)]) -> bool {
    let of = |name: &str| key == name || key.split_once('.').is_some_and(|(notice, _)| notice == name);
    let hits = names.iter_mut().filter(|(name, _)| of(name));
    hits.map(|(_, found)| *found = true).count() > 0
}

/// Makes it due now; else why it is not.
async fn now(
    app: &App,
    job: &WaitingJob,
    first: &HashMap<Lane, (Timestamp, String)>,
) -> Result<Option<String>, Failure> {
    let lane = lane(&job.payload);
    if !matches!(lane, Lane::Notice(..)) {
        return Ok(Some(
            "it is no notice, but something that is to be done, as soon as it can be".to_owned(),
        ));
    }
    let hurried = match job.held {
        true => Hurried::Held,
        false => app.stores.queue.hurry(KIND, &job.key).await?,
    };
    let before = first.get(&lane).map(|(_, key)| key).filter(|key| **key != job.key);
    Ok(match (hurried, before) {
        (Hurried::Due, None) => None,
        (Hurried::Due, Some(first)) => Some(format!("it comes behind {first}, which is tried now")),
        (Hurried::Held, _) => Some(UNDER_WAY.to_owned()),
        (Hurried::Gone, _) => Some("it was sent or given up meanwhile".to_owned()),
    })
}
