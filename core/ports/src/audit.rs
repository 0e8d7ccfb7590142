//! The audit log: who did what to the installation, when. A change of an entity is told of in its own transaction
//! ([`crate::config::Change`]); what is done to anything else is told of by [`AuditLog::append`].

use crate::{
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tfx_domain::Timestamp;

/// Who asks for something to be done, and from where. It travels from the request to what is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// A token's name, a user's address, or the setting that asks for it.
    pub name: String,
    /// The address it was asked from, behind trusted proxies; empty: it was asked by no request.
    #[serde(default)]
    pub from: String,
    /// The request, as the logs of the services name it; empty: it was asked by none.
    #[serde(default)]
    pub request_id: String,
    /// The id of the API token or session that was shown; empty: the administrator's token, or none.
    #[serde(default)]
    pub token: String,
}

impl Caller {
    /// Somebody who does not ask by a request.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When it was done, by the clock of api-service.
    pub at: Timestamp,
    /// Who had it done.
    pub caller: Caller,
    /// What was done, a verb: `create`, `update`, `pause`, `resume`, `archive`, `rollback`, `prune`, `revoke`, `login`.
    pub action: String,
    /// To what kind of thing, a noun: that of an entity's kind ([`tfx_domain::entity::Kind::noun`]), or another, such as
    /// `events` or `token`.
    pub kind: String,
    /// The id of the thing; empty where there is only one of its kind.
    pub id: String,
    /// The version of the entity after the change; 0 for what has none.
    pub version: u64,
    /// What changed: `{field: [before, after]}`, secrets masked.
    pub changes: Value,
}

/// Keeps the audit log. Whoever keeps the configuration does ([`crate::config::ConfigStore`]): a change and its line are
/// one transaction.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds a line about something that is no entity. It makes no revision of the configuration, and waits for nobody who
    /// changes that.
    async fn append(&self, entry: AuditEntry) -> Result<(), StoreError>;

    /// A page of the log, newest first, about one thing or about all.
    async fn audit(&self, id: Option<&str>, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError>;
}
