//! From a network's parameters to our terms.

use super::ConversionStatus;
use crate::{
    entity::{NetworkSpec, TemplateSpec},
    id::ClickId,
    money::{Amount, Currency},
};

/// A postback in our terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Postback {
    /// The click.
    pub click_id: ClickId,
    /// The network's transaction id.
    pub transaction_id: Option<String>,
    /// The status, `sale` when none was given.
    pub status: ConversionStatus,
    /// The network's word for it.
    pub raw_status: Option<String>,
    /// What it pays, if it says (or the template's default).
    pub payout: Option<Amount>,
    /// True when the postback itself named the payout.
    pub payout_given: bool,
    /// Of what: the postback's, the template's or the network's.
    pub currency: Currency,
}

impl Postback {
    /// What makes it the same conversion again: the transaction id, else the click and the kind of report.
    pub fn key(&self) -> String {
        String::new()
    }
}

/// What a postback turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Interpreted {
    /// Something to record.
    Report(Postback),
    /// A status that the template ignores.
    Ignored {
        /// The network's word.
        raw_status: String,
    },
}

/// Why a postback is refused with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {message}")]
pub struct Refusal {
    /// The parameter as the network calls it, else our name for it.
    pub parameter: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// Interprets a postback's parameters (query, form or flattened JSON; the first of a name counts).
///
/// # Errors
/// No click id, or a malformed click id, payout, currency or status.
pub fn interpret(
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    params: &[(String, String)],
) -> Result<Interpreted, Refusal> {
    let _ = (network, template, params);
    Err(Refusal { parameter: String::new(), message: String::new() })
}
