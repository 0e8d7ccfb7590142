//! Putting the configuration back to what it was at a revision: what is different is changed back, what was made since is archived,
//! what was archived since takes part again. Secrets stay as they are, and so do links: a slug that is given up again goes on
//! leading there.

use super::compare::References;
use crate::{
    entities::{
        diff::{self, FORMER, SECRETS},
        followed::node,
        kinds::ops,
        write::entry,
    },
    failure::Failure,
};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use tfx_domain::{
    entity::{AlertSpec, Kind, Status, parse_over},
    problem::Problems,
    rules::Relations,
};
use tfx_ports::{
    audit::Caller,
    clock,
    config::{Change, Record},
};

/// What is to be done.
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    /// Everything as it will be.
    pub(super) after: Vec<Record>,
    pub(super) warnings: Vec<String>,
}

/// The verb in the audit log.
pub(super) const ROLLBACK: &str = "rollback";

/// What leads from what there is now to what was `then`.
///
/// # Errors
/// 422 with everything that cannot be as it was, by the path `campaign/summer.FIELD`.
pub(super) fn plan(
    then: &[Record],
    now: &[Record],
    relations: &mut Relations,
    caller: &Caller,
) -> Result<Plan, Failure> {
    let was: HashMap<&str, &Record> = then.iter().map(|record| (record.id.as_str(), record)).collect();
    let called = References::of(now);
    let path = |record: &Record| format!("{}/{}", record.kind, called.name(&record.id));
    let names = Names::of(then, now);
    let (mut problems, mut warnings, mut kept_secrets) = (Problems::default(), Vec::new(), Vec::new());
    let (mut changes, mut after) = (Vec::new(), Vec::with_capacity(now.len()));
    for present in now {
        let was = was.get(present.id.as_str()).copied();
        if was.is_some_and(|was| has_other_secrets(was, present)) {
            kept_secrets.push(path(present));
        }
        let mut spec = match was {
            Some(was) => wanted(was, present, &names),
            None => archived(present),
        };
        if spec == present.spec {
            after.push(present.clone());
            continue;
        }
        let broken = was.and_then(Record::why_it_cannot_be_read).map(str::to_owned);
        if let Some(why) = broken.or_else(|| (ops(present.kind).unreadable)(present)) {
            problems.add(path(present), format!("cannot be put back: {why}"));
            continue;
        }
        if disarmed(present, &mut spec) {
            warnings.push(format!("{} begins with a dry run: what it does is changed", path(present)));
        }
        let checked = match (ops(present.kind).check)(spec, Some(&present.spec)) {
            Ok(checked) if checked.spec != present.spec => checked,
            // Another version of the program wrote the same otherwise.
            Ok(_) => {
                after.push(present.clone());
                continue;
            }
            Err(found) => {
                problems.nest(&path(present), found);
                continue;
            }
        };
        let record = Record {
            parent: checked.parent,
            slug: checked.slug,
            status: checked.status,
            version: present.version + 1,
            updated_at: clock::now(),
            spec: checked.spec,
            ..present.clone()
        };
        let told = diff::changes(&present.spec, &record.spec);
        let line = entry(caller, &record, ROLLBACK, told);
        after.push(record.clone());
        changes.push(Change::update(record, line));
    }
    taken(&after, &path, &mut problems);
    let nodes = changes.iter().map(|change| node(&change.record)).collect::<Result<Vec<_>, _>>()?;
    for problem in relations.check(&nodes).0 {
        let place = problem.path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let of = match place {
            Some((n, rest)) if changes.len() > 1 => {
                n.parse().ok().map(|n: usize| (n, rest.trim_start_matches('.')))
            }
            _ => Some((0, problem.path.as_str())),
        };
        let whose = of.and_then(|(n, rest)| Some((path(&changes.get(n)?.record), rest)));
        let (whose, rest) = whose.unwrap_or_default();
        problems.add(if rest.is_empty() { whose } else { format!("{whose}.{rest}") }, problem.message);
    }
    problems.into_result(())?;
    if !kept_secrets.is_empty() {
        warnings.push(format!(
            "secrets are not put back, they stay as they are now: {}",
            kept_secrets.join(", ")
        ));
    }
    Ok(Plan { changes, after, warnings })
}

/// The fields that stay as they are.
fn secret_fields() -> impl Iterator<Item = &'static str> {
    SECRETS.into_iter().chain(FORMER.into_iter().map(|(_, former, _)| former))
}

fn has_other_secrets(was: &Record, now: &Record) -> bool {
    secret_fields().any(|field| was.spec.get(field) != now.spec.get(field))
}

/// What an entity is to be: as it was, with its present secrets, and its present slugs as former ones.
fn wanted(was: &Record, now: &Record, names: &Names) -> Value {
    let mut spec = was.spec.clone();
    let Value::Object(fields) = &mut spec else { return spec };
    for field in secret_fields() {
        match now.spec.get(field) {
            Some(present) => fields.insert(field.to_owned(), present.clone()),
            None => fields.remove(field),
        };
    }
    if matches!(now.kind, Kind::Campaign | Kind::Network | Kind::Template) {
        let mut aliases: Vec<&str> = was.aliases();
        for name in now.aliases().into_iter().chain([now.slug.as_str()]) {
            if name != was.slug && !aliases.contains(&name) && names.is_free(was, name) {
                aliases.push(name);
            }
        }
        if aliases != was.aliases() {
            let aliases = json!(aliases);
            fields.insert("aliases".to_owned(), aliases);
        }
    }
    spec
}

/// Who had which name then, or has one that will stay.
struct Names<'r>(HashMap<(Kind, &'r str, &'r str), &'r str>);

impl<'r> Names<'r> {
    fn of(then: &'r [Record], now: &'r [Record]) -> Self {
        let there: HashSet<&str> = then.iter().map(|record| record.id.as_str()).collect();
        let since = now.iter().filter(|record| !there.contains(record.id.as_str()));
        let all = then.iter().chain(since).flat_map(|record| {
            let names = record.aliases().into_iter().chain([record.slug.as_str()]);
            names.map(move |name| ((record.kind, record.parent.as_str(), name), record.id.as_str()))
        });
        Self(all.collect())
    }

    /// Whether nobody else has it.
    fn is_free(&self, record: &Record, name: &str) -> bool {
        self.0.get(&(record.kind, record.parent.as_str(), name)).is_none_or(|whose| *whose == record.id)
    }
}

/// What was not there yet takes part no more.
fn archived(present: &Record) -> Value {
    let mut spec = present.spec.clone();
    if let Value::Object(fields) = &mut spec
        && present.status != Status::Archived
    {
        fields.insert("status".to_owned(), Status::Archived.as_str().into());
    }
    spec
}

/// A rule that will do something else than it does now begins with a dry run, as whenever it is changed.
fn disarmed(present: &Record, spec: &mut Value) -> bool {
    if present.kind != Kind::Alert || spec.get("armed") != Some(&Value::Bool(true)) {
        return false;
    }
    let old = parse_over::<AlertSpec>(present.spec.clone(), None);
    let new = parse_over::<AlertSpec>(spec.clone(), Some(&present.spec));
    let otherwise = matches!((old, new), (Ok(old), Ok(new)) if new.acts_otherwise(&old) || !old.armed);
    if otherwise {
        spec["armed"] = false.into();
    }
    otherwise
}

/// Each name leads to one: what was given to another since is a problem of who had it.
fn taken(after: &[Record], path: &impl Fn(&Record) -> String, problems: &mut Problems) {
    let mut owners: HashMap<(Kind, &str, &str), &Record> = HashMap::new();
    for record in after {
        for name in [record.slug.as_str()].into_iter().chain(record.aliases()) {
            if let Some(other) = owners.insert((record.kind, &record.parent, name), record)
                && other.id != record.id
            {
                let kind = record.kind;
                let message = format!(
                    "the slug '{name}' belongs to another {kind} now, {}, which was made since: give that one another slug first, \
                     without links of this one: tfx {kind} update {} --slug NEW --drop-old-link",
                    record.id, record.id
                );
                problems.add(format!("{}.slug", path(other)), message);
            }
        }
    }
}
