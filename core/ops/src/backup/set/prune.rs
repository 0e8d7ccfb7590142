//! Deletes old sets, and what is left of some that nobody writes any more. Only whole ones count; the newest of them never goes.

use super::{FoundSet, SetError, SetKind, SetState, Sets};
use std::collections::BTreeMap;
use tfx_domain::Timestamp;

/// How many sets are kept, of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// So many of the newest.
    pub newest: usize,
    /// And the newest of each of so many weeks (UTC, from Monday) that have one.
    pub weekly: usize,
}

/// What becomes of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is one of the newest.
    Newest,
    /// It is the newest of its week.
    OfItsWeek,
    /// It is not whole: that is told, and a person looks.
    Half,
    /// Somebody makes it, or may go on with it.
    Unfinished,
    /// Its moment lies in the future, so that it would be the newest for long: a person looks.
    Future,
    /// It is not kept.
    Goes,
}

/// What becomes of each set, in the order of `sets`. Each kind is counted by itself: a set of one store takes the place of none of
/// all stores.
pub fn plan(sets: &[FoundSet], keep: Keep, now: Timestamp) -> Vec<Fate> {
    let of_none = |set: &FoundSet| match set.state {
        SetState::Left { goes: true, .. } => Fate::Goes,
        SetState::Left { .. } => Fate::Unfinished,
        SetState::Whole(_) => Fate::Future,
        SetState::Half(_) => Fate::Half,
    };
    let mut plan: Vec<Fate> = sets.iter().map(of_none).collect();
    for kind in [SetKind::All, SetKind::ClickHouse] {
        plan_kind(sets, (kind, now), keep, &mut plan);
    }
    plan
}

fn plan_kind(sets: &[FoundSet], (kind, now): (SetKind, Timestamp), keep: Keep, plan: &mut [Fate]) {
    let of_kind = sets.iter().enumerate().filter(|(_, set)| set.kind == kind && !set.is_of_the_future(now));
    let mut whole: Vec<(usize, Timestamp)> =
        of_kind.filter_map(|(at, set)| Some((at, set.whole()?.moment))).collect();
    whole.sort_by_key(|&(at, moment)| std::cmp::Reverse((moment, at)));
    let mut weeks: BTreeMap<i64, ()> = BTreeMap::new();
    for (place, (at, moment)) in whole.into_iter().enumerate() {
        let week = week(moment);
        let first_of_week = !weeks.contains_key(&week) && weeks.len() < keep.weekly;
        if first_of_week {
            weeks.insert(week, ());
        }
        // Whatever was said, one stays.
        plan[at] = if place < keep.newest.max(1) {
            Fate::Newest
        } else if first_of_week {
            Fate::OfItsWeek
        } else {
            Fate::Goes
        };
    }
}

/// Weeks since the Monday before 1970.
fn week(moment: Timestamp) -> i64 {
    const DAY: i64 = 86_400;
    // The first of January 1970 was a Thursday.
    (moment.as_second().div_euclid(DAY) + 3).div_euclid(7)
}

/// Deletes a set: it is none any more before the first file goes. Of what is left of one, deletes what there is. It blocks.
///
/// # Errors
/// It cannot be deleted, or not all of it.
pub fn prune(sets: &Sets, set: &FoundSet) -> Result<(), SetError> {
    match set.state {
        SetState::Left { .. } => sets.shelf().clear(&set.name),
        _ => sets.shelf().prune(&set.name),
    }
}

/// Deletes what nobody goes on with and has no name of its own, such as uploads, and says what; or, as a dry run, what would go.
/// It blocks.
///
/// # Errors
/// It cannot be deleted.
pub fn finish(sets: &Sets, dry_run: bool) -> Result<Vec<String>, SetError> {
    sets.shelf().finish(dry_run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::set::SetManifest;
    use std::path::Path;

    fn set(day: &str, whole: bool) -> FoundSet {
        let moment: Timestamp = format!("{day}T03:00:00Z").parse().expect("a time");
        let state = if whole {
            SetState::Whole(SetManifest::new(moment, Vec::new(), Vec::new()))
        } else {
            SetState::Half("half".to_owned())
        };
        let kind = if day.starts_with("2025") { SetKind::ClickHouse } else { SetKind::All };
        let files = Sets::folder(Path::new(".")).shelf().entry(day).expect("a folder");
        FoundSet {
            name: day.to_owned(),
            path: day.into(),
            kind,
            state,
            strays: Vec::new(),
            said: None,
            files,
        }
    }

    fn stay(days: &[&str], newest: usize, weekly: usize) -> String {
        let sets: Vec<FoundSet> =
            days.iter().map(|day| set(day.trim_end_matches('!'), !day.ends_with('!'))).collect();
        let now = "2026-11-20T00:00:00Z".parse().expect("a time");
        let plan = plan(&sets, Keep { newest, weekly }, now);
        let stay = sets.iter().zip(plan).filter(|(_, kept)| *kept != Fate::Goes);
        stay.map(|(set, _)| set.name.as_str()[5..].to_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_newest_stay_and_one_of_each_week() {
        // The second of November 2026 is a Monday.
        let days = [
            "2026-11-01",
            "2026-11-02",
            "2026-11-05",
            "2026-11-08",
            "2026-11-09",
            "2026-11-15",
            "2026-11-16",
            "2026-11-17",
        ];
        assert_eq!(stay(&days, 2, 0), "11-16 11-17");
        assert_eq!(stay(&days, 2, 4), "11-01 11-08 11-15 11-16 11-17");
        assert_eq!(stay(&days, 2, 3), "11-08 11-15 11-16 11-17");
        assert_eq!(stay(&days, 0, 0), "11-17", "one stays, whatever was said");
        assert_eq!(stay(&days, 99, 0).split(' ').count(), 8);
    }

    #[test]
    fn half_ones_count_for_nothing_and_are_not_deleted() {
        let days = ["2026-11-01", "2026-11-02", "2026-11-03!", "2026-11-04!"];
        assert_eq!(stay(&days, 1, 0), "11-02 11-03 11-04", "the newest whole one");
        assert_eq!(stay(&["2026-11-04!"], 1, 1), "11-04");
        assert_eq!(stay(&[], 1, 1), "");
    }

    #[test]
    fn one_of_the_future_is_not_the_newest_and_stays_for_a_person() {
        let days = ["2026-11-01", "2026-11-02", "2031-11-03"];
        assert_eq!(stay(&days, 1, 0), "11-02 11-03");
    }

    #[test]
    fn what_nobody_writes_any_more_goes_and_what_somebody_makes_stays() {
        let left = |goes| {
            let mut set = set("2026-11-03", false);
            set.state = SetState::Left { why: "left".to_owned(), goes };
            set
        };
        let now = "2026-11-20T00:00:00Z".parse().expect("a time");
        let plan = plan(&[left(true), left(false)], Keep { newest: 9, weekly: 0 }, now);
        assert_eq!(plan, [Fate::Goes, Fate::Unfinished]);
    }

    #[test]
    fn sets_of_one_store_take_the_place_of_none_of_all() {
        // Those of 2025 are of one store here.
        let days = ["2025-11-01", "2026-11-01", "2025-11-02", "2026-11-02", "2025-11-03"];
        assert_eq!(stay(&days, 1, 0), "11-02 11-03");
    }
}
