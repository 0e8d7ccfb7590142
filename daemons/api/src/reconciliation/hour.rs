//! One kind of event in one hour.

use super::Told;
use crate::failure::Failure;
use jiff::SignedDuration;
use std::collections::{BTreeMap, HashSet};
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
    /// Not all that was accepted in it is counted: what is too many is not known.
    pub(super) partial: bool,
    /// What was accepted since then may be on its way.
    pub(super) as_of: Timestamp,
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
    pub(super) differing: Vec<ClickId>,
    /// It differs by more than can be named, and more came in since: it is compared by counts.
    pub(super) by_counts: bool,
    /// So many lines about postbacks were accepted once more, and are stored: whoever wrote one died before the queue knew that,
    /// and the next wrote it again, under the same id.
    pub(super) written_twice: u64,
    /// Where there is a surplus: what was stored, and which clicks were erased.
    unsure: Option<(Box<Digest>, Vec<ClickId>)>,
}

/// Holds what was accepted against what is stored. Ids are read of an hour only if it does not balance.
pub(super) async fn reconciled(stores: &Stores, facts: Facts<'_>) -> Result<Found, Failure> {
    let Facts { kind, hour, ledger, stored, told, partial, as_of, erased, most } = facts;
    let mut accepted = ledger.accepted;
    let (events, rows, total) = stored.map_or((0, 0, 0), |s| (s.events, s.rows, s.total));
    let counts = ReconciledCounts {
        accepted: accepted.events(),
        published: Some(ledger.published),
        stored: events,
        doubled: rows.saturating_sub(events),
        results: named(ledger.results),
        later: named(ledger.later),
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
    let StoredIds { ids, doubled, differing, differ } = stores.analytics.stored_ids(kind, hour, most).await?;
    (found.doubled, found.differing, found.counts.differing) = (doubled, differing, differ);
    // More may have been stored since it was counted.
    found.counts.stored = ids.events();
    let mut difference = accepted.difference(&ids);
    if kind == LedgerKind::Postbacks {
        found.written_twice = stored_all_the_same(stores, &mut difference).await?;
        found.counts.accepted = found.counts.accepted.saturating_sub(found.written_twice);
    }
    // What was accepted since the instances told is stored, and they do not count it yet.
    let later = |at: Timestamp| told.until.is_none_or(|until| at.duration_since(until) > -SLACK);
    let late = |id: &ClickId| partial || later(id.timestamp()) || is_of_dead(told, *id);
    let fresh = |id: &ClickId| id.timestamp() >= as_of;
    let open = partial || told.until.is_none_or(|until| hour.next().start() > until);
    let judged = judge(&difference, open, late, fresh);
    (found.counts.missing, found.counts.surplus) = (judged.missing, judged.surplus);
    // As if what is not told yet, or not stored yet, were not there, so that it adds up.
    found.counts.stored = found.counts.stored.saturating_sub(judged.late);
    found.counts.accepted = found.counts.accepted.saturating_sub(judged.fresh);
    found.by_counts = open && !difference.whole;
    found.surplus = difference.less.into_iter().filter(|id| !late(id)).collect();
    found.missing = difference.more.into_iter().filter(|id| !fresh(id)).collect();
    if found.counts.surplus > 0 {
        found.unsure = Some((Box::new(ids), gone));
    }
    Ok(found)
}

/// Takes out of what is missing the lines that are there: they were accepted twice. How many they are.
async fn stored_all_the_same(stores: &Stores, difference: &mut Difference) -> Result<u64, Failure> {
    let mut there = 0;
    for line in std::mem::take(&mut difference.more) {
        if stores.analytics.postback_is_there(line).await? {
            there += 1;
        } else {
            difference.more.push(line);
        }
    }
    difference.events -= there;
    Ok(there.unsigned_abs())
}

fn named(results: BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    results.into_iter().map(|(result, n)| (result.to_owned(), n)).collect()
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
        let judged = judge(&difference, false, |id| is_of_dead(told, *id), |_| false);
        let surplus = judged.surplus.min(self.counts.surplus);
        self.counts.stored = self.counts.stored.saturating_sub(self.counts.surplus - surplus);
        self.counts.surplus = surplus;
        self.surplus = difference.less.into_iter().filter(|id| !is_of_dead(told, *id)).collect();
    }
}

/// How many are missing, too many, and not judged: `late` ones are stored and not counted as accepted yet, `fresh` ones were
/// accepted just now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    missing: u64,
    surplus: u64,
    late: u64,
    fresh: u64,
}

/// `open`: more may be accepted in the hour, or was and is not told.
fn judge(
    difference: &Difference,
    open: bool,
    late: impl Fn(&ClickId) -> bool,
    fresh: impl Fn(&ClickId) -> bool,
) -> Judged {
    let (more, less) = (difference.more.len() as u64, difference.less.len() as u64);
    let late = difference.less.iter().filter(|id| late(id)).count() as u64;
    let fresh = difference.more.iter().filter(|id| fresh(id)).count() as u64;
    let named = Judged { missing: more - fresh, surplus: less - late, late, fresh };
    // By how many more or fewer it differs than by those that are named: what is counted twice or more often is one id, and
    // several events.
    let rest = difference.events - (more as i64 - less as i64);
    let (more, less) = (rest.max(0).unsigned_abs(), rest.min(0).unsigned_abs());
    match (difference.whole, open) {
        (true, _) => Judged { surplus: named.surplus + less, ..named },
        // What came since hides what is missing of the rest: it is known when the hour is over.
        (false, true) => Judged { missing: named.missing + more, late: named.late + less, ..named },
        // As many are missing of the rest as are too many, and it is not nothing.
        (false, false) if rest == 0 => {
            Judged { missing: named.missing + 1, surplus: named.surplus + 1, ..named }
        }
        (false, false) => Judged { missing: named.missing + more, surplus: named.surplus + less, ..named },
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
            let Judged { missing, surplus, late, .. } = judge(difference, open, |_| false, |_| false);
            (missing, surplus, late)
        };
        assert_eq!(judged(&of(2, 1, 1, true), true), (2, 1, 0));
        assert_eq!(judged(&of(0, 1, -2, true), false), (0, 2, 0), "stored three times");
        assert_eq!(judged(&of(0, 0, 500, false), false), (500, 0, 0));
        assert_eq!(judged(&of(0, 0, 500, false), true), (500, 0, 0));
        assert_eq!(judged(&of(3, 0, -400, false), false), (3, 403, 0));
        assert_eq!(judged(&of(3, 0, -400, false), true), (3, 0, 403), "others came since");
        assert_eq!(judged(&of(4, 3, 0, false), true), (4, 3, 1), "what is named is no balance");
        assert_eq!(judged(&of(3, 3, 0, false), false), (4, 4, 0), "as many gone as added");
        assert_eq!(judged(&of(0, 0, 0, false), false), (1, 1, 0), "none of them named");
    }

    #[test]
    fn what_came_since_is_not_too_many() {
        let judged = judge(&of(1, 3, -2, true), true, |id| *id != ids(1)[0], |_| false);
        assert_eq!(judged, Judged { missing: 1, surplus: 1, late: 2, fresh: 0 });
    }

    #[test]
    fn what_was_accepted_just_now_is_not_missing() {
        let judged = judge(&of(3, 0, 3, true), true, |_| false, |id| *id != ids(1)[0]);
        assert_eq!(judged, Judged { missing: 1, surplus: 0, late: 0, fresh: 2 });
    }
}
