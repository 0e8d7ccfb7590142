//! Validation results: every problem of an input at once, each with its path.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// Where, in the input's own terms: `filters.rules[2].is[0]`.
    pub path: String,
    /// What is wrong and what is allowed, as a sentence without a final full stop.
    pub message: String,
}

/// All problems of one input. Empty means valid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// A single problem.
    pub fn one(path: impl Into<String>, message: impl Into<String>) -> Self {
        let mut problems = Self::default();
        problems.add(path, message);
        problems
    }

    /// Adds a problem at `path`.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { path: path.into(), message: message.into() });
    }

    /// Adds the problem if `ok` is false.
    pub fn require(&mut self, ok: bool, path: &str, message: &str) {
        if !ok {
            self.add(path, message);
        }
    }

    /// Adds all of `others` below `prefix`: `prefix.path`, or `prefix[0]` when the inner path is an index.
    pub fn nest(&mut self, prefix: &str, others: Self) {
        for p in others.0 {
            let path = match p.path.as_str() {
                "" => prefix.to_owned(),
                inner if inner.starts_with('[') => format!("{prefix}{inner}"),
                inner => format!("{prefix}.{inner}"),
            };
            self.0.push(Problem { path, message: p.message });
        }
    }

    /// True when nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok(value)` when nothing is wrong.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, p) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            if p.path.is_empty() { f.write_str(&p.message)? } else { write!(f, "{}: {}", p.path, p.message)? }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
