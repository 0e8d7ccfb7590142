//! Whether a report or a list has test traffic in it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What becomes of clicks on campaigns that are tests, and of all that follows from those clicks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TestTraffic {
    /// They are left out: tests are nobody's traffic and nobody's money.
    #[default]
    Exclude,
    /// They are there with all others.
    Include,
    /// They alone are there.
    Only,
}

impl TestTraffic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Exclude, Self::Include, Self::Only];

    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exclude => "exclude",
            Self::Include => "include",
            Self::Only => "only",
        }
    }

    /// Whether something is among what was asked for.
    pub const fn takes(self, test: bool) -> bool {
        match self {
            Self::Exclude => !test,
            Self::Include => true,
            Self::Only => test,
        }
    }

    /// The mark that everything asked for has; none: it may have either.
    pub const fn wanted(self) -> Option<bool> {
        match self {
            Self::Exclude => Some(false),
            Self::Include => None,
            Self::Only => Some(true),
        }
    }
}

impl fmt::Display for TestTraffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TestTraffic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|t| t.as_str() == text)
            .ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}
