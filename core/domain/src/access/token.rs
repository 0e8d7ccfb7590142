//! API tokens: what is kept of one, and whether it still opens anything.

use super::{NOBODY, Scope, known_scopes};
use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// What the token of the data folder is called in the audit log.
pub const ADMIN_TOKEN: &str = "admin token";
/// Characters that a name may have.
const LONGEST: usize = 100;
/// What others are called in the audit log.
const OTHERS: [&str; 3] = [ADMIN_TOKEN, "admin", NOBODY];
/// What ids begin with that stand there.
const IDS: [&str; 3] = ["tok_", "usr_", "ses_"];

/// Whether a token may be called so. Its name stands in the audit log, where it must be seen whole and look like nobody
/// else's.
///
/// # Errors
/// What is wrong with it.
pub fn token_name(name: &str) -> Result<(), &'static str> {
    if !(1..=LONGEST).contains(&name.chars().count()) || name.trim() != name {
        return Err("must be 1 to 100 characters without blanks around it");
    }
    if name.contains('@') {
        return Err("must not have an @: it would look like somebody's address");
    }
    if !name.chars().all(is_seen) {
        return Err(
            "must be of letters, digits and signs that are seen: no line breaks, marks or directions",
        );
    }
    let lower = name.to_ascii_lowercase();
    if IDS.iter().any(|id| lower.starts_with(id)) {
        return Err("must not look like an id");
    }
    if OTHERS.contains(&lower.as_str()) {
        return Err("is what somebody else is called in the audit log");
    }
    Ok(())
}

/// A character that has a place of its own, is written from left to right, and changes none beside it.
const fn is_seen(c: char) -> bool {
    matches!(c,
        ' '..='~'
        // Latin, but for the hyphen that is not seen.
        | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{24f}'
        // Greek and Cyrillic, without marks.
        | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{52f}'
        // Dashes, quotes, the ellipsis and the euro.
        | '\u{2010}'..='\u{2027}' | '\u{20ac}'
        // Kana, Han and Hangul.
        | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

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
    fn a_token_is_called_what_looks_like_nobody_else() {
        let long = "x".repeat(100);
        for fits in
            ["ci", "CI of the shop (2)", "Müller–Straße €", "отчёты", "日報", "가나다", "admins", &long]
        {
            assert_eq!(token_name(fits), Ok(()), "{fits}");
        }
        let longer = "x".repeat(101);
        for wrong in [
            "",
            " ci",
            "ci ",
            "a\nb",
            "admin token",
            "Admin Token",
            "admin",
            "nobody",
            "boss@example.com",
            "boss\u{ff20}example.com",
            "tok_0",
            "USR_0000000000000000000",
            "ses_1",
            "ci\u{202e}nimda",
            "admin\u{200b} token",
            "admin\u{a0}token",
            "adm\u{ad}in",
            "e\u{301}",
            "\u{feff}ci",
            "\u{5d0}",
            "\u{e0041}",
            &longer,
        ] {
            assert!(token_name(wrong).is_err(), "{wrong:?}");
        }
    }

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
