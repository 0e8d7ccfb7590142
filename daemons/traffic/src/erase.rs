//! What an erasure asks of traffic-service: `POST /internal/stored-address` tells in which forms an address may be stored,
//! `POST /internal/visitors/forget` forgets people, in memory and in `visitors.seen`.

use crate::click::{Clicks, unknown};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::net::IpAddr;
use tfx_domain::id::VisitorId;
use tfx_service::ProblemResponse;

/// An address of somebody.
#[derive(Deserialize)]
pub(crate) struct Address {
    address: IpAddr,
}

/// How it may be stored.
#[derive(Serialize)]
pub(crate) struct Forms {
    forms: Vec<SmolStr>,
    /// The leading bits that one of them has in common with others' addresses, if any has.
    shared_bits: Option<u8>,
}

pub(crate) async fn stored_address(
    State(clicks): State<Clicks>,
    Json(asked): Json<Address>,
) -> Result<Json<Forms>, ProblemResponse> {
    let identity = clicks.traffic.identity.load();
    let identity = identity.as_ref().ok_or_else(unknown)?;
    let (forms, shared_bits) = (identity.stored_forms(asked.address), identity.shared_bits(asked.address));
    Ok(Json(Forms { forms, shared_bits }))
}

/// Whom to forget.
#[derive(Deserialize)]
pub(crate) struct People {
    visitors: Vec<VisitorId>,
}

/// How much was known of them.
#[derive(Serialize)]
pub(crate) struct Forgotten {
    entries: usize,
}

pub(crate) async fn forget(
    State(clicks): State<Clicks>,
    Json(People { visitors }): Json<People>,
) -> Result<Json<Forgotten>, ProblemResponse> {
    let snapshot = clicks.traffic.live.owned().ok_or_else(unknown)?;
    let entries = clicks.traffic.memory.forget(&visitors, &snapshot);
    tfx_memory::save_visitors(&clicks.traffic.memory, clicks.visitors_file.to_path_buf()).await;
    Ok(Json(Forgotten { entries }))
}
