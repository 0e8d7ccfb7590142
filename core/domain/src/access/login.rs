//! Logins: people, the codes that are sent to them, and sessions. What is decided of a code is decided here, of what was
//! seen of it; the store makes sure that it is done once.

use super::Role;
use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Wrong answers after which a code counts as no longer valid.
pub const MAX_WRONG: u8 = 5;
/// Codes that are sent to one address within the window.
pub const MAX_SENT: usize = 3;
/// A code of which nobody has said for so long that it was sent is lost: another may be asked for.
const LOST_AFTER: Duration = Duration::from_secs(120);
/// Digits of a code: 26 bits.
pub const DIGITS: usize = 8;

/// Who tries to log in and has shown nothing yet, in the audit log.
pub const NOBODY: &str = "nobody";

/// A mail address, as people are known by: without regard to case.
///
/// # Errors
/// What is wrong with it.
pub fn address(text: &str) -> Result<String, &'static str> {
    let text = text.trim().to_ascii_lowercase();
    let (name, host) = text.rsplit_once('@').ok_or("must be a mail address such as ann@example.com")?;
    let visible =
        text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b',' | b';' | b'"' | b'\\'));
    let host_fits = !host.is_empty()
        && host
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    if name.is_empty() || name.contains('@') || name.len() > 64 || text.len() > 254 || !visible || !host_fits
    {
        return Err("must be a mail address such as ann@example.com");
    }
    Ok(text)
}

/// A code of random bits, as digits.
pub fn code(random: u128) -> String {
    // 128 bits are so many more than the digits take that no code is likelier than another.
    format!("{:0width$}", random % 10_u128.pow(8), width = DIGITS)
}

/// Whether a text has the form of a code.
pub fn could_be_code(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether somebody may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// The address was verified; an administrator has to approve.
    Waiting,
    /// He may.
    Approved,
    /// He may no more.
    Revoked,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct User {
    /// His id.
    pub id: String,
    /// His mail address.
    pub email: String,
    /// What he is.
    pub role: Role,
    /// Whether he may log in.
    pub state: UserState,
    /// When his address was verified first.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub created_at: Timestamp,
    /// When he logged in last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Moment>"))]
    pub last_login_at: Option<Timestamp>,
    /// How often somebody changed it, and one; his logins change nothing.
    #[serde(default = "super::first_version")]
    pub version: u64,
}

/// A login that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Session {
    /// Its id, the `jti` of its token.
    pub id: String,
    /// The id of whose it is.
    pub user: String,
    /// His mail address.
    pub email: String,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub expires_at: Timestamp,
    /// From where it began.
    pub from: String,
    /// When it was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Moment>"))]
    pub revoked_at: Option<Timestamp>,
    /// How often somebody changed it, and one.
    #[serde(default = "super::first_version")]
    pub version: u64,
}

impl Session {
    /// Whether it opens anything.
    pub fn stands(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// The last code that was sent to an address, never its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginCode {
    /// The keyed hash of address and code.
    pub digest: String,
    /// When it is over.
    pub expires_at: Timestamp,
    /// Wrong answers so far.
    pub wrong: u8,
    /// Whether it was used.
    pub used: bool,
    /// When codes were sent to the address lately, this one last.
    pub sent: Vec<Timestamp>,
    /// Nobody knows yet whether it was sent: whoever does that may have died.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_its_way: bool,
}

/// What is to be done when a code is asked for. Whoever asks is told the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeDecision {
    /// A new one is sent.
    Send(LoginCode),
    /// One is valid still, or too many were sent: none is.
    Silence,
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guess {
    /// It is right, and the code is used up.
    Right(LoginCode),
    /// It is wrong, which is counted.
    Wrong(LoginCode),
    /// There is no code that could be answered.
    Over,
}

impl LoginCode {
    fn is_valid(&self, now: Timestamp) -> bool {
        !self.used && self.wrong < MAX_WRONG && now < self.expires_at
    }

    /// What is to be done when a code is asked for, of which `digest` would be the hash.
    pub fn asked(
        before: Option<&Self>,
        digest: String,
        now: Timestamp,
        ttl: Duration,
        window: Duration,
    ) -> CodeDecision {
        let after =
            |time: Duration| Timestamp::from_millisecond(now.as_millisecond().saturating_add(millis(time)));
        let Ok(expires_at) = after(ttl) else { return CodeDecision::Silence };
        let lately = |at: &&Timestamp| now.as_millisecond() - at.as_millisecond() < millis(window);
        let mut sent: Vec<Timestamp> =
            before.iter().flat_map(|code| &code.sent).filter(lately).copied().collect();
        if let Some(lost) = before.filter(|code| code.is_lost(now)).and_then(|code| code.sent.last()) {
            sent.retain(|at| at != lost);
        } else if before.is_some_and(|code| code.is_valid(now)) {
            return CodeDecision::Silence;
        }
        if sent.len() >= MAX_SENT {
            return CodeDecision::Silence;
        }
        sent.push(now);
        CodeDecision::Send(Self { digest, expires_at, wrong: 0, used: false, sent, on_its_way: true })
    }

    /// Whether nobody can be sending it any more who has not said so.
    fn is_lost(&self, now: Timestamp) -> bool {
        let since = self.sent.last().map_or(0, |at| now.as_millisecond() - at.as_millisecond());
        self.on_its_way && !self.used && since > millis(LOST_AFTER)
    }

    /// The same code, which was sent.
    #[must_use]
    pub fn arrived(mut self) -> Self {
        self.on_its_way = false;
        self
    }

    /// The same code, which could not be sent: it is over, and does not count among those of the window.
    #[must_use]
    pub fn not_sent(mut self) -> Self {
        self.used = true;
        self.on_its_way = false;
        self.sent.pop();
        self
    }

    /// What an answer comes to that was right or not.
    pub fn guessed(&self, right: bool, now: Timestamp) -> Guess {
        if !self.is_valid(now) {
            return Guess::Over;
        }
        if right {
            Guess::Right(Self { used: true, ..self.clone() })
        } else {
            Guess::Wrong(Self { wrong: self.wrong + 1, ..self.clone() })
        }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(600);
    const WINDOW: Duration = Duration::from_secs(900);

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).expect("in range")
    }

    fn sent(before: Option<&LoginCode>, s: i64) -> Option<LoginCode> {
        match LoginCode::asked(before, format!("digest {s}"), at(s), TTL, WINDOW) {
            CodeDecision::Send(code) => Some(code.arrived()),
            CodeDecision::Silence => None,
        }
    }

    #[test]
    fn a_code_is_used_once_and_takes_five_wrong_answers() {
        let fresh = sent(None, 0).expect("sent");
        let Guess::Right(used) = fresh.guessed(true, at(1)) else { panic!("right") };
        assert_eq!(used.guessed(true, at(2)), Guess::Over, "once");
        assert_eq!(fresh.guessed(true, at(600)), Guess::Over, "its time");
        let mut code = fresh;
        for n in 1..=MAX_WRONG {
            let Guess::Wrong(next) = code.guessed(false, at(1)) else { panic!("wrong {n}") };
            code = next;
        }
        assert_eq!(code.guessed(true, at(1)), Guess::Over, "burnt");
    }

    #[test]
    fn none_is_sent_while_one_is_valid_nor_more_than_three_in_the_window() {
        let first = sent(None, 0).expect("the first");
        assert_eq!(sent(Some(&first), 599), None, "it is valid");
        let second = sent(Some(&first), 600).expect("it is over");
        assert_eq!((second.sent.len(), second.wrong), (2, 0));
        let burnt = |code: &LoginCode| LoginCode { wrong: MAX_WRONG, ..code.clone() };
        let third = sent(Some(&burnt(&second)), 601).expect("a burnt one is no longer valid");
        assert_eq!(sent(Some(&burnt(&third)), 602), None, "three in the window");
        assert!(sent(Some(&burnt(&third)), 900).is_some(), "the first has left it");
    }

    #[test]
    fn a_code_that_nobody_said_was_sent_is_lost_after_two_minutes_and_counts_no_more() {
        let ask = |before: &LoginCode, s| match LoginCode::asked(
            Some(before),
            "next".to_owned(),
            at(s),
            TTL,
            WINDOW,
        ) {
            CodeDecision::Send(code) => Some(code.sent),
            CodeDecision::Silence => None,
        };
        let CodeDecision::Send(on_its_way) = LoginCode::asked(None, "first".to_owned(), at(0), TTL, WINDOW)
        else {
            panic!("the first is sent");
        };
        assert_eq!(ask(&on_its_way, 120), None, "who sends it may be waiting for the mailer");
        assert_eq!(ask(&on_its_way, 121), Some(vec![at(121)]));
        assert_eq!(ask(&on_its_way.clone().arrived(), 121), None, "it is there");
        assert_eq!(ask(&on_its_way.not_sent(), 1), Some(vec![at(1)]));
    }

    #[test]
    fn addresses_are_known_without_regard_to_case_and_hold_no_other_header() {
        assert_eq!(address(" Ann@Example.COM "), Ok("ann@example.com".to_owned()));
        let long = format!("{}@example.com", "a".repeat(65));
        for wrong in [
            "",
            "ann",
            "@x",
            "ann@",
            "a b@x.y",
            "a@b@c",
            "a@x..y",
            "a\r\nbcc: b@x",
            "a@x,b@y",
            "Ann <a@x.y>",
            "ä@x.y",
            &long,
        ] {
            assert!(address(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!((code(7), code(u128::MAX).len()), ("00000007".to_owned(), DIGITS));
    }
}
