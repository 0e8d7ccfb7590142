//! What can go wrong between a client and api-service.

use crate::bulk::BulkRefused;
use serde::{Deserialize, Serialize};
use tfx_domain::problem::Problems;

/// The body of every answer that is not a success: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProblemDocument {
    /// Always `about:blank`: [`ProblemDocument::code`] tells kinds apart.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The status in words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What failed, why, and what to do.
    #[serde(default)]
    pub detail: String,
    /// A stable word for programs: `not_found`, `slug_taken`, `invalid`, `version_mismatch`, …
    #[serde(default)]
    pub code: String,
    /// Everything wrong with the input, each with its path.
    #[serde(default, skip_serializing_if = "Problems::is_empty")]
    pub problems: Problems,
    /// With `slug_taken`: the id of who has the slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<String>,
    /// With `version_mismatch` the version it is at, with `revision_moved` the revision of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// With `bulk_refused`: which items, and what each would have been answered alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<BulkRefused>,
    /// Where it was asked. Set by the client.
    #[serde(skip)]
    pub asked: String,
    /// In how many seconds to try again, where the answer says so. Set by the client.
    #[serde(skip)]
    pub retry_after_s: Option<u64>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

/// Why a call did not give a result. The token is in none of these.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The base URL is not one.
    #[error("'{url}' is not a URL of api-service: {reason}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there.
    #[error("api-service does not answer at {url}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What the system says.
        reason: String,
        /// Whether the request may have been taken, and its answer was lost.
        sent: bool,
    },
    /// It did not answer in time.
    #[error("api-service at {url} did not answer within {seconds} s")]
    Timeout {
        /// Where it was asked.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It refused, and says why.
    #[error("{}", .0.detail)]
    Problem(Box<ProblemDocument>),
    /// What came back is not what this API answers.
    #[error("{url} did not answer as api-service does: {reason}")]
    Protocol {
        /// What was asked.
        url: String,
        /// What came back instead.
        reason: String,
    },
}

impl ApiError {
    /// The problem document, if the service answered with one.
    pub fn problem(&self) -> Option<&ProblemDocument> {
        match self {
            Self::Problem(document) => Some(document),
            _ => None,
        }
    }

    /// The HTTP status, if the service answered.
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|p| p.status)
    }

    /// The word for programs, if the service answered.
    pub fn code(&self) -> Option<&str> {
        self.problem().map(|p| p.code.as_str())
    }
}
