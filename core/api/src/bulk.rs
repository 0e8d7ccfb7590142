//! Many changes of entities at once: all of them or none.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tfx_domain::entity::Kind;

/// The most items of a bulk.
pub const MAX_ITEMS: usize = 1_000;

/// What is to be done, in this order. An item may refer to what an item before it makes, by slug.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// 1 to 1,000.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1000)))]
    pub items: Vec<BulkItem>,
}

/// What is done to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// It is made of `spec`.
    Create,
    /// It is changed by `spec`, a merge patch.
    Update,
    /// As [`crate::entities::Verb::Pause`].
    Pause,
    /// As [`crate::entities::Verb::Resume`].
    Resume,
    /// As [`crate::entities::Verb::Archive`].
    Archive,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BulkItem {
    /// What.
    pub action: BulkAction,
    /// To an entity of which kind.
    pub kind: Kind,
    /// To which one: id, slug or `parent/slug`; not for what is created.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Only if it is at this version, as `If-Match` says elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// With `create` the entity, with `update` the merge patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
    /// With `archive`: also what active entities still refer to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// With `update`: the slug before ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop_old_slug: bool,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BulkAnswer {
    /// One for each item, in their order.
    pub items: Vec<BulkDone>,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BulkDone {
    /// 201 for what was created, else 200.
    pub status: u16,
    /// The kind of the entity.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Its slug now.
    pub slug: String,
    /// Its version after this item.
    pub version: u64,
    /// False: it was so already, and is at the version before.
    pub changed: bool,
    /// A network's new secret, shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postback_secret: Option<String>,
}

/// Why an item was refused, and with it all. Its problems stand among those of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BulkRefused {
    /// Which item, from 0.
    pub item: usize,
    /// The status that it would have had alone.
    pub status: u16,
    /// The word for programs that it would have had alone.
    pub code: String,
}
