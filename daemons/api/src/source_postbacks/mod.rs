//! Telling traffic sources of conversions: what waits and what was given up, telling it again or now, trying it, and the
//! key that signs it. The queue is read here; postback-service sends, and knows which targets it does not ask for now.

mod again;
mod hurry;
mod queue;
mod source;

use crate::{app::App, entities::refs::named, failure::Failure};
use axum::{
    Router,
    routing::{get, post},
};
use std::sync::Arc;
use tfx_domain::entity::Kind;
use tfx_ports::queue::JobKind;

const KIND: JobKind = JobKind::SourcePostback;
const PAGE: usize = 1_000;

pub(crate) use queue::given_up;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/postbacks/queue", get(queue::queue))
        .route("/postbacks/queue/retry", post(again::again))
        .route("/sources/{ref}/test", post(source::test))
        .route("/sources/{ref}/signing-key", get(source::signing_key))
}

async fn source_id(app: &App, text: Option<String>) -> Result<Option<String>, Failure> {
    Ok(match text {
        Some(text) => Some(named(app.stores.config.as_ref(), Kind::Source, &text).await?.id),
        None => None,
    })
}

/// Who is told: what a key begins with.
fn owner(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}
