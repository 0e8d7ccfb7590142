//! Creating and changing. Writes of this process go one after another, so that what is checked between entities
//! still holds when it is saved; between processes the store's versions and unique slugs decide.

use super::{
    checks, diff,
    kinds::{Checked, ops},
    refs,
};
use crate::{app::App, failure::Failure};
use serde_json::{Map, Value};
use tfx_api::entities::{SHOWN_ONLY, Verb};
use tfx_domain::{
    entity::{Kind, Status},
    problem::Problems,
    slug::Slug,
};
use tfx_ports::{
    StoreError, clock,
    config::{AuditEntry, Record},
    entropy,
};

/// Who the audit log says it was, until there are users.
const ACTOR: &str = "admin token";
/// How often a change is tried again that another process was faster than.
const ATTEMPTS: u32 = 10;

/// What changed, and the secret that was made for it.
pub(crate) struct Saved {
    pub(crate) record: Record,
    /// A network's new secret, to be shown this once.
    pub(crate) secret: Option<String>,
}

/// Creates an entity.
pub(crate) async fn create(app: &App, kind: Kind, input: Value) -> Result<Saved, Failure> {
    let _one_at_a_time = app.writes.lock().await;
    let config = app.stores.config.as_ref();
    let mut fields = object(input)?;
    fill_in_names(&mut fields);
    let mut problems = Problems::default();
    let mut value = Value::Object(fields);
    refs::resolve(config, ops(kind).refs, &mut value, None, &mut problems).await?;
    if kind == Kind::Stream {
        fill_in_position(app, &mut value).await?;
    }
    if kind == Kind::Network {
        fill_in_secret(&mut value);
    }
    let checked = checked(kind, value, problems)?;
    let now = clock::now();
    let record = Record {
        kind,
        id: (ops(kind).new_id)(now, entropy::random_u128()),
        parent: checked.parent,
        slug: checked.slug,
        status: checked.status,
        version: 1,
        created_at: now,
        updated_at: now,
        spec: checked.spec,
    };
    checks::check(app, None, &record).await?;
    let audit = entry(&record, "create", diff::changes(&Value::Null, &record.spec));
    config.create(record.clone(), audit).await.map_err(|e| taken(&record, e))?;
    let secret = secret_of(&record.spec);
    Ok(Saved { record, secret })
}

/// Changes an entity by a merge patch. A patch that changes nothing makes no new version.
pub(crate) async fn update(
    app: &App,
    kind: Kind,
    reference: &str,
    patch: Value,
    if_match: Option<u64>,
    force: bool,
) -> Result<Saved, Failure> {
    let patch = object(patch)?;
    change(app, kind, reference, "update", if_match, force, |before| {
        let mut spec = before.clone();
        forget_old_action(&mut spec, &patch);
        merge(&mut spec, Value::Object(patch.clone()));
        spec
    })
    .await
}

/// Pauses, resumes or archives.
pub(crate) async fn lifecycle(
    app: &App,
    kind: Kind,
    reference: &str,
    verb: Verb,
    if_match: Option<u64>,
    force: bool,
) -> Result<Saved, Failure> {
    change(app, kind, reference, verb.as_str(), if_match, force, |before| {
        let mut spec = before.clone();
        if let Value::Object(fields) = &mut spec {
            fields.insert("status".to_owned(), verb.status().as_str().into());
        }
        spec
    })
    .await
}

async fn change(
    app: &App,
    kind: Kind,
    reference: &str,
    action: &str,
    if_match: Option<u64>,
    force: bool,
    edit: impl Fn(&Value) -> Value,
) -> Result<Saved, Failure> {
    let _one_at_a_time = app.writes.lock().await;
    let config = app.stores.config.as_ref();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let before = refs::named(config, kind, reference).await?;
        if let Some(wanted) = if_match
            && wanted != before.version
        {
            return Err(Failure::version_mismatch(before.version));
        }
        let mut value = edit(&before.spec);
        let mut problems = Problems::default();
        refs::resolve(config, ops(kind).refs, &mut value, Some(&before.spec), &mut problems).await?;
        if kind == Kind::Network {
            fill_in_secret(&mut value);
        }
        let checked = checked(kind, value, problems)?;
        if checked.spec == before.spec {
            return Ok(Saved { record: before, secret: None });
        }
        let after = Record {
            parent: checked.parent,
            slug: checked.slug,
            status: checked.status,
            version: before.version + 1,
            updated_at: clock::now(),
            spec: checked.spec,
            ..before.clone()
        };
        checks::check(app, Some(&before), &after).await?;
        if after.status == Status::Archived && before.status != Status::Archived && !force {
            checks::unused(app, &after).await?;
        }
        let audit = entry(&after, action, diff::changes(&before.spec, &after.spec));
        match config.update(after.clone(), audit).await {
            Ok(_) => {
                let secret = secret_of(&after.spec).filter(|s| secret_of(&before.spec).as_ref() != Some(s));
                return Ok(Saved { record: after, secret });
            }
            Err(StoreError::VersionMismatch { .. }) if if_match.is_none() && attempt < ATTEMPTS => {}
            Err(e) => return Err(taken(&after, e)),
        }
    }
}

/// The fields of a body, without those that only answers have.
fn object(input: Value) -> Result<Map<String, Value>, Failure> {
    let Value::Object(mut fields) = input else { return Err(Problems::one("", "must be an object").into()) };
    for name in SHOWN_ONLY {
        fields.remove(name);
    }
    Ok(fields)
}

/// A slug from the name, or a name from the slug.
fn fill_in_names(fields: &mut Map<String, Value>) {
    let text =
        |fields: &Map<String, Value>, name| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let absent = |fields: &Map<String, Value>, name| fields.get(name).is_none_or(Value::is_null);
    if absent(fields, "slug") {
        fields.remove("slug");
        if let Some(slug) = text(fields, "name").and_then(|n| Slug::suggest(&n)) {
            fields.insert("slug".to_owned(), slug.as_str().into());
        }
    } else if absent(fields, "name")
        && let Some(slug) = text(fields, "slug")
    {
        fields.insert("name".to_owned(), slug.into());
    }
}

/// A new stream comes after those of its campaign and kind.
async fn fill_in_position(app: &App, value: &mut Value) -> Result<(), Failure> {
    let Value::Object(fields) = value else { return Ok(()) };
    if fields.contains_key("position") {
        return Ok(());
    }
    let Some(campaign) = fields.get("campaign").and_then(Value::as_str) else { return Ok(()) };
    let kind = fields.get("kind").and_then(Value::as_str).unwrap_or("regular");
    let streams =
        checks::all(app, Kind::Stream, Some(campaign.to_owned()), &[Status::Active, Status::Paused]).await?;
    let same = streams.iter().filter(|r| r.spec["kind"] == kind);
    let last = same.filter_map(|r| r.spec["position"].as_u64()).max().unwrap_or(0);
    fields.insert("position".to_owned(), (last + 1).min(u64::from(u32::MAX)).into());
    Ok(())
}

/// A network always has a secret: one is made when none is given, or when it is set to null.
fn fill_in_secret(value: &mut Value) {
    if let Value::Object(fields) = value
        && fields.get("postback_secret").is_none_or(Value::is_null)
    {
        fields.insert("postback_secret".to_owned(), entropy::secret().into());
    }
}

fn secret_of(spec: &Value) -> Option<String> {
    spec.get("postback_secret").and_then(Value::as_str).map(str::to_owned)
}

fn checked(kind: Kind, value: Value, mut problems: Problems) -> Result<Checked, Failure> {
    match (ops(kind).check)(value) {
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

/// An action of another type has other fields: those of the old one must not stay behind in it.
fn forget_old_action(spec: &mut Value, patch: &Map<String, Value>) {
    let new = patch.get("action").and_then(|a| a.get("type"));
    if let Some(old) = spec.get_mut("action")
        && new.is_some()
        && old.get("type") != new
    {
        *old = Value::Null;
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: Value) {
    match patch {
        Value::Object(fields) => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            let Value::Object(into) = target else { return };
            for (name, value) in fields {
                if value.is_null() {
                    into.remove(&name);
                } else {
                    merge(into.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        other => *target = other,
    }
}

fn entry(record: &Record, action: &str, changes: Value) -> AuditEntry {
    AuditEntry {
        at: record.updated_at,
        actor: ACTOR.to_owned(),
        action: action.to_owned(),
        kind: record.kind,
        id: record.id.clone(),
        version: record.version,
        changes,
    }
}

fn taken(record: &Record, error: StoreError) -> Failure {
    match error {
        StoreError::SlugTaken { existing } => {
            let scope = record.kind.parent().map(|p| format!(" of its {p}")).unwrap_or_default();
            let detail = format!(
                "the slug '{}' is taken by another {}{scope}, {existing}; choose another slug, or change that one",
                record.slug, record.kind
            );
            Failure::slug_taken(detail, existing)
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_is_rfc_7396() {
        // The examples of its appendix A.
        let table = [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ];
        for (mut target, patch, want) in table {
            let shown = format!("{target} + {patch}");
            merge(&mut target, patch);
            assert_eq!(target, want, "{shown}");
        }
    }

    #[test]
    fn one_name_makes_the_other() {
        let filled = |value: Value| {
            let Value::Object(mut fields) = value else { panic!("object") };
            fill_in_names(&mut fields);
            Value::Object(fields)
        };
        assert_eq!(
            filled(json!({"name": "Summer Sale"})),
            json!({"name": "Summer Sale", "slug": "summer-sale"})
        );
        assert_eq!(filled(json!({"slug": "x", "name": null})), json!({"slug": "x", "name": "x"}));
        for left_alone in
            [json!({}), json!({"name": "日本"}), json!({"slug": 5}), json!({"slug": "a", "name": 5})]
        {
            assert_eq!(filled(left_alone.clone()), left_alone);
        }
    }
}
