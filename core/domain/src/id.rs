//! Identifiers. Readable prefixes for what people configure, 26-character time-ordered ids for clicks.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};
use std::{fmt, str::FromStr};
use ulid::Ulid;

/// The prefixes of all prefixed ids; a slug may not begin with one.
pub const PREFIXES: [&str; 8] = ["cmp", "str", "dst", "src", "net", "tpl", "cnv", "alr"];

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a {expected}")]
pub struct InvalidId {
    /// What was expected, with its form.
    pub expected: &'static str,
}

fn ulid(now: Timestamp, random: u128) -> Ulid {
    let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    Ulid::from_parts(ms, random)
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(SmolStr);

        impl $name {
            /// The prefix, without its underscore.
            pub const PREFIX: &str = $prefix;

            /// A new id: 9 characters of time and 10 of randomness after the prefix, so that ids sort by age.
            pub fn generate(now: Timestamp, random: u128) -> Self {
                // A ULID's first 10 characters are its time (the first is always 0 until the year 3084),
                // the next 16 its randomness.
                let text = ulid(now, random).to_string().to_ascii_lowercase();
                Self(format_smolstr!(concat!($prefix, "_{}{}"), &text[1..10], &text[10..20]))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let body = text.strip_prefix(concat!($prefix, "_")).unwrap_or("");
                if body.len() == 19 && body.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z')) {
                    Ok(Self(SmolStr::new(text)))
                } else {
                    Err(InvalidId { expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

prefixed_id!(/// Names a campaign.
    CampaignId, "cmp", "campaign id (cmp_ and 19 characters)");
prefixed_id!(/// Names a stream.
    StreamId, "str", "stream id (str_ and 19 characters)");
prefixed_id!(/// Names a destination.
    DestinationId, "dst", "destination id (dst_ and 19 characters)");
prefixed_id!(/// Names a traffic source.
    SourceId, "src", "source id (src_ and 19 characters)");
prefixed_id!(/// Names an affiliate network.
    NetworkId, "net", "network id (net_ and 19 characters)");
prefixed_id!(/// Names a postback template.
    TemplateId, "tpl", "template id (tpl_ and 19 characters)");
prefixed_id!(/// Names an alert rule.
    AlertId, "alr", "alert id (alr_ and 19 characters)");
prefixed_id!(/// Names a conversion.
    ConversionId, "cnv", "conversion id (cnv_ and 19 characters)");
prefixed_id!(/// Names an API token.
    TokenId, "tok", "token id (tok_ and 19 characters)");
prefixed_id!(/// Names a user.
    UserId, "usr", "user id (usr_ and 19 characters)");
prefixed_id!(/// Names a session.
    SessionId, "ses", "session id (ses_ and 19 characters)");

impl ConversionId {
    /// Of what a network reports of a click under a key
    /// ([`Postback::key`](crate::postback::Postback::key)): the time of the click, then a hash of all three. Always the
    /// same for the same, so that a conversion which a store lost and its network reports again is the one that reports
    /// have, and counts once.
    pub fn of(network: &NetworkId, click: ClickId, key: &str) -> Self {
        let said = format!("{network}\n{click}\n{key}");
        let hash = Sha256::digest(said)
            .into_iter()
            .take(16)
            .fold(0, |bits: u128, byte| bits << 8 | u128::from(byte));
        Self::generate(click.timestamp(), hash)
    }
}

/// One click: a ULID, 26 characters, ordered by time. Parsed without regard to case, since networks change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClickId(Ulid);

impl ClickId {
    /// A new id at `now`; the low 80 bits of `random` are used.
    pub fn generate(now: Timestamp, random: u128) -> Self {
        Self(ulid(now, random))
    }

    /// When the click happened, to the millisecond; bounds every later look-up.
    pub fn timestamp(self) -> Timestamp {
        let ms = i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
    }

    /// The id as a number, in the same order, as stores keep it.
    pub fn to_bits(self) -> u128 {
        self.0.into()
    }

    /// The id of that number.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits.into())
    }

    /// The smallest id at `at`, to bound scans by time.
    pub fn floor(at: Timestamp) -> Self {
        Self(ulid(at, 0))
    }
}

impl FromStr for ClickId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let err = InvalidId { expected: "click id (26 characters of 0-9 and A-Z without I, L, O, U)" };
        // 'I', 'L' and 'O' are accepted by lenient decoders; strict here, so that one click has one name.
        if text.len() != 26 || text.bytes().any(|b| matches!(b.to_ascii_uppercase(), b'I' | b'L' | b'O')) {
            return Err(err);
        }
        let first = text.as_bytes()[0];
        if !(b'0'..=b'7').contains(&first) {
            return Err(err);
        }
        Ulid::from_string(&text.to_ascii_uppercase()).map(Self).map_err(|_| err)
    }
}

impl TryFrom<String> for ClickId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<ClickId> for String {
    fn from(id: ClickId) -> Self {
        id.0.to_string()
    }
}

impl fmt::Display for ClickId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stable pseudonymous key for one person: from the cookie, else a keyed hash of IP and user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VisitorId(pub u128);

impl FromStr for VisitorId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let err = InvalidId { expected: "visitor id (32 hexadecimal digits)" };
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(err);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| err)
    }
}

impl TryFrom<String> for VisitorId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<VisitorId> for String {
    fn from(id: VisitorId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_click_id_keeps_its_time_and_survives_a_change_of_case(ms in 0i64..4_000_000_000_000, random: u128) {
            let at = Timestamp::from_millisecond(ms).expect("in range");
            let id = ClickId::generate(at, random);
            prop_assert_eq!(id.timestamp(), at);
            prop_assert_eq!(id.to_string().len(), 26);
            prop_assert_eq!(id.to_string().to_lowercase().parse::<ClickId>(), Ok(id));
            prop_assert!(ClickId::floor(at) <= id);
            prop_assert_eq!(ClickId::from_bits(id.to_bits()), id);
        }

        #[test]
        fn a_generated_entity_id_parses(ms in 0i64..4_000_000_000_000, random: u128) {
            let at = Timestamp::from_millisecond(ms).expect("in range");
            let id = CampaignId::generate(at, random);
            prop_assert_eq!(id.as_str().parse::<CampaignId>(), Ok(id.clone()));
            prop_assert!(id.as_str().parse::<StreamId>().is_err());
        }

        #[test]
        fn a_conversion_has_the_id_of_what_is_reported(ms in 0i64..4_000_000_000_000, random: u128, key in "tx:.{1,20}") {
            let click = ClickId::generate(Timestamp::from_millisecond(ms).expect("in range"), random);
            let [one, two] = [1, 2].map(|n| NetworkId::generate(Timestamp::UNIX_EPOCH, n << 30));
            let id = ConversionId::of(&one, click, &key);
            prop_assert_eq!(&ConversionId::of(&one, click, &key), &id);
            prop_assert_eq!(id.as_str().parse::<ConversionId>(), Ok(id.clone()));
            prop_assert_ne!(&ConversionId::of(&two, click, &key), &id);
            prop_assert_ne!(&ConversionId::of(&one, click, &format!("{key}x")), &id);
            prop_assert_ne!(&ConversionId::of(&one, ClickId::from_bits(click.to_bits() ^ 1), &key), &id);
        }

        #[test]
        fn no_text_makes_parsing_an_id_panic(text in ".{0,40}") {
            let _ = (text.parse::<ClickId>(), text.parse::<CampaignId>(), text.parse::<VisitorId>());
        }
    }
}
