//! Destinations: where clicks are sent, shared by streams.

use super::{Kind, Spec, Status, check_name};
use crate::{
    Timestamp,
    id::{DestinationId, NetworkId},
    macros::{Scope, UrlTemplate},
    money::{Amount, Money},
    problem::Problems,
    routing::timetable,
    rules::Reference,
    slug::Slug,
};
use serde::{Deserialize, Serialize};

/// What a person writes about a destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DestinationSpec {
    /// Its name in links and commands; unique among destinations.
    pub slug: Slug,
    /// For people.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::NAME)))]
    pub name: String,
    /// Only an active destination is a candidate.
    #[serde(default)]
    pub status: Status,
    /// The URL with macros.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::URL)))]
    pub url: String,
    /// Who pays for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkId>,
    /// What a conversion pays when the postback does not say; api-service takes the network's currency when none is
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout: Option<Money>,
    /// Limits; a destination at one of them is no candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Caps>,
    /// When it takes clicks; none: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// For how many seconds it is not shown again to the same visitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = 31_622_400)))]
    pub anti_repeat_s: Option<u64>,
    /// How its health is probed; none: never, and it counts as healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Whether a second transaction on a click that already has a sale counts as an upsell.
    #[serde(default)]
    pub allow_upsell: bool,
}

/// Limits on what a destination gets. Days begin at midnight in `timezone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// Clicks a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clicks_daily: Option<u64>,
    /// Clicks ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clicks_total: Option<u64>,
    /// Conversions a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversions_daily: Option<u64>,
    /// Conversions ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversions_total: Option<u64>,
    /// IANA name; `UTC` unless said otherwise.
    #[serde(default = "utc")]
    pub timezone: String,
}

/// A weekly timetable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// IANA name; `UTC` unless said otherwise.
    #[serde(default = "utc")]
    pub timezone: String,
    /// `mon-fri 09:00-18:00`, `sat,sun 10:00-02:00` (past midnight), `fri` (the whole day).
    pub windows: Vec<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// How a destination's health is probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// What is probed; else the destination's URL with empty macros.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::URL)))]
    pub url: Option<String>,
    /// HEAD or GET.
    #[serde(default)]
    pub method: ProbeMethod,
    /// Statuses that mean healthy; none: 200 to 399.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(inner(range(min = 100, max = 599))))]
    pub expected_statuses: Vec<u16>,
    /// Failures in a row before it is down.
    #[serde(default = "three")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100)))]
    pub failures: u32,
    /// Successes in a row before it is up again.
    #[serde(default = "two")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100)))]
    pub successes: u32,
}

impl HealthCheck {
    /// Whether a status means healthy.
    pub fn expects(&self, status: u16) -> bool {
        if self.expected_statuses.is_empty() {
            return (200..400).contains(&status);
        }
        self.expected_statuses.contains(&status)
    }
}

fn three() -> u32 {
    3
}

fn two() -> u32 {
    2
}

/// The method of a probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum ProbeMethod {
    /// Asks for no body.
    #[default]
    Head,
    /// For servers that refuse HEAD.
    Get,
}

impl DestinationSpec {
    /// Whether its URL carries the click's id, by which its network reports.
    pub fn carries_click_id(&self) -> bool {
        carries(&self.url, &["click_id", "subid", "clickid"])
    }
}

/// Whether a text has one of these macros, encoded or raw.
pub(super) fn carries(text: &str, macros: &[&str]) -> bool {
    macros.iter().any(|name| text.contains(&format!("{{{name}}}")) || text.contains(&format!("{{_{name}}}")))
}

impl Spec for DestinationSpec {
    type Id = DestinationId;
    const KIND: Kind = Kind::Destination;
    const REFS: &'static [(&'static str, Kind)] = &[("network", Kind::Network)];

    fn new_id(now: Timestamp, random: u128) -> DestinationId {
        DestinationId::generate(now, random)
    }

    fn example() -> serde_json::Value {
        serde_json::json!({ "slug": "offer", "name": "Offer", "url": "https://offer.example/?c={click_id}" })
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

    fn refers_to(&self) -> Vec<Reference> {
        self.network.iter().map(|id| Reference::new("network", Kind::Network, id)).collect()
    }

    fn validate(&self) -> Problems {
        let mut problems = Problems::default();
        check_name(&self.name, &mut problems);
        if let Err(p) = UrlTemplate::parse(&self.url, Scope::Redirect) {
            problems.nest("url", p);
        }
        if let Some(payout) = &self.payout {
            problems.require(payout.amount >= Amount::ZERO, "payout.amount", "must not be negative");
            payout.currency.check("payout.currency", &mut problems);
        }
        if let Some(caps) = &self.caps
            && let Err(message) = timetable::zone(&caps.timezone)
        {
            problems.add("caps.timezone", message);
        }
        if let Some(seconds) = self.anti_repeat_s {
            problems.require(
                seconds <= 366 * 86_400,
                "anti_repeat_s",
                "must be at most 31622400 seconds (a year)",
            );
        }
        if let Some(schedule) = &self.schedule
            && let Err(p) = timetable::Timetable::compile(&schedule.timezone, &schedule.windows)
        {
            problems.nest("schedule", p);
        }
        if let Some(check) = &self.health_check {
            if let Some(url) = &check.url
                && let Err(p) = UrlTemplate::parse(url, Scope::Redirect)
            {
                problems.nest("health_check.url", p);
            }
            for (i, status) in check.expected_statuses.iter().enumerate() {
                let path = format!("health_check.expected_statuses[{i}]");
                problems.require((100..=599).contains(status), &path, "must be 100 to 599");
            }
            for (field, times) in [("failures", check.failures), ("successes", check.successes)] {
                problems.require(
                    (1..=100).contains(&times),
                    &format!("health_check.{field}"),
                    "must be 1 to 100",
                );
            }
        }
        problems
    }
}
