//! Entities. Their bodies are the domain's specs as JSON; here is what stands around them.
//!
//! A shown entity is its spec with `id`, `version`, `created_at`, `updated_at` and `labels` (the slugs of what it
//! refers to); a network shows `has_postback_secret` instead of its secret. A saved stream may come with `warnings`, sentences on what will
//! not work as it is. What was shown can be sent back.

use serde::{Deserialize, Serialize};
use tfx_domain::entity::{Secret, Status};

/// Fields that an answer has beside the spec; ignored when sent back.
pub const SHOWN_ONLY: [&str; 16] = [
    "id",
    "version",
    "created_at",
    "updated_at",
    "labels",
    "has_postback_secret",
    "has_postback_signing_key",
    "has_signing_key",
    "former_secret_until",
    "former_signing_key_until",
    "active_streams",
    "streams",
    "cap_use",
    "now",
    "states",
    "warnings",
];

/// Whether a payout or cost, as it is said, says an amount and not of which currency.
pub fn is_amount_alone(money: &serde_json::Value) -> bool {
    money.as_object().is_some_and(|money| !money.is_empty() && !money.contains_key("currency"))
}

/// Which entities of a kind to list, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityQuery {
    /// Only with one of these; none: active and paused.
    pub status: Vec<Status>,
    /// Only of this parent (streams: campaign, templates: network): id or slug.
    pub parent: Option<String>,
    /// At most this many, 1 to 1,000; else 100.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// What can be done with an entity besides changing its spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It takes no part until resumed.
    Pause,
    /// It takes part again; also brings back what was archived.
    Resume,
    /// Put away; left out of lists unless asked for.
    Archive,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pause, Self::Resume, Self::Archive];

    /// The word in paths and in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Archive => "archive",
        }
    }

    /// What the entity's status is after it.
    pub const fn status(self) -> Status {
        match self {
            Self::Pause => Status::Paused,
            Self::Resume => Status::Active,
            Self::Archive => Status::Archived,
        }
    }
}

/// Another secret for a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SecretRotation {
    /// Seconds for which the present one works too; at most [`Self::MOST_GRACE_S`]. Not said: a day.
    #[serde(default = "SecretRotation::a_day")]
    #[cfg_attr(feature = "schema", schemars(range(max = Self::MOST_GRACE_S)))]
    pub grace_s: u64,
    /// The new one; not said: one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[!-~]{8,200}$")))]
    pub postback_secret: Option<Secret>,
    /// Or the key with which the network signs: the postback secret stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[!-~]{8,200}$")))]
    pub signing_key: Option<Secret>,
}

impl SecretRotation {
    /// 90 days.
    pub const MOST_GRACE_S: u64 = 90 * 86_400;

    const fn a_day() -> u64 {
        86_400
    }
}

/// A link to hand out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Link {
    /// The URL.
    pub url: String,
    /// What is to be known about it before it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
