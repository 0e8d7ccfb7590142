//! Campaigns that hand clicks over to each other in a circle: refused when saved, stopped when met.

use crate::{
    entity::{Action, Status, StreamSpec},
    id::CampaignId,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::{
    collections::{VecDeque, hash_map::Entry},
    hash::Hash,
};

/// The shortest circle that leads from `start` back to it, if there is one: `start`, whom it hands over to, and so on;
/// the last hands over to `start`.
pub(crate) fn circle<T: Copy + Eq + Hash, I: IntoIterator<Item = T>>(
    start: T,
    targets: impl Fn(T) -> I,
) -> Option<Vec<T>> {
    // Each with the one it was reached from.
    let mut from: FxHashMap<T, T> = FxHashMap::default();
    let mut waiting = VecDeque::from([start]);
    while let Some(here) = waiting.pop_front() {
        for next in targets(here) {
            if next == start {
                let mut way = vec![here];
                while let Some(before) =
                    way.last().filter(|last| **last != start).and_then(|last| from.get(last))
                {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            if let Entry::Vacant(unseen) = from.entry(next) {
                unseen.insert(here);
                waiting.push_back(next);
            }
        }
    }
    None
}

/// A circle of campaigns that hand clicks over, if there is one: each hands over to the next, the last to the
/// first. Archived streams do not count; paused ones do, since they may be resumed.
pub fn find_cycle<'a>(streams: impl IntoIterator<Item = &'a StreamSpec>) -> Option<Vec<CampaignId>> {
    let mut targets: FxHashMap<&CampaignId, Vec<&CampaignId>> = FxHashMap::default();
    let mut waits_for: FxHashMap<&CampaignId, usize> = FxHashMap::default();
    for spec in streams {
        if let Action::Campaign { campaign } = &spec.action
            && spec.status != Status::Archived
        {
            targets.entry(&spec.campaign).or_default().push(campaign);
            waits_for.entry(&spec.campaign).or_default();
            *waits_for.entry(campaign).or_default() += 1;
        }
    }
    // Whom nobody hands over to is in no circle, and then those to whom only such do.
    let mut free: Vec<&CampaignId> = waits_for.iter().filter(|(_, n)| **n == 0).map(|(c, _)| *c).collect();
    let mut out: FxHashSet<&CampaignId> = FxHashSet::default();
    while let Some(campaign) = free.pop() {
        out.insert(campaign);
        for next in targets.get(campaign).into_iter().flatten() {
            if let Some(n) = waits_for.get_mut(next) {
                *n -= 1;
                if *n == 0 {
                    free.push(next);
                }
            }
        }
    }
    let mut left: Vec<&CampaignId> = targets.keys().copied().filter(|c| !out.contains(c)).collect();
    left.sort_unstable();
    let next = |campaign| targets.get(campaign).into_iter().flatten().copied();
    let found = left.into_iter().find_map(|start| circle(start, next))?;
    Some(found.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{Spec, StreamSpec};

    fn id(name: char) -> CampaignId {
        format!("cmp_{}", name.to_string().repeat(19)).parse().expect("an id")
    }

    fn edge(edge: &str) -> StreamSpec {
        let mut ends = edge.chars();
        let (from, to) = (ends.next().expect("from"), ends.next().expect("to"));
        let mut spec: StreamSpec = serde_json::from_value(StreamSpec::example()).expect("valid");
        spec.campaign = id(from);
        spec.action = Action::Campaign { campaign: id(to) };
        if ends.next() == Some('!') {
            spec.status = Status::Archived;
        }
        spec
    }

    #[test]
    fn circles_are_found_and_ways_that_only_meet_are_none() {
        let table: [(&[&str], Option<&str>); 8] = [
            (&[], None),
            (&["ab", "bc", "ac"], None),
            (&["ab", "cb", "bd", "ad"], None),
            (&["ab", "ba"], Some("ab")),
            (&["ab", "bc", "cd", "db"], Some("bcd")),
            (&["aa"], Some("a")),
            (&["ab", "bc", "cd", "da", "bd"], Some("abd")),
            (&["ab", "ba!"], None),
        ];
        for (edges, want) in table {
            let specs: Vec<StreamSpec> = edges.iter().map(|e| edge(e)).collect();
            assert_eq!(find_cycle(&specs), want.map(|w| w.chars().map(id).collect()), "{edges:?}");
        }
    }

    #[test]
    fn a_long_chain_does_not_overflow_and_a_dense_net_does_not_explode() {
        let chain: Vec<StreamSpec> = (0..3_000u32)
            .map(|i| {
                let mut spec = edge("ab");
                spec.campaign = format!("cmp_{i:019}").parse().expect("an id");
                spec.action =
                    Action::Campaign { campaign: format!("cmp_{:019}", i + 1).parse().expect("an id") };
                spec
            })
            .collect();
        assert_eq!(find_cycle(&chain), None);
        let mut net = Vec::new();
        for i in 0..40u32 {
            for j in i + 1..40 {
                let mut spec = edge("ab");
                spec.campaign = format!("cmp_{i:019}").parse().expect("an id");
                spec.action = Action::Campaign { campaign: format!("cmp_{j:019}").parse().expect("an id") };
                net.push(spec);
            }
        }
        assert_eq!(find_cycle(&net), None);
    }
}
