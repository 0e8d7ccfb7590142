//! A request becomes a visitor, a decision and an event; nothing here knows routes.

use crate::{answer, snapshot::Live};
use arc_swap::ArcSwapOption;
use axum::response::Response;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, Outcome},
    id::{ClickId, StreamId},
    routing::{
        Click, Counters, Geo, Reason, RefusedCost, Snapshot, Standing, StreamPlan, Unique, Visitor, decide,
        standings,
    },
};
use tfx_events::Producer;
use tfx_memory::{Consumed, Memory};
use tfx_ports::{LogThrottle, entropy};
use tfx_service::{Strangers, metrics::Text};
use tfx_traces::Traces;
use tfx_visitor::{Facts, GeoReader, Identity, Request, UserAgents};

/// Everything a click needs, in memory.
pub(crate) struct Traffic {
    pub(crate) live: Arc<Live>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) agents: UserAgents,
    pub(crate) geo: Arc<GeoReader>,
    /// Who a visitor is; none until the key of the installation is known.
    pub(crate) identity: ArcSwapOption<Identity>,
    pub(crate) producer: Arc<Producer>,
    pub(crate) counted: Counted,
    /// How many requests for no campaign are recorded.
    pub(crate) strangers: Strangers,
    pub(crate) traces: Traces,
}

/// How the destinations of streams stand, by stream.
pub(crate) type Standings = BTreeMap<StreamId, Vec<Standing>>;

/// A decided click that is not recorded yet.
pub(crate) struct Decided<'t> {
    pub(crate) event: ClickEvent,
    pub(crate) response: Response,
    /// What a person's visit used up.
    pub(crate) consumed: Option<Consumed<'t>>,
}

/// What a click needs to be taken, as it is now.
pub(crate) struct RoutingState {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) identity: Arc<Identity>,
}

impl Traffic {
    /// What is known; none before there is a configuration, and a key by which visitors are told.
    pub(crate) fn known(&self) -> Option<RoutingState> {
        Some(RoutingState { snapshot: self.live.owned()?, identity: self.identity.load_full()? })
    }

    /// The visitor of a request. Waits only for a user agent that was never seen before.
    pub(crate) async fn visitor(
        &self,
        facts: &Facts<'_>,
        request: &Request<'_>,
        known: &RoutingState,
        geo: Arc<Geo>,
    ) -> Visitor {
        let agent = self.agents.of(facts.said).await;
        facts.visitor(request, &agent, geo, &known.identity, known.snapshot.header_names())
    }

    /// Decides, lets a person's visit use up what it uses up, and makes the answer and the event.
    pub(crate) fn click(
        &self,
        RoutingState { snapshot, identity }: &RoutingState,
        slug: &str,
        visitor: &Visitor,
        now: Timestamp,
    ) -> Decided<'_> {
        let decision = decide(snapshot, slug, visitor, now, &*self.memory, &mut entropy::generator());
        let id = ClickId::generate(now, entropy::random_u128());
        let (unique, consumed) = if visitor.counts() {
            let (unique, consumed) = self.memory.consume(id, visitor, &decision, now);
            (unique, Some(consumed))
        } else {
            (Unique::default(), None)
        };
        let ip = identity.kept(visitor.ip);
        let click = Click::new(snapshot, slug, visitor, &decision, id, now, ip);
        if let Some(refused) = click.refused_cost() {
            self.counted.refused_cost(refused);
        }
        let (response, answered) = answer::of(&click, identity);
        // What nobody has a campaign for leaves little.
        let event = match decision.campaign {
            Some(_) => click.event(unique, answered),
            None => click.short_event(answered),
        };
        Decided { event, response, consumed }
    }

    /// The event of a click that only might be, and how the destinations stood that were looked at: nothing is used up.
    pub(crate) fn suppose(
        &self,
        RoutingState { snapshot, identity }: &RoutingState,
        slug: &str,
        visitor: &Visitor,
        now: Timestamp,
        counters: &impl Counters,
        seed: Option<u64>,
    ) -> (ClickEvent, Standings) {
        let decision = match seed {
            Some(seed) => decide(snapshot, slug, visitor, now, counters, &mut entropy::seeded(seed)),
            None => decide(snapshot, slug, visitor, now, counters, &mut entropy::generator()),
        };
        let id = ClickId::generate(now, entropy::random_u128());
        let ip = identity.kept(visitor.ip);
        let click = Click::new(snapshot, slug, visitor, &decision, id, now, ip);
        let (_, answered) = answer::of(&click, identity);
        let unique = decision.unique(visitor, now, |scope| counters.last_seen(visitor.id, scope));
        let event = click.event(unique, answered);
        let looked = decision.passed.iter().filter(|p| matches!(p.reason, Reason::NoCandidate(_)));
        let taker = decision.taker();
        let taker = taker.0.filter(|_| taker.1.is_some());
        let decided_by = decision.decided_by.map(|campaign| &campaign.campaign.id);
        let stands = |stream: &StreamPlan| {
            let ignore = decision.health_ignored && decided_by == Some(&stream.stream.spec.campaign);
            (stream.stream.id.clone(), standings(snapshot, stream, visitor, now, counters, ignore))
        };
        let all = looked.map(|p| p.stream).chain(taker).map(stands).collect();
        (event, all)
    }
}

/// Clicks since the start.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    routed: AtomicU64,
    trafficback: AtomicU64,
    not_found: AtomicU64,
    loops: AtomicU64,
    refused: AtomicU64,
    costs_refused: AtomicU64,
    complaint: Mutex<LogThrottle>,
}

impl Counted {
    /// One that was recorded.
    pub(crate) fn recorded(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Routed => &self.routed,
            Outcome::Trafficback => &self.trafficback,
            Outcome::NotFound => &self.not_found,
            Outcome::Loop => &self.loops,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// One that was answered 503.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// One whose link says a cost that is none, told now and then.
    fn refused_cost(&self, refused: RefusedCost<'_>) {
        self.costs_refused.fetch_add(1, Relaxed);
        if self.complaint.lock().unwrap_or_else(PoisonError::into_inner).due() {
            let (source, parameter, value) = (refused.source, refused.parameter, refused.value());
            tracing::warn!(
                source,
                parameter,
                %value,
                "links say a cost that is no number of 0 to 100000; the campaign's cost counts instead"
            );
        }
    }

    pub(crate) fn write(&self, out: &mut Text) {
        let outcomes = [
            ("routed", &self.routed),
            ("trafficback", &self.trafficback),
            ("not_found", &self.not_found),
            ("loop", &self.loops),
        ];
        for (outcome, counter) in outcomes {
            let labels = [("outcome", outcome)];
            out.counter("tfx_clicks_total", "Clicks recorded, by outcome", &labels, counter.load(Relaxed));
        }
        let refused = self.refused.load(Relaxed);
        out.counter("tfx_clicks_refused_total", "Clicks answered 503: not recorded", &[], refused);
        let costs = self.costs_refused.load(Relaxed);
        out.counter(
            "tfx_click_costs_refused_total",
            "Clicks whose link says a cost that is none",
            &[],
            costs,
        );
    }
}
