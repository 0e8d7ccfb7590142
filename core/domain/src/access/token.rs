//! API tokens: what is kept of one, and whether it still opens anything.

use super::{Scope, known_scopes};
use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// An API token, as it is kept: never its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its id, which its text begins with.
    pub id: String,
    /// What it is called; unique among those that are not revoked.
    pub name: String,
    /// The keyed hash of its text, in hexadecimal digits.
    pub digest: String,
    /// What it may do.
    #[serde(deserialize_with = "known_scopes")]
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it ends by itself; none: not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// From where it was used last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_used_from: String,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// How often somebody changed it, and one; its use changes nothing.
    #[serde(default = "super::first_version")]
    pub version: u64,
}

/// Whether a token opens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

impl ApiToken {
    /// How it is at a time.
    pub fn state(&self, now: Timestamp) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            TokenState::Expired
        } else {
            TokenState::Active
        }
    }

    /// Whether its last use is to be written again: once a minute at most.
    pub fn is_use_news(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|at| now.duration_since(at).as_secs() >= 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_by_time_or_by_hand() {
        let at = |s| Timestamp::from_second(s).expect("in range");
        let token = |expires: Option<i64>, revoked: Option<i64>| ApiToken {
            id: "tok_1".to_owned(),
            name: "ci".to_owned(),
            digest: String::new(),
            scopes: Vec::new(),
            created_at: at(0),
            created_by: String::new(),
            expires_at: expires.map(at),
            last_used_at: None,
            last_used_from: String::new(),
            revoked_at: revoked.map(at),
            version: 1,
        };
        let table = [
            (None, None, TokenState::Active),
            (Some(101), None, TokenState::Active),
            (Some(100), None, TokenState::Expired),
            (None, Some(50), TokenState::Revoked),
            (Some(10), Some(50), TokenState::Revoked),
        ];
        for (expires, revoked, state) in table {
            assert_eq!(token(expires, revoked).state(at(100)), state, "{expires:?} {revoked:?}");
        }
        let used = ApiToken { last_used_at: Some(at(40)), ..token(None, None) };
        assert!(
            !used.is_use_news(at(99)) && used.is_use_news(at(100)) && token(None, None).is_use_news(at(0))
        );
    }
}
