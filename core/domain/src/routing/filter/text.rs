//! Comparing texts without regard to case: exact, `contains:`, `glob:`, `regex:`, `empty`, and referrer hosts.

use super::pattern::{CONTAINS_CHUNK, Pattern, Patterns};
use smol_str::SmolStr;
use std::{str::Chars, sync::Arc};

/// Longest operand.
const MAX_OPERAND: usize = 1_000;
/// From how many exact operands on they are searched by halves.
const MANY: usize = 16;

/// What an operand without a prefix means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// The whole text.
    Exact,
    /// A part of it.
    Contains,
    /// The host of a URL, or a parent domain of it.
    Host,
}

/// What a text must be: one of these.
#[derive(Debug, Clone, Default)]
pub(super) struct TextTest {
    empty: bool,
    /// Whole texts in lower case, sorted.
    exact: Vec<SmolStr>,
    /// Names of hosts, in lower case.
    hosts: Vec<SmolStr>,
    globs: Vec<Vec<char>>,
    patterns: Vec<Arc<Pattern>>,
}

impl TextTest {
    /// Compiles operands; `problem` takes the number of an operand and what is wrong with it.
    pub(super) fn compile(
        operands: &[String],
        bare: Bare,
        patterns: Patterns,
        mut problem: impl FnMut(usize, String),
    ) -> Self {
        let mut test = Self::default();
        let mut parts: Vec<String> = Vec::new();
        for (i, operand) in operands.iter().enumerate() {
            if let Err(message) = test.add(operand, bare, patterns, &mut parts) {
                problem(i, message);
            }
        }
        for chunk in parts.chunks(CONTAINS_CHUNK) {
            match Pattern::parts(&chunk.join("|"), patterns) {
                Ok(pattern) => test.patterns.push(pattern),
                Err(message) => problem(0, message),
            }
        }
        test.exact.sort_unstable();
        test.exact.dedup();
        test
    }

    fn add(
        &mut self,
        operand: &str,
        bare: Bare,
        patterns: Patterns,
        parts: &mut Vec<String>,
    ) -> Result<(), String> {
        if operand.chars().count() > MAX_OPERAND {
            return Err(format!("must be at most {MAX_OPERAND} characters"));
        }
        let filled = |text: &str| {
            if text.is_empty() {
                Err("must not be empty; write empty to match a missing value".to_owned())
            } else {
                Ok(())
            }
        };
        filled(operand)?;
        if operand == "empty" {
            self.empty = true;
        } else if let Some(glob) = operand.strip_prefix("glob:") {
            filled(glob)?;
            self.globs.push(glob.chars().map(fold).collect());
        } else if let Some(pattern) = operand.strip_prefix("regex:") {
            filled(pattern)?;
            self.patterns.push(Pattern::regex(pattern, patterns)?);
        } else if let Some(part) = operand.strip_prefix("contains:") {
            filled(part)?;
            parts.push(regex::escape(part));
        } else if let Some(host) = operand.strip_prefix("host:").filter(|_| bare == Bare::Host) {
            self.hosts.push(host_operand(host)?);
        } else {
            match bare {
                Bare::Exact => self.exact.push(folded(operand)),
                Bare::Contains => parts.push(regex::escape(operand)),
                Bare::Host => self.hosts.push(host_operand(operand)?),
            }
        }
        Ok(())
    }

    /// Whether `text` is one of what is asked for.
    pub(super) fn passes(&self, text: &str) -> bool {
        (self.empty && text.is_empty())
            || self.has_exact(text)
            || self.globs.iter().any(|g| wildcard(g, text))
            || (!self.hosts.is_empty() && self.has_host(text))
            || self.patterns.iter().any(|p| p.is_match(text))
    }

    /// True when `empty` is one of the operands.
    pub(super) fn asks_for_empty(&self) -> bool {
        self.empty
    }

    fn has_exact(&self, text: &str) -> bool {
        if self.exact.len() < MANY {
            self.exact.iter().any(|e| eq_folded(e, text))
        } else {
            self.exact.binary_search(&folded(text)).is_ok()
        }
    }

    fn has_host(&self, url: &str) -> bool {
        let host = host_of(url);
        self.hosts.iter().any(|h| {
            let Some(start) = host.len().checked_sub(h.len()) else { return false };
            host.as_bytes()[start..].eq_ignore_ascii_case(h.as_bytes())
                && (start == 0 || host.as_bytes()[start - 1] == b'.')
        })
    }
}

fn host_operand(text: &str) -> Result<SmolStr, String> {
    let host = text.strip_prefix("*.").unwrap_or(text).trim_end_matches('.');
    let ok = !host.is_empty()
        && host.len() <= 253
        && !host.starts_with('.')
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if ok {
        Ok(folded(host))
    } else {
        Err(format!(
            "'{text}' is not a host; write a name such as example.com (in xn-- form if it is not ASCII)"
        ))
    }
}

/// The host of a URL, as it stands there; empty if there is none.
pub(in crate::routing) fn host_of(url: &str) -> &str {
    let Some((_, rest)) = url.split_once("://") else { return "" };
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(v6) = host.strip_prefix('[') {
        return v6.split_once(']').map_or("", |(inside, _)| inside);
    }
    host.split_once(':').map_or(host, |(name, _)| name).trim_end_matches('.')
}

fn fold(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { c.to_lowercase().next().unwrap_or(c) }
}

/// Without case, character by character.
pub(super) fn folded(text: &str) -> SmolStr {
    text.chars().map(fold).collect()
}

fn eq_folded(folded: &str, text: &str) -> bool {
    if text.is_ascii() {
        folded.eq_ignore_ascii_case(text)
    } else {
        folded.chars().eq(text.chars().map(fold))
    }
}

/// `*` is any run of characters, `?` one character, everything else itself.
fn wildcard(pattern: &[char], text: &str) -> bool {
    let mut at = 0;
    let mut rest = text.chars();
    // Where to go on when what follows the last `*` does not fit: one character later.
    let mut star: Option<(usize, Chars<'_>)> = None;
    loop {
        match pattern.get(at) {
            Some('*') => {
                at += 1;
                star = Some((at, rest.clone()));
                continue;
            }
            Some(want) => {
                let mut ahead = rest.clone();
                if ahead.next().is_some_and(|c| *want == '?' || fold(c) == *want) {
                    rest = ahead;
                    at += 1;
                    continue;
                }
            }
            None if rest.as_str().is_empty() => return true,
            None => {}
        }
        let Some((after, from)) = &mut star else { return false };
        if from.next().is_none() {
            return false;
        }
        rest = from.clone();
        at = *after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;

    fn test(bare: Bare, operand: &str) -> Result<TextTest, String> {
        let mut problem = None;
        let test = TextTest::compile(&[operand.to_owned()], bare, Patterns::Checked, |_, message| {
            problem = Some(message);
        });
        problem.map_or(Ok(test), Err)
    }

    #[test]
    fn texts_compare_without_case() {
        let table = [
            (Bare::Exact, "Nike", "nike", true),
            (Bare::Exact, "nike", "nike shoes", false),
            (Bare::Exact, "ÄÖ", "äö", true),
            (Bare::Exact, "empty", "", true),
            (Bare::Exact, "empty", "x", false),
            (Bare::Exact, "contains:IKE", "nike shoes", true),
            (Bare::Exact, "contains:a.c", "abc", false),
            (Bare::Exact, "glob:test*", "TEST-1", true),
            (Bare::Exact, "glob:test*", "a test", false),
            (Bare::Exact, "glob:*a?c*", "xxabcxx", true),
            (Bare::Exact, "glob:a*b*c", "aXbXbXc", true),
            (Bare::Exact, "glob:a*b*c", "aXbXbX", false),
            (Bare::Exact, "glob:?", "ü", true),
            (Bare::Exact, "glob:*", "", true),
            (Bare::Exact, "glob:?*", "", false),
            (Bare::Exact, r"regex:^z\d+$", "Z12", true),
            (Bare::Exact, r"regex:^z\d+$", "z12b", false),
            (Bare::Contains, "bot", "GoogleBot/2.1", true),
            (Bare::Contains, "bot", "Mozilla", false),
            (Bare::Host, "example.com", "https://www.Example.com/x", true),
            (Bare::Host, "host:example.com", "http://example.com:8080", true),
            (Bare::Host, "*.example.com", "https://a.example.com./x", true),
            (Bare::Host, "example.com", "https://badexample.com/", false),
            (Bare::Host, "example.com", "https://example.com.evil.net/", false),
            (Bare::Host, "example.com", "https://evil.net/?u=https://example.com/", false),
            (Bare::Host, "example.com", "https://example.com@evil.net/", false),
            (Bare::Host, "example.com", "android-app://example.com", true),
            (Bare::Host, "example.com", "example.com", false),
            (Bare::Host, "empty", "", true),
            (Bare::Host, "glob:*/landing*", "https://a.b/landing-2", true),
        ];
        for (bare, operand, text, want) in table {
            assert_eq!(test(bare, operand).expect(operand).passes(text), want, "{operand} on {text}");
        }
    }

    #[test]
    fn many_operands_are_all_looked_for() {
        let operands: Vec<String> = (0..200)
            .map(|i| format!("Value{i}"))
            .chain((0..200).map(|i| format!("contains:part{i}!")))
            .collect();
        let test = TextTest::compile(&operands, Bare::Exact, Patterns::Checked, |i, m| panic!("{i} {m}"));
        for i in 0..200 {
            assert!(test.passes(&format!("vALUE{i}")) && test.passes(&format!("a PART{i}! b")), "{i}");
        }
        assert!(!test.passes("value200") && !test.passes("part200!"));
    }

    #[test]
    fn broken_and_hostile_operands_are_refused() {
        for bad in [
            "",
            "glob:",
            "regex:",
            "contains:",
            "regex:(",
            "regex:(?P<x",
            r"regex:\w{9999}",
            &"x".repeat(1001),
        ] {
            assert!(test(Bare::Exact, bad).is_err(), "{bad}");
        }
        assert!(test(Bare::Exact, &format!("regex:{}", "(".repeat(900))).is_err());
        for bad in ["host:", "a b", "https://example.com", ".com", "exämple.com"] {
            assert!(test(Bare::Host, bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_glob_agrees_with_the_regular_expression_it_stands_for(glob in "[ab*?]{0,8}", text in "[abc]{0,10}") {
            let pattern = format!("^{}$", glob.replace('*', ".*").replace('?', "."));
            let want = Regex::new(&pattern).expect("valid").is_match(&text);
            prop_assert_eq!(wildcard(&glob.chars().collect::<Vec<_>>(), &text), want);
        }

        #[test]
        fn no_operand_and_no_text_makes_it_panic(operand in ".{0,40}", text in ".{0,60}") {
            for bare in [Bare::Exact, Bare::Contains, Bare::Host] {
                if let Ok(test) = test(bare, &operand) {
                    let _ = test.passes(&text);
                }
            }
        }
    }
}
