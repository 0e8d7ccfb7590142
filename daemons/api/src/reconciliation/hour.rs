//! One kind of event in one hour.

use super::Told;
use crate::failure::Failure;
use jiff::SignedDuration;
use std::collections::HashSet;
use tfx_api::reconciliation::ReconciledCounts;
use tfx_domain::{
    Timestamp,
    id::ClickId,
    ledger::{Difference, Digest, Hour, HourLedger, LedgerKind},
};
use tfx_ports::analytics::{StoredHour, StoredIds};
use tfx_wiring::Stores;

/// What happens is counted within this, whatever its time.
const SLACK: SignedDuration = SignedDuration::from_secs(1);
/// What an instance accepted that died, and could not tell any more, is at most so much younger than what it told.
const UNTOLD: SignedDuration = SignedDuration::from_secs(15);

/// What is known of an hour.
pub(super) struct Facts<'f> {
    pub(super) kind: LedgerKind,
    pub(super) hour: Hour,
    pub(super) ledger: HourLedger,
    pub(super) stored: Option<StoredHour>,
    pub(super) told: &'f Told,
    /// Clicks that were erased.
    pub(super) erased: &'f HashSet<ClickId>,
    /// So many ids are named.
    pub(super) most: usize,
}

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) counts: ReconciledCounts,
    pub(super) missing: Vec<ClickId>,
    pub(super) surplus: Vec<ClickId>,
    pub(super) doubled: Vec<ClickId>,
    /// Where there is a surplus: what was stored, and which clicks were erased.
    unsure: Option<(Box<Digest>, Vec<ClickId>)>,
}

/// Holds what was accepted against what is stored. Ids are read of an hour only if it does not balance.
pub(super) async fn reconciled(stores: &Stores, facts: Facts<'_>) -> Result<Found, Failure> {
    let Facts { kind, hour, ledger, stored, told, erased, most } = facts;
    let mut accepted = ledger.accepted;
    let (events, rows, total) = stored.map_or((0, 0, 0), |s| (s.events, s.rows, s.total));
    let counts = ReconciledCounts {
        accepted: accepted.events(),
        published: Some(ledger.published),
        stored: events,
        doubled: rows.saturating_sub(events),
        results: ledger.results.into_iter().map(|(result, n)| (result.to_owned(), n)).collect(),
        ..ReconciledCounts::default()
    };
    let mut found = Found { counts, ..Found::default() };
    let mut gone = Vec::new();
    let equal = |accepted: &Digest| (accepted.events(), accepted.total()) == (events, total);
    if equal(&accepted) && found.counts.doubled == 0 {
        return Ok(found);
    }
    if kind == LedgerKind::Clicks && !equal(&accepted) {
        let ids: Vec<ClickId> = erased.iter().copied().filter(|id| Hour::of(*id) == hour).collect();
        let there: HashSet<ClickId> = stores.analytics.clicks_there(&ids).await?.into_iter().collect();
        gone.extend(ids.into_iter().filter(|id| !there.contains(id)));
        gone.iter().for_each(|id| accepted.remove(*id));
        found.counts.erased = gone.len() as u64;
    }
    let StoredIds { ids, doubled } = stores.analytics.stored_ids(kind, hour, most).await?;
    found.doubled = doubled;
    // More may have been stored since it was counted.
    found.counts.stored = ids.events();
    let difference = accepted.difference(&ids);
    // What was accepted since the instances told is stored, and they do not count it yet.
    let later = |at: Timestamp| told.until.is_none_or(|until| at.duration_since(until) > -SLACK);
    let late = |id: &ClickId| later(id.timestamp()) || is_of_dead(told, *id);
    let open = told.until.is_none_or(|until| hour.next().start() > until);
    let judged = judge(&difference, open, late);
    (found.counts.missing, found.counts.surplus) = (judged.missing, judged.surplus);
    // As if what is not told yet were not there, so that it adds up.
    found.counts.stored = found.counts.stored.saturating_sub(judged.late);
    found.surplus = difference.less.into_iter().filter(|id| !late(id)).collect();
    found.missing = difference.more;
    if found.counts.surplus > 0 {
        found.unsure = Some((Box::new(ids), gone));
    }
    Ok(found)
}

/// Whether an instance that died may have accepted it without telling.
fn is_of_dead(told: &Told, id: ClickId) -> bool {
    told.died.iter().any(|died| {
        let since = id.timestamp().duration_since(*died);
        since > -SLACK && since < UNTOLD
    })
}

impl Found {
    /// Whether something seems to be too many, which may only not have been told yet when the ledgers were read: a line about a
    /// postback that waited has an id of when it came.
    pub(super) const fn is_unsure(&self) -> bool {
        self.unsure.is_some()
    }

    /// Judges what is too many once more, by a ledger that counts all that was accepted before the store was read.
    pub(super) fn judge_again(&mut self, mut ledger: HourLedger, told: &Told) {
        let Some((stored, gone)) = self.unsure.take() else { return };
        gone.into_iter().for_each(|id| ledger.accepted.remove(id));
        let difference = ledger.accepted.difference(&stored);
        let judged = judge(&difference, false, |id| is_of_dead(told, *id));
        let surplus = judged.surplus.min(self.counts.surplus);
        self.counts.stored = self.counts.stored.saturating_sub(self.counts.surplus - surplus);
        self.counts.surplus = surplus;
        self.surplus = difference.less.into_iter().filter(|id| !is_of_dead(told, *id)).collect();
    }
}

/// How many are missing, too many, and not judged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    missing: u64,
    surplus: u64,
    late: u64,
}

/// `open`: more may be accepted in the hour, or was and is not told.
fn judge(difference: &Difference, open: bool, late: impl Fn(&ClickId) -> bool) -> Judged {
    let late = difference.less.iter().filter(|id| late(id)).count() as u64;
    let (named_missing, named_surplus) = (difference.more.len() as u64, difference.less.len() as u64 - late);
    if difference.whole {
        // What reports count twice or more often is one id, and several events.
        let surplus = (named_missing as i64 - difference.events).unsigned_abs().saturating_sub(late);
        return Judged { missing: named_missing, surplus: surplus.max(named_surplus), late };
    }
    // Too many to be named: only how many more or less is known.
    let net = difference.events;
    let missing = u64::try_from(net).unwrap_or(0).max(named_missing);
    let surplus = (missing as i64 - net).unsigned_abs();
    match open {
        // What came since hides what is missing: it is known when the hour is over.
        true => Judged {
            missing: u64::try_from(net).unwrap_or(0),
            surplus: 0,
            late: u64::try_from(-net).unwrap_or(0),
        },
        false => Judged { missing, surplus: surplus.saturating_sub(late), late },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(n: u128) -> Vec<ClickId> {
        (0..n).map(|n| ClickId::generate(Timestamp::UNIX_EPOCH, n)).collect()
    }

    fn of(more: u128, less: u128, events: i64, whole: bool) -> Difference {
        Difference { more: ids(more), less: ids(less), events, whole }
    }

    #[test]
    fn what_is_named_counts_and_the_rest_follows_from_how_many_there_are() {
        let judged = |difference: &Difference, open| {
            let Judged { missing, surplus, late } = judge(difference, open, |_| false);
            (missing, surplus, late)
        };
        assert_eq!(judged(&of(2, 1, 1, true), true), (2, 1, 0));
        assert_eq!(judged(&of(0, 1, -2, true), false), (0, 2, 0), "stored three times");
        assert_eq!(judged(&of(0, 0, 500, false), false), (500, 0, 0));
        assert_eq!(judged(&of(0, 0, 500, false), true), (500, 0, 0));
        assert_eq!(judged(&of(3, 0, -400, false), false), (3, 403, 0));
        assert_eq!(judged(&of(3, 0, -400, false), true), (0, 0, 400), "they came since");
    }

    #[test]
    fn what_came_since_is_not_too_many() {
        let judged = judge(&of(1, 3, -2, true), true, |id| *id != ids(1)[0]);
        assert_eq!(judged, Judged { missing: 1, surplus: 1, late: 2 });
    }
}
