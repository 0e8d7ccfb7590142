//! The configuration as a set: read, and made as a set says (`docs/decisions/0067-a-set-of-configuration.md`).

mod apply;
mod drift;
mod matched;
mod order;
mod plan;
mod read;
pub(crate) mod show;
mod told;

use crate::{
    access::Identity,
    app::App,
    failure::Failure,
    idempotency::{self, Begun, Named, replayed},
    in_use,
    input::{Body, Query},
    reply::json,
};
use axum::{Extension, Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use std::{sync::Arc, time::Duration};
use tfx_api::sets::{MAX_BYTES, SetAnswer, SetAt};
use tfx_ports::audit::Caller;
use tfx_service::Room;

/// The kind and id of the whole in the audit log.
pub(crate) const CONFIG: &str = "config";

/// A set is larger than other bodies, and takes longer.
pub(crate) static ROOMIER: [(&str, Room); 1] =
    [("/api/v1/config/set", Room { max_body: MAX_BYTES, timeout: Duration::from_secs(300) })];

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/config/set", get(set).put(put))
}

async fn set(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let (revision, records) = app.stores.config.load().await?;
    Ok(json(StatusCode::OK, &SetAt { revision, set: show::set(&records)? }))
}

async fn put(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(identity): Extension<Identity>,
    named: Named,
    mut query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    let dry_run = query.flag("dry_run").unwrap_or(false);
    query.finish()?;
    if dry_run {
        let asked = read::request(input)?;
        return Ok(json(StatusCode::OK, &apply::foresee(&app, &caller, &identity, &asked).await?));
    }
    let before: SetAnswer = match idempotency::begin(&app, &identity, named, "config/set", &input).await? {
        Begun::Before(answer) => answer,
        Begun::Now(turn) => {
            let asked = read::request(input)?;
            match apply::apply(&app, &caller, &identity, &asked, &turn).await {
                Ok(answer) => {
                    in_use::reached_soon(&app).await;
                    return Ok(json(StatusCode::OK, &answer));
                }
                Err(failure) => turn.instead(failure).await?,
            }
        }
    };
    Ok(replayed(json(StatusCode::OK, &before)))
}
