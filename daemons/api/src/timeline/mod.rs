//! `GET /clicks/{click_id}/timeline`: the click, the decision, what networks sent about it and what came of that, in the
//! order of time. Read from what is recorded: the click, the postback log, and the conversions as they stand.

mod read;
mod steps;

pub(crate) use read::conflicts;

use crate::{
    app::App,
    events::{click_ids, stored_click},
    explain::asked_streams,
    failure::Failure,
    input::{Path, Query},
    labels,
    reply::json,
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use std::sync::Arc;
use tfx_api::{
    Labelled,
    timeline::{StepKind, Timeline},
};
use tfx_domain::event::PostbackDirection;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/clicks/{id}/timeline", get(timeline))
}

async fn timeline(State(app): State<Arc<App>>, Path(id): Path, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let click = stored_click(&app, &id).await?;
    let conversions = read::conversions_of(&app, click.click_id).await?;
    let log = read::log_of(&app, &click, &conversions.items).await?;
    let waiting = read::waiting_for(&app, click.click_id, &conversions.items).await?;
    let config = app.stores.config.as_ref();
    let mut ids = click_ids(&click);
    ids.extend(waiting.iter().filter_map(|step| step.source_id.as_ref().map(ToString::to_string)));
    ids.extend(log.items.iter().filter_map(|line| line.source_id.as_ref().map(ToString::to_string)));
    let labels = labels::of(config, ids).await?;
    let asked = asked_streams(config, &click, &labels).await?;
    let mut steps = steps::of_click(&click, &asked, &labels);
    steps.extend(log.items.iter().map(|line| match line.direction {
        PostbackDirection::In => steps::of_postback(&click, line),
        PostbackDirection::Out => steps::of_attempt(line),
    }));
    steps.extend(waiting.into_iter().map(|step| steps::named(step, &labels)));
    steps.extend(steps::of_conversions(&log.items, &conversions.items));
    // What happened at one time stands as it was caused: what became of a postback later behind it.
    steps.sort_by_key(|s| (s.at, s.kind, s.kind == StepKind::Postback && s.status == Some(0)));
    steps::tell_moves(&mut steps);
    let item = Timeline {
        click_id: click.click_id,
        steps,
        complete: log.whole && conversions.whole,
        left_out: log.left_out.into_iter().chain(conversions.left_out).collect(),
    };
    Ok(json(StatusCode::OK, &Labelled { item, labels }))
}
