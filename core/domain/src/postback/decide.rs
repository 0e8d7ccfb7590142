//! What a report does, beside everything that stands: which conversion it speaks of, whether that is its own click's,
//! and who has the one sale of the click.
//!
//! A transaction id is first `tx:{id}`, whatever the network's ids mean. Another click with that id is a conflict where
//! ids are the network's, and gets the key `click:{click}:tx:{id}` where they are a click's. So one click and one id
//! have one key however often the network's scope is changed, and the store's unique index on keys decides a race.

use super::{
    Applied, Conversion, ConversionStatus, Incoming, Signed, TransactionScope, apply,
    status::{displaced, first},
};
use crate::{
    event::PostbackResult,
    id::{ClickId, NetworkId},
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

    /// The conversion of the click, of whatever network, that this signature was reported of.
    ///
    /// # Errors
    /// It cannot be read.
    fn by_signature(&self, click: ClickId, signed: &Signed) -> Result<Option<Conversion>, Self::Error>;
}

/// What a report does.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// Recorded: the conversion is new; Updated: it is in a new state. All else writes nothing but `noted`.
    pub result: PostbackResult,
    /// Whether it came into another state, or is new.
    pub moved: bool,
    /// As it stands after the report; for what changes nothing the one that is in the way.
    pub conversion: Conversion,
    /// Another conversion of the click in a new state: a word that nobody knows had brought it, and it gives way to the
    /// sale that is recorded or updated; or the report was read as that one before.
    pub displaced: Option<Conversion>,
    /// A conversion of the click as it stands, with the signature of what changed nothing: it is the same version, and nobody is
    /// told of it.
    pub noted: Option<Conversion>,
}

/// Decides what a report does. A signature that was reported of any conversion of the click does nothing again.
///
/// # Errors
/// What stands cannot be read.
pub fn decide<S: Standing>(standing: &S, report: &Incoming) -> Result<Decided, S::Error> {
    use PostbackResult::{Conflict, Duplicate, Recorded, Stale, Updated};
    let noted = |c: &Conversion| {
        let signatures = c.signatures.clone().noted(report.signed.as_ref()?);
        Some(Conversion { signatures, ..c.clone() })
    };
    let done =
        |result, conversion, noted| Ok(Decided { result, moved: false, conversion, displaced: None, noted });
    if let Some(signed) = &report.signed
        && let Some(took) = standing.by_signature(report.click_id, signed)?
    {
        return done(Duplicate, took, None);
    }
    let mut key = report.key.clone();
    let mut existing = standing.by_key(&report.network, &key)?;
    if let Some(other) = existing.as_ref().filter(|c| c.click_id != report.click_id) {
        let Some(own) = report.click_key() else { return done(Conflict, other.clone(), None) };
        let of_click = standing.by_key(&report.network, &own)?;
        if of_click.is_none() && report.scope == TransactionScope::Network {
            return done(Conflict, other.clone(), None);
        }
        (key, existing) = (own, of_click);
    }
    let (result, next) = match &existing {
        None => (Recorded, Conversion { key, ..first(report) }),
        Some(before) => match apply(Some(before), report) {
            Applied::Updated(next) => (Updated, next),
            // What is late by a clock alone is taken once more, as of a later time.
            Applied::Stale if !report.waited && report.at < before.updated_at => {
                return done(Stale, before.clone(), None);
            }
            Applied::Stale => return done(Stale, before.clone(), noted(before)),
            Applied::Duplicate | Applied::New(_) => return done(Duplicate, before.clone(), noted(before)),
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
    let gone = match holder.filter(|h| h.id != next.id) {
        None => was,
        Some(holder) if was.as_ref().is_some_and(|was| was.id == holder.id) => Some(holder),
        // A sale goes before what nobody knows to be one, whichever came first.
        Some(holder) if next.status == ConversionStatus::Sale && holder.status != ConversionStatus::Sale => {
            Some(holder)
        }
        Some(holder) => {
            let noted = noted(existing.as_ref().unwrap_or(&holder));
            return done(Duplicate, existing.filter(|c| !c.displaced).unwrap_or(holder), noted);
        }
    };
    let displaced = gone.map(|gone| displaced(&gone, report.at));
    Ok(Decided { result, moved, conversion: next, displaced, noted: None })
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
