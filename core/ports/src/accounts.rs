//! Accounts: users, API tokens, login codes and sessions, what services were set to, and what callers were answered who may ask again.
//! What the first four hold is the domain's ([`tfx_domain::access`]); a store
//! knows their names and versions and keeps the rest as text.
//!
//! Every change says at which version it was decided: of several who change one at once, one does, and the others look
//! again. So a code is used once and a wrong guess is counted, however many come at a time.

use crate::{
    audit::AuditEntry,
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use tfx_domain::Timestamp;

/// What kind of account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// An API token.
    Token,
    /// A person.
    User,
    /// A login that goes on.
    Session,
    /// A code that was sent to log in with.
    Code,
    /// What the settings of a service were when it started last.
    Settings,
    /// What was answered to a request that its caller gave a name, so that it is done once (an idempotency key). It is
    /// saved with what was done.
    Answer,
}

impl AccountKind {
    /// The word that stores keep.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::User => "user",
            Self::Session => "session",
            Self::Code => "code",
            Self::Settings => "settings",
            Self::Answer => "answer",
        }
    }

    /// The place in a list of this kind that a cursor stands for; none: it is none of such a list.
    pub fn place(self, cursor: &str) -> Option<String> {
        let begins = match self {
            Self::Token => "tok_",
            Self::User => "usr_",
            Self::Session => "ses_",
            Self::Code | Self::Settings | Self::Answer => "",
        };
        let rest = cursor.strip_prefix(begins)?;
        let is_id = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_id.then(|| cursor.to_owned())
    }
}

/// One account, as stores keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What kind.
    pub kind: AccountKind,
    /// Unique in its kind, never changes, and orders lists.
    pub id: String,
    /// Unique in its kind.
    pub name: String,
    /// 1 when it is new.
    pub version: u64,
    /// From then on it may be forgotten; none: never.
    pub until: Option<Timestamp>,
    /// The rest, as JSON.
    pub body: String,
}

impl Account {
    /// A new one.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if it cannot be written as JSON.
    pub fn new(kind: AccountKind, id: &str, name: &str, body: &impl Serialize) -> Result<Self, StoreError> {
        let (id, name) = (id.to_owned(), name.to_owned());
        Ok(Self { kind, id, name, version: 1, until: None, body: written(body)? })
    }

    /// To be forgotten from then on.
    #[must_use]
    pub fn until(self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self }
    }

    /// The same account with another body, as its next version.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if it cannot be written as JSON.
    pub fn changed(&self, body: &impl Serialize) -> Result<Self, StoreError> {
        Ok(Self { version: self.version + 1, body: written(body)?, ..self.clone() })
    }

    /// What it holds.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if it cannot be read.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        let what = || format!("stored {} {}", self.kind.as_str(), self.id);
        serde_json::from_str(&self.body).map_err(|e| StoreError::broken(what(), e))
    }
}

fn written(body: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(body).map_err(|e| StoreError::broken("write as JSON", e))
}

/// Keeps accounts, in the store that has the audit log: what is done and the line that tells of it are one transaction.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// By id.
    async fn get(&self, kind: AccountKind, id: &str) -> Result<Option<Account>, StoreError>;

    /// By name.
    async fn find(&self, kind: AccountKind, name: &str) -> Result<Option<Account>, StoreError>;

    /// A page, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`], what any store can answer.
    async fn list(&self, kind: AccountKind, page: &PageRequest) -> Result<Page<Account>, StoreError>;

    /// Saves all of them, with the line, or nothing. One of version 1 is new; of another the version before is there.
    ///
    /// # Errors
    /// [`StoreError::VersionMismatch`]: it is at another version, or there already; [`StoreError::NotFound`];
    /// [`StoreError::SlugTaken`]: another one of its kind has the name; what any store can answer.
    async fn save(&self, accounts: Vec<Account>, line: Option<AuditEntry>) -> Result<(), StoreError>;

    /// Forgets those whose time is over; how many.
    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError>;
}
