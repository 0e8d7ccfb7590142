//! A set of configuration: everything that takes part as one document, to be kept in files, compared and applied at once
//! (`docs/decisions/0067-a-set-of-configuration.md`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tfx_domain::{Timestamp, entity::Kind};

/// The most entities of a set, streams and templates among them.
pub const MAX_ENTITIES: usize = 50_000;
/// The most bytes of a set that is sent.
pub const MAX_BYTES: usize = 64_000_000;

/// The field of an item that names the slug it had before.
pub const RENAMED_FROM: &str = "renamed_from";

/// An entity in a set: its spec, references by slug. A stream says no campaign and a template no network: they stand inside
/// it. What an item does not say has its default; secrets, former slugs and what is masked stay as they are.
pub type SetItem = Map<String, Value>;

/// All entities that are not archived.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ConfigSet {
    /// Networks, each with its `templates`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<SetItem>,
    /// Sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SetItem>,
    /// Destinations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<SetItem>,
    /// Campaigns, each with its `streams` in the order in which they decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub campaigns: Vec<SetItem>,
    /// Alert rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<SetItem>,
}

impl ConfigSet {
    /// The kinds that have a section, in the order of the sections.
    pub const SECTIONS: [Kind; 5] =
        [Kind::Network, Kind::Source, Kind::Destination, Kind::Campaign, Kind::Alert];

    /// The kind that stands inside items of a kind, in a list of its plural: a network's `templates`, a campaign's `streams`.
    pub const fn inside(kind: Kind) -> Option<Kind> {
        match kind {
            Kind::Network => Some(Kind::Template),
            Kind::Campaign => Some(Kind::Stream),
            _ => None,
        }
    }

    /// The items of a kind; none for streams and templates, which stand inside others.
    pub fn section(&self, kind: Kind) -> &[SetItem] {
        match kind {
            Kind::Network => &self.networks,
            Kind::Source => &self.sources,
            Kind::Destination => &self.destinations,
            Kind::Campaign => &self.campaigns,
            Kind::Alert => &self.alerts,
            Kind::Stream | Kind::Template => &[],
        }
    }

    /// The same, to be filled; none for streams and templates.
    pub fn section_mut(&mut self, kind: Kind) -> Option<&mut Vec<SetItem>> {
        match kind {
            Kind::Network => Some(&mut self.networks),
            Kind::Source => Some(&mut self.sources),
            Kind::Destination => Some(&mut self.destinations),
            Kind::Campaign => Some(&mut self.campaigns),
            Kind::Alert => Some(&mut self.alerts),
            Kind::Stream | Kind::Template => None,
        }
    }
}

/// The set as it is at a revision, in the form in which it is kept in files: fields at their defaults left out, items in the
/// order of their slugs, streams in the order in which they decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetAt {
    /// The revision of the configuration.
    pub revision: u64,
    /// What there is.
    pub set: ConfigSet,
}

/// A set to be applied.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetRequest {
    /// Only if the configuration is at this revision: that of what was looked at before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Archives what is not in the set; else it stays, and the answer names it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prune: bool,
    /// How everything is to be.
    pub set: ConfigSet,
}

/// What a set comes to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetAnswer {
    /// The revision of the configuration, after it if it was applied.
    pub revision: u64,
    /// False: it was a dry run, and nothing was done.
    pub applied: bool,
    /// What was changed, or would be: nothing else is different. In the order in which it is done.
    pub changes: Vec<SetChange>,
    /// What is there, is not in the set and stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<SetLeft>,
    /// What is to be known about it, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What is done to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SetAction {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It has another slug, and perhaps other fields.
    Rename,
    /// It was archived, and takes part again.
    Resume,
    /// It is put away.
    Archive,
}

impl SetAction {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Rename => "rename",
            Self::Resume => "resume",
            Self::Archive => "archive",
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetChange {
    /// What is done.
    pub action: SetAction,
    /// To an entity of which kind.
    pub kind: Kind,
    /// To which one: its slug after it, of a stream `campaign/stream`, of a template `network/template`.
    pub reference: String,
    /// Its slug before it, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Its id; none in a dry run that would make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What changes of it, `{field: [before, after]}`, as the audit log has it: secrets masked, here with slugs in the place of
    /// ids.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "std::collections::BTreeMap<String, Vec<serde_json::Value>>")
    )]
    pub fields: Map<String, Value>,
    /// Who changed it otherwise since a set was last applied, the newest first; only for who may read the audit log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drifted: Vec<SetDrift>,
}

/// A change that no set made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetDrift {
    /// When, UTC.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// Who, as the audit log names him.
    pub by: String,
    /// What was done: `update`, `pause`, ….
    pub action: String,
}

/// What is there and not in the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetLeft {
    /// An entity of which kind.
    pub kind: Kind,
    /// Which one: its slug, of a stream `campaign/stream`, of a template `network/template`.
    pub reference: String,
    /// Its id.
    pub id: String,
}
