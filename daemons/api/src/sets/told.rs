//! What a set comes to, for people: each change with its fields, by slugs, and what is to be known of all of them.

use super::{matched::Matched, read::Item, show::name_ids};
use crate::entities::{diff, staged::Staged};
use serde_json::{Map, Value};
use tfx_api::sets::{RENAMED_FROM, SetAction, SetChange};
use tfx_domain::entity::{Kind, Status};
use tfx_ports::config::{Change, Record};

/// What a change is told as.
pub(crate) fn told(staged: &Staged<'_>, before: Option<&Record>, after: &Record) -> SetChange {
    let was = before.map(|before| before.slug.as_str()).filter(|slug| *slug != after.slug);
    let action = match before {
        None => SetAction::Create,
        Some(before) if before.status == Status::Archived && after.status != Status::Archived => {
            SetAction::Resume
        }
        Some(before) if before.status != Status::Archived && after.status == Status::Archived => {
            SetAction::Archive
        }
        Some(_) if was.is_some() => SetAction::Rename,
        Some(_) => SetAction::Update,
    };
    let reference = |id: &str| staged.known(id).map(|record| staged.reference(record));
    let named = |record: &Record| {
        let mut spec = record.spec.clone();
        name_ids(record.kind, &mut spec, &reference);
        if let (Some(parent), Value::Object(fields)) = (record.kind.parent(), &mut spec) {
            fields.remove(parent.noun());
        }
        spec
    };
    let fields = diff::changes(&before.map_or(Value::Null, named), &named(after));
    SetChange {
        action,
        kind: after.kind,
        reference: staged.reference(after),
        was: was.map(str::to_owned),
        id: before.map(|before| before.id.clone()),
        fields: match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        },
        drifted: Vec::new(),
    }
}

/// What is to be known of it, in sentences.
pub(super) fn warnings(items: &[Item], matched: &Matched<'_>, changes: &[Change]) -> Vec<String> {
    let mut warnings = Vec::new();
    let items = items.iter().zip(&matched.entities);
    let has_none = |item: &&Item| item.kind == Kind::Network && !item.fields.contains_key("postback_secret");
    let new = items.filter(|(_, entity)| entity.is_none()).map(|(item, _)| item).filter(has_none);
    let networks: Vec<&str> = new.filter_map(|item| item.slug.as_deref()).collect();
    if !networks.is_empty() {
        warnings.push(format!(
            "a postback_secret is made for each new network ({}): tfx network postback-url shows the URL with it",
            few(&networks)
        ));
    }
    let armed = |change: &&Change| {
        change.record.kind == Kind::Alert && change.record.spec.get("armed") == Some(&Value::Bool(true))
    };
    let alerts: Vec<&str> = changes.iter().filter(armed).map(|c| c.record.slug.as_str()).collect();
    if !alerts.is_empty() {
        warnings
            .push(format!("what these alerts pause they pause at once, without a dry run: {}", few(&alerts)));
    }
    let circles: Vec<&str> = matched.circles.iter().map(String::as_str).collect();
    if !circles.is_empty() {
        warnings.push(format!(
            "{} pass their slugs round: take {RENAMED_FROM} away when this is applied, or the same set passes them on again",
            few(&circles)
        ));
    }
    warnings
}

/// The first of many, and how many more there are.
fn few(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}
