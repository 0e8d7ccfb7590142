//! What a person configures: campaigns, streams, destinations, sources, networks, templates, alerts.
//!
//! A *spec* is what a person writes; an [`Entity`] is a spec with its id, version and times.
//! Validation of one spec by itself is here; what needs other entities is checked by
//! [`crate::rules`] when saving, and by [`crate::routing::Snapshot`].

mod action;
mod alert;
mod campaign;
mod cost;
mod destination;
mod network;
mod objects;
mod parse;
mod signature;
mod source;
mod source_postback;
mod stream;
mod template;
mod words;

pub use alert::{AlertAction, AlertSpec};
pub use campaign::{AllDown, CampaignSpec, Rotation};
pub use cost::{Cost, CostModel, Due};
pub use destination::{Caps, DestinationSpec, HealthCheck, ProbeMethod, Schedule};
pub use network::{FormerSecret, NetworkSpec, Secret};
pub use parse::{parse, parse_over, read};
pub use signature::{
    SignatureAlgorithm, SignatureEncoding, SignatureFormat, SignedPart, SignedPlace, SignedText, SignedTime,
    SignedTimeUnit, SigningKeyForm,
};
pub(crate) use source::sub_index;
pub use source::{SourceParam, SourceParams, SourceSpec};
pub use source_postback::{MAX_POSTBACK_DELAY_S, PayoutShare, PostbackMethod};
pub use stream::{
    Action, Bind, FilterRule, MAX_DESTINATIONS, MatchMode, RedirectCode, Select, StreamDestination,
    StreamKind, StreamSpec, serves_nobody,
};
pub(crate) use template::steps;
pub use template::{LONGEST_PATH, TemplateDefaults, TemplateMacros, TemplateParams, TemplateSpec};

use crate::{
    Timestamp, id,
    problem::Problems,
    rules::{KindRules, Reference},
    slug::Slug,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, str::FromStr};

/// A saved campaign.
pub type Campaign = Entity<CampaignSpec>;
/// A saved stream.
pub type Stream = Entity<StreamSpec>;
/// A saved destination.
pub type Destination = Entity<DestinationSpec>;
/// A saved traffic source.
pub type Source = Entity<SourceSpec>;
/// A saved affiliate network.
pub type Network = Entity<NetworkSpec>;
/// A saved postback template.
pub type Template = Entity<TemplateSpec>;
/// A saved alert rule.
pub type Alert = Entity<AlertSpec>;

/// The kinds of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Kind {
    /// A public entry with one tracking link.
    Campaign,
    /// A routing rule in a campaign.
    Stream,
    /// A URL template with its limits.
    Destination,
    /// Where clicks are bought.
    Source,
    /// An affiliate network, which reports and pays conversions.
    Network,
    /// How a network's postback maps to ours.
    Template,
    /// What is looked at, told and done when something is not as it should be.
    Alert,
}

impl Kind {
    /// All of them, in the order in which one may refer to another (later ones refer to earlier ones).
    pub const ALL: [Self; 7] = [
        Self::Source,
        Self::Network,
        Self::Template,
        Self::Destination,
        Self::Campaign,
        Self::Stream,
        Self::Alert,
    ];

    /// The singular noun: `campaign`.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Stream => "stream",
            Self::Destination => "destination",
            Self::Source => "source",
            Self::Network => "network",
            Self::Template => "template",
            Self::Alert => "alert",
        }
    }

    /// The plural noun, as in REST paths: `campaigns`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Campaign => "campaigns",
            Self::Stream => "streams",
            Self::Destination => "destinations",
            Self::Source => "sources",
            Self::Network => "networks",
            Self::Template => "templates",
            Self::Alert => "alerts",
        }
    }

    /// The prefix of its ids, without the underscore.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Campaign => id::CampaignId::PREFIX,
            Self::Stream => id::StreamId::PREFIX,
            Self::Destination => id::DestinationId::PREFIX,
            Self::Source => id::SourceId::PREFIX,
            Self::Network => id::NetworkId::PREFIX,
            Self::Template => id::TemplateId::PREFIX,
            Self::Alert => id::AlertId::PREFIX,
        }
    }

    /// The kind in which its slugs are unique, if not globally: a stream's within its campaign,
    /// a template's within its network. Such an entity is named `parent-slug/slug`.
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::Stream => Some(Self::Campaign),
            Self::Template => Some(Self::Network),
            _ => None,
        }
    }

    /// The field with its amount, and the one that says whose currency that is in where it names none.
    pub const fn money(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Destination => Some(("payout", "network")),
            Self::Campaign => Some(("cost", "source")),
            _ => None,
        }
    }

    /// The path at which its currency stands.
    pub const fn currency(self) -> Option<&'static str> {
        match self {
            Self::Campaign => Some("cost.currency"),
            Self::Destination => Some("payout.currency"),
            Self::Source | Self::Network | Self::Alert => Some("currency"),
            Self::Template => Some("defaults.currency"),
            Self::Stream => None,
        }
    }

    /// The currency that a spec of it says, as it is written.
    pub fn currency_in(self, spec: &serde_json::Value) -> Option<&str> {
        self.currency()?.split('.').try_fold(spec, |at, field| at.get(field))?.as_str()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.noun())
    }
}

/// Whether an entity takes part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Takes part.
    #[default]
    Active,
    /// Kept, listed, takes no part until resumed.
    Paused,
    /// Put away: takes no part, left out of lists unless asked for. Its slug stays taken.
    Archived,
}

impl Status {
    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Archived => "archived",
        }
    }
}

/// What a person writes about an entity.
pub trait Spec:
    Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The type of its id.
    type Id: Clone
        + fmt::Display
        + FromStr
        + Serialize
        + DeserializeOwned
        + PartialEq
        + fmt::Debug
        + Send
        + Sync;
    /// Which kind of entity this is.
    const KIND: Kind;
    /// Where it refers to other entities: a path (`destinations[].destination`) and the kind referred to.
    /// There, a person may write a slug; api-service puts the id in before parsing.
    const REFS: &'static [(&'static str, Kind)];

    /// A new id.
    fn new_id(now: Timestamp, random: u128) -> Self::Id;
    /// A small valid instance, also used to go on past a broken required field when collecting problems.
    fn example() -> serde_json::Value;
    /// The slug.
    fn slug(&self) -> &Slug;
    /// The name people read.
    fn name(&self) -> &str;
    /// Whether it takes part.
    fn status(&self) -> Status;
    /// The id of the entity its slug is unique in, if any.
    fn parent(&self) -> Option<&str> {
        None
    }
    /// Former slugs, under which links to it still work.
    fn aliases(&self) -> &[Slug] {
        &[]
    }
    /// The entities it refers to, where it does.
    fn refers_to(&self) -> Vec<Reference> {
        Vec::new()
    }
    /// What rules between entities ask of it.
    fn part(&self) -> KindRules {
        KindRules::Other
    }
    /// Everything that is wrong with it, seen by itself.
    fn validate(&self) -> Problems;
}

/// A saved spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Entity<S: Spec> {
    /// Never changes.
    pub id: S::Id,
    /// 1 when created, one more with every change; what `If-Match` compares.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What the person wrote.
    #[serde(flatten)]
    pub spec: S,
}

/// Names are for people: 1 to 200 characters, no control characters.
fn check_name(name: &str, problems: &mut Problems) {
    let ok = !name.trim().is_empty() && name.chars().count() <= 200 && !name.chars().any(char::is_control);
    problems.require(ok, "name", "must be 1 to 200 characters without control characters");
}

/// Most former slugs that an entity keeps.
pub const MAX_ALIASES: usize = 50;

/// Former slugs are others than the slug, each once.
fn check_aliases(slug: &Slug, aliases: &[Slug], problems: &mut Problems) {
    if aliases.len() > MAX_ALIASES {
        problems.add("aliases", format!("must be at most {MAX_ALIASES} former slugs, not {}", aliases.len()));
    }
    for (i, alias) in aliases.iter().enumerate().take(MAX_ALIASES) {
        let path = format!("aliases[{i}]");
        problems.require(alias != slug, &path, "is the slug itself");
        problems.require(!aliases[..i].contains(alias), &path, "is named twice");
    }
}

const PARAM_NAME: &str =
    "must be the name of a parameter: 1 to 64 characters without blanks and control characters";

fn is_param_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count()) && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests;
