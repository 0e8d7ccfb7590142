//! A plan in words: by kind, entity and field, `+` `~` `-` `→`.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing, line, text as cell},
    set::{Set, flow, ordered},
    when,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tfx_api::sets::{SetAction, SetAnswer, SetChange};
use tfx_domain::entity::Kind;

/// The kinds in the order in which they are read.
const ORDER: [Kind; 7] = [
    Kind::Network,
    Kind::Template,
    Kind::Source,
    Kind::Destination,
    Kind::Campaign,
    Kind::Stream,
    Kind::Alert,
];
/// So many of what is left are named.
const LEFT: usize = 20;

/// Prints what a set comes to, or came to.
///
/// # Errors
/// A closed pipe or a full disk behind stdout.
pub(super) fn answer(context: &Context, answer: &SetAnswer, set: &Set) -> Result<(), Failure> {
    let whole = || serde_json::to_value(answer).map_err(Failure::failed);
    match context.out.format {
        Format::Table => text(context, answer, set),
        Format::Json | Format::Yaml => context.out.item(&whole()?, &[], ""),
        Format::Jsonl | Format::Csv | Format::Name => {
            let rows = answer.changes.iter().map(|change| {
                let mut row = json!(change);
                row["name"] = format!("{}/{}", change.kind, change.reference).into();
                row
            });
            let columns =
                ["action", "kind", "reference", "was", "fields"].map(|f| Column::text(f, f)).to_vec();
            context.out.rows(&Listing { columns, rows: rows.collect(), name: "name" })
        }
    }
}

/// Prints it for people, in any case.
///
/// # Errors
/// A closed pipe or a full disk behind stdout.
pub(super) fn text(context: &Context, answer: &SetAnswer, set: &Set) -> Result<(), Failure> {
    let paint = Paint(context.out.color);
    let mut lines = Vec::new();
    for kind in ORDER {
        let changes: Vec<&SetChange> = answer.changes.iter().filter(|c| c.kind == kind).collect();
        if !changes.is_empty() {
            lines.push(paint.bold(kind.plural()));
            changes.into_iter().for_each(|change| one(&mut lines, paint, change));
        }
    }
    if lines.is_empty() {
        let entities = set.len();
        lines.push(format!(
            "nothing to change: {entities} {} as in the files",
            if entities == 1 { "entity is" } else { "entities are" }
        ));
    } else {
        lines.push(counted(answer));
    }
    context.out.lines(&lines)?;
    left(context, answer);
    for warning in &answer.warnings {
        context.out.note(format!("warning: {warning}"));
    }
    Ok(())
}

/// `2 to create, 1 to change`.
pub(super) fn counted(answer: &SetAnswer) -> String {
    let verb = |action| match (action, answer.applied) {
        (SetAction::Create, false) => "to create",
        (SetAction::Create, true) => "created",
        (SetAction::Update, false) => "to change",
        (SetAction::Update, true) => "changed",
        (SetAction::Rename, false) => "to rename",
        (SetAction::Rename, true) => "renamed",
        (SetAction::Resume, false) => "to resume",
        (SetAction::Resume, true) => "resumed",
        (SetAction::Archive, false) => "to archive",
        (SetAction::Archive, true) => "archived",
    };
    let mut counts: BTreeMap<SetAction, usize> = BTreeMap::new();
    answer.changes.iter().for_each(|change| *counts.entry(change.action).or_default() += 1);
    let all: Vec<String> = counts.into_iter().map(|(action, n)| format!("{n} {}", verb(action))).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// What is there and in no file.
fn left(context: &Context, answer: &SetAnswer) {
    if answer.left.is_empty() {
        return;
    }
    let commands: Vec<String> = answer
        .left
        .iter()
        .take(LEFT)
        .map(|left| format!("  tfx {} archive {}", left.kind, left.reference))
        .collect();
    let more = answer.left.len().saturating_sub(LEFT);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let count = answer.left.len();
    context.out.note(format!(
        "{count} in no file, and left as {}; --prune archives all of them, or one by one:\n{}{more}",
        if count == 1 { "it is" } else { "they are" },
        commands.join("\n")
    ));
}

/// A change, with what becomes of each field.
fn one(lines: &mut Vec<String>, paint: Paint, change: &SetChange) {
    let reference = line(&change.reference);
    let head = match (change.action, &change.was) {
        (SetAction::Create, _) => paint.green(&format!("+ {reference}")),
        (SetAction::Archive, _) => paint.red(&format!("- {reference}")),
        (SetAction::Resume, _) => paint.green(&format!("+ {reference} (archived, resumed)")),
        (_, Some(was)) => paint.cyan(&format!("→ {} → {reference}", line(was))),
        _ => paint.yellow(&format!("~ {reference}")),
    };
    lines.push(format!("  {head}"));
    for drift in &change.drifted {
        let at = when::shown(&cell(&json!(drift.at)));
        lines.push(format!(
            "      {}",
            paint.dim(&format!("{} by {}, {at}, in no file", drift.action, line(&drift.by)))
        ));
    }
    if change.action == SetAction::Archive {
        return;
    }
    let is_new = change.action == SetAction::Create;
    for (name, values) in ordered(&change.fields) {
        let (before, after) = (&values[0], &values[1]);
        if is_new {
            // The place in the file says it.
            if !after.is_null() && !matches!(name.as_str(), "slug" | "position") {
                lines.push(format!("      {}: {}", line(name), shown(after)));
            }
        } else if name != "slug" || change.was.is_none() {
            field(lines, paint, 6, name, before, after);
        }
    }
}

/// What becomes of a field: of a list its items, of an object its fields.
fn field(lines: &mut Vec<String>, paint: Paint, indent: usize, name: &str, before: &Value, after: &Value) {
    let name = line(name);
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let mut names: Map<String, Value> = before.clone();
            names.extend(after.clone());
            let inner: Vec<&String> = ordered(&names).into_iter().map(|(name, _)| name).collect();
            for inner in inner {
                let of = |fields: &Map<String, Value>| fields.get(inner).cloned().unwrap_or(Value::Null);
                let (before, after) = (of(before), of(after));
                if before != after {
                    field(lines, paint, indent, &format!("{name}.{inner}"), &before, &after);
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            let gone: Vec<&Value> = without(before, after);
            let new: Vec<&Value> = without(after, before);
            if gone.is_empty() && new.is_empty() {
                let short = |list: &[Value]| list.iter().map(shown).collect::<Vec<_>>().join(", ");
                lines.push(format!("{:indent$}{name}, in another order:", ""));
                lines.push(format!("{:indent$}  {}", "", paint.red(&format!("- {}", short(before)))));
                lines.push(format!("{:indent$}  {}", "", paint.green(&format!("+ {}", short(after)))));
                return;
            }
            lines.push(format!("{:indent$}{name}:", ""));
            for value in gone {
                lines.push(format!("{:indent$}  {}", "", paint.red(&format!("- {}", shown(value)))));
            }
            for value in new {
                lines.push(format!("{:indent$}  {}", "", paint.green(&format!("+ {}", shown(value)))));
            }
        }
        _ => lines.push(format!(
            "{:indent$}{name}: {} → {}",
            "",
            paint.red(&shown(before)),
            paint.green(&shown(after))
        )),
    }
}

/// What is in one list and not in the other, each as often as it is more often there.
fn without<'v>(list: &'v [Value], other: &[Value]) -> Vec<&'v Value> {
    let mut rest: Vec<&Value> = other.iter().collect();
    list.iter()
        .filter(|item| match rest.iter().position(|r| r == item) {
            Some(at) => {
                rest.swap_remove(at);
                false
            }
            None => true,
        })
        .collect()
}

/// A value in one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => line(text),
        other => line(&flow(other)),
    }
}

/// Escape codes, where they are wanted.
#[derive(Debug, Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(change: Value) -> Vec<String> {
        let change: SetChange = serde_json::from_value(change).expect("a change");
        let mut lines = Vec::new();
        one(&mut lines, Paint(false), &change);
        lines
    }

    #[test]
    fn a_change_reads_field_by_field() {
        let change = json!({
            "action": "update", "kind": "stream", "reference": "summer/de", "id": "str_1",
            "fields": {
                "weight": [100, 50],
                "name": [null, "DE\u{1b}[31m"],
                "filters": [[{"field": "country", "is": ["DE"]}, {"field": "os", "is": ["iOS"]}], [{"field": "country", "is": ["DE", "AT"]}, {"field": "os", "is": ["iOS"]}]],
                "action": [{"type": "redirect", "code": 302}, {"type": "redirect", "code": 301}],
                "destinations": [[{"destination": "a", "weight": 1}, {"destination": "b", "weight": 1}], [{"destination": "b", "weight": 1}, {"destination": "a", "weight": 1}]],
            },
            "drifted": [{"at": "2026-01-31T09:30:00Z", "by": "anna@example.com", "action": "update"}],
        });
        let want = "  ~ summer/de
      update by anna@example.com, 2026-01-31 09:30:00, in no file
      name: nothing → DE\u{fffd}[31m
      weight: 100 → 50
      filters:
        - { field: country, is: [DE] }
        + { field: country, is: [DE, AT] }
      action.code: 302 → 301
      destinations, in another order:
        - { destination: a, weight: 1 }, { destination: b, weight: 1 }
        + { destination: b, weight: 1 }, { destination: a, weight: 1 }";
        let got = lines(change).join("\n");
        let at = got.find("09:30").or_else(|| got.find("2026-01-31"));
        assert!(at.is_some(), "{got}");
        let without_time =
            |text: &str| text.lines().filter(|l| !l.contains("by anna")).collect::<Vec<_>>().join("\n");
        assert_eq!(without_time(&got), without_time(want));
    }

    #[test]
    fn what_is_made_renamed_and_put_away_is_told_apart() {
        let of = |action: &str, was: Option<&str>| {
            lines(
                json!({"action": action, "kind": "campaign", "reference": "new", "was": was, "fields": {"slug": ["old", "new"], "name": [null, "N"]}}),
            )
        };
        assert_eq!(of("create", None), ["  + new", "      name: N"]);
        assert_eq!(of("rename", Some("old")), ["  → old → new", "      name: nothing → N"]);
        assert_eq!(of("archive", None), ["  - new"]);
        assert_eq!(of("resume", None)[0], "  + new (archived, resumed)");
    }
}
