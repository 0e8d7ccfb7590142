//! Many changes at once. Each item is drafted on what those before it come to; the rules between entities are checked once,
//! for all of them together; and the store saves all or nothing (`docs/decisions/0041-once-under-a-name.md`).

use super::{
    edit::Edit,
    followed::node,
    staged::Staged,
    write::{Draft, Saved, TRIED_FOR, Wish, WriteConditions, draft, taken},
};
use crate::{
    access::{Identity, forbidden},
    alerts,
    app::App,
    compressed::with_secret,
    failure::Failure,
    idempotency::{self, Begun, Named, Turn, replayed},
    input::{Body, Query, read},
    reply::json,
};
use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use serde_json::Value;
use std::sync::Arc;
use tfx_api::{
    bulk::{Bulk, BulkAction, BulkAnswer, BulkDone, BulkItem, BulkRefused, MAX_ITEMS},
    entities::Verb,
};
use tfx_domain::{
    access::{Scope, beyond},
    problem::{Problem, Problems},
    rules::Relations,
};
use tfx_ports::{
    StoreError,
    audit::Caller,
    clock,
    config::{Change, ConfigStore},
};
use tokio::time::Instant;

pub(super) async fn bulk(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(identity): Extension<Identity>,
    named: Named,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let items: Vec<BulkDone> = match idempotency::begin(&app, &identity, named, "bulk", &input).await? {
        Begun::Before(items) => items,
        Begun::Now(turn) => match make(&app, &caller, &identity, input, &turn).await {
            Ok(items) => return Ok(with_secret(json(StatusCode::OK, &BulkAnswer { items }))),
            Err(failure) => turn.instead(failure).await?,
        },
    };
    Ok(replayed(json(StatusCode::OK, &BulkAnswer { items })))
}

/// Where an entity stands in an item.
const SPEC: &str = "spec";

/// What the items come to.
#[derive(Default)]
struct Plan {
    changes: Vec<Change>,
    /// The item of each change.
    items: Vec<usize>,
    done: Vec<BulkDone>,
}

async fn make(
    app: &App,
    caller: &Caller,
    identity: &Identity,
    input: Value,
    turn: &Turn,
) -> Result<Vec<BulkDone>, Failure> {
    let Bulk { items } = read(input)?;
    if !(1..=MAX_ITEMS).contains(&items.len()) {
        return Err(Problems::one("items", format!("must be 1 to {MAX_ITEMS}")).into());
    }
    let mut needed: Vec<Scope> = items.iter().map(|item| Scope::write(item.kind)).collect();
    needed.sort_unstable();
    needed.dedup();
    let missing = beyond(&needed, &identity.scopes);
    if !missing.is_empty() {
        return Err(forbidden(&missing));
    }
    for item in &items {
        alerts::granted(identity, item.kind, item.spec.as_ref().unwrap_or(&Value::Null))?;
    }
    let wishes = wishes(&items, identity.may(Scope::ReadSecrets))?;
    let config = app.stores.config.as_ref();
    let mut followed = app.writes.lock().await;
    let end = Instant::now() + TRIED_FOR;
    loop {
        let relations = followed.relations(config).await?;
        let failure = match planned(config, relations, &wishes, caller).await {
            Ok(Plan { changes, done, .. }) => {
                let without_secrets =
                    done.iter().cloned().map(|done| BulkDone { postback_secret: None, ..done });
                let kept = turn.keep(&without_secrets.collect::<Vec<_>>(), clock::now())?;
                match followed.save(config, changes, kept.into()).await {
                    Ok(()) => return Ok(done),
                    Err(e) => e.into(),
                }
            }
            Err(failure) => failure,
        };
        match followed.catch_up(config).await {
            Ok(true) if Instant::now() < end => {}
            Ok(_) | Err(_) => return Err(failure),
        }
    }
}

/// What each item asks for.
fn wishes(items: &[BulkItem], sees_secrets: bool) -> Result<Vec<Wish<'_>>, Failure> {
    let mut refused = Refusals::default();
    let mut wishes = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        match wish(item, sees_secrets) {
            Ok(wish) => wishes.push(wish),
            Err(failure) => refused.add(i, "", failure)?,
        }
    }
    refused.into_result(wishes)
}

fn wish(item: &BulkItem, sees_secrets: bool) -> Result<Wish<'_>, Failure> {
    let BulkItem { action, kind, reference, version, spec, force, drop_old_slug } = item;
    let mut problems = Problems::default();
    let has_spec = matches!(action, BulkAction::Create | BulkAction::Update);
    let is_new = *action == BulkAction::Create;
    problems.require(
        spec.is_some() == has_spec,
        "spec",
        if has_spec { "is required" } else { "has no place here" },
    );
    problems.require(
        reference.is_some() != is_new,
        "ref",
        if is_new { "has no place here" } else { "is required" },
    );
    problems.require(version.is_none() || !is_new, "version", "has no place here");
    problems.require(!force || *action == BulkAction::Archive, "force", "is for archive alone");
    problems.require(!drop_old_slug || *action == BulkAction::Update, "drop_old_slug", "is for update alone");
    problems.into_result(())?;
    let (reference, spec) = (reference.as_deref().unwrap_or_default(), spec.clone().unwrap_or_default());
    let (force, drop_old_slug) = (*force, *drop_old_slug);
    let how = WriteConditions { if_match: *version, force, drop_old_slug, sees_secrets };
    let verb = match action {
        BulkAction::Create => return Wish::create(*kind, spec),
        BulkAction::Update => {
            let edit = Edit::patch(spec)?;
            return Ok(Wish::Change { kind: *kind, reference, action: "update", edit, how });
        }
        BulkAction::Pause => Verb::Pause,
        BulkAction::Resume => Verb::Resume,
        BulkAction::Archive => Verb::Archive,
    };
    let edit = Edit::Status(verb.status());
    Ok(Wish::Change { kind: *kind, reference, action: verb.as_str(), edit, how })
}

async fn planned(
    config: &dyn ConfigStore,
    relations: &mut Relations,
    wishes: &[Wish<'_>],
    caller: &Caller,
) -> Result<Plan, Failure> {
    let mut staged = Staged::over(config);
    let mut after = relations.clone();
    let mut refused = Refusals::default();
    let mut plan = Plan::default();
    for (i, wish) in wishes.iter().enumerate() {
        match draft(&staged, &after, wish, caller).await {
            Ok(Draft::Nothing(record)) => plan.done.push(done(Saved { record, secret: None }, false)),
            Ok(Draft::Change(change, secret)) => {
                let record = change.record.clone();
                if let Some(existing) = staged.namesake(&record).await? {
                    let failure = taken(&staged, &record, StoreError::SlugTaken { existing }).await;
                    refused.add(i, SPEC, failure)?;
                    continue;
                }
                after.put(node(&record)?);
                staged.put(record.clone());
                plan.done.push(done(Saved { record, secret }, true));
                plan.changes.push(*change);
                plan.items.push(i);
            }
            Err(failure) => refused.add(i, SPEC, failure)?,
        }
    }
    let nodes = plan.changes.iter().map(|change| node(&change.record)).collect::<Result<Vec<_>, _>>()?;
    for (change, problem) in by_change(relations.check(&nodes), nodes.len()) {
        if let Some(item) = plan.items.get(change) {
            refused.add(*item, SPEC, Problems(vec![problem]).into())?;
        }
    }
    refused.into_result(plan)
}

fn done(Saved { record, secret }: Saved, changed: bool) -> BulkDone {
    let status = if changed && record.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    BulkDone {
        status: status.as_u16(),
        kind: record.kind,
        id: record.id,
        slug: record.slug,
        version: record.version,
        changed,
        postback_secret: secret,
    }
}

/// The problems that the rules have with several changes, each with the change it is of: they stand below `[n]`, those of
/// one alone at their own paths.
pub(crate) fn by_change(problems: Problems, changes: usize) -> Vec<(usize, Problem)> {
    let split = |problem: Problem| {
        if changes == 1 {
            return (0, problem);
        }
        let place = problem.path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        match place.and_then(|(n, path)| Some((n.parse().ok()?, path.trim_start_matches('.').to_owned()))) {
            Some((n, path)) => (n, Problem { path, message: problem.message }),
            None => (0, problem),
        }
    };
    problems.0.into_iter().map(split).collect()
}

/// What is wrong with which items.
#[derive(Default)]
struct Refusals {
    problems: Problems,
    items: Vec<BulkRefused>,
}

impl Refusals {
    /// Notes why an item is refused; its problems are of what is `inside` it.
    ///
    /// # Errors
    /// The failure, if it is no fault of the item: then nothing else is to be said.
    fn add(&mut self, item: usize, inside: &str, failure: Failure) -> Result<(), Failure> {
        let (status, code, problems) = failure.of_item(inside)?;
        self.problems.nest(&format!("items[{item}]"), problems);
        let status = status.as_u16();
        if self.items.last().is_none_or(|last| (last.item, last.status) != (item, status)) {
            self.items.push(BulkRefused { item, status, code: code.to_owned() });
        }
        Ok(())
    }

    fn into_result<T>(mut self, value: T) -> Result<T, Failure> {
        self.items.sort_by_key(|refused| refused.item);
        if self.items.is_empty() { Ok(value) } else { Err(Failure::bulk_refused(self.problems, self.items)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_several_changes_go_to_the_change_they_are_of() {
        let problem = |path: &str| Problem { path: path.to_owned(), message: "m".to_owned() };
        let of = |paths: &[&str], changes| {
            let problems = Problems(paths.iter().map(|p| problem(p)).collect());
            by_change(problems, changes).into_iter().map(|(n, p)| (n, p.path)).collect::<Vec<_>>()
        };
        assert_eq!(of(&["[2].weight", "[0]"], 3), [(2, "weight".to_owned()), (0, String::new())]);
        assert_eq!(of(&["action.campaign"], 1), [(0, "action.campaign".to_owned())]);
    }
}
