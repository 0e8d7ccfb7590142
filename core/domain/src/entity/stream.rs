//! Streams: the routing rules of a campaign.

use super::{Kind, Spec, Status, action, check_name};
use crate::{
    Timestamp,
    id::{CampaignId, DestinationId, StreamId},
    problem::Problems,
    routing::filter,
    rules::{KindRules, Reference},
    slug::Slug,
};
use serde::{Deserialize, Serialize};

/// What a person writes about a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StreamSpec {
    /// The campaign it belongs to.
    pub campaign: CampaignId,
    /// Unique in its campaign.
    pub slug: Slug,
    /// For people.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::NAME)))]
    pub name: String,
    /// Only an active stream takes clicks.
    #[serde(default)]
    pub status: Status,
    /// When it is asked.
    #[serde(default)]
    pub kind: StreamKind,
    /// Its place among the streams of its kind; equal places go by age.
    #[serde(default)]
    pub position: u32,
    /// Its share under `rotation: weight`. 0 serves only visitors already bound to it.
    #[serde(default = "hundred")]
    #[cfg_attr(feature = "schema", schemars(range(max = 1_000_000)))]
    pub weight: u32,
    /// Whether all filters must pass or one is enough.
    #[serde(default, rename = "match")]
    pub match_mode: MatchMode,
    /// Who may enter. None: everyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_FILTERS)))]
    pub filters: Vec<FilterRule>,
    /// What is done with a click it takes.
    #[serde(default)]
    pub action: Action,
    /// Where a redirecting action goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_DESTINATIONS)))]
    pub destinations: Vec<StreamDestination>,
    /// How one of the destinations is chosen.
    #[serde(default)]
    pub select: Select,
    /// What a visitor who was here before keeps.
    #[serde(default)]
    pub bind: Bind,
}

fn hundred() -> u32 {
    100
}

/// When a stream is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// Before all others, by position.
    Forced,
    /// By the campaign's rotation.
    #[default]
    Regular,
    /// When no other took the click, by position.
    Default,
}

impl StreamKind {
    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forced => "forced",
            Self::Regular => "regular",
            Self::Default => "default",
        }
    }
}

/// How filters are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MatchMode {
    /// Every filter passes.
    #[default]
    All,
    /// At least one passes.
    Any,
}

/// One filter: a field and what it must be, or must not be.
///
/// `{field: country, is: [US, CA]}`, `{field: os_version, is: [">= 14.2"]}`, `{field: sub1, is_not: ["glob:test*"]}`.
/// The fields and the forms of their operands are listed in `docs/routing.md`; [`filter::compile`] knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FilterRule {
    /// Which fact of the click.
    pub field: String,
    /// Passes when one of these holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is: Vec<String>,
    /// Passes when none of these holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is_not: Vec<String>,
}

impl FilterRule {
    /// In words: `country is US, CA`, `bot is not true`; a long list is cut.
    pub fn words(&self) -> String {
        const SHOWN: usize = 5;
        let (verb, values) = if self.is.is_empty() { ("is not", &self.is_not) } else { ("is", &self.is) };
        let shown = values.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match values.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => format!(" and {more} more"),
            _ => String::new(),
        };
        format!("{} {verb} {shown}{more}", self.field)
    }
}

/// What is done with a click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", try_from = "action::Written")]
pub enum Action {
    /// An HTTP redirect to the chosen destination.
    Redirect {
        /// 301, 302, 303 or 307.
        code: RedirectCode,
    },
    /// A page that refreshes to the destination.
    MetaRefresh,
    /// Two pages, so that the destination sees no referrer.
    DoubleMeta,
    /// A page that goes on by script.
    Js,
    /// Plain text, no destination.
    Text {
        /// What is sent.
        body: String,
    },
    /// HTML, no destination.
    Html {
        /// What is sent.
        body: String,
    },
    /// A bare status, no destination.
    Status {
        /// 200 to 599, not a redirect.
        code: u16,
    },
    /// Hand over to another campaign.
    Campaign {
        /// The campaign that decides from there on.
        campaign: CampaignId,
    },
}

impl Default for Action {
    fn default() -> Self {
        Self::Redirect { code: RedirectCode::default() }
    }
}

impl Action {
    /// True when the action leads to one of the stream's destinations.
    pub const fn needs_destination(&self) -> bool {
        matches!(self, Self::Redirect { .. } | Self::MetaRefresh | Self::DoubleMeta | Self::Js)
    }
}

/// The status of an HTTP redirect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum RedirectCode {
    /// 301, moved permanently; browsers remember it and later clicks never arrive.
    Permanent,
    /// 302, found: for this time only.
    #[default]
    Found,
    /// 303, see other: always GET.
    SeeOther,
    /// Temporary, the method is kept.
    Temporary,
}

impl TryFrom<u16> for RedirectCode {
    type Error = &'static str;

    fn try_from(code: u16) -> Result<Self, Self::Error> {
        Ok(match code {
            301 => Self::Permanent,
            302 => Self::Found,
            303 => Self::SeeOther,
            307 => Self::Temporary,
            _ => return Err("must be 301, 302, 303 or 307"),
        })
    }
}

impl From<RedirectCode> for u16 {
    fn from(code: RedirectCode) -> Self {
        match code {
            RedirectCode::Permanent => 301,
            RedirectCode::Found => 302,
            RedirectCode::SeeOther => 303,
            RedirectCode::Temporary => 307,
        }
    }
}

/// A destination as used by a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StreamDestination {
    /// The id of the destination.
    pub destination: DestinationId,
    /// Its share under `select: weight`. 0 serves only visitors already bound to it.
    #[serde(default = "hundred")]
    #[cfg_attr(feature = "schema", schemars(range(max = 1_000_000)))]
    pub weight: u32,
}

/// How a destination is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// Drawn by weight.
    #[default]
    Weight,
    /// The first candidate.
    Position,
    /// Drawn by return on investment, with a floor for exploration.
    Roi,
}

/// What a visitor who was here before keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Bind {
    /// Nothing: every click is decided anew.
    #[default]
    None,
    /// The stream (under `rotation: weight`).
    Stream,
    /// The stream and, among its candidates, the destination.
    Destination,
}

impl Spec for StreamSpec {
    type Id = StreamId;
    const KIND: Kind = Kind::Stream;
    const REFS: &'static [(&'static str, Kind)] = &[
        ("campaign", Kind::Campaign),
        ("destinations[].destination", Kind::Destination),
        ("action.campaign", Kind::Campaign),
    ];

    fn new_id(now: Timestamp, random: u128) -> StreamId {
        StreamId::generate(now, random)
    }

    fn example() -> serde_json::Value {
        serde_json::json!({
            "campaign": "cmp_0000000000000000000",
            "slug": "main",
            "name": "Main",
            "destinations": [{ "destination": "dst_0000000000000000000" }],
        })
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

    fn parent(&self) -> Option<&str> {
        Some(self.campaign.as_str())
    }

    fn refers_to(&self) -> Vec<Reference> {
        let mut all = vec![Reference::new("campaign", Kind::Campaign, &self.campaign)];
        for (i, d) in self.destinations.iter().enumerate() {
            let path = format!("destinations[{i}].destination");
            all.push(Reference::new(path, Kind::Destination, &d.destination));
        }
        if let Action::Campaign { campaign } = &self.action {
            all.push(Reference::new("action.campaign", Kind::Campaign, campaign));
        }
        all
    }

    fn part(&self) -> KindRules {
        let hands_over_to = match &self.action {
            Action::Campaign { campaign } => Some(campaign.as_str().into()),
            _ => None,
        };
        let (kind, weight, position) = (self.kind, self.weight, self.position);
        KindRules::Stream { kind, weight, position, hands_over_to, patterns: self.patterns() }
    }

    fn validate(&self) -> Problems {
        let mut problems = Problems::default();
        check_name(&self.name, &mut problems);
        // Counted first: what is too much is not read.
        let patterns = self.patterns();
        if self.filters.len() > MAX_FILTERS {
            problems
                .add("filters", format!("must be at most {MAX_FILTERS} filters, not {}", self.filters.len()));
        } else if patterns > filter::MAX_PATTERNS {
            let most = filter::MAX_PATTERNS;
            problems.add(
                "filters",
                format!("must have at most {most} patterns (regex:, 50 contains:), not {patterns}"),
            );
        } else {
            for (i, rule) in self.filters.iter().enumerate() {
                if let Err(p) = filter::compile(rule) {
                    problems.nest(&format!("filters[{i}]"), p);
                }
            }
        }
        problems.require(self.weight <= 1_000_000, "weight", "must be 0 to 1000000");
        self.check_action(&mut problems);
        problems
    }
}

/// Most filters of a stream.
const MAX_FILTERS: usize = 200;
/// Most destinations of a stream.
pub const MAX_DESTINATIONS: usize = 200;

impl StreamSpec {
    /// How many patterns its filters need.
    pub fn patterns(&self) -> usize {
        self.filters.iter().map(filter::patterns).sum()
    }

    fn check_action(&self, problems: &mut Problems) {
        let destinations = &self.destinations;
        if self.action.needs_destination() {
            problems.require(!destinations.is_empty(), "destinations", "must name at least one destination");
        } else {
            problems.require(destinations.is_empty(), "destinations", "must be empty for this action");
        }
        if destinations.len() > MAX_DESTINATIONS {
            let message =
                format!("must be at most {MAX_DESTINATIONS} destinations, not {}", destinations.len());
            problems.add("destinations", message);
        }
        for (i, d) in destinations.iter().enumerate().take(MAX_DESTINATIONS) {
            let path = format!("destinations[{i}]");
            problems.require(d.weight <= 1_000_000, &format!("{path}.weight"), "must be 0 to 1000000");
            let again = destinations[..i].iter().any(|e| e.destination == d.destination);
            problems.require(!again, &format!("{path}.destination"), "is named twice");
        }
        if self.select == Select::Weight && !destinations.is_empty() {
            let some = destinations.iter().any(|d| d.weight > 0);
            problems.require(some, "destinations", "must have a weight above 0 for at least one of them");
        }
        match &self.action {
            Action::Status { code } => {
                let ok = (200..=599).contains(code) && !(300..400).contains(code);
                problems.require(ok, "action.code", "must be 200 to 599 and not a redirect (3xx)");
            }
            Action::Text { body } | Action::Html { body } => {
                problems.require(body.len() <= 256 * 1024, "action.body", "must be at most 256 KiB");
            }
            Action::Campaign { campaign } => {
                problems.require(*campaign != self.campaign, "action.campaign", "must be another campaign");
            }
            _ => {}
        }
    }
}

/// Under `rotation: weight`, active regular streams whose weights are all 0 would serve nobody new; none at all is a
/// campaign in the making.
pub fn serves_nobody(weights: impl IntoIterator<Item = u32>) -> bool {
    let mut any = false;
    for weight in weights {
        if weight > 0 {
            return false;
        }
        any = true;
    }
    any
}
