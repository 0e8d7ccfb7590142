//! Versions: `14.2.1` compared number by number, and what a filter asks of them.

use smol_str::SmolStr;
use std::cmp::Ordering;

/// How many numbers of a version are looked at.
const PARTS: usize = 6;

/// A version as numbers; parts that are not said count as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    parts: [u32; PARTS],
}

impl Version {
    /// What a device says: the leading numbers, parted by `.` or `_`. None if there is no number.
    pub(crate) fn lenient(text: &str) -> Option<Self> {
        let mut parts = [0; PARTS];
        let mut any = false;
        for (slot, part) in parts.iter_mut().zip(text.trim().split(['.', '_'])) {
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            if end == 0 {
                break;
            }
            // More digits than fit are a very high version, not no version.
            *slot = part[..end].parse().unwrap_or(u32::MAX);
            any = true;
            if end < part.len() {
                break;
            }
        }
        any.then_some(Self { parts })
    }

    /// What a person writes: numbers and dots only. Also how many numbers were written.
    fn strict(text: &str) -> Result<(Self, usize), String> {
        let refuse = || format!("'{text}' is not a version; write numbers and dots, such as 14.2");
        let mut parts = [0; PARTS];
        let mut count = 0;
        for part in text.split('.') {
            if count == PARTS || part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(refuse());
            }
            parts[count] = part.parse().map_err(|_| refuse())?;
            count += 1;
        }
        Ok((Self { parts }, count))
    }

    /// Compares the first `count` numbers.
    fn cmp_first(&self, other: &Self, count: usize) -> Ordering {
        self.parts[..count].cmp(&other.parts[..count])
    }
}

/// What a filter asks of a version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum VersionTest {
    /// `14`: 14 and every 14.x.
    Within(Version, usize),
    /// `= 14.2`: that one.
    Equal(Version),
    /// `> 14.2`.
    Above(Version),
    /// `>= 14.2`.
    AtLeast(Version),
    /// `< 14.2`.
    Below(Version),
    /// `<= 14.2`.
    AtMost(Version),
    /// `14..16`: from 14 to every 16.x.
    Range(Version, Version, usize),
}

impl VersionTest {
    /// Parses an operand.
    ///
    /// # Errors
    /// A sentence naming what is not of the form.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some((low, high)) = text.split_once("..") {
            let ((low, _), (high, count)) = (Version::strict(low.trim())?, Version::strict(high.trim())?);
            if low.cmp_first(&high, count) == Ordering::Greater {
                return Err(format!("'{text}' holds no version; the lower one comes first"));
            }
            return Ok(Self::Range(low, high, count));
        }
        type Make = fn(Version) -> VersionTest;
        let forms: [(&str, Make); 5] = [
            (">=", Self::AtLeast),
            ("<=", Self::AtMost),
            (">", Self::Above),
            ("<", Self::Below),
            ("=", Self::Equal),
        ];
        for (sign, make) in forms {
            if let Some(rest) = text.strip_prefix(sign) {
                return Version::strict(rest.trim()).map(|(version, _)| make(version));
            }
        }
        Version::strict(text).map(|(version, count)| Self::Within(version, count))
    }

    /// Whether the version a device says passes. An unknown one does not.
    pub(crate) fn passes(&self, said: &SmolStr) -> bool {
        Version::lenient(said).is_some_and(|v| match self {
            Self::Within(w, count) => v.cmp_first(w, *count) == Ordering::Equal,
            Self::Equal(w) => v == *w,
            Self::Above(w) => v > *w,
            Self::AtLeast(w) => v >= *w,
            Self::Below(w) => v < *w,
            Self::AtMost(w) => v <= *w,
            Self::Range(low, high, count) => v >= *low && v.cmp_first(high, *count) != Ordering::Greater,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_versions() {
        let table = [
            (">= 14.2", "14.2", true),
            (">= 14.2", "14.10", true),
            (">= 14.2", "14.1.9", false),
            (">=14.2", "15", true),
            ("> 14.2", "14.2.1", true),
            ("> 14.2", "14.2.0", false),
            ("< 10", "9.9", true),
            ("< 10", "10", false),
            ("<= 10", "10.0", true),
            ("<= 10", "10.0.1", false),
            ("14", "14.2.1", true),
            ("14", "140", false),
            ("14.2", "14.2.1", true),
            ("14.2", "14.20", false),
            ("= 14.2", "14.2.1", false),
            ("= 14.2", "14.2.0", true),
            ("14..16", "13.9", false),
            ("14..16", "14", true),
            ("14..16", "16.4", true),
            ("14..16", "17", false),
            ("10.15", "10_15_7", true),
            ("10", "10 Pro", true),
            (">= 1", "99999999999999999999", true),
            (">= 0", "", false),
            (">= 0", "XP", false),
        ];
        for (operand, said, want) in table {
            let test = VersionTest::parse(operand).expect(operand);
            assert_eq!(test.passes(&SmolStr::new(said)), want, "{operand} on {said}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in [
            "",
            "x",
            "14.",
            ".5",
            "14.x",
            ">= ",
            "=> 14",
            "16..14",
            "1..",
            "99999999999",
            "-1",
            "1.2.3.4.5.6.7",
        ] {
            assert!(VersionTest::parse(bad).is_err(), "{bad}");
        }
    }
}
