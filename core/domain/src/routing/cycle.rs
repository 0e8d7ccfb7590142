//! Campaigns that hand clicks over to each other in a circle: refused when saved, stopped when met.

use crate::{
    entity::{Action, Status, StreamSpec},
    id::CampaignId,
};
use rustc_hash::{FxHashMap, FxHashSet};

/// A circle of campaigns that hand clicks over, if there is one: each hands over to the next, the last to the
/// first. Archived streams do not count; paused ones do, since they may be resumed.
pub fn find_cycle<'a>(streams: impl IntoIterator<Item = &'a StreamSpec>) -> Option<Vec<CampaignId>> {
    let mut targets: FxHashMap<&CampaignId, Vec<&CampaignId>> = FxHashMap::default();
    let mut starts: Vec<&CampaignId> = Vec::new();
    for spec in streams {
        if let Action::Campaign { campaign } = &spec.action
            && spec.status != Status::Archived
        {
            targets.entry(&spec.campaign).or_default().push(campaign);
            starts.push(&spec.campaign);
        }
    }
    starts.sort_unstable();
    let mut done: FxHashSet<&CampaignId> = FxHashSet::default();
    for start in starts {
        // The way from the start to where the search stands, each with how many of its targets were looked at.
        let mut way: Vec<(&CampaignId, usize)> = vec![(start, 0)];
        while let Some((here, looked)) = way.last_mut() {
            let here = *here;
            let next =
                targets.get(here).and_then(|t| t.get(*looked)).copied().filter(|_| !done.contains(here));
            *looked += 1;
            let Some(next) = next else {
                done.insert(here);
                way.pop();
                continue;
            };
            if let Some(at) = way.iter().position(|(c, _)| *c == next) {
                return Some(way[at..].iter().map(|(c, _)| (*c).clone()).collect());
            }
            way.push((next, 0));
        }
    }
    None
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
        let table: [(&[&str], Option<&str>); 7] = [
            (&[], None),
            (&["ab", "bc", "ac"], None),
            (&["ab", "cb", "bd", "ad"], None),
            (&["ab", "ba"], Some("ab")),
            (&["ab", "bc", "cd", "db"], Some("bcd")),
            (&["aa"], Some("a")),
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
