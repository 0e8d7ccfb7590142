//! Alert rules: what is looked at, when that is told and where, and what is done about it.

use super::{Kind, Spec, Status, check_name};
use crate::{
    Timestamp,
    alert::{Channel, Condition, Policy, Target, TargetKind},
    id::{AlertId, DestinationId, StreamId},
    money::Currency,
    problem::Problems,
    report::{Dimension, ReportFilter},
    routing::timetable::{self, Timetable},
    rules::Reference,
    slug::Slug,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most dimensions that a rule looks at one by one.
const MAX_BY: usize = 3;
/// Most filters of a rule.
const MAX_FILTERS: usize = 20;
/// Most channels of a rule.
const MAX_CHANNELS: usize = 10;
/// Longest times, in seconds.
const DAY: u64 = 86_400;
const MONTH: u64 = 30 * DAY;

/// What a person writes about an alert rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AlertSpec {
    /// Its name in commands; unique among alerts.
    pub slug: Slug,
    /// For people.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::NAME)))]
    pub name: String,
    /// Only an active rule is looked at.
    #[serde(default)]
    pub status: Status,
    /// The condition: `cr < 0.5 * avg(7d)`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 500)))]
    pub when: String,
    /// Each group of these is looked at by itself; none: all together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_BY), extend("uniqueItems" = true)))]
    pub by: Vec<Dimension>,
    /// What must hold of every counted event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_FILTERS)))]
    pub filters: Vec<ReportFilter>,
    /// Seconds up to now that figures are taken over, unless they say otherwise.
    #[serde(default = "hour")]
    #[cfg_attr(feature = "schema", schemars(range(min = 60, max = MONTH)))]
    pub window_s: u64,
    /// With fewer clicks in the window figures say nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub min_clicks: u64,
    /// Seconds that the condition must hold before the alert fires.
    #[serde(default, skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "schema", schemars(range(max = DAY)))]
    pub for_s: u64,
    /// Seconds that it must not hold before the alert is cleared.
    #[serde(default = "five_minutes")]
    #[cfg_attr(feature = "schema", schemars(range(max = DAY)))]
    pub clear_s: u64,
    /// After how many seconds without data that is told; none: it is only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = MONTH)))]
    pub no_data_after_s: Option<u64>,
    /// When nothing is told, on the clocks of `timezone`: `22:00-08:00`, `sat,sun`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<String>,
    /// IANA name, of `today` and of quiet hours.
    #[serde(default = "utc")]
    pub timezone: String,
    /// Of all amounts.
    #[serde(default)]
    pub currency: Currency,
    /// Where it is told: `webhook:URL`, `slack:URL`, `telegram:CHAT`, `mail:ADDRESS`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_CHANNELS), extend("uniqueItems" = true)))]
    pub channels: Vec<String>,
    /// What is done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<AlertAction>,
    /// The stream that is paused; not said: that of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamId>,
    /// The destination that is paused; not said: that of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationId>,
    /// Seconds after the condition last held, when that is taken back at the latest; none: when the alert is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 60, max = MONTH)))]
    pub return_after_s: Option<u64>,
    /// Whether the action is really done; else it is only said what would be.
    #[serde(default, skip_serializing_if = "is_default")]
    pub armed: bool,
}

/// What is done about an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlertAction {
    /// A stream is paused.
    PauseStream,
    /// A destination is paused.
    PauseDestination,
}

fn hour() -> u64 {
    3_600
}

fn five_minutes() -> u64 {
    300
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Left out where nothing is said.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl AlertSpec {
    /// The condition; none where an older rule cannot be read.
    pub fn condition(&self) -> Option<Condition> {
        self.when.parse().ok()
    }

    /// What its groups are told apart by: those that are said, and the destination where its health is asked for.
    pub fn groups(&self) -> Vec<Dimension> {
        let mut by = self.by.clone();
        let health = self.condition().is_some_and(|c| c.needs().health);
        if health && !by.contains(&Dimension::Destination) {
            by.push(Dimension::Destination);
        }
        by
    }

    /// Its channels.
    pub fn channels(&self) -> Vec<Channel> {
        self.channels.iter().filter_map(|text| Channel::parse(text).ok()).collect()
    }

    /// How it goes from one state to another.
    pub fn policy(&self) -> Policy {
        let quiet = Timetable::compile(&self.timezone, &self.quiet).ok().filter(|_| !self.quiet.is_empty());
        Policy {
            hold: Duration::from_secs(self.for_s),
            clear: Duration::from_secs(self.clear_s),
            no_data_after: self.no_data_after_s.map(Duration::from_secs),
            quiet,
            action: self.action.map(|_| self.armed),
            return_after: self.return_after_s.map(Duration::from_secs),
        }
    }

    /// What its action is done to in a group; none: it has no action, or the group is of no such thing.
    pub fn target(&self, group: &[String]) -> Option<Target> {
        let (kind, named, dimension) = match self.action? {
            AlertAction::PauseStream => {
                (TargetKind::Stream, self.stream.as_ref().map(ToString::to_string), Dimension::Stream)
            }
            AlertAction::PauseDestination => (
                TargetKind::Destination,
                self.destination.as_ref().map(ToString::to_string),
                Dimension::Destination,
            ),
        };
        let of_group = || {
            let parts = group.iter().filter_map(|part| part.split_once('='));
            let mut ids = parts.filter(|(name, id)| *name == dimension.to_string() && !id.is_empty());
            ids.next().map(|(_, id)| id.to_owned())
        };
        named.or_else(of_group).map(|id| Target { kind, id })
    }

    /// Whether another look would ask, or do, something else.
    pub fn acts_otherwise(&self, before: &Self) -> bool {
        let what = |s: &Self| {
            (s.when.clone(), s.by.clone(), s.filters.clone(), s.window_s, s.min_clicks, s.for_s, s.action)
        };
        let on_what = |s: &Self| (s.stream.clone(), s.destination.clone(), s.currency, s.timezone.clone());
        what(self) != what(before) || on_what(self) != on_what(before)
    }

    fn check_groups(&self, condition: &Condition, problems: &mut Problems) {
        let needs = condition.needs();
        for (i, dimension) in self.by.iter().enumerate() {
            let path = format!("by[{i}]");
            problems.require(!dimension.is_time(), &path, "must not be a time: each look is at now");
            problems.require(*dimension != Dimension::Status, &path, "clicks have no status");
            problems.require(!self.by[..i].contains(dimension), &path, "is named twice");
        }
        if needs.health && needs.spans.is_empty() {
            let only = self.by.iter().all(|d| *d == Dimension::Destination);
            problems.require(only, "by", "must be destination alone where its health alone is asked for");
        }
        let others = |allowed: Dimension| self.filters.iter().position(|f| f.dimension != allowed);
        if needs.health
            && needs.spans.is_empty()
            && let Some(i) = others(Dimension::Destination)
        {
            problems.add(
                format!("filters[{i}]"),
                "must be of the destination where its health alone is asked for",
            );
        }
        if needs.postbacks {
            let only = self.groups().iter().all(|d| *d == Dimension::Network);
            problems.require(only, "by", "must be network, or nothing, with 'postbacks silent'");
            if let Some(i) = others(Dimension::Network) {
                problems.add(format!("filters[{i}]"), "must be of the network with 'postbacks silent'");
            }
        }
        if !needs.ingestion.is_empty() {
            problems.require(self.groups().is_empty(), "by", "must be nothing with 'ingestion errors'");
        }
    }

    fn check_action(&self, problems: &mut Problems) {
        if self.channels.is_empty() && self.action.is_none() {
            problems.add(
                "channels",
                "is required where nothing is done: webhook:URL, slack:URL, telegram:CHAT or mail:ADDRESS (--to); or name \
                 an action: pause_stream, pause_destination (--do)",
            );
        }
        let by = self.groups();
        match self.action {
            Some(AlertAction::PauseStream) => {
                let named = self.stream.is_some() || by.contains(&Dimension::Stream);
                problems.require(
                    named,
                    "action",
                    "pauses which stream? Name one (--stream), or group by stream",
                );
            }
            Some(AlertAction::PauseDestination) => {
                let named = self.destination.is_some() || by.contains(&Dimension::Destination);
                problems.require(
                    named,
                    "action",
                    "pauses which destination? Name one (--destination), or group by destination",
                );
            }
            None => {
                let lone = [
                    ("stream", self.stream.is_some()),
                    ("destination", self.destination.is_some()),
                    ("return_after_s", self.return_after_s.is_some()),
                    ("armed", self.armed),
                ];
                let said: Vec<&str> =
                    lone.into_iter().filter(|(_, said)| *said).map(|(field, _)| field).collect();
                if !said.is_empty() {
                    let said = said.join(", ");
                    problems.add(
                        "action",
                        format!("is required with {said}: pause_stream or pause_destination (--do)"),
                    );
                }
            }
        }
        if self.action == Some(AlertAction::PauseStream) && self.destination.is_some() {
            problems.add("destination", "goes with the action pause_destination");
        }
        if self.action == Some(AlertAction::PauseDestination) && self.stream.is_some() {
            problems.add("stream", "goes with the action pause_stream");
        }
    }
}

impl Spec for AlertSpec {
    type Id = AlertId;
    const KIND: Kind = Kind::Alert;
    const REFS: &'static [(&'static str, Kind)] =
        &[("stream", Kind::Stream), ("destination", Kind::Destination)];

    fn new_id(now: Timestamp, random: u128) -> AlertId {
        AlertId::generate(now, random)
    }

    fn example() -> serde_json::Value {
        serde_json::json!({
            "slug": "spent", "name": "Spent today", "when": "spend_today > 200",
            "channels": ["mail:anna@example.com"],
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

    fn refers_to(&self) -> Vec<Reference> {
        let stream = self.stream.iter().map(|id| Reference::new("stream", Kind::Stream, id));
        let destination =
            self.destination.iter().map(|id| Reference::new("destination", Kind::Destination, id));
        stream.chain(destination).collect()
    }

    fn validate(&self) -> Problems {
        let mut problems = Problems::default();
        check_name(&self.name, &mut problems);
        match self.when.parse::<Condition>() {
            Ok(condition) => self.check_groups(&condition, &mut problems),
            Err(bad) => problems.add("when", bad.to_string()),
        }
        let count = |path: &str, is: usize, most: usize, problems: &mut Problems| {
            if is > most {
                problems.add(path, format!("must be at most {most}, not {is}"));
            }
        };
        count("by", self.by.len(), MAX_BY, &mut problems);
        count("filters", self.filters.len(), MAX_FILTERS, &mut problems);
        count("channels", self.channels.len(), MAX_CHANNELS, &mut problems);
        let lengths = [
            ("window_s", Some(self.window_s), 60, MONTH),
            ("for_s", Some(self.for_s), 0, DAY),
            ("clear_s", Some(self.clear_s), 0, DAY),
            ("no_data_after_s", self.no_data_after_s, 0, MONTH),
            ("return_after_s", self.return_after_s, 60, MONTH),
        ];
        for (path, seconds, least, most) in lengths {
            if let Some(seconds) = seconds.filter(|s| !(least..=most).contains(s)) {
                problems.add(path, format!("must be {least} to {most} seconds, not {seconds}"));
            }
        }
        if self.quiet.is_empty() {
            if let Err(message) = timetable::zone(&self.timezone) {
                problems.add("timezone", message);
            }
        } else if let Err(found) = Timetable::compile(&self.timezone, &self.quiet) {
            let mend = |path: String| path.replace("windows", "quiet");
            problems.0.extend(found.0.into_iter().map(|mut p| {
                p.path = mend(p.path);
                p
            }));
        }
        self.currency.check("currency", &mut problems);
        for (i, text) in self.channels.iter().enumerate().take(MAX_CHANNELS) {
            let path = format!("channels[{i}]");
            if let Err(message) = Channel::parse(text) {
                problems.add(path, message);
            } else {
                problems.require(!self.channels[..i].contains(text), &path, "is named twice");
            }
        }
        self.check_action(&mut problems);
        problems
    }
}
