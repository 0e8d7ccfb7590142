//! The status machine of conversions.

use super::{Conversion, Incoming};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{fmt, str::FromStr};

/// Where a conversion stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ConversionStatus {
    /// On hold.
    Lead,
    /// Confirmed.
    Sale,
    /// Refused by the network or the advertiser.
    Rejected,
    /// A later payment on the same customer.
    Rebill,
    /// Any other word of a network, lower-cased, at most 64 characters.
    Custom(SmolStr),
}

impl ConversionStatus {
    /// The word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Lead => "lead",
            Self::Sale => "sale",
            Self::Rejected => "rejected",
            Self::Rebill => "rebill",
            Self::Custom(word) => word,
        }
    }
}

impl FromStr for ConversionStatus {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.trim().to_lowercase();
        if word.is_empty() || word.chars().count() > 64 || word.chars().any(char::is_control) {
            return Err("must be 1 to 64 characters: lead, sale, rejected, rebill or a word of the network");
        }
        Ok(match word.as_str() {
            "lead" => Self::Lead,
            "sale" => Self::Sale,
            "rejected" => Self::Rejected,
            "rebill" => Self::Rebill,
            _ => Self::Custom(word.into()),
        })
    }
}

impl TryFrom<String> for ConversionStatus {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ConversionStatus> for String {
    fn from(status: ConversionStatus) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for ConversionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a report does.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// A new conversion.
    New(Conversion),
    /// The conversion in its new state, its version one higher.
    Updated(Conversion),
    /// Known already; nothing changes.
    Duplicate,
    /// A step backwards; nothing changes.
    Stale,
}

/// Applies a report to the conversion recorded under its key, if there is one.
pub fn apply(existing: Option<&Conversion>, incoming: &Incoming) -> Applied {
    let _ = (existing, incoming);
    Applied::Duplicate
}
