//! Configuration compiled for routing: everything parsed, looked up and sorted once.

use super::{
    filter::{ClickLimit, Filter},
    params::ParamNames,
    timetable::Timetable,
};
use crate::{
    entity::{Campaign, Destination, Kind, Network, Source, Status, Stream, Template},
    id::{CampaignId, DestinationId, NetworkId, SourceId, StreamId},
    macros::UrlTemplate,
    problem::Problems,
    slug::Slug,
};
use jiff::tz::TimeZone;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// All configuration at one revision, as the store keeps it. Also what the last-known-good file holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Grows with every change.
    pub revision: u64,
    /// Traffic sources.
    pub sources: Vec<Source>,
    /// Affiliate networks.
    pub networks: Vec<Network>,
    /// Postback templates.
    pub templates: Vec<Template>,
    /// Destinations.
    pub destinations: Vec<Destination>,
    /// Campaigns.
    pub campaigns: Vec<Campaign>,
    /// Streams.
    pub streams: Vec<Stream>,
    /// What is there beside these and cannot be read by this program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// An entity that is there and cannot be read: damaged, or saved by a newer program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Which kind.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Its slug, and former ones as far as they are known.
    pub slugs: Vec<String>,
}

/// What holds for all campaigns, from settings.
#[derive(Debug, Clone, Default)]
pub struct Globals {
    /// Where clicks go that no stream and no campaign's own trafficback takes.
    pub trafficback_url: Option<UrlTemplate>,
    /// How often a click may come back from trafficback before it is a loop.
    pub trafficback_max_hops: u8,
    /// Our own host names, lower-case, without port: a trafficback URL to one of them is a loop.
    pub public_hosts: Vec<String>,
}

/// A trafficback URL that is checked for pointing at ourselves.
#[derive(Debug)]
pub(super) struct Trafficback {
    pub(super) url: UrlTemplate,
    /// It points at one of our own hosts.
    pub(super) own: bool,
}

/// A campaign with its streams.
#[derive(Debug)]
pub struct CampaignPlan {
    /// The entity.
    pub campaign: Campaign,
    /// Where its clicks are bought.
    pub source: Option<Arc<Source>>,
    /// What the query parameters of its links are called.
    pub names: Arc<ParamNames>,
    /// Its source is there and cannot be read: what its links say would be lost for good.
    pub(super) unavailable: bool,
    pub(super) trafficback: Option<Trafficback>,
    /// By kind, position and age; archived ones left out.
    pub(super) streams: Vec<StreamPlan>,
    /// Where the regular streams begin.
    pub(super) regular_at: usize,
    /// Where the default streams begin.
    pub(super) default_at: usize,
    /// True when some regular stream binds visitors.
    pub(super) binds: bool,
}

impl CampaignPlan {
    /// Its streams in the order in which they are asked (under `rotation: weight`, the regular ones are drawn).
    /// Archived streams are not among them.
    pub fn streams(&self) -> &[StreamPlan] {
        &self.streams
    }

    pub(super) fn forced(&self) -> &[StreamPlan] {
        &self.streams[..self.regular_at]
    }

    pub(super) fn regular(&self) -> &[StreamPlan] {
        &self.streams[self.regular_at..self.default_at]
    }

    pub(super) fn defaults(&self) -> &[StreamPlan] {
        &self.streams[self.default_at..]
    }
}

/// A stream with its filters and destinations.
#[derive(Debug)]
pub struct StreamPlan {
    /// The entity.
    pub stream: Stream,
    /// Its filters, in order.
    pub filters: Vec<Filter>,
    /// `Reason::Filter` as text, for each filter.
    pub(super) labels: Vec<SmolStr>,
}

impl StreamPlan {
    /// The limits on its clicks.
    pub fn click_limits(&self) -> impl Iterator<Item = &ClickLimit> {
        self.filters.iter().filter_map(Filter::click_limit)
    }
}

/// A destination with its parsed URL, schedule and zone.
#[derive(Debug)]
pub struct DestinationPlan {
    /// The entity.
    pub destination: Destination,
    /// Its URL.
    pub url: UrlTemplate,
    /// When it takes clicks; none: always.
    pub schedule: Option<Timetable>,
    /// The time zone in which its caps' days begin.
    pub cap_zone: TimeZone,
}

impl DestinationPlan {
    /// Whether it is to be probed: it is active and has a health check.
    pub fn is_watched(&self) -> bool {
        self.destination.spec.status == Status::Active && self.destination.spec.health_check.is_some()
    }
}

/// Configuration compiled for routing. Immutable; a change makes a new one.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Of the configuration it was made from.
    pub revision: u64,
    pub(super) max_hops: u8,
    pub(super) trafficback: Option<Trafficback>,
    pub(super) campaigns: Vec<CampaignPlan>,
    pub(super) by_slug: FxHashMap<Slug, usize>,
    pub(super) by_id: FxHashMap<CampaignId, usize>,
    /// The campaign and the place in it.
    pub(super) streams: FxHashMap<StreamId, (usize, usize)>,
    pub(super) destinations: FxHashMap<DestinationId, DestinationPlan>,
    pub(super) sources: FxHashMap<SourceId, Arc<Source>>,
    pub(super) networks: FxHashMap<NetworkId, Network>,
    pub(super) headers: Vec<SmolStr>,
    /// Of campaigns that are there and cannot be read.
    pub(super) unread_slugs: FxHashSet<String>,
}

impl Snapshot {
    /// Compiles. Entities that are broken or dangling (which saving prevents) are left out and reported;
    /// the rest is served.
    pub fn compile(config: Config, globals: Globals) -> (Self, Problems) {
        super::compile::compile(config, globals)
    }

    /// The campaign of a slug, whatever its status. Case does not matter.
    pub fn campaign(&self, slug: &str) -> Option<&CampaignPlan> {
        let at = self.by_slug.get(slug).copied().or_else(|| {
            let upper = slug.len() <= 64 && slug.bytes().any(|b| b.is_ascii_uppercase());
            upper.then(|| self.by_slug.get(slug.to_ascii_lowercase().as_str()).copied()).flatten()
        });
        at.and_then(|i| self.campaigns.get(i))
    }

    /// Whether clicks on a slug cannot be taken, since its campaign, or the source of its campaign, is there and cannot be
    /// read. It is not unknown, and what its clicks say would be lost for good.
    pub fn is_unavailable(&self, slug: &str) -> bool {
        match self.campaign(slug) {
            Some(plan) => plan.unavailable && plan.campaign.spec.status == Status::Active,
            None => {
                !self.unread_slugs.is_empty()
                    && slug.len() <= 64
                    && self.unread_slugs.contains(slug.to_ascii_lowercase().as_str())
            }
        }
    }

    /// The campaign of an id, whatever its status.
    pub fn campaign_by_id(&self, id: &CampaignId) -> Option<&CampaignPlan> {
        self.by_id.get(id).and_then(|i| self.campaigns.get(*i))
    }

    /// The stream of an id, unless it is archived.
    pub fn stream(&self, id: &StreamId) -> Option<&StreamPlan> {
        let (campaign, at) = self.streams.get(id)?;
        self.campaigns.get(*campaign)?.streams.get(*at)
    }

    /// The destination of an id, whatever its status.
    pub fn destination(&self, id: &DestinationId) -> Option<&DestinationPlan> {
        self.destinations.get(id)
    }

    /// The source of an id.
    pub fn source(&self, id: &SourceId) -> Option<&Source> {
        self.sources.get(id).map(AsRef::as_ref)
    }

    /// The network of an id.
    pub fn network(&self, id: &NetworkId) -> Option<&Network> {
        self.networks.get(id)
    }

    /// All campaigns, by age.
    pub fn campaigns(&self) -> impl ExactSizeIterator<Item = &CampaignPlan> {
        self.campaigns.iter()
    }

    /// All destinations, in no order.
    pub fn destinations(&self) -> impl ExactSizeIterator<Item = &DestinationPlan> {
        self.destinations.values()
    }

    /// The destinations that are to be probed: active, with a health check; in no order.
    pub fn watched(&self) -> impl Iterator<Item = &DestinationPlan> {
        self.destinations.values().filter(|d| d.is_watched())
    }

    /// The headers that some filter asks for, lower-case.
    pub fn header_names(&self) -> &[SmolStr] {
        &self.headers
    }
}
