//! Who is asking, and what the services say of themselves.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tfx_domain::{
    Timestamp,
    access::{Role, Scope},
};

/// Whose token this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Whoami {
    /// Its name.
    pub name: String,
    /// What the person is whose it is; none: it is a program's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The id of the token; empty: the administrator's, of the data folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub expires_at: Option<Timestamp>,
}

/// The counters of each service's event producer, as it gives them, or why it could not be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventStats {
    /// traffic-service's.
    pub traffic: ServiceStats,
    /// postback-service's.
    pub postback: ServiceStats,
}

/// The counters of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceStats {
    /// Its counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<Value>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How many events each service answered for, or why it could not be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordedAnswer {
    /// traffic-service's: clicks, and changes of destinations' health.
    pub traffic: RecordedEvents,
    /// postback-service's: postbacks, and states of conversions.
    pub postback: RecordedEvents,
}

/// Events that one service answered for since it started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordedEvents {
    /// Counted from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub since: Option<Timestamp>,
    /// When it was told, by the clock of that service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub at: Option<Timestamp>,
    /// By hour and kind, the oldest first; of a month at the most.
    #[serde(default)]
    pub hours: Vec<RecordedHour>,
    /// Why it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Events of one kind in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordedHour {
    /// When the hour begins; events count in that of their own time.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub hour: Timestamp,
    /// The topic: `click_events`, `trafficback_events`, `conversion_events`, `postback_log_events`,
    /// `destination_health_events`.
    pub topic: String,
    /// Events that somebody was answered for, with those that the journal then did not take.
    pub accepted: u64,
    /// Those of them that the sink took; of conversions always 0.
    pub published: u64,
}

/// What became of the events that each service's sink refused, or why it could not be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedAnswer {
    /// traffic-service's.
    pub traffic: RefusedEvents,
    /// postback-service's.
    pub postback: RefusedEvents,
}

/// Refused events of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedEvents {
    /// Events that are in its journal again, or would be.
    #[serde(default)]
    pub events: u64,
    /// Lines of its `refused.jsonl` that hold no event; they stay there.
    #[serde(default)]
    pub unreadable: u64,
    /// The file in its journal's folder in which those events stand now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_as: Option<String>,
    /// Why it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
