//! What must hold between entities, whoever changes them: references lead somewhere, a split serves somebody, campaigns
//! hand no clicks round in a circle, patterns stay within bounds. What one entity is by itself is checked in
//! [`crate::entity`]; that slugs are unique is for the store to hold.
//!
//! Pure: [`Relations`] is what the rules look at, kept up to date change by change, so that a check costs what it looks
//! at and not what there is. Whoever saves says which revision was checked, and the store refuses if it has moved on.

mod node;

pub use node::{KindRules, Node, Reference};

use crate::{
    entity::{Kind, Rotation, Status, StreamKind, serves_nobody},
    money::Currency,
    problem::Problems,
    routing::{bare_host, circle},
};
use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Most patterns of the streams of one campaign.
pub const MAX_PATTERNS_OF_CAMPAIGN: usize = 200;
/// Most patterns of all streams; each may take half a megabyte once it is used.
pub const MAX_PATTERNS: usize = 1_000;

const NOBODY: &str = "every active regular stream of this campaign would have weight 0, so no new visitor could be \
                      served; give one of them a weight above 0";

/// What rules look at.
#[derive(Debug, Clone, Default)]
pub struct Relations {
    own_hosts: FxHashSet<String>,
    nodes: FxHashMap<SmolStr, Node>,
    /// By parent.
    inside: FxHashMap<SmolStr, BTreeSet<SmolStr>>,
    /// Who refers to an entity.
    users: FxHashMap<SmolStr, BTreeSet<SmolStr>>,
    patterns: usize,
}

impl Relations {
    /// Nothing is configured yet; `public_hosts` are our own names.
    pub fn new(public_hosts: &[String]) -> Self {
        Self { own_hosts: public_hosts.iter().map(|h| bare_host(h)).collect(), ..Self::default() }
    }

    /// Takes an entity as it is now; gives what it was.
    pub fn put(&mut self, node: Node) -> Option<Node> {
        let before = self.remove(&node.id.clone());
        for reference in &node.refers_to {
            self.users.entry(reference.id.clone()).or_default().insert(node.id.clone());
        }
        if !node.parent.is_empty() {
            self.inside.entry(node.parent.clone()).or_default().insert(node.id.clone());
        }
        self.patterns += node.patterns();
        self.nodes.insert(node.id.clone(), node);
        before
    }

    fn remove(&mut self, id: &SmolStr) -> Option<Node> {
        let node = self.nodes.remove(id)?;
        let forget = |of: &SmolStr, map: &mut FxHashMap<SmolStr, BTreeSet<SmolStr>>| {
            if let Some(set) = map.get_mut(of) {
                set.remove(id);
                if set.is_empty() {
                    map.remove(of);
                }
            }
        };
        for reference in &node.refers_to {
            forget(&reference.id, &mut self.users);
        }
        forget(&node.parent, &mut self.inside);
        self.patterns -= node.patterns();
        Some(node)
    }

    /// What would be wrong if these were saved, all together; nothing is taken over. A problem of one change alone
    /// stands at its own path, of several below `[i]`.
    ///
    /// What an entity was before is no fault of the change: a set, a reference or a circle that stays as it is.
    pub fn check(&mut self, changes: &[Node]) -> Problems {
        let before: Vec<Option<Node>> = changes.iter().map(|node| self.put(node.clone())).collect();
        let mut problems = Problems::default();
        for (i, (old, new)) in before.iter().zip(changes).enumerate() {
            let found = self.problems(old.as_ref(), new);
            if changes.len() == 1 {
                problems.0.extend(found.0);
            } else {
                problems.nest(&format!("[{i}]"), found);
            }
        }
        for (old, new) in before.into_iter().zip(changes).rev() {
            match old {
                Some(old) => drop(self.put(old)),
                None => drop(self.remove(&new.id)),
            }
        }
        problems
    }

    fn problems(&self, old: Option<&Node>, new: &Node) -> Problems {
        let mut problems = Problems::default();
        for reference in &new.refers_to {
            let kept = old.is_some_and(|o| o.refers_to.iter().any(|r| r.id == reference.id));
            let Reference { path, kind, id } = reference;
            match self.nodes.get(id).filter(|n| n.kind == *kind) {
                _ if kept => {}
                None => problems.add(path, format!("no {kind} has the id '{id}'")),
                Some(n) if n.status == Status::Archived => {
                    problems
                        .add(path, format!("the {kind} '{}' is archived; resume it or name another", n.slug));
                }
                Some(_) => {}
            }
        }
        match &new.part {
            KindRules::Campaign { rotation, trafficback_host } => {
                let was = old.map(|o| &o.part);
                self.check_campaign(new, *rotation, trafficback_host.as_ref(), was, &mut problems);
            }
            KindRules::Stream { .. } => self.check_stream(old, new, &mut problems),
            KindRules::Source { told_at, .. } => {
                let was = match old.map(|o| &o.part) {
                    Some(KindRules::Source { told_at, .. }) => told_at.as_slice(),
                    _ => &[],
                };
                for (path, host) in told_at.iter().filter(|(_, host)| !was.iter().any(|(_, old)| old == host))
                {
                    self.check_own(path, host, "would be a click of ours", &mut problems);
                }
            }
            KindRules::Pays(_) | KindRules::Other => {}
        }
        problems
    }

    /// What is meant for others does not lead to ourselves.
    fn check_own(&self, path: &str, host: &str, what: &str, problems: &mut Problems) {
        if self.own_hosts.contains(&bare_host(host)) {
            let message = format!("leads to {host}, one of our own hosts (PUBLIC_HOSTS): that {what}");
            problems.add(path, message);
        }
    }

    fn check_campaign(
        &self,
        new: &Node,
        rotation: Rotation,
        host: Option<&SmolStr>,
        was: Option<&KindRules>,
        problems: &mut Problems,
    ) {
        let (old_rotation, old_host) = match was {
            Some(KindRules::Campaign { rotation, trafficback_host }) => {
                (Some(*rotation), trafficback_host.as_ref())
            }
            _ => (None, None),
        };
        if let Some(host) = host.filter(|host| old_host != Some(*host)) {
            self.check_own("trafficback_url", host, "would be a loop", problems);
        }
        if old_rotation.is_some_and(|old| old != rotation) && self.nobody(&new.id) {
            problems.add("rotation", NOBODY);
        }
    }

    fn check_stream(&self, old: Option<&Node>, new: &Node, problems: &mut Problems) {
        if old.map(Node::share) != Some(new.share()) && self.nobody(&new.parent) {
            problems.add("weight", NOBODY);
        }
        if let Some(old) = old.filter(|o| o.parent != new.parent)
            && self.nobody(&old.parent)
        {
            problems.add("campaign", "the campaign it leaves would keep only streams with weight 0");
        }
        let hands_over = |node: &Node| Some((node.parent.clone(), node.hands_over_to()?.clone()));
        if let Some(edge) = hands_over(new)
            && old.and_then(hands_over).as_ref() != Some(&edge)
            && let Some(way) = circle(edge.0.as_str(), |campaign| self.targets(campaign))
        {
            let names: Vec<&str> = way.iter().chain([&edge.0.as_str()]).map(|id| self.slug(id)).collect();
            let message = format!("would hand clicks round in a circle: {}", names.join(" → "));
            problems.add("action.campaign", message);
        }
        let (patterns, had) =
            (new.patterns(), old.filter(|o| o.parent == new.parent).map_or(0, Node::patterns));
        if patterns > had {
            let here: usize = self.streams(&new.parent).map(Node::patterns).sum();
            let counted = [
                ("the streams of this campaign", here, MAX_PATTERNS_OF_CAMPAIGN),
                ("all streams", self.patterns, MAX_PATTERNS),
            ];
            for (whose, count, most) in counted.into_iter().filter(|(_, count, most)| count > most) {
                problems.add(
                    "filters",
                    format!("{whose} would have {count} patterns (regex:, 50 contains:) together, and may have {most}"),
                );
            }
        }
    }

    /// Whether new visitors of a campaign would find no stream, since every weight is 0.
    fn nobody(&self, campaign: &str) -> bool {
        let drawn = |n: &Node| match n.part {
            KindRules::Stream { kind: StreamKind::Regular, weight, .. } if n.status == Status::Active => {
                Some(weight)
            }
            _ => None,
        };
        let by_weight = |n: &Node| matches!(n.part, KindRules::Campaign { rotation: Rotation::Weight, .. });
        self.nodes.get(campaign).is_some_and(by_weight)
            && serves_nobody(self.streams(campaign).filter_map(drawn))
    }

    fn streams(&self, campaign: &str) -> impl Iterator<Item = &Node> {
        self.inside.get(campaign).into_iter().flatten().filter_map(|id| self.nodes.get(id))
    }

    /// The campaigns that a campaign's streams hand over to.
    fn targets(&self, campaign: &str) -> impl Iterator<Item = &str> {
        self.streams(campaign).filter_map(Node::hands_over_to).map(SmolStr::as_str)
    }

    fn slug<'a>(&'a self, id: &'a str) -> &'a str {
        self.nodes.get(id).map_or(id, |n| n.slug.as_str())
    }

    /// The active entities that refer to this one and are not inside it, in a person's words; what is in an archived
    /// campaign or network takes no part.
    pub fn users_of(&self, id: &str) -> Vec<String> {
        let users = self.users.get(id).into_iter().flatten().filter_map(|user| self.nodes.get(user));
        let active = users.filter(|n| n.status == Status::Active && n.parent != id);
        let parent = |n: &Node| self.nodes.get(&n.parent);
        let told = active.filter(|n| parent(n).is_none_or(|p| p.status != Status::Archived));
        told.map(|n| match parent(n) {
            Some(parent) => format!("{} {}/{}", n.kind, parent.slug, n.slug),
            None => format!("{} {}", n.kind, n.slug),
        })
        .collect()
    }

    /// The currency of a network or a source.
    pub fn currency_of(&self, id: &str) -> Option<Currency> {
        match self.nodes.get(id)?.part {
            KindRules::Pays(currency) | KindRules::Source { currency, .. } => Some(currency),
            _ => None,
        }
    }

    /// The place behind the streams of a campaign and kind, archived ones left aside.
    pub fn next_position(&self, campaign: &str, kind: &str) -> u32 {
        let place = |n: &Node| match n.part {
            KindRules::Stream { kind: k, position, .. }
                if n.status != Status::Archived && k.as_str() == kind =>
            {
                Some(position)
            }
            _ => None,
        };
        self.streams(campaign).filter_map(place).max().unwrap_or(0).saturating_add(1)
    }

    /// How many streams of a campaign are active.
    pub fn active_streams(&self, campaign: &str) -> usize {
        self.streams(campaign).filter(|n| n.kind == Kind::Stream && n.status == Status::Active).count()
    }
}

#[cfg(test)]
mod tests;
