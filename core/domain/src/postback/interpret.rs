//! From a network's parameters to our terms.

use super::{
    Conversion, ConversionStatus,
    advice::UnknownWord,
    params::{Field, Params, Unreadable, same_word},
    words,
};
use crate::{
    entity::{NetworkSpec, TemplateSpec},
    event::PostbackLogEvent,
    id::ClickId,
    money::{Amount, AmountFormat, Currency, InvalidMoney, Unclear, Written},
};

/// The longest transaction id, in characters.
const LONGEST_TRANSACTION_ID: usize = 256;

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
    /// The word is nobody's: not of the template, not of the table of common words. It is kept as a status, and told.
    pub unmapped: bool,
    /// What it pays, if it says (or the template's default).
    pub payout: Option<Amount>,
    /// True when the postback itself named the payout.
    pub payout_given: bool,
    /// Of what: the postback's, the template's or the network's.
    pub currency: Currency,
}

impl Postback {
    /// What makes it the same conversion again: the transaction id (`tx:{id}`; another click with the same id is told
    /// from it by [`super::decide`]), else the click and the kind of
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

    /// Its key where another click has the transaction id; none without one.
    pub fn click_key(&self) -> Option<String> {
        self.transaction_id.as_ref().map(|id| super::click_key(self.click_id, id))
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
/// `unreadable` are the names of a body that hold what is no text: an object, a list, `true`, half of a character. Such a
/// fact is refused: read as missing, or as the text it is written with, it would make another sale than was reported.
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
    let amount = params.find(Field::Payout).map(|said| payout(template, said)).transpose()?;
    let currency = params.find(Field::Currency).map(currency).transpose()?;
    let defaults = template.map(|t| &t.defaults);
    let standing = defaults.and_then(|d| d.currency).unwrap_or(network.currency);
    let currency = match &amount {
        Some((said, written)) => one_currency(*said, written, currency, standing)?,
        None => currency.map_or(standing, |(_, currency)| currency),
    };
    let left = status.is_none().then(|| left_status(&params, template)).flatten();
    let (mapped, unmapped) = match (status, left) {
        (Some((name, word)), _) => map_status(template, word).map_err(|m| Refusal::new(name, m))?,
        // Its sales and its rejections look the same.
        (None, Some((_, left))) => (left.parse().unwrap_or(ConversionStatus::Lead), true),
        (None, None) => (defaults.and_then(|d| d.status.clone()).unwrap_or(ConversionStatus::Sale), false),
    };
    let status = status.or(left);
    let given = match amount {
        // What is taken back was paid before: the status says it, and no revenue is less than none.
        Some((_, Written { amount, .. }))
            if amount < Amount::ZERO && mapped == ConversionStatus::Rejected =>
        {
            None
        }
        Some(((name, value), Written { amount, .. })) if amount < Amount::ZERO => {
            return Err(Refusal::new(name, not_negative(&params, value, status.filter(|_| unmapped))));
        }
        other => other.map(|(_, written)| written.amount),
    };
    Ok(Interpreted::Report(Postback {
        click_id,
        transaction_id,
        status: mapped,
        raw_status: status.map(|(_, word)| word.to_owned()),
        unmapped,
        payout: given.or_else(|| defaults.and_then(|d| d.payout)),
        payout_given: given.is_some(),
        currency,
    }))
}

/// Interprets what was written in our own terms: without a template, and statuses are ours, whatever networks mean by such
/// words.
///
/// # Errors
/// As [`interpret`].
pub fn interpret_ours(network: &NetworkSpec, params: &[(String, String)]) -> Result<Interpreted, Refusal> {
    let read = interpret(network, None, params, &[])?;
    let Interpreted::Report(postback) = read else { return Ok(read) };
    let status = match &postback.raw_status {
        Some(word) => word.parse().map_err(|why: &str| Refusal::new("status", why))?,
        None => ConversionStatus::Sale,
    };
    Ok(Interpreted::Report(Postback { status, unmapped: false, ..postback }))
}

/// The word for a status that nobody knows, if the postback says one; also of one that is refused for its payout.
pub fn unknown_word(template: Option<&TemplateSpec>, params: &[(String, String)]) -> Option<UnknownWord> {
    let params = Params::new(params, template);
    let said = params.find(Field::Status);
    let (_, word) = said.or_else(|| left_status(&params, template))?;
    let ignored = template.is_some_and(|t| t.ignore.iter().any(|i| same_word(i, word)));
    let unmapped = said.is_none() || map_status(template, word).ok()?.1;
    let payout = params.find(Field::Payout).and_then(|said| payout(template, said).ok());
    let taken_back = payout.is_some_and(|(_, written)| written.amount < Amount::ZERO);
    (unmapped && !ignored).then(|| UnknownWord { word: word.to_owned(), taken_back, after_sale: false })
}

/// Whether a line of the postback log put a conversion under a word of the network's own that means something else as
/// its network and template are now. Whether the conversion still stands so is asked of [`still_stands`].
pub fn is_mapped_since(
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    line: &PostbackLogEvent,
) -> bool {
    let Some(was @ ConversionStatus::Custom(_)) = &line.conversion_status else { return false };
    matches!(interpret(network, template, &line.params, &[]), Ok(Interpreted::Report(now)) if now.status != *was)
}

/// Whether a conversion is still as a line of the postback log made it.
pub fn still_stands(conversion: &Conversion, line: &PostbackLogEvent) -> bool {
    line.conversion_status.as_ref() == Some(&conversion.status)
        && line.revenue == Some(conversion.revenue)
        && !conversion.displaced
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

fn transaction_id((name, value): Said) -> Result<String, Refusal> {
    let ok = value.chars().take(LONGEST_TRANSACTION_ID + 1).count() <= LONGEST_TRANSACTION_ID
        && !value.chars().any(char::is_control);
    if ok {
        return Ok(value.to_owned());
    }
    let message = format!("must be at most {LONGEST_TRANSACTION_ID} characters without control characters");
    Err(Refusal::new(name, message))
}

/// A parameter's name and its value.
type Said<'p> = (&'p str, &'p str);

/// The parameter, and what it says; whether it may be negative depends on the status.
fn payout<'p>(
    template: Option<&TemplateSpec>,
    (name, value): Said<'p>,
) -> Result<(Said<'p>, Written), Refusal> {
    let format = template.map_or_else(AmountFormat::default, TemplateSpec::amounts);
    let written = format.read(value).map_err(|e| {
        // Written as people write amounts, and not as the template says.
        let hint = match e {
            Unclear::Invalid(InvalidMoney::Amount)
                if format.decimal.is_none() && value.contains(|c: char| c.is_ascii_digit()) =>
            {
                ", with a point, without separators of thousands and with nothing around it, unless the template's \
                 decimal says how this network writes amounts"
            }
            _ => "",
        };
        Refusal::new(name, format!("{} {e}{hint}", shown(value)))
    })?;
    Ok(((name, value), written))
}

/// The currency of an amount: the parameter's, else the one beside the number, else what stands for the network. They must
/// not contradict each other.
fn one_currency(
    (name, value): Said,
    written: &Written,
    parameter: Option<(&str, Currency)>,
    standing: Currency,
) -> Result<Currency, Refusal> {
    let beside = &written.currencies;
    match parameter {
        Some((_, currency)) if beside.is_empty() || beside.contains(&currency) => Ok(currency),
        Some((other, currency)) => {
            let message = format!("{} is of another currency than {other}={currency} says", shown(value));
            Err(Refusal::new(name, message))
        }
        None => match beside.as_slice() {
            [] => Ok(standing),
            [one] => Ok(*one),
            several if several.contains(&standing) => Ok(standing),
            several => {
                let several: Vec<&str> = several.iter().map(Currency::as_str).collect();
                let message = format!(
                    "{} may be of {}, and is not of {standing}: have the network send its currency, or set the \
                     template's default currency",
                    shown(value),
                    several.join(", ")
                );
                Err(Refusal::new(name, message))
            }
        },
    }
}

fn not_negative(params: &Params, value: &str, unmapped: Option<(&str, &str)>) -> String {
    let status = params.names(Field::Status).next().unwrap_or("status");
    let mut message =
        format!("{} must not be negative; send {status}=rejected with it to take a sale back", shown(value));
    if let Some((_, word)) = unmapped {
        message += &format!(", or map the network's word {} to rejected", shown(word));
    }
    message
}

fn currency<'p>((name, value): Said<'p>) -> Result<(&'p str, Currency), Refusal> {
    let currency = value.parse::<Currency>();
    currency.map(|c| (name, c)).map_err(|e| Refusal::new(name, format!("{} {e}", shown(value))))
}

/// The template's mapping, else what everybody means by the word, else a custom status. True when nobody knows it:
/// not even as a status that the template gives to another word.
fn map_status(template: Option<&TemplateSpec>, word: &str) -> Result<(ConversionStatus, bool), &'static str> {
    let by_template = template
        .into_iter()
        .flat_map(|t| &t.statuses)
        .find(|(_, words)| words.iter().any(|w| same_word(w, word)))
        .map(|(status, _)| status.clone());
    if let Some(status) = by_template.or_else(|| words::meaning(word)) {
        return Ok((status, false));
    }
    let own = word.parse::<ConversionStatus>()?;
    let named =
        template.is_some_and(|t| t.statuses.contains_key(&own) || t.defaults.status.as_ref() == Some(&own));
    Ok((own, !named))
}

/// A macro for the status that the network left as it is, where nothing says what holds then.
fn left_status<'p>(params: &Params<'p>, template: Option<&TemplateSpec>) -> Option<Said<'p>> {
    let is_said = template.is_some_and(|t| t.defaults.status.is_some());
    params.unexpanded(Field::Status).filter(|_| !is_said)
}

/// A value as it may stand in a message: quoted, escaped and cut.
pub(super) fn shown(value: &str) -> String {
    let cut: String = value.chars().take(64).flat_map(char::escape_debug).collect();
    format!("'{cut}{}'", if value.chars().nth(64).is_some() { "…" } else { "" })
}

#[cfg(test)]
#[path = "interpret_tests.rs"]
mod tests;
