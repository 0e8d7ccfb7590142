//! `POST /internal/probe/{destination}` probes one now, which counts like any other probe if it is active; `GET /internal/probes` tells
//! which this service had to put off.

use super::{
    Probes,
    probe::{Counts, Target, Tried},
    rate::Rate,
};
use crate::snapshot::Live;
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use http::StatusCode;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_api::health::PutOffs;
use tfx_domain::{health::DestinationHealth, id::DestinationId};
use tfx_outbound::Failure;
use tfx_service::ProblemResponse;
use tokio::sync::Semaphore;

/// Probes that people ask for at the same time; whoever comes beyond is told to come again.
const AT_ONCE: usize = 16;
/// Probes of one destination that people may ask for at once, and how often after that.
const OF_ONE: (u32, Duration) = (5, Duration::from_secs(2));
/// The same of all destinations together.
const OF_ALL: (u32, Duration) = (200, Duration::from_millis(20));
/// Longest wait for a turn: somebody waits for the answer.
const WAIT: Duration = Duration::from_secs(4);

/// What probing by hand needs.
#[derive(Clone)]
pub(crate) struct Manual(Arc<Inner>);

struct Inner {
    probes: Arc<Probes>,
    live: Arc<Live>,
    room: Semaphore,
    of_one: Rate<DestinationId>,
    of_all: Rate<()>,
    late_after: Duration,
}

impl Manual {
    /// `late_after`: what was put off longer ago is told no more.
    pub(crate) fn new(probes: Arc<Probes>, live: Arc<Live>, late_after: Duration) -> Self {
        let (of_one, of_all) = (Rate::new(OF_ONE.0, OF_ONE.1), Rate::new(OF_ALL.0, OF_ALL.1));
        Self(Arc::new(Inner { probes, live, room: Semaphore::new(AT_ONCE), of_one, of_all, late_after }))
    }

    /// The routes, for operators.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/internal/probe/{destination}", post(check))
            .route("/internal/probes", get(put_off))
            .with_state(self.clone())
    }
}

async fn put_off(State(Manual(manual)): State<Manual>) -> Json<PutOffs> {
    let (items, late_after_s) = (manual.probes.put_off.told(manual.late_after), manual.late_after.as_secs());
    Json(PutOffs { items, late_after_s: Some(late_after_s) })
}

/// Probes a destination, whatever its status; of one that is not active it is only told.
async fn check(
    State(Manual(manual)): State<Manual>,
    Path(id): Path<String>,
) -> Result<Json<DestinationHealth>, ProblemResponse> {
    let unknown = || {
        ProblemResponse::not_found(format!(
            "traffic-service knows no destination {id} with a health check; a change takes up to two seconds to get there"
        ))
    };
    let target = id.parse::<DestinationId>().ok().and_then(|id| {
        let snapshot = manual.live.owned()?;
        let plan = snapshot.destination(&id)?;
        // Of what nobody watches nothing is kept: it would count when it is resumed.
        let counts = if plan.is_watched() { Counts::Yes } else { Counts::No };
        Some((Target::of(plan)?, counts))
    });
    let (target, counts) = target.ok_or_else(unknown)?;
    let Ok(_room) = manual.room.try_acquire() else {
        return Err(too_many(format!("{AT_ONCE} probes that were asked for are under way"), Duration::ZERO));
    };
    let now = Instant::now();
    let (one, all) = (OF_ONE.1.as_secs(), OF_ALL.1.as_millis());
    manual.of_one.take(target.id.clone(), now).map_err(|wait| {
        too_many(format!("a destination is probed by hand every {one} s, {} at once", OF_ONE.0), wait)
    })?;
    manual.of_all.take((), now).map_err(|wait| {
        too_many(format!("destinations are probed by hand every {all} ms, {} at once", OF_ALL.0), wait)
    })?;
    let before = manual.probes.store.of(std::slice::from_ref(&target.id)).await?;
    match manual.probes.probe(&target, before.first(), WAIT, counts).await? {
        Tried::Probed(health) => Ok(Json(*health)),
        Tried::PutOff(why @ Failure::Busy { .. }, _) => Err(too_many(why.to_string(), Duration::ZERO)),
        Tried::PutOff(why, _) => Err(ProblemResponse::new(
            StatusCode::CONFLICT,
            "cannot_probe",
            format!("traffic-service cannot probe, which is no fault of the destination: {why}"),
        )),
    }
}

/// 429, to come again after whole seconds, one at least.
fn too_many(why: String, wait: Duration) -> ProblemResponse {
    ProblemResponse::too_many("too_many_probes", why, wait)
}
