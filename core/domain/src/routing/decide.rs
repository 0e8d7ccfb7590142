//! The algorithm. `docs/routing.md` tells it in words.

use super::{
    CampaignPlan, Counters, Decision, DestinationPlan, Passed, Reason, Resolution, Snapshot, StreamPlan,
    Visitor,
    candidates::{CandidateCheck, choose},
    filter::Facts,
    params::ParamNames,
};
use crate::{
    Timestamp,
    entity::{Action, AllDown, Bind, MatchMode, Rotation, Status},
    id::CampaignId,
};
use rand::{Rng, RngExt};

/// How often one click may be handed over from campaign to campaign.
const MAX_HAND_OVERS: usize = 5;

/// Decides what happens to a click on `slug`.
pub fn decide<'s>(
    snapshot: &'s Snapshot,
    slug: &str,
    visitor: &Visitor,
    now: Timestamp,
    counters: &impl Counters,
    rng: &mut impl Rng,
) -> Decision<'s> {
    let entry = snapshot.campaign(slug);
    let mut decision = Decision {
        campaign: entry,
        decided_by: entry,
        handed_over: Vec::new(),
        taken: Resolution::Loop,
        passed: Vec::new(),
        health_ignored: false,
    };
    if visitor.hops > snapshot.max_hops {
        return decision;
    }
    let Some(entry) = entry.filter(|c| c.campaign.spec.status == Status::Active) else {
        decision.taken = trafficback(snapshot, None);
        return decision;
    };
    let mut routing = Routing {
        check: CandidateCheck { snapshot, visitor, now, counters, ignore_health: false },
        names: &entry.names,
        campaign: entry,
        handed_over: Vec::new(),
        passed: Vec::new(),
        kept_by_health: Vec::new(),
    };
    let taken = loop {
        match routing.ask_campaign(rng) {
            Some(Step::Take { stream, destination, bound }) => {
                break Resolution::Stream { stream, destination, bound };
            }
            Some(Step::HandOver { stream, to }) => {
                routing.passed.push(Passed { stream, reason: Reason::HandedOver });
                routing.handed_over.push(&routing.campaign.campaign.id);
                routing.campaign = to;
            }
            None => break trafficback(snapshot, Some(routing.campaign)),
        }
    };
    decision.decided_by = Some(routing.campaign);
    decision.handed_over = routing.handed_over;
    decision.passed = routing.passed;
    decision.health_ignored = routing.check.ignore_health;
    decision.taken = taken;
    decision
}

/// The campaign's own trafficback, else the global one.
fn trafficback<'s>(snapshot: &'s Snapshot, campaign: Option<&'s CampaignPlan>) -> Resolution<'s> {
    match campaign.and_then(|c| c.trafficback.as_ref()).or(snapshot.trafficback.as_ref()) {
        Some(t) if t.own => Resolution::Loop,
        Some(t) => Resolution::Trafficback { url: &t.url },
        None => Resolution::NotFound,
    }
}

/// What a stream does with a click.
enum Step<'s> {
    Take { stream: &'s StreamPlan, destination: Option<&'s DestinationPlan>, bound: bool },
    HandOver { stream: &'s StreamPlan, to: &'s CampaignPlan },
}

/// One click on its way through the streams.
struct Routing<'s, 'a, C> {
    check: CandidateCheck<'s, 'a, C>,
    /// Of the campaign that was clicked on, whose source wrote the link.
    names: &'s ParamNames,
    campaign: &'s CampaignPlan,
    handed_over: Vec<&'s CampaignId>,
    passed: Vec<Passed<'s>>,
    /// The streams that are asked once more, with health ignored; the others say what they said.
    kept_by_health: Vec<&'s StreamPlan>,
}

impl<'s, C: Counters> Routing<'s, '_, C> {
    fn ask_campaign(&mut self, rng: &mut impl Rng) -> Option<Step<'s>> {
        let asked_before = self.passed.len();
        self.ask_streams(rng).or_else(|| self.ask_without_health(asked_before, rng))
    }

    /// Asks the streams of this campaign again that health may have kept from taking the click, if it wants that.
    /// None of them hands over: those that do have been asked, and do not look at health.
    fn ask_without_health(&mut self, asked_before: usize, rng: &mut impl Rng) -> Option<Step<'s>> {
        if self.campaign.campaign.spec.all_down != AllDown::IgnoreHealth {
            return None;
        }
        let by_health = self.passed[asked_before..].iter().filter(|p| p.reason.is_health());
        self.kept_by_health = by_health.map(|p| p.stream).collect();
        if self.kept_by_health.is_empty() {
            return None;
        }
        self.check.ignore_health = true;
        self.ask_streams(rng)
    }

    /// Whether the stream is asked in this round.
    fn is_asked(&self, stream: &StreamPlan) -> bool {
        !self.check.ignore_health || self.kept_by_health.iter().any(|s| std::ptr::eq(*s, stream))
    }

    fn ask_streams(&mut self, rng: &mut impl Rng) -> Option<Step<'s>> {
        let campaign = self.campaign;
        self.in_order(campaign.forced(), rng)
            .or_else(|| match campaign.campaign.spec.rotation {
                Rotation::Position => self.in_order(campaign.regular(), rng),
                Rotation::Weight => self.by_weight(campaign.regular(), rng),
            })
            .or_else(|| self.in_order(campaign.defaults(), rng))
    }

    fn in_order(&mut self, streams: &'s [StreamPlan], rng: &mut impl Rng) -> Option<Step<'s>> {
        streams.iter().find_map(|stream| self.ask(stream, false, rng))
    }

    /// The bound stream first; then draws among the others until one takes the click.
    fn by_weight(&mut self, streams: &'s [StreamPlan], rng: &mut impl Rng) -> Option<Step<'s>> {
        let bound = self.bound_stream(streams).filter(|s| self.is_asked(s));
        if let Some(stream) = bound
            && let Some(step) = self.ask(stream, true, rng)
        {
            return Some(step);
        }
        let mut rest: Vec<&'s StreamPlan> = Vec::with_capacity(streams.len());
        let mut total = 0;
        for stream in streams.iter().filter(|s| !bound.is_some_and(|b| std::ptr::eq(b, *s))) {
            if !self.is_asked(stream) {
                continue;
            }
            if stream.stream.spec.status != Status::Active {
                self.passed.push(Passed { stream, reason: Reason::Inactive });
            } else if stream.stream.spec.weight == 0 {
                self.passed.push(Passed { stream, reason: Reason::WeightZero });
            } else {
                total += u64::from(stream.stream.spec.weight);
                rest.push(stream);
            }
        }
        while total > 0 {
            let mut left = rng.random_range(0..total);
            let drawn =
                rest.iter().position(|s| match left.checked_sub(u64::from(s.stream.spec.weight)) {
                    Some(less) => {
                        left = less;
                        false
                    }
                    None => true,
                })?;
            let stream = rest.swap_remove(drawn);
            total -= u64::from(stream.stream.spec.weight);
            if let Some(step) = self.ask(stream, false, rng) {
                return Some(step);
            }
        }
        None
    }

    /// The stream this person is bound to, as long as it binds.
    fn bound_stream(&self, streams: &'s [StreamPlan]) -> Option<&'s StreamPlan> {
        let CandidateCheck { visitor, counters, .. } = &self.check;
        if !self.campaign.binds || !visitor.counts() {
            return None;
        }
        let id = counters.bound_stream(visitor.id, &self.campaign.campaign.id)?;
        streams.iter().find(|s| s.stream.id == id && s.stream.spec.bind != Bind::None)
    }

    /// Asks one stream; why it does not take the click is kept.
    fn ask(&mut self, stream: &'s StreamPlan, bound: bool, rng: &mut impl Rng) -> Option<Step<'s>> {
        if !self.is_asked(stream) {
            return None;
        }
        match self.try_stream(stream, bound, rng) {
            Ok(step) => Some(step),
            Err(reason) => {
                self.passed.push(Passed { stream, reason });
                None
            }
        }
    }

    fn try_stream(
        &self,
        stream: &'s StreamPlan,
        bound: bool,
        rng: &mut impl Rng,
    ) -> Result<Step<'s>, Reason<'s>> {
        let spec = &stream.stream.spec;
        if spec.status != Status::Active {
            return Err(Reason::Inactive);
        }
        if let Some(index) = self.refusing_filter(stream) {
            return Err(Reason::Filter { index, field: &spec.filters[index].field });
        }
        if let Action::Campaign { campaign } = &spec.action {
            let to = self.hand_over(campaign).ok_or(Reason::HandOver)?;
            return Ok(Step::HandOver { stream, to });
        }
        if !spec.action.needs_destination() {
            return Ok(Step::Take { stream, destination: None, bound });
        }
        let (destination, bound_there) = choose(&self.check, stream, rng)?;
        Ok(Step::Take { stream, destination: Some(destination), bound: bound || bound_there })
    }

    /// The first filter that does not pass; with `match: any`, the last one if none passes.
    fn refusing_filter(&self, stream: &StreamPlan) -> Option<usize> {
        let CandidateCheck { visitor, now, counters, .. } = self.check;
        let facts = Facts { visitor, names: self.names, now, counters, campaign: self.campaign, stream };
        match stream.stream.spec.match_mode {
            MatchMode::All => stream.filters.iter().position(|f| !f.passes(&facts)),
            MatchMode::Any if stream.filters.iter().any(|f| f.passes(&facts)) => None,
            MatchMode::Any => stream.filters.len().checked_sub(1),
        }
    }

    /// The campaign to go on with, unless it is a circle, too far, or not active.
    fn hand_over(&self, to: &CampaignId) -> Option<&'s CampaignPlan> {
        let been = *to == self.campaign.campaign.id || self.handed_over.contains(&to);
        if been || self.handed_over.len() >= MAX_HAND_OVERS {
            return None;
        }
        self.check.snapshot.campaign_by_id(to).filter(|c| c.campaign.spec.status == Status::Active)
    }
}
