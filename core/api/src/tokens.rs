//! API tokens: made, shown once, listed, revoked.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use tfx_domain::Timestamp;
pub use tfx_domain::access::{ApiToken, Role, Scope, TokenState};

/// A token that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is called: unique among those that are not revoked, and neither an id, `admin`, `admin token` nor `nobody`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = 100),
            regex(
                pattern = r"^[!-?A-~\u00a1-\u00ac\u00ae-\u024f\u0370-\u0482\u048a-\u052f\u2010-\u2027\u20ac\u3041-\u3096\u30a1-\u30ff\u4e00-\u9fff\uac00-\ud7a3]([ -?A-~\u00a1-\u00ac\u00ae-\u024f\u0370-\u0482\u048a-\u052f\u2010-\u2027\u20ac\u3041-\u3096\u30a1-\u30ff\u4e00-\u9fff\uac00-\ud7a3]*[!-?A-~\u00a1-\u00ac\u00ae-\u024f\u0370-\u0482\u048a-\u052f\u2010-\u2027\u20ac\u3041-\u3096\u30a1-\u30ff\u4e00-\u9fff\uac00-\ud7a3])?$"
            )
        )
    )]
    pub name: String,
    /// What it may do; no more than whoever makes it.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub scopes: Vec<Scope>,
    /// When it ends by itself, in the future; none: not. A token that ends makes none that ends later.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "end")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub expires_at: Option<Timestamp>,
}

/// A time, if there is one; told in our words where it is none.
fn end<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let must = "must be a time such as 2027-01-31T00:00:00Z, before the last day of the year 9999";
    let read = |text: String| text.parse().map_err(|_| D::Error::custom(must));
    Option::<String>::deserialize(from)?.map(read).transpose()
}

/// A token as it is listed: never its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenRow {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Whether it opens anything.
    pub state: TokenState,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it ends by itself.
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to a minute.
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_from: String,
    /// When it was revoked.
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub revoked_at: Option<Timestamp>,
    /// For `If-Match`: how often somebody changed it, and one.
    pub version: u64,
}

impl TokenRow {
    /// As a token is at a time.
    pub fn new(token: ApiToken, now: Timestamp) -> Self {
        Self {
            state: token.state(now),
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            created_at: token.created_at,
            created_by: token.created_by,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            last_used_from: token.last_used_from,
            revoked_at: token.revoked_at,
            version: token.version,
        }
    }
}

/// A token that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MadeToken {
    /// What there is to know of it later.
    #[serde(flatten)]
    pub row: TokenRow,
    /// Its text, shown this once: an answer that is given again does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}
