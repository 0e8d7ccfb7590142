//! What was recorded and says something else by now, since the template that reads it was mended.

use super::{ConversionStatus, Interpreted, interpret};
use crate::{
    entity::{NetworkSpec, TemplateSpec},
    event::PostbackLogEvent,
    money::{Amount, Money},
};

/// In what a postback differs from what was recorded of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnotherReading {
    /// It was recorded as nothing, and names money.
    Paid,
    /// Something else: another status, or other money.
    Other,
}

/// What a line of the postback log says by now, if that is not what it was recorded as: another status, or other money, where it
/// names any. Whether the conversion still stands so is asked of [`super::still_stands`].
pub fn read_otherwise(
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    line: &PostbackLogEvent,
) -> Option<AnotherReading> {
    let (was, revenue) = (line.conversion_status.as_ref()?, line.revenue?);
    if *was == ConversionStatus::Rejected {
        return None;
    }
    let Ok(Interpreted::Report(now)) = interpret(network, template, &line.params, &[]) else { return None };
    let pays = now.payout.filter(|_| now.payout_given).map(|amount| Money { amount, currency: now.currency });
    match pays.filter(|pays| *pays != revenue) {
        Some(pays) if revenue.amount == Amount::ZERO && pays.amount != Amount::ZERO => {
            Some(AnotherReading::Paid)
        }
        Some(_) => Some(AnotherReading::Other),
        None => (now.status != *was).then_some(AnotherReading::Other),
    }
}
