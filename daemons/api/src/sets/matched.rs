//! Which entity an item of a set speaks of: the one of its slug; with `renamed_from` the one of the slug before, unless that is
//! done already; else one that had the slug formerly. What is left is new.

use super::read::Item;
use std::collections::{HashMap, HashSet};
use tfx_api::sets::RENAMED_FROM;
use tfx_domain::{entity::Kind, problem::Problems};
use tfx_ports::config::Record;

/// Entities by what they are called, and were.
struct Names<'r> {
    slugs: HashMap<(Kind, &'r str, &'r str), &'r Record>,
    former: HashMap<(Kind, &'r str, &'r str), &'r Record>,
}

/// What items speak of.
pub(super) struct Matched<'r> {
    /// By item; none: it is new.
    pub(super) entities: Vec<Option<&'r Record>>,
    /// The slugs of items that change theirs in a circle, so that the same set would change them again.
    pub(super) circles: Vec<String>,
}

/// Finds the entities of all items.
pub(super) fn matched<'r>(items: &[Item], records: &'r [Record], problems: &mut Problems) -> Matched<'r> {
    let mut names = Names { slugs: HashMap::new(), former: HashMap::new() };
    for record in records {
        let place = |slug| (record.kind, record.parent.as_str(), slug);
        names.slugs.insert(place(record.slug.as_str()), record);
        for alias in record.aliases() {
            names.former.insert(place(alias), record);
        }
    }
    let mut matched = Matched { entities: vec![None; items.len()], circles: Vec::new() };
    // Parents stand before what is inside them.
    let mut groups: Vec<(Kind, Option<usize>, Vec<usize>)> = Vec::new();
    let mut places: HashMap<(Kind, Option<usize>), usize> = HashMap::new();
    for (i, item) in items.iter().enumerate() {
        let place = *places.entry((item.kind, item.inside)).or_insert_with(|| {
            groups.push((item.kind, item.inside, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, _, members)) = groups.get_mut(place) {
            members.push(i);
        }
    }
    for (kind, inside, members) in groups {
        let parent = match inside {
            None => Some(""),
            Some(parent) => matched.entities.get(parent).copied().flatten().map(|r| r.id.as_str()),
        };
        let group = Group::new(items, kind, parent, &names, members, problems);
        group.find(&mut matched, problems);
    }
    matched
}

/// Items of one kind and parent.
struct Group<'g, 'r> {
    items: &'g [Item],
    kind: Kind,
    /// None: the parent is new, and nothing is in it.
    parent: Option<&'r str>,
    names: &'g Names<'r>,
    members: Vec<usize>,
    by_slug: HashMap<&'g str, usize>,
    by_former: HashMap<&'g str, usize>,
}

/// How far the entity of an item with `renamed_from` is known.
#[derive(Clone, Copy)]
enum Step<'r> {
    Asked,
    Known(Option<&'r Record>),
}

impl<'g, 'r> Group<'g, 'r> {
    fn new(
        items: &'g [Item],
        kind: Kind,
        parent: Option<&'r str>,
        names: &'g Names<'r>,
        members: Vec<usize>,
        problems: &mut Problems,
    ) -> Self {
        let (mut by_slug, mut by_former) = (HashMap::new(), HashMap::new());
        for i in &members {
            let item = &items[*i];
            if let Some(slug) = &item.slug
                && let Some(other) = by_slug.insert(slug.as_str(), *i)
            {
                let message = format!("'{slug}' is in the set twice, also at {}", items[other].path);
                problems.add(format!("{}.slug", item.path), message);
            }
            if let Some(slug) = &item.renamed_from
                && let Some(other) = by_former.insert(slug.as_str(), *i)
            {
                let message = format!("'{slug}' cannot become two: {} says so too", items[other].path);
                problems.add(format!("{}.{RENAMED_FROM}", item.path), message);
            }
        }
        Self { items, kind, parent, names, members, by_slug, by_former }
    }

    fn named(&self, slug: &str) -> Option<&'r Record> {
        let parent = self.parent?;
        self.names.slugs.get(&(self.kind, parent, slug)).copied()
    }

    fn formerly(&self, slug: &str) -> Option<&'r Record> {
        let parent = self.parent?;
        let found = self.names.former.get(&(self.kind, parent, slug)).copied()?;
        // Who is spoken of by his own slug is nobody else.
        let other = self.by_slug.contains_key(found.slug.as_str())
            || self.by_former.contains_key(found.slug.as_str());
        (!other).then_some(found)
    }

    fn find(&self, matched: &mut Matched<'r>, problems: &mut Problems) {
        let mut steps: HashMap<usize, Step<'r>> = HashMap::new();
        let mut circles = HashSet::new();
        for i in &self.members {
            if self.items[*i].renamed_from.is_some() {
                self.renamed(*i, &mut steps, &mut circles, problems);
            }
        }
        let mut claimed: HashSet<&str> = HashSet::new();
        for i in &self.members {
            if let Some(Step::Known(Some(record))) = steps.get(i)
                && claimed.insert(&record.id)
            {
                matched.entities[*i] = Some(record);
            }
        }
        for i in &self.members {
            let Some(slug) = self.items[*i].slug.as_deref().filter(|_| !steps.contains_key(i)) else {
                continue;
            };
            let found = self.named(slug).filter(|r| !claimed.contains(r.id.as_str()));
            if let Some(record) = found {
                claimed.insert(&record.id);
                matched.entities[*i] = Some(record);
            }
        }
        for i in &self.members {
            if matched.entities[*i].is_some() || steps.contains_key(i) {
                continue;
            }
            let former = self.items[*i].slug.as_deref().and_then(|slug| self.formerly(slug));
            if let Some(record) = former.filter(|r| claimed.insert(&r.id)) {
                matched.entities[*i] = Some(record);
            }
        }
        circles.retain(|i: &usize| matched.entities[*i].is_some());
        let mut circles: Vec<String> = circles.iter().filter_map(|i| self.items[*i].slug.clone()).collect();
        circles.sort();
        matched.circles.extend(circles);
    }

    /// The entity of an item that had another slug before. Along a chain (`b` was `a`, `c` was `b`) the last one first.
    fn renamed(
        &self,
        first: usize,
        steps: &mut HashMap<usize, Step<'r>>,
        circles: &mut HashSet<usize>,
        problems: &mut Problems,
    ) {
        let mut chain = vec![first];
        while let Some(&i) = chain.last() {
            let item = &self.items[i];
            let next = item.slug.as_deref().and_then(|slug| self.by_former.get(slug)).copied();
            match next.map(|next| (next, steps.get(&next).copied())) {
                Some((next, None)) if !steps.contains_key(&i) => {
                    steps.insert(i, Step::Asked);
                    chain.push(next);
                    continue;
                }
                // It is waited for by those behind it.
                Some((next, Some(Step::Asked))) => {
                    let from = chain.iter().position(|at| *at == next).unwrap_or(0);
                    circles.extend(&chain[from..]);
                }
                _ => {}
            }
            if !matches!(steps.get(&i), Some(Step::Known(_))) {
                let gone = match next.and_then(|next| steps.get(&next)) {
                    Some(Step::Asked) => Leaves::Circle,
                    Some(Step::Known(who)) => Leaves::With(*who),
                    None => Leaves::With(None),
                };
                let found = self.one_renamed(item, gone, problems);
                steps.insert(i, Step::Known(found));
            }
            chain.pop();
        }
    }

    fn one_renamed(&self, item: &Item, leaves: Leaves<'r>, problems: &mut Problems) -> Option<&'r Record> {
        let (slug, former) = (item.slug.as_deref()?, item.renamed_from.as_deref()?);
        let (old, new) = (self.named(former), self.named(slug));
        let free = |record: &Record| match leaves {
            Leaves::Circle => true,
            Leaves::With(who) => who.is_some_and(|who| who.id == record.id),
        };
        match (old, new) {
            (Some(old), None) => Some(old),
            (Some(old), Some(new)) if free(new) => Some(old),
            (Some(_), Some(new)) if self.by_slug.contains_key(former) => Some(new),
            (Some(_), Some(new)) => {
                let message = format!(
                    "there is a {0} '{former}' and a {0} '{slug}': leave this out if the first is not meant, or call the second \
                     something else before",
                    item.kind
                );
                problems.add(format!("{}.{RENAMED_FROM}", item.path), message);
                Some(new)
            }
            (None, Some(new)) if !free(new) => Some(new),
            (None, _) => self.formerly(former),
        }
    }
}

/// Whether the entity that has an item's slug now is to have another.
#[derive(Clone, Copy)]
enum Leaves<'r> {
    /// They pass their slugs round.
    Circle,
    /// The one that takes another, if any does.
    With(Option<&'r Record>),
}
