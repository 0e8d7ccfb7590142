//! `s3://BUCKET/PREFIX`, as a person names a place in a bucket.

use std::{fmt, str::FromStr};

/// What is said of a name that is none.
const FORM: &str = "a place in a bucket has the form s3://BUCKET/PREFIX: a bucket of 3 to 63 small letters, digits, '.' and '-', and \
    a prefix of letters, digits, '.', '_', '-' and '/'";

/// A place in a bucket: an object, or what the names of objects begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUrl {
    /// The bucket.
    pub bucket: String,
    /// Without a `/` at its begin and end; may be empty.
    pub key: String,
}

impl ObjectUrl {
    /// Whether a text is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("s3://"))
    }

    /// What is below it.
    pub fn below(&self, name: &str) -> Self {
        let slash = if self.key.is_empty() { "" } else { "/" };
        Self { bucket: self.bucket.clone(), key: format!("{}{slash}{name}", self.key) }
    }

    /// What it is below, and its last name.
    pub fn above(&self) -> Option<(Self, &str)> {
        let (above, name) = self.key.rsplit_once('/').unwrap_or(("", &self.key));
        (!name.is_empty()).then(|| (Self { bucket: self.bucket.clone(), key: above.to_owned() }, name))
    }
}

impl FromStr for ObjectUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = if Self::is_meant(text) { &text[5..] } else { return Err(FORM) };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let in_bucket = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
        let in_key = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let key = key.strip_suffix('/').unwrap_or(key);
        let names = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(in_key);
        let good = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(in_bucket)
            && (key.is_empty() || key.split('/').all(names));
        if good { Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() }) } else { Err(FORM) }
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.key.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{slash}{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written_and_others_are_refused() {
        for (text, shown) in [
            ("s3://sets", "s3://sets"),
            ("s3://sets/", "s3://sets"),
            ("S3://sets.example-1/a/b_c.tar.zst", "s3://sets.example-1/a/b_c.tar.zst"),
            ("s3://sets/a/", "s3://sets/a"),
        ] {
            assert_eq!(text.parse::<ObjectUrl>().map(|url| url.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in [
            "s3:/sets",
            "s3://",
            "s3://ab",
            "s3://Sets",
            "s3://sets//a",
            "s3://sets/a//",
            "s3://sets/../a",
            "s3://sets/ä",
            "s3://k:s@sets/a",
        ] {
            assert!(text.parse::<ObjectUrl>().is_err(), "{text}");
        }
        let set: ObjectUrl = "s3://sets/a/b".parse().expect("a place");
        assert_eq!(
            set.above().map(|(above, name)| (above.to_string(), name)),
            Some(("s3://sets/a".to_owned(), "b"))
        );
        assert_eq!(set.below("c").key, "a/b/c");
    }
}
