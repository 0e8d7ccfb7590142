//! What is remembered of the signatures of a conversion's reports.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// What is remembered of a signature that was right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The beginning of the HMAC in hexadecimal: two postbacks with the same one are the same.
    pub mark: String,
    /// When it was signed, where that is signed too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// The signatures of what was reported of a conversion, whether it changed it or not: none of them changes anything later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signatures {
    /// The marks of them, the latest last; so many are kept: [`Self::MOST`].
    pub marks: Vec<String>,
    /// When the latest of those that changed it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Moment>"))]
    pub latest: Option<Timestamp>,
}

impl Signatures {
    /// How many marks are kept.
    pub const MOST: usize = 32;

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Whether this one was taken before.
    pub fn has(&self, signed: &Signed) -> bool {
        self.marks.contains(&signed.mark)
    }

    /// Whether one that was signed later changed it.
    pub fn is_past(&self, signed: &Signed) -> bool {
        matches!((self.latest, signed.at), (Some(latest), Some(at)) if at < latest)
    }

    pub(in crate::postback) fn with(mut self, signed: Option<&Signed>) -> Self {
        if let Some(signed) = signed {
            self = self.noted(signed);
            self.latest = self.latest.max(signed.at);
        }
        self
    }

    /// With one that changed nothing: what stands is no later for it.
    pub(in crate::postback) fn noted(mut self, signed: &Signed) -> Self {
        let over = (self.marks.len() + 1).saturating_sub(Self::MOST);
        self.marks.drain(..over);
        self.marks.push(signed.mark.clone());
        self
    }
}
