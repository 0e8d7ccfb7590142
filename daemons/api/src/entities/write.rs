//! Creating and changing. What is checked between entities is checked by `tfx_domain::rules` against a revision, and the
//! store saves only at that revision: also two api-services together save nothing that one of them would refuse
//! (`docs/decisions/0023-rules-in-the-transaction.md`). Writes of this process go one after another.

use super::{
    alert, defaults, diff,
    edit::{Edit, object, whole},
    followed::node,
    kinds::{Checked, ops},
    refs,
    rotation::{self, Rotation},
    shown::{self, Claims},
};
use crate::{app::App, failure::Failure, idempotency::Turn};
use http::StatusCode;
use serde_json::{Map, Value};
use std::time::Duration;
use tfx_api::entities::Verb;
use tfx_domain::{
    entity::{Kind, Status},
    problem::{Problem, Problems},
    rules::Relations,
    source_postback::mask,
};
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    clock,
    config::{Change, ConfigStore, Record},
    entropy,
};
use tfx_service::ProblemResponse;
use tokio::time::Instant;

/// How long a change is tried again that other processes are faster than. Nothing makes processes take turns: one that
/// writes without a pause may win many times in a row.
pub(crate) const TRIED_FOR: Duration = Duration::from_secs(10);

/// What changed, and the secret that was made for it.
pub(crate) struct Saved {
    pub(crate) record: Record,
    /// A network's new secret, to be shown this once.
    pub(crate) secret: Option<String>,
}

/// Under which conditions something changes.
#[derive(Clone, Copy, Default)]
pub(crate) struct WriteConditions {
    /// Only at this version.
    pub(crate) if_match: Option<u64>,
    /// Also what is still in use is archived.
    pub(crate) force: bool,
    /// With another slug, the one before does not go on leading here.
    pub(crate) drop_old_slug: bool,
    /// Who asks may see secrets: those that are kept may go to another server.
    pub(crate) sees_secrets: bool,
}

/// What is asked for.
pub(crate) enum Wish<'w> {
    Create {
        kind: Kind,
        fields: Map<String, Value>,
        claims: Claims,
    },
    Change {
        kind: Kind,
        reference: &'w str,
        action: &'w str,
        edit: Edit,
        how: WriteConditions,
    },
    /// It is to be as it is said, whatever it is now.
    Whole {
        kind: Kind,
        id: &'w str,
        before: Option<&'w Record>,
        fields: &'w Map<String, Value>,
        sees_secrets: bool,
    },
}

/// What a wish comes to.
pub(crate) enum Draft {
    /// It is so already.
    Nothing(Record),
    /// To be saved.
    Change(Box<Change>, Option<String>),
}

impl Wish<'_> {
    /// To create an entity.
    ///
    /// # Errors
    /// 422: what is given is no object.
    pub(super) fn create(kind: Kind, input: Value) -> Result<Self, Failure> {
        let (mut fields, claims) = object(input)?;
        if kind == Kind::Alert {
            alert::name(&mut fields);
        }
        defaults::names(&mut fields);
        Ok(Self::Create { kind, fields, claims })
    }
}

/// Creates an entity.
pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    kind: Kind,
    input: Value,
    turn: &Turn,
) -> Result<Saved, Failure> {
    granted(app, caller, &Wish::create(kind, input)?, Some(turn)).await
}

/// Changes an entity by a merge patch. A patch that changes nothing makes no new version.
pub(crate) async fn update(
    app: &App,
    caller: &Caller,
    kind: Kind,
    reference: &str,
    patch: Value,
    how: WriteConditions,
) -> Result<Saved, Failure> {
    let edit = Edit::patch(patch)?;
    granted(app, caller, &Wish::Change { kind, reference, action: "update", edit, how }, None).await
}

/// Pauses, resumes or archives.
pub(crate) async fn lifecycle(
    app: &App,
    caller: &Caller,
    kind: Kind,
    reference: &str,
    verb: Verb,
    how: WriteConditions,
) -> Result<Saved, Failure> {
    let (action, edit) = (verb.as_str(), Edit::Status(verb.status()));
    granted(app, caller, &Wish::Change { kind, reference, action, edit, how }, None).await
}

/// Gives a network another secret.
pub(super) async fn rotate(
    app: &App,
    caller: &Caller,
    reference: &str,
    rotation: Rotation,
    how: WriteConditions,
    turn: &Turn,
) -> Result<Saved, Failure> {
    let (kind, action, edit) = (Kind::Network, "rotate-secret", Edit::Rotate(rotation));
    granted(app, caller, &Wish::Change { kind, reference, action, edit, how }, Some(turn)).await
}

/// Checks and saves. What is refused, or was checked against a revision that is not the last any more, is looked at again
/// after catching up, until nothing has moved meanwhile.
async fn granted(app: &App, caller: &Caller, wish: &Wish<'_>, turn: Option<&Turn>) -> Result<Saved, Failure> {
    let config = app.stores.config.as_ref();
    let mut followed = app.writes.lock().await;
    let end = Instant::now() + TRIED_FOR;
    loop {
        let relations = followed.relations(config).await?;
        let drafted = match draft(config, relations, wish, caller).await {
            Ok(Draft::Change(change, secret)) => holds(relations, &change.record).map(|()| (change, secret)),
            Ok(Draft::Nothing(record)) => return Ok(Saved { record, secret: None }),
            Err(failure) => Err(failure),
        };
        let failure = match drafted {
            Ok((change, secret)) => {
                let record = change.record.clone();
                let kept = match turn {
                    Some(turn) => turn.keep(&without_secrets(&record), record.created_at)?,
                    None => Vec::new(),
                };
                match followed.save(config, vec![*change], kept.into()).await {
                    Ok(()) => return Ok(Saved { record, secret }),
                    Err(e) => taken(config, &record, e).await,
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

/// The rules between entities hold with it.
fn holds(relations: &mut Relations, record: &Record) -> Result<(), Failure> {
    Ok(relations.check(&[node(record)?]).into_result(())?)
}

/// An entity to be kept beside its place: that it has secrets can be seen, and no more.
fn without_secrets(record: &Record) -> Record {
    let mut record = record.clone();
    for (name, value) in record.spec.as_object_mut().into_iter().flatten() {
        diff::hide(name, value);
        mask::field(name, value);
    }
    record
}

/// What a wish comes to, checked by itself.
pub(crate) async fn draft(
    config: &dyn ConfigStore,
    relations: &Relations,
    wish: &Wish<'_>,
    caller: &Caller,
) -> Result<Draft, Failure> {
    let before = match wish {
        Wish::Create { .. } => None,
        Wish::Whole { before, .. } => before.cloned(),
        Wish::Change { kind, reference, how, .. } => {
            let before = refs::named(config, *kind, reference).await?;
            if let Some(wanted) = how.if_match
                && wanted != before.version
            {
                return Err(Failure::version_mismatch(before.version));
            }
            if let Wish::Change { edit: Edit::Rotate(rotation), .. } = wish {
                rotation.may(&before, how.force)?;
            }
            Some(before)
        }
    };
    if let Some(before) = &before
        && let Some(why) = (ops(before.kind).unreadable)(before)
    {
        return Err(Failure::written_by_another(before, &why));
    }
    let (kind, action, mut value) = match (wish, &before) {
        (Wish::Whole { kind, fields, .. }, Some(before)) => {
            let was_archived = before.status == Status::Archived;
            (*kind, if was_archived { "resume" } else { "update" }, whole(before, fields))
        }
        (Wish::Whole { kind, fields, .. }, None) => (*kind, "create", Value::Object((*fields).clone())),
        (Wish::Change { kind, action, edit, how, .. }, Some(before)) => {
            (*kind, *action, edit.of(before, how.drop_old_slug))
        }
        (Wish::Create { kind, fields, .. }, _) => (*kind, "create", Value::Object(fields.clone())),
        (Wish::Change { .. }, None) => return Err(ProblemResponse::internal("nothing to change").into()),
    };
    let old = before.as_ref().map(|b| &b.spec);
    let mut problems = Problems::default();
    refs::resolve(config, ops(kind).refs, &mut value, old, &mut problems).await?;
    let patch = match wish {
        Wish::Change { edit: Edit::Patch(patch, _), .. } => Some(patch),
        _ => None,
    };
    let (said, sees_secrets) = match wish {
        Wish::Whole { fields, sees_secrets, .. } => (Some(*fields), *sees_secrets),
        Wish::Change { how, .. } => (patch, how.sees_secrets),
        Wish::Create { .. } => (None, true),
    };
    if let Wish::Create { claims, .. } | Wish::Change { edit: Edit::Patch(_, claims), .. } = wish {
        shown::check(kind, claims, &value, &mut problems);
    }
    if matches!(kind, Kind::Source | Kind::Alert | Kind::Destination | Kind::Campaign) {
        shown::unmask(&mut value, old, &mut problems);
    }
    if kind == Kind::Network && !matches!(wish, Wish::Change { edit: Edit::Rotate(_), .. }) {
        rotation::is_former(&value, old, clock::now(), &mut problems);
    }
    if let (false, Some(old), Some(said), Kind::Source) = (sees_secrets, old, said, kind) {
        shown::stay(&value, old, said, &mut problems);
    }
    if kind == Kind::Alert {
        alert::filters(config, &mut value, &mut problems).await?;
        // A set is reviewed as a whole, and says itself what is armed.
        if !matches!(wish, Wish::Whole { .. }) {
            alert::begin_dry(&mut value, old, patch, &mut problems);
        }
    }
    defaults::currency(kind, relations, &mut value, old.zip(patch));
    if kind == Kind::Stream && before.is_none() {
        defaults::position(relations, &mut value);
    }
    if kind == Kind::Network {
        defaults::secret(&mut value);
    }
    let checked = checked(kind, value, old, problems)?;
    let now = clock::now();
    let after = match before.clone() {
        Some(before) if before.spec == checked.spec => return Ok(Draft::Nothing(before)),
        Some(before) => Record {
            parent: checked.parent,
            slug: checked.slug,
            status: checked.status,
            version: before.version + 1,
            updated_at: now,
            spec: checked.spec,
            ..before
        },
        None => Record {
            kind,
            id: match wish {
                Wish::Whole { id, .. } => (*id).to_owned(),
                _ => (ops(kind).new_id)(now, entropy::random_u128()),
            },
            parent: checked.parent,
            slug: checked.slug,
            status: checked.status,
            version: 1,
            created_at: now,
            updated_at: now,
            spec: checked.spec,
        },
    };
    let archives =
        before.as_ref().is_some_and(|b| b.status != Status::Archived) && after.status == Status::Archived;
    if archives && !matches!(wish, Wish::Change { how: WriteConditions { force: true, .. }, .. }) {
        unused(relations, &after)?;
    }
    let audit = entry(caller, &after, action, diff::changes(old.unwrap_or(&Value::Null), &after.spec));
    let secret = secret_of(&after.spec).filter(|s| old.and_then(secret_of).as_ref() != Some(s));
    let change = if before.is_none() { Change::create(after, audit) } else { Change::update(after, audit) };
    Ok(Draft::Change(Box::new(change), secret))
}

/// What archiving would leave dangling: active entities that refer to this one and are not inside it (a campaign's
/// streams and a network's templates go with it).
///
/// # Errors
/// 409 that names them.
fn unused(relations: &Relations, record: &Record) -> Result<(), Failure> {
    let users = relations.users_of(&record.id);
    if users.is_empty() {
        return Ok(());
    }
    let more = if users.len() > 5 { format!(" and {} more", users.len() - 5) } else { String::new() };
    let shown = users.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    let (kind, slug) = (record.kind, &record.slug);
    let detail =
        format!("the {kind} {slug} is used by {shown}{more}; change those first, or archive it by force");
    let mut problem = ProblemResponse::new(StatusCode::CONFLICT, "in_use", detail);
    problem.problems =
        Problems(users.into_iter().map(|path| Problem { path, message: "uses it".to_owned() }).collect());
    Err(problem.into())
}

fn secret_of(spec: &Value) -> Option<String> {
    spec.get("postback_secret").and_then(Value::as_str).map(str::to_owned)
}

fn checked(
    kind: Kind,
    value: Value,
    old: Option<&Value>,
    mut problems: Problems,
) -> Result<Checked, Failure> {
    match (ops(kind).check)(value, old) {
        Ok(checked) if problems.is_empty() => Ok(checked),
        Ok(_) => Err(problems.into()),
        Err(more) => {
            // A broken reference is told once, by the one who looked it up.
            let told: Vec<String> = problems.0.iter().map(|p| p.path.clone()).collect();
            problems.0.extend(more.0.into_iter().filter(|p| !told.contains(&p.path)));
            Err(problems.into())
        }
    }
}

pub(super) fn entry(caller: &Caller, record: &Record, action: &str, changes: Value) -> AuditEntry {
    AuditEntry {
        at: record.updated_at,
        caller: caller.clone(),
        action: action.to_owned(),
        kind: record.kind.noun().to_owned(),
        id: record.id.clone(),
        version: record.version,
        changes,
    }
}

pub(crate) async fn taken(config: &dyn ConfigStore, record: &Record, error: StoreError) -> Failure {
    let StoreError::SlugTaken { existing } = error else { return error.into() };
    let kind = record.kind;
    let scope = kind.parent().map(|p| format!(" of its {p}")).unwrap_or_default();
    let other = config.get(kind, &existing).await.ok().flatten();
    // It may be a slug or a former one, of either.
    let names =
        |r: &Record| [r.slug.as_str()].into_iter().chain(r.aliases()).map(str::to_owned).collect::<Vec<_>>();
    let ours = names(record);
    let name = other.as_ref().and_then(|o| names(o).into_iter().find(|n| ours.contains(n)));
    let name = name.unwrap_or_else(|| record.slug.clone());
    let detail = match other.filter(|o| o.slug != name) {
        Some(other) => format!(
            "'{name}' is a former slug of the {kind} {}, {existing}, and its old links still lead there; choose another, \
             or take it away from there first (its aliases)",
            other.slug
        ),
        None => format!(
            "the slug '{name}' is taken by another {kind}{scope}, {existing}; choose another slug, or change that one"
        ),
    };
    Failure::slug_taken(detail, existing)
}
