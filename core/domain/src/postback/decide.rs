//! What a report does, beside everything that stands: which conversion it speaks of, whether that is its own click's,
//! and who has the one sale of the click.
//!
//! A transaction id is first `tx:{id}`, whatever the network's ids mean. Another click with that id is a conflict where
//! ids are the network's, and gets the key `click:{click}:tx:{id}` where they are a click's. So one click and one id
//! have one key however often the network's scope is changed, and the store's unique index on keys decides a race.

use super::{
    Applied, Conversion, ConversionStatus, Incoming, TransactionScope, apply,
    status::{displaced, first},
};
use crate::{event::PostbackResult, id::NetworkId};

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
    /// Whether it came into another state, or is new.
    pub moved: bool,
    /// As it stands after the report; for what changes nothing the one that is in the way.
    pub conversion: Conversion,
    /// Another conversion of the click in a new state: a word that nobody knows had brought it, and it gives way to the
    /// sale that is recorded or updated; or the report was read as that one before.
    pub displaced: Option<Conversion>,
}

/// Decides what a report does.
///
/// # Errors
/// What stands cannot be read.
pub fn decide<S: Standing>(standing: &S, report: &Incoming) -> Result<Decided, S::Error> {
    use PostbackResult::{Conflict, Duplicate, Recorded, Stale, Updated};
    let done = |result, conversion| Ok(Decided { result, moved: false, conversion, displaced: None });
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
    let (result, next) = match &existing {
        None => (Recorded, Conversion { key, ..first(report) }),
        Some(before) => match apply(Some(before), report) {
            Applied::Updated(next) => (Updated, next),
            Applied::Stale => return done(Stale, before.clone()),
            Applied::Duplicate | Applied::New(_) => return done(Duplicate, before.clone()),
        },
    };
    let moved = existing.as_ref().is_none_or(|before| before.status != next.status);
    // What it was read as before gives way to what it says.
    let was = report.replaces.as_ref().filter(|before| **before != next.key);
    let was = was.map(|before| standing.by_key(&report.network, before)).transpose()?.flatten();
    let was = was.filter(|c| c.click_id == report.click_id && c.status != ConversionStatus::Rejected);
    // Who else has the sale that it claims.
    let claim = next.sale_claim.as_ref();
    let holder = claim.map(|claim| standing.by_claim(&report.network, claim)).transpose()?.flatten();
    match holder.filter(|h| h.id != next.id) {
        None => {
            let displaced = was.map(|was| displaced(&was, report.at));
            Ok(Decided { result, moved, conversion: next, displaced })
        }
        Some(holder) if was.as_ref().is_some_and(|was| was.id == holder.id) => {
            Ok(Decided { result, moved, conversion: next, displaced: Some(displaced(&holder, report.at)) })
        }
        // A sale goes before what nobody knows to be one, whichever came first.
        Some(holder) if next.status == ConversionStatus::Sale && holder.status != ConversionStatus::Sale => {
            Ok(Decided { result, moved, conversion: next, displaced: Some(displaced(&holder, report.at)) })
        }
        Some(holder) => done(Duplicate, existing.filter(|c| !c.displaced).unwrap_or(holder)),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
