//! Campaigns: the public entry of clicks.

use super::{Cost, Kind, Spec, Status, check_aliases, check_name};
use crate::{
    Timestamp,
    id::{CampaignId, SourceId},
    macros::{Scope, UrlTemplate},
    problem::Problems,
    rules::{KindRules, Reference},
    slug::Slug,
};
use serde::{Deserialize, Serialize};

/// What a person writes about a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CampaignSpec {
    /// The path of its tracking link.
    pub slug: Slug,
    /// Former slugs: their tracking links lead here too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = super::MAX_ALIASES), extend("uniqueItems" = true)))]
    pub aliases: Vec<Slug>,
    /// For people.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::NAME)))]
    pub name: String,
    /// Only an active campaign routes.
    #[serde(default)]
    pub status: Status,
    /// How regular streams are chosen.
    #[serde(default)]
    pub rotation: Rotation,
    /// Where its clicks are bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
    /// Where clicks go that no stream takes; else the global one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::URL)))]
    pub trafficback_url: Option<String>,
    /// What becomes of a click that no stream takes while some destination is down.
    #[serde(default, skip_serializing_if = "AllDown::is_default")]
    pub all_down: AllDown,
    /// What its clicks cost, by the click, the sale or otherwise; not said: what the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// How long a visitor is remembered when asking whether a click is unique, in seconds.
    #[serde(default = "day")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 31_622_400)))]
    pub unique_window_s: u64,
    /// Its traffic is a test: reports and lists leave out its clicks and their conversions unless asked for them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(mark: &bool) -> bool {
    !*mark
}

fn day() -> u64 {
    86_400
}

/// How regular streams are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// The first that matches, by position.
    #[default]
    Position,
    /// Drawn by weight among those that match.
    Weight,
}

/// What becomes of a click that no stream takes while destinations that are down might.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AllDown {
    /// It goes to trafficback.
    #[default]
    Trafficback,
    /// It goes to one that is down: rather a destination that may not answer than none.
    IgnoreHealth,
}

impl AllDown {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Spec for CampaignSpec {
    type Id = CampaignId;
    const KIND: Kind = Kind::Campaign;
    const REFS: &'static [(&'static str, Kind)] = &[("source", Kind::Source)];

    fn new_id(now: Timestamp, random: u128) -> CampaignId {
        CampaignId::generate(now, random)
    }

    fn example() -> serde_json::Value {
        serde_json::json!({ "slug": "summer", "name": "Summer" })
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

    fn aliases(&self) -> &[Slug] {
        &self.aliases
    }

    fn refers_to(&self) -> Vec<Reference> {
        self.source.iter().map(|id| Reference::new("source", Kind::Source, id)).collect()
    }

    fn part(&self) -> KindRules {
        let url =
            self.trafficback_url.as_ref().and_then(|text| UrlTemplate::parse(text, Scope::Redirect).ok());
        KindRules::Campaign { rotation: self.rotation, trafficback_host: url.map(|url| url.host().into()) }
    }

    fn validate(&self) -> Problems {
        let mut problems = Problems::default();
        check_name(&self.name, &mut problems);
        check_aliases(&self.slug, &self.aliases, &mut problems);
        if let Some(url) = &self.trafficback_url
            && let Err(p) = UrlTemplate::parse(url, Scope::Redirect)
        {
            problems.nest("trafficback_url", p);
        }
        if let Some(cost) = &self.cost {
            cost.check(&mut problems);
        }
        let year = 366 * 86_400;
        problems.require(
            (1..=year).contains(&self.unique_window_s),
            "unique_window_s",
            "must be 1 to 31622400 seconds (a year)",
        );
        problems
    }
}
