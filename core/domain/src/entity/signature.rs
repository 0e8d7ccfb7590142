//! How a network signs its postbacks: with an HMAC, of a text that is made of what it sends.

use crate::problem::Problems;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How the postbacks of a template are signed. The key is the network's (`signing_key`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignatureFormat {
    /// Where the signature stands.
    #[serde(rename = "in")]
    pub place: SignedPlace,
    /// The text that is signed.
    pub signed: SignedText,
    /// With which hash [default: sha256].
    #[serde(default, skip_serializing_if = "is_default")]
    pub algorithm: SignatureAlgorithm,
    /// How the signature is written [default: hex].
    #[serde(default, skip_serializing_if = "is_default")]
    pub encoding: SignatureEncoding,
    /// What stands before it: `sha256=`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub prefix: String,
    /// How the key is written [default: as it is].
    #[serde(default, skip_serializing_if = "is_default")]
    pub key: SigningKeyForm,
    /// When it was signed, where the network says so; older ones are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<SignedTime>,
}

/// When a postback was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedTime {
    /// Where the time stands.
    #[serde(rename = "in")]
    pub place: SignedPlace,
    /// How it is written [default: s].
    #[serde(default, skip_serializing_if = "is_default")]
    pub unit: SignedTimeUnit,
    /// How many seconds it may be from the time at which it arrives, before or after [default: 300, as Standard Webhooks
    /// and Stripe have it].
    #[serde(default = "five_minutes", skip_serializing_if = "is_five_minutes")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 86_400)))]
    pub within_s: u32,
}

const fn five_minutes() -> u32 {
    300
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_five_minutes(within_s: &u32) -> bool {
    *within_s == five_minutes()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$meaning])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// The words for all of them.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
        }
    };
}

words! {
    /// The hash of an HMAC.
    SignatureAlgorithm {
        /// SHA-1: broken for much, not for this; older networks have no other.
        Sha1 = "sha1",
        /// SHA-256.
        #[default]
        Sha256 = "sha256",
        /// SHA-512.
        Sha512 = "sha512",
    }
}

words! {
    /// How a signature is written.
    SignatureEncoding {
        /// Hexadecimal, in letters of either case.
        #[default]
        Hex = "hex",
        /// Base64, of either alphabet, padded or not.
        Base64 = "base64",
    }
}

words! {
    /// How a key is written.
    SigningKeyForm {
        /// Its bytes are those of the text.
        #[default]
        Text = "text",
        /// Its bytes are written in hexadecimal.
        Hex = "hex",
        /// Its bytes are written in Base64; `whsec_` before it is no part of it (Standard Webhooks).
        Base64 = "base64",
    }
}

words! {
    /// How a time is written.
    SignedTimeUnit {
        /// Seconds since 1970.
        #[default]
        Seconds = "s",
        /// Milliseconds since 1970.
        Milliseconds = "ms",
        /// As RFC 3339 has it: 2026-01-02T03:04:05Z.
        Rfc3339 = "rfc3339",
    }
}

/// Where a signature or its time stands: `param:sig`, `header:X-Signature`, or, where a header has several parts,
/// `header:Stripe-Signature:v1`: the part `v1=…` or `v1,…` among others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SignedPlace {
    /// A parameter of the query or the body.
    Param(String),
    /// A header.
    Header(String, Option<String>),
}

impl FromStr for SignedPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{}' must be param:NAME, header:NAME, or header:NAME:PART for a part of a header",
                text.chars().filter(|c| !c.is_control()).take(80).collect::<String>()
            )
        };
        let token = |t: &str| {
            (1..=64).contains(&t.len())
                && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        match text.split_once(':') {
            Some(("param", name)) if super::is_param_name(name) => Ok(Self::Param(name.to_owned())),
            Some(("header", rest)) => {
                let (name, part) =
                    rest.split_once(':').map_or((rest, None), |(name, part)| (name, Some(part)));
                if !token(name) || part.is_some_and(|part| !token(part) || part.contains('=')) {
                    return Err(wrong());
                }
                Ok(Self::Header(name.to_owned(), part.map(str::to_owned)))
            }
            _ => Err(wrong()),
        }
    }
}

impl SignedPlace {
    /// Whether what stands in one is part of what stands in the other.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Param(one), Self::Param(other)) => one.eq_ignore_ascii_case(other),
            (Self::Header(one, part), Self::Header(other, other_part)) => {
                one.eq_ignore_ascii_case(other)
                    && (part.is_none() || other_part.is_none() || part == other_part)
            }
            _ => false,
        }
    }
}

impl fmt::Display for SignedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(name) => write!(f, "param:{name}"),
            Self::Header(name, None) => write!(f, "header:{name}"),
            Self::Header(name, Some(part)) => write!(f, "header:{name}:{part}"),
        }
    }
}

/// The text that a network signs: what is in braces stands for what it sends, all else for itself.
///
/// `{body}`: the body; `{url}`: the whole URL that the network was given, without the signature; `{query}`: the query, without the signature; `{sorted}`: the parameters of the query in the order of
/// their names, without the signature; `{time}`: when it was signed; `{param:NAME}` and `{header:NAME}`: one parameter, one header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignedText(Vec<SignedPart>);

/// A part of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedPart {
    /// Itself.
    Text(String),
    /// The body, byte for byte.
    Body,
    /// The URL as the network called it, with its query.
    Url,
    /// The query, as it came.
    Query,
    /// Its parameters in order.
    Sorted,
    /// The time of the signature, as it is written.
    Time,
    /// The value of a parameter.
    Param(String),
    /// The value of a header.
    Header(String),
}

/// What is in braces, for who writes it.
const PLACEHOLDERS: &str = "{body}, {url}, {query}, {sorted}, {time}, {param:NAME}, {header:NAME}";

impl SignedText {
    /// Its parts, in order.
    pub fn parts(&self) -> &[SignedPart] {
        &self.0
    }

    fn has(&self, part: &SignedPart) -> bool {
        self.0.contains(part)
    }
}

impl FromStr for SignedText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !(1..=500).contains(&text.len()) {
            return Err(format!("must be 1 to 500 characters with {PLACEHOLDERS} in them"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            if !before.is_empty() {
                parts.push(SignedPart::Text(before.to_owned()));
            }
            let inner = from.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let Some((name, after)) = inner else {
                return Err(format!("has a brace that is not part of one of {PLACEHOLDERS}"));
            };
            parts.push(match name.split_once(':') {
                None if name == "body" => SignedPart::Body,
                None if name == "url" => SignedPart::Url,
                None if name == "query" => SignedPart::Query,
                None if name == "sorted" => SignedPart::Sorted,
                None if name == "time" => SignedPart::Time,
                Some(("param", name)) if super::is_param_name(name) => SignedPart::Param(name.to_owned()),
                Some(("header", name))
                    if matches!(format!("header:{name}").parse(), Ok(SignedPlace::Header(_, None))) =>
                {
                    SignedPart::Header(name.to_owned())
                }
                _ => {
                    let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
                    return Err(format!("'{{{name}}}' is none of {PLACEHOLDERS}"));
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(SignedPart::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for SignedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                SignedPart::Text(text) => f.write_str(text)?,
                SignedPart::Body => f.write_str("{body}")?,
                SignedPart::Url => f.write_str("{url}")?,
                SignedPart::Query => f.write_str("{query}")?,
                SignedPart::Sorted => f.write_str("{sorted}")?,
                SignedPart::Time => f.write_str("{time}")?,
                SignedPart::Param(name) => write!(f, "{{param:{name}}}")?,
                SignedPart::Header(name) => write!(f, "{{header:{name}}}")?,
            }
        }
        Ok(())
    }
}

macro_rules! texts {
    ($($name:ident)+) => {$(
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )+};
}

texts!(SignedPlace SignedText);

impl SignatureFormat {
    /// Whether whatever the query says is signed.
    pub fn covers_query(&self) -> bool {
        [SignedPart::Url, SignedPart::Query, SignedPart::Sorted].iter().any(|part| self.signed.has(part))
    }

    /// Whether whatever the body says is signed.
    pub fn covers_body(&self) -> bool {
        self.signed.has(&SignedPart::Body)
    }

    /// Whether a parameter is signed by its name.
    pub fn covers_param(&self, name: &str) -> bool {
        self.signed.0.iter().any(|part| matches!(part, SignedPart::Param(n) if n.eq_ignore_ascii_case(name)))
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let params = || self.signed.0.iter().any(|part| matches!(part, SignedPart::Param(_)));
        if !(self.covers_query() || self.covers_body() || params()) {
            let message = "must have {body}, {url}, {query}, {sorted} or a {param:NAME}: nothing of the postback is signed else";
            problems.add("signature.signed", message);
        }
        // A digit that moves out of a time, or into one, makes it ten times another: it is out of its window.
        let runs_together = |two: &[SignedPart]| {
            use SignedPart::{Body, Query, Sorted, Text, Time, Url};
            !matches!(two, [Text(_), _] | [_, Text(_)] | [Time, Body | Query | Sorted | Url])
        };
        if self.signed.0.windows(2).any(runs_together) {
            let message = "has two values with nothing between them: 1 and 23 would be signed as 12 and 3 are, and a signature of one \
                           postback would be good for another";
            problems.add("signature.signed", message);
        }
        let signs_itself = self.signed.0.iter().any(|part| match part {
            SignedPart::Param(name) => self.place.meets(&SignedPlace::Param(name.clone())),
            SignedPart::Header(name) => self.place.meets(&SignedPlace::Header(name.clone(), None)),
            SignedPart::Time => self.time.as_ref().is_some_and(|time| self.place.meets(&time.place)),
            _ => false,
        });
        let message = "has the signature in it, which nobody can sign: name what is signed beside it";
        problems.require(!signs_itself, "signature.signed", message);
        let is_plain = self.prefix.len() <= 32 && self.prefix.bytes().all(|b| b.is_ascii_graphic());
        problems.require(is_plain, "signature.prefix", "must be at most 32 visible ASCII characters");
        let Some(time) = &self.time else {
            let unsaid = self.signed.has(&SignedPart::Time);
            problems.require(
                !unsaid,
                "signature.time",
                "is missing: {time} is signed, so say where it stands",
            );
            return;
        };
        problems.require(
            (1..=86_400).contains(&time.within_s),
            "signature.time.within_s",
            "must be 1 to 86400",
        );
        let is_signed = self.signed.has(&SignedPart::Time)
            || match &time.place {
                SignedPlace::Param(name) => {
                    self.covers_param(name) || self.covers_query() || self.covers_body()
                }
                SignedPlace::Header(name, part) => {
                    let signed = SignedPart::Header(name.clone());
                    part.is_none() && self.signed.has(&signed)
                }
            };
        let message =
            "is not signed, and whoever sends an old postback again could change it: put {time} into signed";
        problems.require(is_signed, "signature.time.in", message);
    }
}
