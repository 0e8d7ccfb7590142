//! Pages of long lists, and the names that go with ids.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The slugs of entities by id, for every id that an answer mentions and that still exists:
/// `{"cmp_…": "summer", "str_…": "summer/main"}`. Streams and templates stand with their parent.
pub type Labels = BTreeMap<String, String>;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PageOf{T}"))]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Give it as `cursor` to get the next page; none: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Why items that belong here cannot be read: they are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The slugs of what the items refer to.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

/// One item with the slugs of what it refers to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Shown{T}"))]
pub struct Labelled<T> {
    /// The item.
    #[serde(flatten)]
    pub item: T,
    /// The slugs of what it refers to.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

/// An entity by both its names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EntityRef {
    /// Its id.
    pub id: String,
    /// Its slug; empty if it does not exist any more.
    #[serde(default)]
    pub slug: String,
}
