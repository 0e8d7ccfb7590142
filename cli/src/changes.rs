//! Changes of entities as people read them: `+` what is made, `-` what is put away, `~` what is changed, field by field; `>` what
//! is called otherwise.

use crate::{
    exit::Failure,
    output::{Out, printable, text},
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tfx_api::sets::{SetAction, SetChange};

/// Prints changes, grouped by kind.
///
/// # Errors
/// A closed pipe or a full disk behind stdout.
pub(crate) fn print(out: Out, changes: &[SetChange]) -> Result<(), Failure> {
    let mut kinds: BTreeMap<&str, Vec<&SetChange>> = BTreeMap::new();
    for change in changes {
        kinds.entry(change.kind.plural()).or_default().push(change);
    }
    out.lines(kinds.values().flatten().flat_map(|change| lines(change, out.color)))
}

/// `1 campaign created, 3 streams changed`.
pub(crate) fn summary(changes: &[SetChange]) -> String {
    let mut counts: BTreeMap<(&str, SetAction), (u64, &str)> = BTreeMap::new();
    for change in changes {
        counts.entry((change.kind.plural(), change.action)).or_insert((0, change.kind.noun())).0 += 1;
    }
    let all = counts.into_iter().map(|((plural, action), (count, noun))| {
        let what = if count == 1 { noun } else { plural };
        format!("{count} {what} {}", done(action))
    });
    all.collect::<Vec<_>>().join(", ")
}

/// What was done, as a participle.
const fn done(action: SetAction) -> &'static str {
    match action {
        SetAction::Create => "created",
        SetAction::Update => "changed",
        SetAction::Rename => "renamed",
        SetAction::Resume => "resumed",
        SetAction::Archive => "archived",
    }
}

fn lines(change: &SetChange, color: bool) -> Vec<String> {
    let (sign, code) = match change.action {
        SetAction::Create | SetAction::Resume => ("+", "32"),
        SetAction::Update => ("~", "33"),
        SetAction::Rename => (">", "33"),
        SetAction::Archive => ("-", "31"),
    };
    let was = change.was.as_ref().map(|was| format!(" (was {was})")).unwrap_or_default();
    let word = match change.action {
        SetAction::Resume => " (resumed)",
        SetAction::Archive => " (archived)",
        _ => "",
    };
    let head = printable(&format!("{sign} {} {}{was}{word}", change.kind, change.reference));
    let head = if color { format!("\u{1b}[{code}m{head}\u{1b}[0m") } else { head };
    let fields = match change.action {
        SetAction::Archive => Vec::new(),
        SetAction::Create => made(&change.fields),
        _ => changed(&change.fields),
    };
    let fields = fields.into_iter().map(|field| format!("    {}", printable(&field)));
    std::iter::once(head).chain(fields).collect()
}

/// What a new one has.
fn made(fields: &Map<String, Value>) -> Vec<String> {
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    let new = fields.iter().filter(|(name, sides)| *name != "slug" && says(&sides[1]));
    new.map(|(name, sides)| format!("{name}: {}", shown(&sides[1]))).collect()
}

/// What is different, down to the innermost fields of objects.
fn changed(fields: &Map<String, Value>) -> Vec<String> {
    let mut out = Vec::new();
    for (name, sides) in fields {
        apart(name, &sides[0], &sides[1], &mut out);
    }
    out
}

fn apart(path: &str, before: &Value, after: &Value, out: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                let of = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
                apart(&format!("{path}.{name}"), &of(old), &of(new), out);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (i, (old, new)) in old.iter().zip(new).enumerate() {
                apart(&format!("{path}[{i}]"), old, new, out);
            }
        }
        // Of what is not shown it is told that it is another.
        _ if before == after && *before == "***" => out.push(format!("{path}: another one")),
        _ if before == after => {}
        _ => out.push(format!("{path}: {} → {}", shown(before), shown(after))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
        value => text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tfx_domain::entity::Kind;

    #[expect(clippy::needless_pass_by_value, reason = "each is made where it is used")]
    fn change(action: SetAction, reference: &str, fields: Value) -> SetChange {
        SetChange {
            action,
            kind: Kind::Stream,
            reference: reference.to_owned(),
            was: (action == SetAction::Rename).then(|| "old".to_owned()),
            id: None,
            fields: fields.as_object().cloned().unwrap_or_default(),
            drifted: Vec::new(),
        }
    }

    #[test]
    fn what_is_different_is_told_to_the_innermost_field() {
        let update = change(
            SetAction::Update,
            "summer/de",
            json!({ "caps": [{ "clicks_daily": 1, "total": null }, { "clicks_daily": 2, "total": null, "x": "" }],
                "destinations": [[{ "destination": "a" }], [{ "destination": "b" }]], "filters": [[], [1]],
                "postback_secret": ["***", "***"], "name": ["A", null] }),
        );
        assert_eq!(
            lines(&update, false),
            [
                "~ stream summer/de",
                "    caps.clicks_daily: 1 → 2",
                "    caps.x: none → \"\"",
                "    destinations[0].destination: a → b",
                "    filters: [] → [1]",
                "    name: A → none",
                "    postback_secret: another one",
            ]
        );
    }

    #[test]
    fn each_kind_of_change_has_its_sign() {
        let fields = || json!({ "slug": [null, "de"], "name": [null, "DE\u{1b}[2J"], "caps": [null, {}] });
        assert_eq!(lines(&change(SetAction::Archive, "a/b", fields()), false), ["- stream a/b (archived)"]);
        let new = lines(&change(SetAction::Create, "a/b", fields()), false);
        assert_eq!(new[0], "+ stream a/b");
        assert!(new.len() == 2 && !new[1].contains('\u{1b}'), "{new:?}");
        assert_eq!(
            lines(&change(SetAction::Rename, "a/new", json!({})), false),
            ["> stream a/new (was old)"]
        );
        assert_eq!(
            lines(&change(SetAction::Resume, "a/b", json!({})), true),
            ["\u{1b}[32m+ stream a/b (resumed)\u{1b}[0m"]
        );
        let all = [SetAction::Update, SetAction::Update, SetAction::Create]
            .map(|action| change(action, "a", json!({})));
        assert_eq!(summary(&all), "1 stream created, 2 streams changed");
    }
}
