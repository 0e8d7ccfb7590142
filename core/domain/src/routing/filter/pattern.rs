//! Patterns of filters: regular expressions, made when they are first asked and shared by all filters that say the same,
//! so that neither a start nor a change of the configuration has to make them all.

use crate::entity::FilterRule;
use regex::{Regex, RegexBuilder};
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// Most patterns of one stream.
pub const MAX_PATTERNS: usize = crate::rules::MAX_PATTERNS_OF_CAMPAIGN;
/// How many `contains:` operands share one automaton.
pub(super) const CONTAINS_CHUNK: usize = 50;
/// Bounds the memory and time of one regular expression; one that needs more is refused when saved.
const REGEX_MEMORY: usize = 1 << 20;
/// The same of parts that are looked for together.
const PARTS_MEMORY: usize = 16 << 20;

/// How many patterns a filter needs.
pub fn patterns(rule: &FilterRule) -> usize {
    let operands = || rule.is.iter().chain(&rule.is_not);
    // What a bare operand of this field means is a part.
    let bare = rule.field == "user_agent";
    let other = |o: &&String| {
        ["regex:", "glob:", "contains:"].iter().all(|form| !o.starts_with(form)) && o.as_str() != "empty"
    };
    let regexes = operands().filter(|o| o.starts_with("regex:")).count();
    let parts = operands().filter(|o| o.starts_with("contains:") || (bare && other(o))).count();
    regexes + parts.div_ceil(CONTAINS_CHUNK)
}

/// When patterns are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patterns {
    /// At once: what is none is refused.
    Checked,
    /// When they are first asked.
    Later,
}

/// A regular expression without regard to case.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    memory: usize,
    /// None: it is no regular expression any more, and nothing is like it.
    made: OnceLock<Option<Regex>>,
}

/// Patterns in use, by their text.
type PatternCache = FxHashMap<String, Weak<Pattern>>;

/// Only remembers what was made of a text, which is always the same.
static KNOWN: Mutex<Option<PatternCache>> = Mutex::new(None);

impl Pattern {
    /// What a person wrote behind `regex:`.
    ///
    /// # Errors
    /// It is none, or needs too much memory.
    pub(super) fn regex(text: &str, when: Patterns) -> Result<Arc<Self>, String> {
        Self::known(text, REGEX_MEMORY, when)
    }

    /// Escaped parts, joined by `|`.
    ///
    /// # Errors
    /// They need too much memory.
    pub(super) fn parts(text: &str, when: Patterns) -> Result<Arc<Self>, String> {
        Self::known(text, PARTS_MEMORY, when)
            .map_err(|_| "these parts are too long to be looked for together".to_owned())
    }

    fn known(text: &str, memory: usize, when: Patterns) -> Result<Arc<Self>, String> {
        if when == Patterns::Checked {
            // Not kept: it may never be saved.
            let made = OnceLock::from(Some(build(text, memory).map_err(|e| refused(&e))?));
            return Ok(Arc::new(Self { text: text.to_owned(), memory, made }));
        }
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        if let Some(there) = known.get(text).and_then(Weak::upgrade).filter(|p| p.memory == memory) {
            return Ok(there);
        }
        if known.len() >= 2 * crate::rules::MAX_PATTERNS {
            known.retain(|_, pattern| pattern.strong_count() > 0);
        }
        let new = Arc::new(Self { text: text.to_owned(), memory, made: OnceLock::new() });
        known.insert(text.to_owned(), Arc::downgrade(&new));
        Ok(new)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.made
            .get_or_init(|| build(&self.text, self.memory).ok())
            .as_ref()
            .is_some_and(|r| r.is_match(text))
    }
}

fn build(text: &str, memory: usize) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(memory)
        .dfa_size_limit(REGEX_MEMORY)
        .nest_limit(50)
        .build()
}

fn refused(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => {
            "is a regular expression that needs too much memory; make it simpler".to_owned()
        }
        // The crate's text draws the pattern over several lines; its last line says what is wrong.
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
            format!("is not a regular expression: {last}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_pattern_is_made_when_it_is_first_asked_and_once_for_all() {
        let one = Pattern::regex("^made-later-\\d+$", Patterns::Later).expect("a pattern");
        let two = Pattern::regex("^made-later-\\d+$", Patterns::Later).expect("a pattern");
        assert!(Arc::ptr_eq(&one, &two) && one.made.get().is_none());
        assert!(two.is_match("MADE-later-7") && one.made.get().is_some());
        let broken = Pattern::regex("(", Patterns::Later).expect("it was saved once");
        assert!(!broken.is_match("(") && Pattern::regex("(", Patterns::Checked).is_err());
    }

    #[test]
    fn a_filter_needs_as_many_patterns_as_it_makes() {
        let rule = |field: &str, is: &[&str]| FilterRule {
            field: field.to_owned(),
            is: is.iter().map(|&o| o.to_owned()).collect(),
            is_not: Vec::new(),
        };
        let many: Vec<String> = (0..51).map(|i| format!("contains:{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let table = [
            (rule("keyword", &["a", "glob:b*", "empty"]), 0),
            (rule("keyword", &["a", "regex:b", "contains:c", "contains:d"]), 2),
            (rule("user_agent", &["a", "empty", "glob:x"]), 1),
            (rule("city", &many), 2),
        ];
        for (rule, want) in table {
            assert_eq!(patterns(&rule), want, "{rule:?}");
        }
    }
}
