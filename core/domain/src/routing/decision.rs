//! What was decided, and why everything asked before was passed over.

use super::{CampaignPlan, DestinationPlan, ParamNames, Scope, StreamPlan, Visitor, candidates::seen_within};
use crate::{Timestamp, event::PassedStream, id::CampaignId, macros::UrlTemplate};
use std::fmt;

/// The decision about one click.
#[derive(Debug)]
pub struct Decision<'s> {
    /// The campaign of the link that was clicked on, which bears the click; none if the slug is unknown.
    pub campaign: Option<&'s CampaignPlan>,
    /// The campaign that decided: that of the link, or the last to which the click was handed over.
    pub decided_by: Option<&'s CampaignPlan>,
    /// Campaigns that handed the click over before it came to `decided_by`; that of the link comes first.
    pub handed_over: Vec<&'s CampaignId>,
    /// What happens to the click.
    pub taken: Resolution<'s>,
    /// Every stream that was asked and did not take the click, in the order asked.
    pub passed: Vec<Passed<'s>>,
    /// True when no stream took the click at first, and those that health kept from it were asked again with health
    /// ignored, as the campaign that decided wants it (`all_down: ignore_health`). They stand in `passed` from before.
    pub health_ignored: bool,
}

impl<'s> Decision<'s> {
    /// What the parameters of the link are called: as the source of the campaign that was clicked on calls them.
    pub fn names(&self) -> &'s ParamNames {
        self.campaign.map_or(ParamNames::usual(), |c| &c.names)
    }

    /// The campaign that decided, if it is not the one that was clicked on.
    pub fn other(&self) -> Option<&'s CampaignPlan> {
        self.decided_by.filter(|d| self.campaign.is_some_and(|c| c.campaign.id != d.campaign.id))
    }

    /// The stream that took the click, and where it goes.
    pub fn taker(&self) -> (Option<&'s StreamPlan>, Option<&'s DestinationPlan>) {
        match self.taken {
            Resolution::Stream { stream, destination, .. } => (Some(stream), destination),
            Resolution::Trafficback { .. } | Resolution::NotFound | Resolution::Loop => (None, None),
        }
    }

    /// Every stream that used the click: those that handed it over, in order, then the one that took it. These
    /// are the streams whose clicks are counted and, if they bind, to which a person's visit is bound (each in
    /// its own campaign).
    pub fn took(&self) -> impl Iterator<Item = &'s StreamPlan> + '_ {
        let handed = self.passed.iter().filter(|p| matches!(p.reason, Reason::HandedOver)).map(|p| p.stream);
        handed.chain(self.taker().0)
    }

    /// Where the visitor is new, by when he was last seen in each scope before this click.
    pub fn unique(
        &self,
        visitor: &Visitor,
        now: Timestamp,
        last_seen: impl Fn(Scope<'_>) -> Option<Timestamp>,
    ) -> Unique {
        let (Some(link), Some(decided_by)) = (self.campaign, self.decided_by) else {
            return Unique::default();
        };
        let (true, (Some(stream), destination)) = (visitor.counts(), self.taker()) else {
            return Unique::default();
        };
        let new = |scope, campaign: &CampaignPlan| {
            !seen_within(last_seen(scope), now, campaign.campaign.spec.unique_window_s)
        };
        Unique {
            campaign: new(Scope::Campaign(&link.campaign.id), link),
            stream: new(Scope::Stream(&stream.stream.id), decided_by),
            destination: destination.is_some_and(|d| new(Scope::Destination(&d.destination.id), decided_by)),
        }
    }
}

/// What happens to a click.
#[derive(Debug, Clone, Copy)]
pub enum Resolution<'s> {
    /// A stream took it.
    Stream {
        /// The stream that took it.
        stream: &'s StreamPlan,
        /// Where it goes, for an action that goes anywhere.
        destination: Option<&'s DestinationPlan>,
        /// True when the visitor was sent where he was bound to rather than drawn.
        bound: bool,
    },
    /// No stream took it; it goes to a trafficback URL.
    Trafficback {
        /// The campaign's or the global one.
        url: &'s UrlTemplate,
    },
    /// No stream took it and there is no trafficback URL: 404.
    NotFound,
    /// It came back too often, or its trafficback URL is one of our own: 508.
    Loop,
}

/// Whether the visitor is new in each scope. Bots, prefetches and HEAD are new nowhere, nor is whom no stream took. For
/// stream and destination the window of the campaign that decided counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unique {
    /// In the campaign of the link, within that one's window, whoever decided.
    pub campaign: bool,
    /// In the stream that took the click.
    pub stream: bool,
    /// At the destination.
    pub destination: bool,
}

/// A stream that did not take the click.
#[derive(Debug)]
pub struct Passed<'s> {
    /// The stream that was asked.
    pub stream: &'s StreamPlan,
    /// Why it did not take the click.
    pub reason: Reason<'s>,
}

/// Why a stream did not take a click.
#[derive(Debug)]
pub enum Reason<'s> {
    /// It is paused or archived.
    Inactive,
    /// This filter did not pass (with `match: any`, the last of them).
    Filter {
        /// Index in `filters`.
        index: usize,
        /// The field that the filter asks for.
        field: &'s str,
    },
    /// Its weight is 0 and the visitor is not bound to it.
    WeightZero,
    /// None of its destinations is a candidate; why, for each in order.
    NoCandidate(Vec<(&'s str, NoCandidate)>),
    /// It hands over to a campaign that is unknown, inactive or already visited, or the sixth in a row.
    HandOver,
    /// It handed the click over; the streams that follow are those of the other campaign.
    HandedOver,
}

/// Why a destination is no candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCandidate {
    /// It does not exist (any more).
    Missing,
    /// It is paused or archived.
    Inactive,
    /// Outside its schedule.
    Schedule,
    /// Its health check says down.
    Unhealthy,
    /// A cap is reached.
    Capped,
    /// The visitor saw it within its anti-repeat window.
    Repeat,
    /// Its weight is 0 and the visitor is not bound to it.
    WeightZero,
}

impl Reason<'_> {
    /// Whether a destination would perhaps have taken the click if it were not down.
    pub(super) fn is_health(&self) -> bool {
        matches!(self, Self::NoCandidate(all) if all.iter().any(|(_, why)| *why == NoCandidate::Unhealthy))
    }
}

impl NoCandidate {
    /// The word used in events and explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Inactive => "inactive",
            Self::Schedule => "schedule",
            Self::Unhealthy => "unhealthy",
            Self::Capped => "capped",
            Self::Repeat => "repeat",
            Self::WeightZero => "weight_zero",
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inactive => f.write_str("inactive"),
            Self::Filter { index, field } => write!(f, "filter[{index}] {field}"),
            Self::WeightZero => f.write_str("weight_zero"),
            Self::NoCandidate(reasons) => {
                f.write_str("no_candidate")?;
                for (destination, why) in reasons {
                    write!(f, " {destination}={}", why.as_str())?;
                }
                Ok(())
            }
            Self::HandOver => f.write_str("hand_over"),
            Self::HandedOver => f.write_str(PassedStream::HANDED_OVER),
        }
    }
}
