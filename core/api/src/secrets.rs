//! How the secrets of the configuration lie in its store.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How they lie there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretsStatus {
    /// The ids of the keys that api-service has, of which the first seals; none: secrets lie there in the clear.
    pub keys: Vec<String>,
    /// How many secrets are sealed with each key.
    pub sealed: BTreeMap<String, u64>,
    /// How many lie there in the clear.
    pub clear: u64,
    /// What cannot be opened, each by its entity, field and key.
    pub unreadable: Vec<String>,
}

/// All secrets are to be sealed with the first key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ResealRequest {}

/// What was sealed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResealAnswer {
    /// How many entities.
    pub sealed: u64,
}
