//! `POST /internal/probe/{destination}`: probes one now. It counts like any other probe.

use super::{Probes, probe::Target};
use crate::snapshot::Live;
use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use std::sync::Arc;
use tfx_domain::{health::DestinationHealth, id::DestinationId};
use tfx_service::ProblemResponse;
use tokio::sync::Semaphore;

/// Probes that people ask for at the same time; whoever comes beyond is told to come again.
const AT_ONCE: usize = 16;

/// What probing by hand needs.
#[derive(Clone)]
pub(crate) struct Manual {
    probes: Arc<Probes>,
    live: Arc<Live>,
    room: Arc<Semaphore>,
}

impl Manual {
    pub(crate) fn new(probes: Arc<Probes>, live: Arc<Live>) -> Self {
        Self { probes, live, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// Probes a destination, whatever its status.
pub(crate) async fn check(
    State(manual): State<Manual>,
    Path(id): Path<String>,
) -> Result<Json<DestinationHealth>, ProblemResponse> {
    let unknown = || {
        ProblemResponse::not_found(format!(
            "traffic-service knows no destination {id} with a health check; a change takes up to two seconds to get there"
        ))
    };
    let target = id.parse::<DestinationId>().ok().and_then(|id| {
        let snapshot = manual.live.owned()?;
        Target::of(snapshot.destination(&id)?)
    });
    let target = target.ok_or_else(unknown)?;
    let Ok(_room) = manual.room.try_acquire() else {
        let detail = format!("{AT_ONCE} probes that were asked for are under way; try again in a moment");
        return Err(ProblemResponse::new(StatusCode::TOO_MANY_REQUESTS, "too_many_probes", detail));
    };
    let before = manual.probes.store.of(std::slice::from_ref(&target.id)).await?;
    Ok(Json(manual.probes.probe(&target, before.first()).await?))
}
