//! How the destinations of a stream stand for a click, for people who ask why it goes where it goes. Decides nothing:
//! it asks what the choice asks.

use super::{
    Counters, DestinationPlan, Health, NoCandidate, Roi, Snapshot, StreamPlan, Visitor,
    candidates::{CandidateCheck, roi_shares},
};
use crate::{
    Timestamp,
    entity::{Bind, Select},
};
use serde::{Deserialize, Serialize};

/// How a destination stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Standing {
    /// Its id.
    pub destination: String,
    /// As the stream says.
    pub weight: u32,
    /// The part of the clicks of new visitors that it gets, 0 to 1; none if it is no candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Its place by return on investment, from 1, under `select: roi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Whether this visitor is bound to it.
    pub bound: bool,
    /// Why it is no candidate, as in events; empty if it is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why_not: String,
    /// Whether it is down, and a candidate nevertheless.
    #[serde(skip_serializing_if = "is_false")]
    pub health_ignored: bool,
    /// Its caps, and what is used of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<CapState>,
    /// When it takes clicks, if not always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleState>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(mark: &bool) -> bool {
    !*mark
}

/// A cap and its use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CapState {
    /// `clicks_daily`, `clicks_total`, `conversions_daily` or `conversions_total`.
    pub cap: String,
    /// How much is used.
    pub used: u64,
    /// Of how much.
    pub limit: u64,
}

/// A schedule at the time of the click.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScheduleState {
    /// The zone of its hours.
    pub timezone: String,
    /// When it takes clicks.
    pub windows: Vec<String>,
    /// What the clocks there say: `Mon 14:05`.
    pub local: String,
    /// Whether that is inside.
    pub open: bool,
}

/// How each destination of the stream stands for this visitor now, in the stream's order; `ignore_health`: what is down
/// may be a candidate, as in [`Decision::health_ignored`](super::Decision::health_ignored).
pub fn standings<C: Counters>(
    snapshot: &Snapshot,
    stream: &StreamPlan,
    visitor: &Visitor,
    now: Timestamp,
    counters: &C,
    ignore_health: bool,
) -> Vec<Standing> {
    let check = CandidateCheck { snapshot, visitor, now, counters, ignore_health };
    let spec = &stream.stream.spec;
    let binds = spec.bind == Bind::Destination && visitor.counts();
    let bound = binds.then(|| counters.bound_destination(visitor.id, &stream.stream.id)).flatten();
    let mut all: Vec<Standing> = Vec::with_capacity(spec.destinations.len());
    for listed in &spec.destinations {
        let id = &listed.destination;
        let is_bound = bound.as_ref() == Some(id);
        let why_not = match check.candidate(id) {
            Err(why) => Some(why),
            Ok(_) if spec.select == Select::Weight && listed.weight == 0 && !is_bound => {
                Some(NoCandidate::WeightZero)
            }
            Ok(_) => None,
        };
        let plan = snapshot.destination(id);
        all.push(Standing {
            destination: id.to_string(),
            weight: listed.weight,
            bound: is_bound,
            health_ignored: why_not.is_none() && counters.health(id) == Health::Down,
            why_not: why_not.map(|why| why.as_str().to_owned()).unwrap_or_default(),
            caps: plan.map(|plan| caps(plan, now, counters)).unwrap_or_default(),
            schedule: plan.and_then(|plan| schedule(plan, now)),
            ..Standing::default()
        });
    }
    share_out(spec.select, counters, stream, &mut all);
    all
}

/// The shares of those that are candidates for a new visitor.
fn share_out<C: Counters>(select: Select, counters: &C, stream: &StreamPlan, all: &mut [Standing]) {
    let listed = &stream.stream.spec.destinations;
    let candidates: Vec<usize> = (0..all.len()).filter(|i| all[*i].why_not.is_empty()).collect();
    match select {
        Select::Position => {
            for (n, i) in candidates.into_iter().enumerate() {
                all[i].share = Some(if n == 0 { 1.0 } else { 0.0 });
            }
        }
        Select::Weight => {
            let total: u64 = candidates.iter().map(|i| u64::from(all[*i].weight)).sum();
            for i in candidates {
                let weight = f64::from(all[i].weight);
                #[expect(clippy::cast_precision_loss, reason = "a sum of at most 200 weights of a million")]
                let part = if total > 0 { weight / total as f64 } else { 0.0 };
                all[i].share = Some(part);
            }
        }
        Select::Roi => {
            let brought: Vec<Roi> = candidates
                .iter()
                .map(|i| counters.roi(&listed[*i].destination).unwrap_or_default())
                .collect();
            let (shares, scores) = roi_shares(&brought);
            for ((i, share), score) in candidates.into_iter().zip(shares).zip(&scores) {
                all[i].share = Some(share);
                all[i].rank = Some(1 + scores.iter().filter(|other| *other > score).count());
            }
        }
    }
}

/// The caps of a destination and what is used of each.
pub fn caps<C: Counters>(plan: &DestinationPlan, now: Timestamp, counters: &C) -> Vec<CapState> {
    let Some(caps) = &plan.destination.spec.caps else { return Vec::new() };
    let used = counters.cap_use(&plan.destination.id, &plan.cap_zone, now);
    let all = [
        ("clicks_daily", used.clicks_daily, caps.clicks_daily),
        ("clicks_total", used.clicks_total, caps.clicks_total),
        ("conversions_daily", used.conversions_daily, caps.conversions_daily),
        ("conversions_total", used.conversions_total, caps.conversions_total),
    ];
    let set = all.into_iter().filter_map(|(cap, used, limit)| Some((cap, used, limit?)));
    set.map(|(cap, used, limit)| CapState { cap: cap.to_owned(), used, limit }).collect()
}

fn schedule(plan: &DestinationPlan, now: Timestamp) -> Option<ScheduleState> {
    let spec = plan.destination.spec.schedule.as_ref()?;
    let table = plan.schedule.as_ref()?;
    Some(ScheduleState {
        timezone: spec.timezone.clone(),
        windows: spec.windows.clone(),
        local: table.local(now).strftime("%a %H:%M").to_string(),
        open: table.contains(now),
    })
}
