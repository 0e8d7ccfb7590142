//! Whose click a postback speaks of, and what the destination adds to it.

use super::{Incoming, Postback};
use crate::{
    Timestamp,
    entity::{DestinationSpec, Due, Network},
    event::ClickDims,
    id::{ConversionId, NetworkId},
    money::{Amount, Money},
};

/// What a destination means for the conversions of its clicks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// Whose it is; none: nobody's.
    pub network: Option<NetworkId>,
    /// What a conversion pays that names no payout.
    pub payout: Option<Money>,
    /// Whether a click may have several sales.
    pub allow_upsell: bool,
}

impl From<&DestinationSpec> for Terms {
    fn from(d: &DestinationSpec) -> Self {
        Self { network: d.network.clone(), payout: d.payout, allow_upsell: d.allow_upsell }
    }
}

/// A postback as stores record it, or the network that the click was sent to if it is not this one's to report.
///
/// A network reports its own clicks, and those that were sent to nobody's destination or to none. The destination's
/// terms hold for nobody but its own network; a destination of nobody has terms for everybody. Revenue: what the
/// postback or the template says, else the destination's payout, else nothing.
///
/// # Errors
/// The click is another network's, and this one takes no foreign clicks.
pub fn report(
    network: &Network,
    destination: Option<&Terms>,
    postback: &Postback,
    click: &ClickDims,
    at: Timestamp,
) -> Result<Incoming, NetworkId> {
    if let Some(other) = click.network_id.as_ref().filter(|n| **n != network.id)
        && !network.spec.foreign_clicks
    {
        return Err(other.clone());
    }
    let own = destination
        .filter(|d| d.network.as_ref().or(click.network_id.as_ref()).is_none_or(|n| *n == network.id));
    let revenue = match (postback.payout, own.and_then(|d| d.payout)) {
        (Some(amount), _) => Money { amount, currency: postback.currency },
        (None, Some(payout)) => payout,
        (None, None) => Money { amount: Amount::ZERO, currency: postback.currency },
    };
    let key = postback.key();
    Ok(Incoming {
        new_id: ConversionId::of(&network.id, postback.click_id, &key),
        network: network.id.clone(),
        scope: network.spec.transaction_scope,
        key,
        transaction_id: postback.transaction_id.clone(),
        click_id: postback.click_id,
        status: postback.status.clone(),
        raw_status: postback.raw_status.clone(),
        unmapped: postback.unmapped,
        revenue,
        revenue_given: postback.payout_given,
        allow_upsell: own.is_some_and(|d| d.allow_upsell),
        at,
        click: click.clone(),
        cost_terms: Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    })
}
