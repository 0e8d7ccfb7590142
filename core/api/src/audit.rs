//! The audit log: who changed what, when.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tfx_domain::Timestamp;

/// Which changes to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditQuery {
    /// Only of the thing with this id.
    pub id: Option<String>,
    /// At most this many, 1 to 1,000.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditEntry {
    /// When it was saved, by the clock of api-service.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// Who: a token's name, a user's address, `admin token`, or `nobody` while he logs in.
    pub actor: String,
    /// The address it was asked from; empty: not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The request, as the log of api-service names it; empty: not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// The id of the API token or session that was shown; empty: the administrator's token, or none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// `create`, `update`, `pause`, `resume`, `archive`, `rollback`, `prune`, `apply`, `erase`, `erased`, `revoke`, `login`, `refuse`, `lock`.
    pub action: String,
    /// What kind of thing, a noun: `campaign`, `events`, `token`.
    pub kind: String,
    /// The id of the thing; of a `login` the address that a code was for.
    pub id: String,
    /// The version after the change.
    pub version: u64,
    /// What changed: `{field: [before, after]}`, secrets masked.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "std::collections::BTreeMap<String, Vec<serde_json::Value>>")
    )]
    pub changes: Value,
}
