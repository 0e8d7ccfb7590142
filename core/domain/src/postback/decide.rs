//! What a report does, beside everything that stands: which conversion it speaks of, whether that is its own click's,
//! and who has the one sale of the click.
//!
//! A transaction id is first `tx:{id}`, whatever the network's ids mean. Another click with that id is a conflict where
//! ids are the network's, and gets the key `click:{click}:tx:{id}` where they are a click's. So one click and one id
//! have one key however often the network's scope is changed, and the store's unique index on keys decides a race.

use super::{Applied, Conversion, Incoming, TransactionScope, apply, status::first};
use crate::{
    event::PostbackResult,
    id::{ConversionId, NetworkId},
};

/// The conversions that stand, as a store reads them.
pub trait Standing {
    /// Why they cannot be read.
    type Error;

    /// The conversion with this key.
    ///
    /// # Errors
    /// It cannot be read.
    fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, Self::Error>;

    /// The conversion that holds this sale claim.
    ///
    /// # Errors
    /// It cannot be read.
    fn by_claim(&self, network: &NetworkId, claim: &str) -> Result<Option<Conversion>, Self::Error>;
}

/// What a report does.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// Recorded: the conversion is new; Updated: it is in a new state. All else writes nothing.
    pub result: PostbackResult,
    /// As it stands after the report; for what changes nothing the one that is in the way.
    pub conversion: Conversion,
}

/// Decides what a report does.
///
/// # Errors
/// What stands cannot be read.
pub fn decide<S: Standing>(standing: &S, report: &Incoming) -> Result<Decided, S::Error> {
    use PostbackResult::{Conflict, Duplicate, Recorded, Stale, Updated};
    let done = |result, conversion| Ok(Decided { result, conversion });
    let mut key = report.key.clone();
    let mut existing = standing.by_key(&report.network, &key)?;
    if let Some(other) = existing.as_ref().filter(|c| c.click_id != report.click_id) {
        let Some(own) = report.click_key() else { return done(Conflict, other.clone()) };
        let of_click = standing.by_key(&report.network, &own)?;
        if of_click.is_none() && report.scope == TransactionScope::Network {
            return done(Conflict, other.clone());
        }
        (key, existing) = (own, of_click);
    }
    // Who else has the sale that a conversion claims.
    let rival = |id: &ConversionId, claim: Option<&String>| {
        let holder = claim.map(|claim| standing.by_claim(&report.network, claim)).transpose()?.flatten();
        Ok(holder.filter(|h| h.id != *id))
    };
    let Some(before) = existing else {
        let new = Conversion { key, ..first(report) };
        // A word of which nobody knows the meaning brings no more than a second sale would.
        let as_sale = (report.unmapped && !report.allow_upsell).then(|| report.click_id.to_string());
        return match rival(&new.id, new.sale_claim.as_ref().or(as_sale.as_ref()))? {
            Some(holder) => done(Duplicate, holder),
            None => done(Recorded, new),
        };
    };
    match apply(Some(&before), report) {
        Applied::Updated(next) => match rival(&next.id, next.sale_claim.as_ref())? {
            Some(_) => done(Duplicate, before),
            None => done(Updated, next),
        },
        Applied::Stale => done(Stale, before),
        Applied::Duplicate | Applied::New(_) => done(Duplicate, before),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
