//! Events in plain lists, and what a store must say of them.

use crate::analytics::{ClickQuery, LastVisit, PostbackQuery};
use std::collections::{BTreeMap, BTreeSet};
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, ConversionEvent, Event, Outcome, PostbackLogEvent},
    id::{ClickId, ConversionId, DestinationId, StreamId},
    postback::ConversionStatus,
    routing::{CapUse, RequestKind},
};

/// Every event once: a conversion in its highest version.
#[derive(Default)]
pub(super) struct Plain {
    pub(super) clicks: BTreeMap<ClickId, ClickEvent>,
    pub(super) conversions: BTreeMap<ConversionId, ConversionEvent>,
    pub(super) postbacks: BTreeMap<ClickId, PostbackLogEvent>,
}

/// What a request on a tracking link counts as: one of four.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hit {
    Click,
    Bot,
    Prefetch,
    Trafficback,
}

pub(super) fn hit(click: &ClickEvent) -> Hit {
    match (click.request, click.dims.is_bot, click.outcome) {
        (RequestKind::Prefetch | RequestKind::Head, ..) => Hit::Prefetch,
        (RequestKind::Visit, true, _) => Hit::Bot,
        (RequestKind::Visit, false, Outcome::Routed) => Hit::Click,
        (RequestKind::Visit, false, Outcome::Trafficback | Outcome::NotFound | Outcome::Loop) => {
            Hit::Trafficback
        }
    }
}

fn within(at: Timestamp, since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
    since.is_none_or(|s| at >= s) && until.is_none_or(|u| at < u)
}

impl Plain {
    pub(super) fn take(&mut self, event: Event) {
        match event {
            Event::Click(c) => drop(self.clicks.insert(c.click_id, *c)),
            Event::Conversion(c) => {
                let there = self.conversions.entry(c.conversion_id.clone()).or_insert_with(|| (*c).clone());
                if c.version > there.version {
                    *there = *c;
                }
            }
            Event::PostbackLog(p) => drop(self.postbacks.insert(p.id, *p)),
            Event::Health(_) => {}
        }
    }

    /// Newest first.
    pub(super) fn clicks(&self, query: &ClickQuery) -> Vec<&ClickEvent> {
        let asked = |c: &&ClickEvent| {
            within(c.click_id.timestamp(), query.since, query.until)
                && query.campaign.as_ref().is_none_or(|id| c.dims.campaign_id.as_ref() == Some(id))
                && query.visitor.is_none_or(|v| c.visitor_id == v)
                && query.test.takes(c.dims.test)
                && query.unrouted.is_none_or(|u| u == (c.outcome != Outcome::Routed))
        };
        self.clicks.values().rev().filter(asked).collect()
    }

    /// Newest first.
    pub(super) fn postbacks(&self, query: &PostbackQuery) -> Vec<&PostbackLogEvent> {
        let asked = |p: &&PostbackLogEvent| {
            within(p.id.timestamp(), query.since, query.until)
                && query.network.as_ref().is_none_or(|n| p.network == n)
                && query.test.takes(p.test)
                && query.result.is_none_or(|r| p.result == r)
                && query.direction.is_none_or(|d| p.direction == d)
        };
        self.postbacks.values().rev().filter(asked).collect()
    }

    fn visits(&self, since: Option<Timestamp>) -> impl DoubleEndedIterator<Item = &ClickEvent> {
        self.clicks
            .values()
            .filter(move |c| hit(c) == Hit::Click && within(c.click_id.timestamp(), since, None))
    }

    pub(super) fn cap_use(&self, destination: &DestinationId, day_start: Timestamp) -> CapUse {
        let clicks = |since| {
            self.visits(since).filter(|c| c.dims.destination_id.as_ref() == Some(destination)).count() as u64
        };
        let conversions = |since| {
            let counts = |c: &&ConversionEvent| {
                c.dims.destination_id.as_ref() == Some(destination)
                    && c.conversion_status != ConversionStatus::Rejected
                    && within(c.created_at, since, None)
            };
            self.conversions.values().filter(counts).count() as u64
        };
        CapUse {
            clicks_daily: clicks(Some(day_start)),
            clicks_total: clicks(None),
            conversions_daily: conversions(Some(day_start)),
            conversions_total: conversions(None),
        }
    }

    pub(super) fn stream_clicks(&self, stream: &StreamId, since: Option<Timestamp>) -> u64 {
        self.visits(since).filter(|c| c.dims.stream_id.as_ref() == Some(stream)).count() as u64
    }

    /// All of them, the latest first.
    pub(super) fn seen_since(&self, since: Timestamp) -> Vec<LastVisit> {
        let mut known = BTreeSet::new();
        let mut seen = Vec::new();
        for click in self.visits(Some(since)).rev() {
            let (Some(campaign), Some(stream)) = (&click.dims.campaign_id, &click.dims.stream_id) else {
                continue;
            };
            let decided_by = click.dims.decided_by().unwrap_or(campaign);
            let destination = &click.dims.destination_id;
            let handed_over = handed_over_by(click);
            let way = (click.visitor_id, campaign, handed_over.clone(), decided_by, stream, destination);
            if known.insert(way) {
                seen.push(LastVisit {
                    visitor: click.visitor_id,
                    campaign: campaign.clone(),
                    handed_over,
                    decided_by: decided_by.clone(),
                    stream: stream.clone(),
                    destination: destination.clone(),
                    at: click.click_id.timestamp(),
                });
            }
        }
        seen
    }
}

/// The streams that handed a click over, in order; none where the link's campaign decided.
fn handed_over_by(click: &ClickEvent) -> Vec<StreamId> {
    let other = click.dims.decided_by() != click.dims.campaign_id.as_ref();
    let handed = click.passed.iter().filter(|p| other && p.handed_over());
    handed.map(|p| p.stream_id.clone()).collect()
}
