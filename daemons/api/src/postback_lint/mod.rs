//! `GET /postbacks/lint`: what networks sent of late that their configuration does not fit, and what sources could not be
//! told, with the command that mends it; and `POST /postbacks/retry`, which has postback-service take postbacks again.
//!
//! The log is read with the configuration of now: what was mended since is no finding. What is looked for has a file each:
//! conflicts, sales behind a rejection, sales of nothing, former secrets, what was refused and words that nobody knows are read from the log; currencies, what
//! sources were not told, and what the configuration loses without a word are not.

mod configuration;
mod conflicts;
mod currencies;
mod former_secret;
mod late_sales;
mod linter;
mod money;
mod refusals;
mod untold;
mod words;

use crate::{
    app::App,
    entities::refs,
    failure::Failure,
    given_up::MOST_IDS,
    input::{Body, Query, read},
    reply::json,
};
use axum::{Router, extract::State, response::Response, routing::get, routing::post};
use http::{Method, StatusCode};
use linter::Linter;
use std::sync::Arc;
use tfx_api::postbacks::{Lint, PostbackRetry, PostbackRetryAnswer};
use tfx_domain::{
    Timestamp,
    entity::Kind,
    event::{PostbackDirection, PostbackResult},
    problem::Problems,
};
use tfx_ports::{analytics::PostbackQuery, clock, config::Record, page::PageRequest};
use tfx_service::ProblemResponse;

/// How far back is looked when nobody says it.
const DAYS: i64 = 7;
/// The most lines that are read of all postbacks, and of conflicts, each of which is tried.
const MOST: usize = 20_000;
const MOST_CONFLICTS: usize = 500;
const PAGE: usize = 1_000;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/postbacks/lint", get(lint)).route("/postbacks/retry", post(retry))
}

async fn lint(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let (since, until) = query.window();
    let network = query.text("network");
    let most = query.value::<usize>("most").unwrap_or(MOST).clamp(1, MOST);
    query.finish()?;
    let network = match network {
        Some(text) => Some(network_of(&app, &text).await?),
        None => None,
    };
    let days = Timestamp::from_second(clock::now().as_second() - DAYS * 86_400).ok();
    let mut linter = Linter::new(&app);
    let asked = |result| PostbackQuery {
        since: since.or(days),
        until,
        network: network.as_ref().map(|n| n.slug.clone()),
        result,
        direction: Some(PostbackDirection::In),
        test: tfx_domain::event::TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(PAGE.min(most)),
    };
    let (conflicts, all_conflicts) =
        linter.read(asked(Some(PostbackResult::Conflict)), MOST_CONFLICTS.min(most)).await?;
    for line in &conflicts {
        linter.conflict(line).await?;
    }
    let (lines, all_lines) = linter.read(asked(None), most).await?;
    for line in &lines {
        if !linter.word(line).await? {
            linter.refused(line).await?;
        }
        linter.former_secret(line).await?;
        linter.mapped_since(line).await?;
        linter.left_macros(line).await?;
        linter.no_payout(line).await?;
        linter.late_sale(line).await?;
        linter.came(line);
    }
    let mut findings = currencies::unlisted(&app, network.as_ref()).await?;
    findings.extend(configuration::silent(&app, network.as_ref()).await?);
    findings.extend(linter.findings());
    if network.is_none() {
        findings.extend(untold::of(&app, (since, since.or(days)), until, most).await?);
    }
    let answer = Lint { findings, postbacks: lines.len() as u64, complete: all_conflicts && all_lines };
    Ok(json(StatusCode::OK, &answer))
}

async fn network_of(app: &App, text: &str) -> Result<Record, Failure> {
    let config = app.stores.config.as_ref();
    match refs::find(config, Kind::Network, text).await? {
        Some(record) => Ok(record),
        None => Err(Problems::one("network", refs::unknown(config, Kind::Network, text).await).into()),
    }
}

async fn retry(State(app): State<Arc<App>>, query: Query, Body(input): Body) -> Result<Response, Failure> {
    query.finish()?;
    let mut asked: PostbackRetry = read(input)?;
    let known = asked.results.iter().all(|r| PostbackRetry::RESULTS.contains(r));
    let words = PostbackRetry::RESULTS.map(PostbackResult::as_str).join(" or ");
    let mut problems = Problems::default();
    problems.require(known, "results", &format!("must be {words}"));
    let one = asked.ids.is_empty() != asked.results.is_empty();
    problems.require(one, "results", "give ids, or the results of those that are meant");
    problems.require(asked.ids.len() <= MOST_IDS, "ids", "must be at most 100");
    problems.into_result(())?;
    if let Some(text) = &asked.network {
        asked.network = Some(network_of(&app, text).await?.slug);
    }
    let body = serde_json::to_value(&asked).map_err(|e| ProblemResponse::internal(e.to_string()))?;
    let answer = app.peers.postback.call(Method::POST, "/internal/postbacks/retry", Some(&body)).await?;
    let answer: PostbackRetryAnswer =
        serde_json::from_value(answer).map_err(|e| app.peers.postback.unreadable(&e))?;
    Ok(json(StatusCode::OK, &answer))
}
