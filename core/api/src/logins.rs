//! Logins, people and their sessions.

use serde::{Deserialize, Serialize};
use tfx_domain::Timestamp;
pub use tfx_domain::access::{Role, Session, User, UserState};

/// Whoever wants a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CodeRequest {
    /// The mail address.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::MailAddress"))]
    pub email: String,
}

/// The same for everybody who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeAnswer {
    /// What happens now.
    pub detail: String,
    /// With `AUTH_DEV_RETURN_OTP` alone: the code, if one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A code that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CodeProof {
    /// The mail address.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::MailAddress"))]
    pub email: String,
    /// The code.
    pub code: String,
}

/// A session that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginAnswer {
    /// What to show from now on: `Authorization: Bearer TOKEN`.
    pub token: String,
    /// When it ends by itself.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub expires_at: Timestamp,
    /// Whose it is.
    pub email: String,
    /// What he is.
    pub role: Role,
}

/// Which role somebody is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// The role.
    pub role: Role,
}
