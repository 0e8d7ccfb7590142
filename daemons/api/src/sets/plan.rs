//! What a set comes to: every item drafted over everything that there is, in memory, as it will be when all is done; then what
//! is not in the set; then the rules between entities, once for all of them.

use super::{
    matched::{Matched, matched},
    order::positions,
    read::{Asked, Item},
    show::position,
    told::{told, warnings},
};
use crate::{
    access::Identity,
    entities::{
        bulk::by_change,
        edit::Edit,
        followed::node,
        kinds::ops,
        refs::at_path,
        staged::Staged,
        write::{Draft, Wish, WriteConditions, draft, taken},
    },
    failure::Failure,
};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use tfx_api::sets::{SetAnswer, SetChange, SetLeft};
use tfx_domain::{
    access::Scope,
    entity::{Kind, Status},
    problem::{Problem, Problems},
    rules::Relations,
};
use tfx_ports::{
    StoreError,
    audit::Caller,
    clock,
    config::{Change, ConfigStore, Record},
    entropy,
};

/// So many problems are told at once; who has more mends these first.
const MOST_PROBLEMS: usize = 500;
/// So many items are drafted before others get their turn.
const IN_A_ROW: usize = 64;

/// What is done, and what is told of it.
pub(crate) struct Plan {
    pub(crate) changes: Vec<Change>,
    pub(crate) answer: SetAnswer,
}

/// Everything as it is.
pub(super) struct Now<'n> {
    pub(super) config: &'n dyn ConfigStore,
    pub(super) revision: u64,
    pub(super) records: &'n [Record],
    pub(super) relations: &'n mut Relations,
}

/// Plans a set.
///
/// # Errors
/// 422 with every problem, each with its path in the set.
pub(super) async fn plan(
    now: Now<'_>,
    asked: &Asked,
    caller: &Caller,
    identity: &Identity,
) -> Result<Plan, Failure> {
    let mut problems = asked.problems.clone();
    let matched = matched(&asked.items, now.records, &mut problems);
    let mut planner = Planner {
        staged: Staged::of_all(now.config, now.records),
        after: now.relations.clone(),
        asked,
        ids: ids(&asked.items, &matched),
        matched: &matched,
        problems,
        changes: Vec::new(),
        paths: Vec::new(),
        failed: Vec::new(),
        pruned: HashSet::new(),
        left: Vec::new(),
    };
    planner.stand_in();
    let positions = planner.positions();
    planner.draft(&positions, caller, identity.may(Scope::ReadSecrets)).await?;
    planner.rest(now.records, caller).await?;
    planner.names_are_free().await?;
    planner.nothing_needs_what_goes();
    planner.rules_hold(now.relations)?;
    let problems = cut(std::mem::take(&mut planner.problems));
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let before: HashMap<&str, &Record> = now.records.iter().map(|r| (r.id.as_str(), r)).collect();
    let changes: Vec<SetChange> = planner
        .changes
        .iter()
        .map(|change| told(&planner.staged, before.get(change.record.id.as_str()).copied(), &change.record))
        .collect();
    let warnings = warnings(&asked.items, planner.matched, &planner.changes);
    let Planner { changes: to_save, left, .. } = planner;
    let answer = SetAnswer { revision: now.revision, applied: false, changes, left, warnings };
    Ok(Plan { changes: to_save, answer })
}

/// The ids of items: of new ones, those that they will have.
fn ids(items: &[Item], matched: &Matched<'_>) -> Vec<String> {
    let id = |(item, entity): (&Item, &Option<&Record>)| match entity {
        Some(record) => record.id.clone(),
        None => (ops(item.kind).new_id)(clock::now(), entropy::random_u128()),
    };
    items.iter().zip(&matched.entities).map(id).collect()
}

struct Planner<'p> {
    staged: Staged<'p>,
    after: Relations,
    asked: &'p Asked,
    matched: &'p Matched<'p>,
    ids: Vec<String>,
    problems: Problems,
    changes: Vec<Change>,
    /// Where each change stands in the set; what is archived stands nowhere.
    paths: Vec<String>,
    /// What cannot be drafted, as it stands in.
    failed: Vec<Record>,
    /// What is archived.
    pruned: HashSet<String>,
    left: Vec<SetLeft>,
}

impl Planner<'_> {
    fn parent(&self, item: &Item) -> &str {
        item.inside.and_then(|parent| self.ids.get(parent)).map_or("", String::as_str)
    }

    /// Makes every item known by the name that it will have, whatever becomes of the rest of it: what refers to it looks no
    /// further.
    fn stand_in(&mut self) {
        for (i, item) in self.asked.items.iter().enumerate() {
            let id = &self.ids[i];
            let slug = item.slug.clone().unwrap_or_else(|| id.clone());
            let record = match self.matched.entities[i] {
                Some(before) if before.slug == slug && before.status != Status::Archived => continue,
                Some(before) => Record { slug, status: Status::Active, ..before.clone() },
                None => {
                    let mut spec = (ops(item.kind).example)();
                    spec["slug"] = slug.as_str().into();
                    if let Some(parent) = item.kind.parent() {
                        spec[parent.noun()] = self.parent(item).into();
                    }
                    Record {
                        kind: item.kind,
                        id: id.clone(),
                        parent: self.parent(item).to_owned(),
                        slug,
                        status: Status::Active,
                        version: 0,
                        created_at: clock::now(),
                        updated_at: clock::now(),
                        spec,
                    }
                }
            };
            self.staged.put(record);
        }
    }

    /// The positions of streams, by item.
    fn positions(&self) -> HashMap<usize, u32> {
        let mut lists: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
        for (i, item) in self.asked.items.iter().enumerate() {
            if let (Kind::Stream, Some(campaign)) = (item.kind, item.inside) {
                let kind = item.fields.get("kind").and_then(Value::as_str).unwrap_or("regular");
                lists.entry((campaign, kind)).or_default().push(i);
            }
        }
        let mut found = HashMap::new();
        for list in lists.into_values() {
            let had: Vec<Option<(u32, &str)>> = list
                .iter()
                .map(|i| self.matched.entities[*i].map(|stream| (position(stream), stream.id.as_str())))
                .collect();
            found.extend(list.into_iter().zip(positions(&had)));
        }
        found
    }

    async fn draft(
        &mut self,
        positions: &HashMap<usize, u32>,
        caller: &Caller,
        sees_secrets: bool,
    ) -> Result<(), Failure> {
        let mut drafted = 0;
        for kind in Kind::ALL {
            for (i, item) in self.asked.items.iter().enumerate().filter(|(_, item)| item.kind == kind) {
                drafted += 1;
                if drafted % IN_A_ROW == 0 {
                    tokio::task::yield_now().await;
                }
                if self.problems.0.len() > MOST_PROBLEMS {
                    return Ok(());
                }
                let mut fields = item.fields.clone();
                if let Some(parent) = kind.parent() {
                    fields.insert(parent.noun().to_owned(), self.parent(item).into());
                }
                if let Some(position) = positions.get(&i) {
                    fields.insert("position".to_owned(), (*position).into());
                }
                let before = self.matched.entities[i];
                if let Some(before) = before {
                    self.keep_links(item, before, &mut fields);
                }
                let wish = Wish::Whole { kind, id: &self.ids[i], before, fields: &fields, sees_secrets };
                match draft(&self.staged, &self.after, &wish, caller).await {
                    Ok(Draft::Nothing(record)) => self.staged.put(record),
                    Ok(Draft::Change(change, _)) => self.take(*change, item.path.clone())?,
                    Err(failure) => {
                        self.failed.extend(self.staged.known(&self.ids[i]).cloned());
                        self.refuse(&item.path, failure)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Former slugs of something whose slug stands in links: those that there are where none are said, and the one before, unless
    /// another item has it now.
    fn keep_links(&self, item: &Item, before: &Record, fields: &mut Map<String, Value>) {
        if !matches!(item.kind, Kind::Campaign | Kind::Network | Kind::Template) {
            return;
        }
        let Some(slug) = &item.slug else { return };
        let had = before.aliases();
        let said = fields.get("aliases").and_then(Value::as_array).filter(|said| **said != had);
        let is_not_list = fields.get("aliases").is_some_and(|aliases| !aliases.is_array());
        let mut aliases: Vec<&str> = match said {
            _ if is_not_list => return,
            Some(said) => said.iter().filter_map(Value::as_str).collect(),
            None => had.into_iter().filter(|alias| alias != slug).collect(),
        };
        let one_before =
            if said.is_some() { item.renamed_from.as_deref() } else { Some(before.slug.as_str()) };
        if let Some(one_before) = one_before.filter(|one| *one != slug && !aliases.contains(one))
            && !self.is_said(item, one_before)
        {
            aliases.push(one_before);
        }
        if said.is_some_and(|said| said.len() > aliases.len()) {
            // Something in it is no text, which its own check tells.
            return;
        }
        let aliases = json!(aliases);
        fields.insert("aliases".to_owned(), aliases);
    }

    /// Whether another item of the same place has this slug.
    fn is_said(&self, item: &Item, slug: &str) -> bool {
        let same = |other: &&Item| other.kind == item.kind && other.inside == item.inside;
        self.asked.items.iter().filter(same).any(|other| other.slug.as_deref() == Some(slug))
    }

    fn take(&mut self, change: Change, path: String) -> Result<(), Failure> {
        self.after.put(node(&change.record)?);
        self.staged.put(change.record.clone());
        self.changes.push(change);
        self.paths.push(path);
        Ok(())
    }

    /// Notes why an item is refused.
    ///
    /// # Errors
    /// The failure, if it is no fault of the item.
    fn refuse(&mut self, path: &str, failure: Failure) -> Result<(), Failure> {
        let (_, _, problems) = failure.of_item("")?;
        let inner = problems.0.into_iter().map(|Problem { path, message }| {
            let path = match path.as_str() {
                "ref" => String::new(),
                "spec.slug" => "slug".to_owned(),
                _ => path,
            };
            Problem { path, message }
        });
        self.problems.nest(path, Problems(inner.collect()));
        Ok(())
    }

    /// What is there and not in the set: it is archived, or told. What is in something that is not in the set goes with it.
    async fn rest(&mut self, records: &[Record], caller: &Caller) -> Result<(), Failure> {
        let said: HashSet<&str> =
            self.matched.entities.iter().flatten().map(|record| record.id.as_str()).collect();
        let mut rest: Vec<&Record> = records
            .iter()
            .filter(|r| r.status != Status::Archived && !said.contains(r.id.as_str()))
            .filter(|r| r.parent.is_empty() || said.contains(r.parent.as_str()))
            .collect();
        rest.sort_by_cached_key(|record| (record.kind, self.staged.reference(record)));
        for record in rest {
            let (kind, reference) = (record.kind, self.staged.reference(record));
            if !self.asked.prune {
                self.left.push(SetLeft { kind, reference, id: record.id.clone() });
                continue;
            }
            let how = WriteConditions { force: true, ..WriteConditions::default() };
            let edit = Edit::Status(Status::Archived);
            let wish = Wish::Change { kind, reference: &record.id, action: "archive", edit, how };
            match draft(&self.staged, &self.after, &wish, caller).await {
                Ok(Draft::Nothing(_)) => {}
                Ok(Draft::Change(change, _)) => {
                    self.pruned.insert(record.id.clone());
                    self.take(*change, String::new())?;
                }
                Err(failure) => self.refuse("", failure)?,
            }
        }
        Ok(())
    }

    async fn names_are_free(&mut self) -> Result<(), Failure> {
        for n in 0..self.changes.len() {
            let (record, path) = (&self.changes[n].record, self.paths[n].clone());
            if let Some(existing) = self.staged.namesake(record).await? {
                let failure = taken(&self.staged, record, StoreError::SlugTaken { existing }).await;
                self.refuse(&path, failure)?;
            }
        }
        Ok(())
    }

    /// Nothing in the set refers to what is archived since it is not in it.
    fn nothing_needs_what_goes(&mut self) {
        if self.pruned.is_empty() {
            return;
        }
        for (item, id) in self.asked.items.iter().zip(&self.ids) {
            let Some(record) = self.staged.known(id) else { continue };
            let mut spec = record.spec.clone();
            for (path, kind) in ops(item.kind).refs {
                for (at, other) in at_path(&mut spec, path) {
                    if let Some(gone) = self.staged.known(other).filter(|r| self.pruned.contains(&r.id)) {
                        let message = format!(
                            "the {kind} '{}' is not in the set, and would be archived (prune): put it in, or name another",
                            gone.slug
                        );
                        self.problems.add(format!("{}.{at}", item.path), message);
                    }
                }
            }
        }
    }

    fn rules_hold(&mut self, relations: &mut Relations) -> Result<(), Failure> {
        let mut nodes =
            self.changes.iter().map(|change| node(&change.record)).collect::<Result<Vec<_>, _>>()?;
        // What refers to them is not at fault.
        nodes.extend(self.failed.iter().filter_map(|record| node(record).ok()));
        let told: HashSet<String> = self.problems.0.iter().map(|problem| problem.path.clone()).collect();
        for (n, problem) in by_change(relations.check(&nodes), nodes.len()) {
            let Some(path) = self.paths.get(n) else { continue };
            let mut nested = Problems::default();
            nested.nest(path, Problems(vec![problem]));
            // What is told of a reference already is told once.
            self.problems.0.extend(nested.0.into_iter().filter(|problem| !told.contains(&problem.path)));
        }
        Ok(())
    }
}

/// As many problems as can be read.
fn cut(mut problems: Problems) -> Problems {
    if problems.0.len() > MOST_PROBLEMS {
        problems.0.truncate(MOST_PROBLEMS);
        problems.add("", format!("has more problems than these {MOST_PROBLEMS}: mend them first"));
    }
    problems
}
