//! Who is asking, and what the services say of themselves.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose token this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whoami {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
}

/// The counters of each service's event producer, as it gives them, or why it could not be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventStats {
    /// traffic-service's.
    pub traffic: ServiceStats,
    /// postback-service's.
    pub postback: ServiceStats,
}

/// The counters of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceStats {
    /// Its counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<Value>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
