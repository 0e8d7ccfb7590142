//! Applying a set: planned, and saved in one transaction at the revision at which it was planned, or only told.

use super::{
    CONFIG, drift,
    plan::{Now, Plan, plan},
    read::Asked,
};
use crate::{
    access::{Identity, forbidden},
    alerts,
    app::App,
    entities::{diff::SECRETS, write::TRIED_FOR},
    failure::Failure,
    geo,
    idempotency::Turn,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tfx_api::sets::{SetAction, SetAnswer, SetChange};
use tfx_domain::{
    access::{Scope, beyond},
    entity::{Kind, Status},
    source_postback::mask,
};
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    clock,
    config::{Beside, Change, Record},
};
use tokio::time::Instant;

/// What applying a set would come to; nothing is done, and others may change things meanwhile.
pub(super) async fn foresee(
    app: &App,
    caller: &Caller,
    identity: &Identity,
    asked: &Asked,
) -> Result<SetAnswer, Failure> {
    let config = app.stores.config.as_ref();
    let (revision, records, mut relations) = {
        let mut followed = app.writes.lock().await;
        let (revision, records) = followed.all(config).await?;
        (revision, records, followed.relations(config).await?.clone())
    };
    at_revision(asked, revision)?;
    guesses_nothing(asked, &records, identity)?;
    let now = Now { config, revision, records: &records, relations: &mut relations };
    let Plan { changes, mut answer } = plan(now, asked, caller, identity).await?;
    let fields = advise(app, &changes, &mut answer);
    answer.warnings.extend(geo::warnings(app, &fields).await);
    if identity.may(Scope::ReadAudit) {
        drift::note(config, &mut answer).await?;
    }
    Ok(answer)
}

/// Applies a set.
pub(super) async fn apply(
    app: &App,
    caller: &Caller,
    identity: &Identity,
    asked: &Asked,
    turn: &Turn,
) -> Result<SetAnswer, Failure> {
    let config = app.stores.config.as_ref();
    let mut followed = app.writes.lock().await;
    let end = Instant::now() + TRIED_FOR;
    loop {
        let (revision, records) = followed.all(config).await?;
        at_revision(asked, revision)?;
        let relations = followed.relations(config).await?;
        let now = Now { config, revision, records: &records, relations };
        let Plan { changes, mut answer } = plan(now, asked, caller, identity).await?;
        granted(identity, &changes.iter().map(|change| &change.record).collect::<Vec<_>>(), &answer)?;
        let fields = advise(app, &changes, &mut answer);
        if identity.may(Scope::ReadAudit) {
            drift::note(config, &mut answer).await?;
        }
        answer.applied = true;
        for (told, change) in answer.changes.iter_mut().zip(&changes) {
            told.id = Some(change.record.id.clone());
        }
        if changes.is_empty() {
            return Ok(answer);
        }
        answer.revision = revision.saturating_add(changes.len() as u64);
        let line = line(caller, revision, &answer);
        let beside = Beside { accounts: turn.keep(&kept(&answer), line.at)?, line: Some(line) };
        match followed.save(config, changes, beside).await {
            Ok(()) => {
                drop(followed);
                answer.warnings.extend(geo::warnings(app, &fields).await);
                return Ok(answer);
            }
            Err(StoreError::Moved { .. }) if Instant::now() < end => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Adds what will not work of alerts as they are; gives the fields that streams ask for, of which somebody else knows that.
fn advise(app: &App, changes: &[Change], answer: &mut SetAnswer) -> Vec<String> {
    let of_kind = |kind: Kind| {
        let records = changes.iter().map(|change| &change.record);
        records.filter(move |record| record.kind == kind && record.status != Status::Archived)
    };
    for rule in of_kind(Kind::Alert) {
        let warnings = app.alerts.warnings(rule).into_iter();
        answer.warnings.extend(warnings.map(|warning| format!("{}: {warning}", rule.slug)));
    }
    let mut fields: Vec<String> = of_kind(Kind::Stream).flat_map(geo::fields_of).collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// The configuration is where it was when somebody looked.
fn at_revision(asked: &Asked, revision: u64) -> Result<(), Failure> {
    match asked.revision {
        Some(wanted) if wanted != revision => Err(Failure::revision_moved(wanted, revision)),
        _ => Ok(()),
    }
}

/// Who applies a set may write each kind that changes.
fn granted(identity: &Identity, records: &[&Record], answer: &SetAnswer) -> Result<(), Failure> {
    let mut needed: Vec<Scope> = records.iter().map(|record| Scope::write(record.kind)).collect();
    needed.sort_unstable();
    needed.dedup();
    let missing = beyond(&needed, &identity.scopes);
    if !missing.is_empty() {
        return Err(forbidden(&missing));
    }
    for (record, change) in
        records.iter().zip(&answer.changes).filter(|(record, _)| record.kind == Kind::Alert)
    {
        let names = change.fields.keys().map(String::as_str);
        // A rule that is armed acts, whatever of it changes.
        let said =
            names.chain(["armed"]).filter_map(|name| Some((name.to_owned(), record.spec.get(name)?.clone())));
        alerts::granted(identity, Kind::Alert, &Value::Object(said.collect::<Map<_, _>>()))?;
    }
    Ok(())
}

/// A dry run tells whether something would change. Who may neither write an entity nor see what is hidden of it does not learn
/// what that is by saying it until nothing changes.
fn guesses_nothing(asked: &Asked, records: &[Record], identity: &Identity) -> Result<(), Failure> {
    let sees = identity.may(Scope::ReadSecrets);
    let mut hidden: BTreeMap<(Kind, &str), Vec<&Record>> = BTreeMap::new();
    for record in records {
        hidden.entry((record.kind, record.slug.as_str())).or_default().push(record);
    }
    for item in asked.items.iter().filter(|item| !identity.may(Scope::write(item.kind))) {
        let says_secret =
            SECRETS.iter().any(|name| item.fields.get(*name).is_some_and(|said| !said.is_null()));
        let names = [item.slug.as_deref(), item.renamed_from.as_deref()];
        let entities =
            names.into_iter().flatten().filter_map(|slug| hidden.get(&(item.kind, slug))).flatten();
        let mut entities = entities.filter(|_| !sees);
        let says_hidden = |record: &Record| {
            mask::FIELDS.iter().any(|name| {
                let (Some(said), Some(is)) = (item.fields.get(*name), record.spec.get(*name)) else {
                    return false;
                };
                let mut shown = is.clone();
                mask::field(name, &mut shown);
                shown != *is && *said != shown
            })
        };
        if says_secret || entities.any(|record| says_hidden(record)) {
            return Err(forbidden(&[Scope::write(item.kind)]));
        }
    }
    Ok(())
}

/// The line of the audit log that tells of all changes.
fn line(caller: &Caller, revision: u64, answer: &SetAnswer) -> AuditEntry {
    let mut counts: BTreeMap<SetAction, usize> = BTreeMap::new();
    for change in &answer.changes {
        *counts.entry(change.action).or_default() += 1;
    }
    let counts = counts.iter().map(|(action, count)| (action.as_str().to_owned(), json!([0, count])));
    let mut changes: Map<String, Value> = counts.collect();
    changes.insert("revision".to_owned(), json!([revision, answer.revision]));
    AuditEntry {
        at: clock::now(),
        caller: caller.clone(),
        action: "apply".to_owned(),
        kind: CONFIG.to_owned(),
        id: CONFIG.to_owned(),
        version: 0,
        changes: Value::Object(changes),
    }
}

/// What is kept of an answer to be given again: what was done to what, without the fields, of which there may be too many.
fn kept(answer: &SetAnswer) -> SetAnswer {
    let short = |change: &SetChange| SetChange { fields: Map::new(), drifted: Vec::new(), ..change.clone() };
    SetAnswer {
        revision: answer.revision,
        applied: true,
        changes: answer.changes.iter().map(short).collect(),
        left: Vec::new(),
        warnings: vec![
            "this was done before: the answer is given again, without fields and without what was left"
                .to_owned(),
        ],
    }
}
