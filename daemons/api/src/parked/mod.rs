//! Postbacks that wait for their click, and those that were given up since it did not come: what they are, trying them now,
//! and dropping them. The queue is read here; postback-service takes them, and drops them, since a line of its log says so.

mod choose;
mod found;

use crate::{
    app::App,
    entities::refs::named,
    failure::Failure,
    given_up::{self, MOST_IDS},
    input::{Body, Path, Query, read},
    labels,
    reply::json,
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use choose::{Chosen, all, by_ids};
use found::{Wanted, given_up_page, waiting_page};
use http::{Method, StatusCode};
use serde_json::json as value;
use std::sync::Arc;
use tfx_api::{
    parked::{DropParked, ParkedAnswer, ParkedChoice, ParkedPostback},
    source_postbacks::NotNow,
};
use tfx_domain::{entity::Kind, id::NetworkId, problem::Problems};
use tfx_ports::{
    audit::{AuditEntry, Caller},
    clock,
    queue::{Hurried, JobKind},
};
use tfx_service::ProblemResponse;

const KIND: JobKind = JobKind::ParkedPostback;
const PAGE: usize = 1_000;
/// Why one is left alone that postback-service has in hand.
const UNDER_WAY: &str = "it, or one of its click before it, is tried at this moment";

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/postbacks/parked", get(list))
        .route("/postbacks/parked/{id}", get(show))
        .route("/postbacks/parked/retry", post(retry))
        .route("/postbacks/parked/drop", post(drop_all))
}

async fn list(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let network = query.text("network");
    let click = query.value("click");
    let dead = query.flag("dead").unwrap_or(false);
    let page = query.page();
    query.finish()?;
    let wanted = Wanted { network: network_id(&app, network).await?, click };
    let mut list = match dead {
        true => given_up_page(&app, &page, &wanted).await?,
        false => waiting_page(&app, &page, &wanted).await?,
    };
    let counts = app.stores.queue.counts(KIND).await?;
    (list.waiting, list.dead, list.oldest) = (counts.waiting, counts.dead, counts.oldest);
    name(&app, &mut list.items).await?;
    Ok(json(StatusCode::OK, &list))
}

async fn show(State(app): State<Arc<App>>, Path(id): Path, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let mut found = by_ids(&app, &[id]).await?.shown();
    name(&app, &mut found).await?;
    Ok(json(StatusCode::OK, &found))
}

/// Says what their networks are called.
async fn name(app: &App, items: &mut [ParkedPostback]) -> Result<(), Failure> {
    let slugs =
        labels::of(app.stores.config.as_ref(), items.iter().map(|p| p.network_id.to_string())).await?;
    for item in items {
        item.network = slugs.get(item.network_id.as_str()).cloned().unwrap_or_default();
    }
    Ok(())
}

async fn network_id(app: &App, text: Option<String>) -> Result<Option<NetworkId>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let record = named(app.stores.config.as_ref(), Kind::Network, &text).await?;
    Ok(record.id.parse().ok())
}

/// Those that are meant, and where to go on.
async fn chosen(app: &App, asked: &ParkedChoice) -> Result<(Chosen, Option<String>), Failure> {
    let mut problems = Problems::default();
    problems.require(asked.all == asked.ids.is_empty(), "ids", "give ids, or all: true");
    problems.require(asked.ids.len() <= MOST_IDS, "ids", "must be at most 100");
    for (given, name) in
        [(asked.dead, "dead"), (asked.network.is_some(), "network"), (asked.cursor.is_some(), "cursor")]
    {
        problems.require(!given || asked.all, name, "goes with all: true; ids say which are meant");
    }
    problems.into_result(())?;
    if !asked.all {
        return Ok((by_ids(app, &asked.ids).await?, None));
    }
    let wanted = Wanted { network: network_id(app, asked.network.clone()).await?, click: None };
    all(app, asked.dead, &wanted, asked.cursor.clone()).await
}

/// What waits is tried now, what was given up waits again.
async fn retry(State(app): State<Arc<App>>, query: Query, Body(input): Body) -> Result<Response, Failure> {
    query.finish()?;
    let asked: ParkedChoice = read(input)?;
    let (chosen, next) = chosen(&app, &asked).await?;
    let mut answer = ParkedAnswer { next, ..ParkedAnswer::default() };
    if asked.dry_run {
        answer.done = chosen.len();
        return Ok(json(StatusCode::OK, &answer));
    }
    let Chosen { waiting, dead } = chosen;
    for job in waiting {
        match app.stores.queue.hurry(KIND, &job.key).await? {
            Hurried::Due => answer.done += 1,
            Hurried::Held => answer.not_now.push(NotNow { job: job.key, why: UNDER_WAY.to_owned() }),
            Hurried::Gone => {
                let why = "it was taken, given up or dropped meanwhile".to_owned();
                answer.not_now.push(NotNow { job: job.key, why });
            }
        }
    }
    let keys: Vec<String> = dead.into_iter().map(|job| job.key).collect();
    answer.done += app.stores.queue.revive(KIND, &keys, given_up::spread(keys.len())).await?;
    Ok(json(StatusCode::OK, &answer))
}

/// Those that nobody tries at the moment are dropped.
async fn drop_all(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let asked: ParkedChoice = read(input)?;
    let (chosen, next) = chosen(&app, &asked).await?;
    let (held, free): (Vec<_>, Vec<_>) = chosen.waiting.into_iter().partition(|job| job.held);
    let not_now = held.into_iter().map(|job| NotNow { job: job.key, why: UNDER_WAY.to_owned() });
    let mut answer = ParkedAnswer { next, not_now: not_now.collect(), ..ParkedAnswer::default() };
    let jobs: Vec<(String, String)> = free
        .into_iter()
        .map(|job| (job.key, job.payload))
        .chain(chosen.dead.into_iter().map(|job| (job.key, job.payload)))
        .collect();
    if asked.dry_run || jobs.is_empty() {
        answer.done = jobs.len() as u64;
        return Ok(json(StatusCode::OK, &answer));
    }
    let entry = AuditEntry {
        at: clock::now(),
        caller: caller.clone(),
        action: "drop".to_owned(),
        kind: "parked postbacks".to_owned(),
        id: String::new(),
        version: 0,
        changes: value!({ "postbacks": [jobs.iter().map(|(key, _)| key).collect::<Vec<_>>(), null] }),
    };
    // What nobody could read about afterwards is not done.
    app.stores.config.append(entry).await?;
    let body = serde_json::to_value(DropParked { jobs, by: caller.name.clone() });
    let body = body.map_err(|e| ProblemResponse::internal(e.to_string()))?;
    let path = "/internal/postbacks/parked/drop";
    let dropped = app.peers.postback.call(Method::POST, path, Some(&body)).await?;
    let dropped: ParkedAnswer =
        serde_json::from_value(dropped).map_err(|e| app.peers.postback.unreadable(&e))?;
    answer.done = dropped.done;
    answer.not_now.extend(dropped.not_now);
    Ok(json(StatusCode::OK, &answer))
}
