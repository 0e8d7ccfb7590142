//! Traffic sources: where clicks are bought.

use super::{Kind, PARAM_NAME, Spec, Status, check_name, is_param_name};
use crate::{
    Timestamp,
    id::SourceId,
    macros::{Scope, UrlTemplate},
    money::Currency,
    problem::Problems,
    slug::Slug,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a person writes about a traffic source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// Unique.
    pub slug: Slug,
    /// For people.
    pub name: String,
    /// For people; a paused source changes nothing in routing.
    #[serde(default)]
    pub status: Status,
    /// What its query parameters are called.
    #[serde(default)]
    pub params: SourceParams,
    /// The currency of its cost parameter.
    #[serde(default)]
    pub currency: Currency,
    /// Where conversions are reported to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postback_url: Option<String>,
}

/// The names of a source's query parameters. Without a name of its own, each goes by its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceParams {
    /// The source's own id of the click; default `external_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// What the click costs; default `cost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The keyword; default `keyword`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyword: Option<String>,
    /// Sub ids: `sub1` to `sub20` to the name of the parameter; default the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub subs: BTreeMap<String, String>,
}

impl Spec for SourceSpec {
    type Id = SourceId;
    const KIND: Kind = Kind::Source;
    const REFS: &'static [(&'static str, Kind)] = &[];

    fn new_id(now: Timestamp, random: u128) -> SourceId {
        SourceId::generate(now, random)
    }

    fn example() -> serde_json::Value {
        serde_json::json!({ "slug": "push", "name": "Push ads" })
    }

    fn slug(&self) -> &Slug {
        &self.slug
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self) -> Status {
        self.status
    }

    fn validate(&self) -> Problems {
        let mut problems = Problems::default();
        check_name(&self.name, &mut problems);
        let p = &self.params;
        for (field, name) in [("external_id", &p.external_id), ("cost", &p.cost), ("keyword", &p.keyword)] {
            let ok = name.as_deref().is_none_or(is_param_name);
            problems.require(ok, &format!("params.{field}"), PARAM_NAME);
        }
        for (sub, name) in &p.subs {
            let path = format!("params.subs.{sub}");
            problems.require(sub_index(sub).is_some(), &path, "must be one of sub1 to sub20");
            problems.require(is_param_name(name), &path, PARAM_NAME);
        }
        if let Some(url) = &self.postback_url
            && let Err(p) = UrlTemplate::parse(url, Scope::Outbound)
        {
            problems.nest("postback_url", p);
        }
        problems
    }
}

/// `sub1` … `sub20` to 0 … 19.
pub(crate) fn sub_index(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("sub")?;
    let n: usize = digits.parse().ok()?;
    ((1..=20).contains(&n) && !digits.starts_with(['0', '+'])).then(|| n - 1)
}
