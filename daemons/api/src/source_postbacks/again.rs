//! Telling again what was given up, and now what waits for its next try.

use super::{
    KIND, PAGE,
    hurry::{self, Waiting},
    owner, source_id,
};
use crate::{
    app::App,
    failure::Failure,
    given_up::{self, MOST_IDS, SEARCHED},
    input::{Body, Query, read},
    reply::json,
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use std::sync::Arc;
use tfx_api::source_postbacks::{SourcePostbackRetry, SourcePostbackRetryAnswer};
use tfx_domain::{
    Timestamp,
    event::{PostbackDirection, TestTraffic},
    id::ClickId,
    problem::Problems,
    source_postback::{SourcePostback, message_id},
};
use tfx_ports::{analytics::PostbackQuery, page::PageRequest, queue::DeadJob};

pub(super) async fn again(
    State(app): State<Arc<App>>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let asked: SourcePostbackRetry = read(input)?;
    let mut problems = Problems::default();
    problems.require(asked.dead == asked.ids.is_empty(), "ids", "give ids, or dead: true for all");
    problems.require(asked.ids.len() <= MOST_IDS, "ids", "must be at most 100");
    let all_of = asked.source.is_none() || asked.dead;
    problems.require(all_of, "source", "goes with dead: true; ids say whom they are of");
    problems.require(asked.before.is_none() || asked.dead, "before", "goes with dead: true");
    problems.into_result(())?;
    let mut answer = SourcePostbackRetryAnswer::default();
    let jobs = if asked.dead {
        let source = source_id(&app, asked.source).await?;
        let wanted = |key: &str| source.as_ref().is_none_or(|id| owner(key) == id);
        answer.before = match asked.before {
            Some(before) => Some(before),
            None => given_up::until_now(&app, KIND).await?,
        };
        match answer.before {
            Some(before) => {
                let (jobs, more) = given_up::all(&app, KIND, before, |job| wanted(&job.key)).await?;
                answer.more = more;
                jobs
            }
            None => Vec::new(),
        }
    } else {
        let Named { dead, waiting } = named(&app, &asked.ids).await?;
        (answer.hurried, answer.not_now) = hurry::all(&app, waiting).await?;
        dead
    };
    let keys: Vec<String> = jobs.iter().map(|job| job.key.clone()).collect();
    let passed = passed(&app, &jobs).await?;
    let revived = app.stores.queue.revive(KIND, &keys, given_up::spread(keys.len())).await?;
    answer.left = passed.min(revived);
    answer.revived = revived - answer.left;
    Ok(json(StatusCode::OK, &answer))
}

/// How many of them are of a state that their conversion has left since: whoever sends ends them, with a line.
async fn passed(app: &App, jobs: &[DeadJob]) -> Result<u64, Failure> {
    let mut passed = 0;
    for job in jobs {
        let Ok(tell) = serde_json::from_str::<SourcePostback>(&job.payload) else { continue };
        let Some(now) = app.stores.conversions.get(&tell.conversion.id).await? else { continue };
        let went_ahead = app.stores.conversions.is_later_told(&tell).await?;
        passed += u64::from(tell.as_of(&now, went_ahead).is_err());
    }
    Ok(passed)
}

/// What goes by ids.
#[derive(Default)]
struct Named {
    dead: Vec<DeadJob>,
    waiting: Vec<Waiting>,
}

/// Those that were given up or wait and go by these ids.
///
/// # Errors
/// 404 naming every id that nothing goes by; nothing is told again then.
async fn named(app: &App, ids: &[String]) -> Result<Named, Failure> {
    let mut names = Vec::with_capacity(ids.len());
    for id in ids {
        names.push(Name { given: id, stands_for: name_of(app, id).await?, found: false });
    }
    let mut all = Named::default();
    let mut page = PageRequest::first(PAGE);
    for _ in 0..SEARCHED {
        let found = app.stores.queue.dead_jobs(KIND, &page).await?;
        all.dead.extend(found.items.into_iter().filter(|job| go_by(&job.key, &job.payload, &mut names)));
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    // Of a conversion some states may have been given up, while others wait: those come by themselves.
    names.retain(|name| !name.found);
    let mut page = PageRequest::first(PAGE);
    let mut first = String::new();
    for _ in 0..if names.is_empty() { 0 } else { SEARCHED } {
        let found = app.stores.queue.waiting(KIND, "", &page).await?;
        for job in found.items {
            // They come in the order of their keys, those of one conversion one after the other.
            if group(&job.key) != group(&first) {
                first.clone_from(&job.key);
            }
            if go_by(&job.key, &job.payload, &mut names) {
                let behind = Some(&first).filter(|first| **first != job.key).cloned();
                all.waiting.push(Waiting { job, behind });
            }
        }
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    let missing: Vec<&str> = names.iter().filter(|name| !name.found).map(|name| name.given).collect();
    if missing.is_empty() {
        return Ok(all);
    }
    let missing = missing.join(", ");
    Err(Failure::not_found(format!(
        "nothing that waits or was given up goes by {missing}; it may have been told since"
    )))
}

/// The conversion of a job, and whom it is told.
fn group(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(group, _)| group)
}

/// An id that somebody gave.
struct Name<'a> {
    given: &'a str,
    stands_for: String,
    found: bool,
}

/// Whether a job goes by some of them, which are found then.
fn go_by(key: &str, payload: &str, names: &mut [Name<'_>]) -> bool {
    let hits = names.iter_mut().filter(|name| goes_by(key, payload, &name.stands_for));
    hits.map(|name| name.found = true).count() > 0
}

/// A line of the postback log stands for what it tells of; other ids are taken as they are.
async fn name_of(app: &App, id: &str) -> Result<String, Failure> {
    let Ok(line) = id.parse::<ClickId>() else { return Ok(id.to_owned()) };
    let at = line.timestamp();
    let mut asked = PostbackQuery {
        since: Some(at),
        until: Timestamp::from_millisecond(at.as_millisecond() + 1).ok(),
        network: None,
        result: None,
        direction: Some(PostbackDirection::Out),
        test: TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(PAGE),
    };
    loop {
        let found = app.stores.analytics.postbacks(&asked).await?;
        if let Some(event) = found.items.into_iter().find(|event| event.id == line) {
            return Ok(event.job);
        }
        asked.page.cursor = found.next;
        if asked.page.cursor.is_none() {
            return Ok(id.to_owned());
        }
    }
}

/// Whether a job goes by a name: its own, its message's, its conversion's.
fn goes_by(key: &str, payload: &str, name: &str) -> bool {
    if key == name {
        return true;
    }
    if !key.contains(name.split('-').next().unwrap_or(name)) {
        return false;
    }
    serde_json::from_str::<SourcePostback>(payload).is_ok_and(|tell| {
        let conversion = &tell.conversion;
        conversion.id.as_str() == name || message_id(conversion) == name
    })
}
