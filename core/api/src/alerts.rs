//! Alerts: how they stand, what happened to them, trying one. The rules themselves are entities.

use crate::source_postbacks::NotNow;
use serde::{Deserialize, Serialize};
use tfx_domain::Timestamp;
pub use tfx_domain::alert::{GroupPart, Happened, Phase};

/// How a rule stands, over all of its groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertSummary {
    /// In one text: `firing`, `pending`, `no data`, `ok`, `not looked at`.
    pub text: String,
    /// Groups in which it fires.
    pub firing: u64,
    /// Groups in which its condition holds, but not for long enough.
    pub pending: u64,
    /// Groups of which it is not known whether it holds.
    pub no_data: u64,
    /// All groups.
    pub groups: u64,
    /// Since when it has fired for the longest, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub since: Option<Timestamp>,
    /// When it was last looked at, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub evaluated_at: Option<Timestamp>,
    /// When a channel was last told, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub sent_at: Option<Timestamp>,
    /// Notices that wait to be sent.
    pub waiting: u64,
    /// Notices that were given up, and are kept for a week.
    pub undelivered: u64,
}

/// How a rule stands in one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertStateRow {
    /// The group; empty: all together.
    pub group: Vec<GroupPart>,
    /// How it stands.
    pub phase: Phase,
    /// Since when, UTC.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub since: Timestamp,
    /// Why it is not known whether the condition holds; empty: it is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub no_data: String,
    /// The figures of the last look.
    pub values: String,
    /// When that was, UTC.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub evaluated_at: Timestamp,
    /// When a channel was last told of it, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub sent_at: Option<Timestamp>,
    /// What was done about it; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
}

/// A line of the log of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertLogRow {
    /// Its own.
    pub id: String,
    /// When it happened, UTC.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// To which rule: its id.
    pub alert_id: String,
    /// Its slug.
    pub alert: String,
    /// In which group; empty: all together.
    pub group: String,
    /// What.
    pub happened: Happened,
    /// For people.
    pub text: String,
}

/// Which lines of the log to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertLogQuery {
    /// Only of this rule, by slug or id.
    pub alert: Option<String>,
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// At most this many, 1 to 1,000.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// What is to be tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AlertTest {
    /// Whether a notice that says that it is a test is sent to each channel, once.
    #[serde(default)]
    pub send: bool,
}

/// What a look at a rule finds now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertTestAnswer {
    /// The condition.
    pub when: String,
    /// When it was looked, UTC.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// Each group.
    pub groups: Vec<AlertTestGroup>,
    /// What would be told of the first group that the condition holds of, or of the first.
    pub notice: String,
    /// Each channel.
    pub channels: Vec<AlertTestChannel>,
    /// What will not work as it is, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What a look at one group finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertTestGroup {
    /// The group; empty: all together.
    pub group: Vec<GroupPart>,
    /// Whether the condition holds; none: that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    /// The figures, or why it is not known.
    pub values: String,
    /// What would be done; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
}

/// A channel of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertTestChannel {
    /// The channel, without its secrets.
    pub channel: String,
    /// Whether it took the notice; none: nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<bool>,
    /// Why it did not; empty: it did, or nothing was sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Which notices are to be sent again that were given up, or now that wait for their next try.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AlertRetry {
    /// These: the id of a notice (to all channels that it was not sent to), or the name of its job (to one).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 100)))]
    pub ids: Vec<String>,
    /// Or all that were given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead: bool,
    /// Of these only those of this alert: id or slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// With `dead`: only those that were given up before this. The `before` of the first answer, so that what is given up
    /// anew meanwhile does not come up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub before: Option<Timestamp>,
}

/// What is sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlertRetryAnswer {
    /// How many that were given up are due again, with all their attempts.
    pub revived: u64,
    /// How many that waited for their next try are due now, with the tries that they have.
    #[serde(default)]
    pub hurried: u64,
    /// Those that wait and are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_now: Vec<NotNow>,
    /// How many are not: pauses and returns that were given up, which are not done when their time is over.
    #[serde(default)]
    pub left: u64,
    /// True when there are more: ask again, with `before`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Before what time they were given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub before: Option<Timestamp>,
}
