//! Slugs: the names people give to entities and see in tracking links.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{borrow::Borrow, fmt, str::FromStr};

/// 1 to 64 characters of `a-z 0-9 - _`, beginning with a letter or digit. Input is lower-cased.
///
/// A slug never looks like an id (`cmp_…`), so that a reference is never ambiguous.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(SmolStr);

/// Why a text is not a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSlug {
    /// Wrong length or characters.
    #[error("must be 1 to 64 characters of a-z, 0-9, '-' and '_', beginning with a letter or digit")]
    Form,
    /// It begins like an id.
    #[error("must not begin like an id (cmp_, str_, dst_, src_, net_, tpl_, cnv_)")]
    LooksLikeId,
    /// A word that has a meaning of its own in a path.
    #[error("is reserved: c, postback, api, auth, healthz, readyz, metrics, internal")]
    Reserved,
}

/// The longest, in characters.
const MAX: usize = 64;

pub(crate) const RESERVED: [&str; 8] =
    ["c", "postback", "api", "auth", "healthz", "readyz", "metrics", "internal"];

impl Slug {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest valid slug to a free text ("Summer Sale 1" → `summer-sale-1`); none if nothing is left of it.
    pub fn suggest(name: &str) -> Option<Self> {
        let mut out = String::new();
        for c in name.to_lowercase().chars() {
            match c {
                'a'..='z' | '0'..='9' => out.push(c),
                _ if out.ends_with('-') || out.is_empty() => {}
                _ => out.push('-'),
            }
            if out.len() == MAX {
                break;
            }
        }
        out.trim_end_matches('-').parse().ok()
    }
}

impl FromStr for Slug {
    type Err = InvalidSlug;

    fn from_str(text: &str) -> Result<Self, InvalidSlug> {
        if text.len() > MAX {
            return Err(InvalidSlug::Form);
        }
        let lower = SmolStr::from_iter(text.chars().map(|c| c.to_ascii_lowercase()));
        let form = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let bytes = lower.as_bytes();
        if bytes.is_empty() || !bytes.iter().all(|b| form(*b)) || !bytes[0].is_ascii_alphanumeric() {
            return Err(InvalidSlug::Form);
        }
        if crate::id::PREFIXES.iter().any(|p| lower.strip_prefix(p).is_some_and(|rest| rest.starts_with('_')))
        {
            return Err(InvalidSlug::LooksLikeId);
        }
        if RESERVED.contains(&lower.as_str()) {
            return Err(InvalidSlug::Reserved);
        }
        Ok(Self(lower))
    }
}

impl TryFrom<String> for Slug {
    type Error = InvalidSlug;

    fn try_from(text: String) -> Result<Self, InvalidSlug> {
        text.parse()
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0.into()
    }
}

impl Borrow<str> for Slug {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_lower_cased_and_bounded() {
        assert_eq!("Summer-1".parse::<Slug>().map(|s| s.to_string()), Ok("summer-1".to_owned()));
        for bad in ["", "-a", "a b", "ä", "a/b", &"a".repeat(65)] {
            assert_eq!(bad.parse::<Slug>(), Err(InvalidSlug::Form), "{bad}");
        }
        assert_eq!("cmp_x".parse::<Slug>(), Err(InvalidSlug::LooksLikeId));
        assert_eq!("postback".parse::<Slug>(), Err(InvalidSlug::Reserved));
    }

    #[test]
    fn a_suggestion_is_itself_a_slug() {
        assert_eq!(Slug::suggest("  Summer: Sale №1 "), "summer-sale-1".parse().ok());
        assert_eq!(Slug::suggest("日本"), None);
    }
}
