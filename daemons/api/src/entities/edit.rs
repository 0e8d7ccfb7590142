//! What is changed of an entity, and its spec afterwards.

use super::{
    diff,
    rotation::Rotation,
    shown::{self, Claims},
};
use crate::failure::Failure;
use serde_json::{Map, Value, json};
use tfx_api::entities::SHOWN_ONLY;
use tfx_domain::{
    entity::{Kind, Status},
    problem::Problems,
};
use tfx_ports::config::Record;

/// What is done to a spec.
pub(crate) enum Edit {
    Patch(Map<String, Value>, Claims),
    Status(Status),
    Rotate(Rotation),
}

impl Edit {
    /// A merge patch.
    ///
    /// # Errors
    /// 422: what is given is no object.
    pub(super) fn patch(patch: Value) -> Result<Self, Failure> {
        object(patch).map(|(patch, claims)| Self::Patch(patch, claims))
    }

    /// The spec after it.
    pub(super) fn of(&self, before: &Record, drop_old_slug: bool) -> Value {
        let mut spec = before.spec.clone();
        match self {
            Self::Status(status) => {
                if let Value::Object(fields) = &mut spec {
                    fields.insert("status".to_owned(), status.as_str().into());
                }
            }
            Self::Rotate(rotation) => rotation.apply(&mut spec),
            Self::Patch(patch, _) => {
                forget_old(&mut spec, patch);
                merge(&mut spec, Value::Object(patch.clone()));
                // What was shown may be sent back whole: only other former slugs than before are said.
                let says = patch.get("aliases").is_some_and(|a| Some(a) != before.spec.get("aliases"));
                if !says {
                    keep_old_slug(before, drop_old_slug, &mut spec);
                }
            }
        }
        spec
    }
}

/// The spec of something that is to be as these fields say: what is never shown stays where nothing is said of it.
pub(super) fn whole(before: &Record, fields: &Map<String, Value>) -> Value {
    let mut spec = fields.clone();
    for name in diff::SECRETS {
        if let (false, Some(kept)) = (spec.contains_key(name), before.spec.get(name)) {
            spec.insert(name.to_owned(), kept.clone());
        }
    }
    for (present, former, _) in diff::FORMER {
        // What is replaced at once works no more, nor does what was before it.
        if let (true, Some(kept)) = (spec.get(present) == before.spec.get(present), before.spec.get(former)) {
            spec.insert(former.to_owned(), kept.clone());
        }
    }
    Value::Object(spec)
}

/// The fields of a body, without those that only answers have, and what these say of secrets.
pub(super) fn object(input: Value) -> Result<(Map<String, Value>, Claims), Failure> {
    let Value::Object(mut fields) = input else { return Err(Problems::one("", "must be an object").into()) };
    let claims = shown::claims(&fields);
    for name in SHOWN_ONLY {
        fields.remove(name);
    }
    Ok((fields, claims))
}

/// A slug that stands in links out there goes on leading here when it is replaced.
fn keep_old_slug(before: &Record, drop: bool, spec: &mut Value) {
    let Some(slug) = spec.get("slug").and_then(Value::as_str).map(str::to_lowercase) else { return };
    if slug == before.slug || !matches!(before.kind, Kind::Campaign | Kind::Network | Kind::Template) {
        return;
    }
    let mut aliases: Vec<&str> = before.aliases();
    aliases.retain(|alias| *alias != slug);
    if !drop {
        aliases.push(&before.slug);
    }
    let aliases = json!(aliases);
    if let Value::Object(fields) = spec {
        fields.insert("aliases".to_owned(), aliases);
    }
}

/// An action of another type has other fields, a share is of one kind, and a secret that is said is the only one: what was said
/// before must not stay behind.
fn forget_old(spec: &mut Value, patch: &Map<String, Value>) {
    if let (Some(share), Some(Value::Object(_))) =
        (spec.get_mut("postback_payout"), patch.get("postback_payout"))
    {
        *share = Value::Null;
    }
    // What is replaced at once works no more, nor does what was before it.
    for (present, former, _) in diff::FORMER {
        if let (Some(fields), true) = (spec.as_object_mut(), patch.contains_key(present)) {
            fields.remove(former);
        }
    }
    let new = patch.get("action").and_then(|a| a.get("type"));
    if let Some(old) = spec.get_mut("action")
        && new.is_some()
        && old.get("type") != new
    {
        *old = Value::Null;
    }
}

/// RFC 7396.
pub(super) fn merge(target: &mut Value, patch: Value) {
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
}
