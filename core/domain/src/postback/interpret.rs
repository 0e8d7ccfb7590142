//! From a network's parameters to our terms.

use super::{
    ConversionStatus,
    params::{Field, Params, Unreadable, same_word},
};
use crate::{
    entity::{NetworkSpec, TemplateSpec},
    id::ClickId,
    money::{Amount, Currency},
};

/// The longest transaction id, in characters.
const LONGEST_TRANSACTION_ID: usize = 256;

/// Words of networks that need no template. A template's own mapping goes first.
const SYNONYMS: [(&str, ConversionStatus); 9] = [
    ("pending", ConversionStatus::Lead),
    ("hold", ConversionStatus::Lead),
    ("approved", ConversionStatus::Sale),
    ("confirmed", ConversionStatus::Sale),
    ("paid", ConversionStatus::Sale),
    ("declined", ConversionStatus::Rejected),
    ("trash", ConversionStatus::Rejected),
    ("cancelled", ConversionStatus::Rejected),
    ("canceled", ConversionStatus::Rejected),
];

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
    /// What makes it the same conversion again: the transaction id (`tx:{id}`), else the click and the kind of
    /// report. A lead, the sale it becomes and its rejection share one slot (`click:{id}:main`); rebills have one
    /// of their own (`click:{id}:rebill`), and so has each custom status (`click:{id}:custom:{status}`).
    pub fn key(&self) -> String {
        if let Some(id) = &self.transaction_id {
            return format!("tx:{id}");
        }
        let click = self.click_id;
        match &self.status {
            ConversionStatus::Lead | ConversionStatus::Sale | ConversionStatus::Rejected => {
                format!("click:{click}:main")
            }
            ConversionStatus::Rebill => format!("click:{click}:rebill"),
            ConversionStatus::Custom(word) => format!("click:{click}:custom:{word}"),
        }
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

impl Refusal {
    fn new(parameter: &str, message: impl Into<String>) -> Self {
        Self { parameter: parameter.to_owned(), message: message.into() }
    }
}

/// Interprets a postback's parameters (query, form or flattened JSON; the first of a name counts).
///
/// Names are compared without regard to case. What says nothing ([`crate::said`]) counts as not sent. A status to ignore is recognised before anything else is asked for,
/// since a ping carries no click.
///
/// `unreadable` are the names of a body that hold what is no text: an object, a list, half of a character. Such a fact is
/// refused: read as missing, or as the text it is written with, it would make another sale than was reported.
///
/// # Errors
/// No click id, a fact that is unreadable, or a malformed click id, transaction id, payout, currency or status.
pub fn interpret(
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    params: &[(String, String)],
    unreadable: &[Unreadable],
) -> Result<Interpreted, Refusal> {
    let params = Params::new(params, template);
    let status = params.find(Field::Status);
    if let Some((_, word)) = status
        && template.is_some_and(|t| t.ignore.iter().any(|i| same_word(i, word)))
    {
        return Ok(Interpreted::Ignored { raw_status: word.to_owned() });
    }
    if let Some(Unreadable { name, why }) = params.read_from(unreadable) {
        return Err(Refusal::new(name, *why));
    }
    let click_id = click_id(&params)?;
    let transaction_id = params.find(Field::TransactionId).map(transaction_id).transpose()?;
    let given = params.find(Field::Payout).map(payout).transpose()?;
    let currency = params.find(Field::Currency).map(currency).transpose()?;
    let defaults = template.map(|t| &t.defaults);
    let mapped = match status {
        Some((name, word)) => map_status(template, word).map_err(|m| Refusal::new(name, m))?,
        None => defaults.and_then(|d| d.status.clone()).unwrap_or(ConversionStatus::Sale),
    };
    Ok(Interpreted::Report(Postback {
        click_id,
        transaction_id,
        status: mapped,
        raw_status: status.map(|(_, word)| word.to_owned()),
        payout: given.or_else(|| defaults.and_then(|d| d.payout)),
        payout_given: given.is_some(),
        currency: currency.or_else(|| defaults.and_then(|d| d.currency)).unwrap_or(network.currency),
    }))
}

fn click_id(params: &Params) -> Result<ClickId, Refusal> {
    if let Some((name, value)) = params.find(Field::ClickId) {
        return value.parse().map_err(|e| Refusal::new(name, format!("{} {e}", shown(value))));
    }
    if let Some((name, value)) = params.unexpanded(Field::ClickId) {
        let message = format!(
            "the network sent its macro {} as it is, so it does not know that name; put the network's own macro \
             for the click or sub id there",
            shown(value)
        );
        return Err(Refusal::new(name, message));
    }
    let names = params.names(Field::ClickId).collect::<Vec<_>>();
    let message = format!("is missing; the click id is looked for in {}", names.join(", "));
    Err(Refusal::new(names.first().copied().unwrap_or("click_id"), message))
}

fn transaction_id((name, value): (&str, &str)) -> Result<String, Refusal> {
    let ok = value.chars().take(LONGEST_TRANSACTION_ID + 1).count() <= LONGEST_TRANSACTION_ID
        && !value.chars().any(char::is_control);
    if ok {
        return Ok(value.to_owned());
    }
    let message = format!("must be at most {LONGEST_TRANSACTION_ID} characters without control characters");
    Err(Refusal::new(name, message))
}

fn payout((name, value): (&str, &str)) -> Result<Amount, Refusal> {
    match value.parse::<Amount>() {
        Ok(amount) if amount < Amount::ZERO => {
            let message =
                format!("{} must not be negative; send status=rejected to take a sale back", shown(value));
            Err(Refusal::new(name, message))
        }
        Ok(amount) => Ok(amount),
        Err(e) if value.contains(',') => {
            let message = format!("{} {e}, with a point and without separators of thousands", shown(value));
            Err(Refusal::new(name, message))
        }
        Err(e) => Err(Refusal::new(name, format!("{} {e}", shown(value)))),
    }
}

fn currency((name, value): (&str, &str)) -> Result<Currency, Refusal> {
    value.parse().map_err(|e| Refusal::new(name, format!("{} {e}", shown(value))))
}

/// The template's mapping, else our own words and the synonyms, else a custom status.
fn map_status(template: Option<&TemplateSpec>, word: &str) -> Result<ConversionStatus, &'static str> {
    let by_template = template
        .into_iter()
        .flat_map(|t| &t.statuses)
        .find(|(_, words)| words.iter().any(|w| same_word(w, word)))
        .map(|(status, _)| status.clone());
    if let Some(status) = by_template {
        return Ok(status);
    }
    match SYNONYMS.iter().find(|(w, _)| same_word(w, word)) {
        Some((_, status)) => Ok(status.clone()),
        None => word.parse(),
    }
}

/// A value as it may stand in a message: quoted, escaped and cut.
fn shown(value: &str) -> String {
    let cut: String = value.chars().take(64).flat_map(char::escape_debug).collect();
    format!("'{cut}{}'", if value.chars().nth(64).is_some() { "…" } else { "" })
}

#[cfg(test)]
#[path = "interpret_tests.rs"]
mod tests;
