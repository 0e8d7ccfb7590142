//! How alerts stand, group by group, and what happened to them.

use crate::{
    error::StoreError,
    page::{Page, PageRequest},
    queue::NewJob,
};
use async_trait::async_trait;
use tfx_domain::{
    Timestamp,
    alert::{AlertEvent, AlertState},
    id::AlertId,
};

/// What a look at one group of a rule leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// The state after it; its version is one more than that of the state it was made of.
    pub state: AlertState,
    /// The group is not looked at any more: its state is forgotten instead of kept.
    pub over: bool,
    /// Lines of the log.
    pub log: Vec<AlertEvent>,
    /// What is to be done, of the queue's kind [`crate::queue::JobKind::Alert`].
    pub jobs: Vec<NewJob>,
}

/// A state as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredAlert {
    /// The state.
    pub state: AlertState,
    /// When a channel was last told of it.
    pub sent_at: Option<Timestamp>,
}

/// Which lines of the log to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertLogQuery {
    /// Only of this rule.
    pub alert: Option<AlertId>,
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// Which part.
    pub page: PageRequest,
}

/// Keeps how alerts stand. What a method has answered survives the loss of power.
#[async_trait]
pub trait AlertStore: Send + Sync {
    /// Saves what looks led to, each state with its lines and jobs or not at all. One whose version is not one more than
    /// that which is kept was made of what is over: another instance was faster, and it is passed over.
    async fn save(&self, looked: &[Looked]) -> Result<(), StoreError>;

    /// How a rule stands, or all of them, in the order of rules and groups.
    async fn states(&self, alert: Option<&AlertId>) -> Result<Vec<StoredAlert>, StoreError>;

    /// Adds lines to the log; one that is there stays as it is. A line that says that a channel was told is the last sending
    /// of its group.
    async fn append(&self, lines: &[AlertEvent]) -> Result<(), StoreError>;

    /// Writes lines anew that are there, by their ids; others are passed over. When they last told a channel stays.
    async fn rewrite(&self, lines: &[AlertEvent]) -> Result<(), StoreError>;

    /// A page of the log, newest first.
    async fn log(&self, query: &AlertLogQuery) -> Result<Page<AlertEvent>, StoreError>;

    /// Forgets lines from before a time; how many it were.
    async fn forget_log(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Why rows that were met since the start cannot be read: what is read goes on without them, at most a hundred are
    /// named. A state that cannot be read counts as none, and is replaced by the next look.
    fn left_out(&self) -> Vec<String>;
}

/// A group as stores name it: its values as a JSON list.
pub fn group_key(group: &[String]) -> String {
    serde_json::Value::from(group.to_vec()).to_string()
}
