//! What happened to alerts, as their log keeps it; and what is to be done for them, as jobs.

use super::notice::Notice;
use crate::{
    Timestamp,
    id::{AlertId, ClickId},
};
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// It fired.
    Fired,
    /// It was cleared.
    Cleared,
    /// A channel was told.
    Sent,
    /// A channel could not be told, and that was given up.
    Undelivered,
    /// The action would have been done, were the rule armed.
    WouldPause,
    /// The action was done.
    Paused,
    /// It was taken back.
    Returned,
    /// The action, or its return, was not done; the text says why.
    LeftAlone,
}

impl Happened {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Cleared => "cleared",
            Self::Sent => "sent",
            Self::Undelivered => "undelivered",
            Self::WouldPause => "would_pause",
            Self::Paused => "paused",
            Self::Returned => "returned",
            Self::LeftAlone => "left_alone",
        }
    }
}

/// A line of the log of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEvent {
    /// Its own; one that is written again is the same line.
    pub id: ClickId,
    /// When it happened.
    pub at: Timestamp,
    /// To which rule.
    pub alert: AlertId,
    /// In which group.
    pub group: Vec<String>,
    /// What.
    pub happened: Happened,
    /// For people.
    pub text: String,
}

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A stream.
    Stream,
    /// A destination.
    Destination,
}

/// What an action is done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Of which kind.
    pub kind: TargetKind,
    /// Its id.
    pub id: String,
}

/// What is to be done for an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum AlertJob {
    /// A channel is to be told.
    Tell {
        /// What.
        notice: Box<Notice>,
        /// Of which group, as states name it.
        group: Vec<String>,
        /// The place of the channel among those of the rule.
        place: usize,
        /// The channel as it may be shown: the secret in its URL is not in the job.
        channel: String,
    },
    /// The target is to be paused.
    Pause {
        /// The id of the line that tells of it.
        id: ClickId,
        /// The rule.
        alert: AlertId,
        /// Of which group.
        group: Vec<String>,
        /// Who pauses: `alert:SLUG`.
        actor: String,
        /// What.
        target: Target,
    },
    /// The target is to go on, if nobody has touched it since.
    Return {
        /// The id of the line that tells of it.
        id: ClickId,
        /// The rule.
        alert: AlertId,
        /// Of which group.
        group: Vec<String>,
        /// Who paused.
        actor: String,
        /// What.
        target: Target,
    },
}
