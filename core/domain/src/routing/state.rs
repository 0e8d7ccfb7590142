//! What routing asks about the past: bindings, uniqueness, health, caps, ROI.

use crate::{
    Timestamp,
    id::{CampaignId, DestinationId, StreamId, VisitorId},
};
use serde::{Deserialize, Serialize};

/// Within what a visitor may be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope<'a> {
    /// In this campaign.
    Campaign(&'a CampaignId),
    /// In this stream.
    Stream(&'a StreamId),
    /// At this destination.
    Destination(&'a DestinationId),
}

/// Whether a destination answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Never probed; counts as healthy.
    #[default]
    Unknown,
    /// Its probes say that it answers.
    Up,
    /// Its probes say that it does not answer as it should.
    Down,
}

impl Health {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What has been used of a destination's caps, in its own time zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CapUse {
    /// Clicks today.
    pub clicks_daily: u64,
    /// Clicks ever.
    pub clicks_total: u64,
    /// Conversions today.
    pub conversions_daily: u64,
    /// Conversions ever.
    pub conversions_total: u64,
}

/// What a destination brought over the ROI window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Roi {
    /// Clicks it got.
    pub clicks: u64,
    /// Revenue, in one currency for all destinations.
    pub revenue: f64,
    /// Cost, in the same currency.
    pub cost: f64,
}

/// What happened before, from memory: every answer is immediate.
///
/// Answers may be a little old (caps lag by their cache's age); they are never waited for.
pub trait Counters {
    /// The stream this visitor is bound to in that campaign.
    fn bound_stream(&self, visitor: VisitorId, campaign: &CampaignId) -> Option<StreamId>;
    /// The destination this visitor is bound to in that stream.
    fn bound_destination(&self, visitor: VisitorId, stream: &StreamId) -> Option<DestinationId>;
    /// When this visitor was last seen in that scope.
    fn last_seen(&self, visitor: VisitorId, scope: Scope<'_>) -> Option<Timestamp>;
    /// Whether the destination answers.
    fn health(&self, destination: &DestinationId) -> Health;
    /// What has been used of the destination's caps at `now`, its day being that of `timezone`.
    fn cap_use(&self, destination: &DestinationId, timezone: &jiff::tz::TimeZone, now: Timestamp) -> CapUse;
    /// Clicks the stream took since `since`; `None` asks for all.
    fn stream_clicks(&self, stream: &StreamId, since: Option<Timestamp>) -> u64;
    /// What the destination brought; `None` when nothing is known.
    fn roi(&self, destination: &DestinationId) -> Option<Roi>;
}

/// No past: every visitor is new, every destination healthy and unused.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCounters;

impl Counters for NoCounters {
    fn bound_stream(&self, _: VisitorId, _: &CampaignId) -> Option<StreamId> {
        None
    }

    fn bound_destination(&self, _: VisitorId, _: &StreamId) -> Option<DestinationId> {
        None
    }

    fn last_seen(&self, _: VisitorId, _: Scope<'_>) -> Option<Timestamp> {
        None
    }

    fn health(&self, _: &DestinationId) -> Health {
        Health::Unknown
    }

    fn cap_use(&self, _: &DestinationId, _: &jiff::tz::TimeZone, _: Timestamp) -> CapUse {
        CapUse::default()
    }

    fn stream_clicks(&self, _: &StreamId, _: Option<Timestamp>) -> u64 {
        0
    }

    fn roi(&self, _: &DestinationId) -> Option<Roi> {
        None
    }
}
