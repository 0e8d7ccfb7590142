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
