//! An action as a person writes it: one object whose fields depend on `type`.
//!
//! Read field by field, so that a wrong value is reported at its own path and not at the action as a whole.

use super::{Action, RedirectCode};
use crate::id::CampaignId;
use serde::Deserialize;

/// The fields of all actions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(rename = "type")]
    kind: Type,
    code: Option<u16>,
    body: Option<String>,
    campaign: Option<CampaignId>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Type {
    Redirect,
    MetaRefresh,
    DoubleMeta,
    Js,
    Text,
    Html,
    Status,
    Campaign,
}

impl Type {
    /// The one field that it has beside `type`.
    const fn field(self) -> Option<&'static str> {
        match self {
            Self::Redirect | Self::Status => Some("code"),
            Self::Text | Self::Html => Some("body"),
            Self::Campaign => Some("campaign"),
            Self::MetaRefresh | Self::DoubleMeta | Self::Js => None,
        }
    }
}

impl TryFrom<Written> for Action {
    /// In serde's own words, or "at `field`: …": `parse` takes the field's name from it.
    type Error = String;

    fn try_from(w: Written) -> Result<Self, String> {
        let given =
            [("code", w.code.is_some()), ("body", w.body.is_some()), ("campaign", w.campaign.is_some())];
        let field = w.kind.field();
        if let Some((name, _)) = given.into_iter().find(|(name, given)| *given && Some(*name) != field) {
            let known = field.map_or("`type`".to_owned(), |f| format!("`type` or `{f}`"));
            return Err(format!("unknown field `{name}`, expected {known}"));
        }
        let missing = || format!("missing field `{}`", field.unwrap_or_default());
        Ok(match w.kind {
            Type::Redirect => {
                let code =
                    w.code.map(RedirectCode::try_from).transpose().map_err(|e| format!("at `code`: {e}"))?;
                Self::Redirect { code: code.unwrap_or_default() }
            }
            Type::MetaRefresh => Self::MetaRefresh,
            Type::DoubleMeta => Self::DoubleMeta,
            Type::Js => Self::Js,
            Type::Text => Self::Text { body: w.body.ok_or_else(missing)? },
            Type::Html => Self::Html { body: w.body.ok_or_else(missing)? },
            Type::Status => Self::Status { code: w.code.ok_or_else(missing)? },
            Type::Campaign => Self::Campaign { campaign: w.campaign.ok_or_else(missing)? },
        })
    }
}
