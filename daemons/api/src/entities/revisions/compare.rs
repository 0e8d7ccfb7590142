//! What is different between the configuration at two revisions, entity by entity, each known by its id.

use crate::entities::diff;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use tfx_api::sets::{SetAction, SetChange};
use tfx_domain::entity::Status;
use tfx_ports::config::Record;

/// What entities of a revision are called: by id, the slug; of what stands inside another `parent/slug`.
pub(super) struct References(HashMap<String, String>);

impl References {
    pub(super) fn of(records: &[Record]) -> Self {
        let slugs: HashMap<&str, &str> = records.iter().map(|r| (r.id.as_str(), r.slug.as_str())).collect();
        let called = records.iter().map(|record| {
            let called = match slugs.get(record.parent.as_str()) {
                Some(parent) => format!("{parent}/{}", record.slug),
                None => record.slug.clone(),
            };
            (record.id.clone(), called)
        });
        Self(called.collect())
    }

    /// What an entity is called; its id, if there is none.
    pub(super) fn name(&self, id: &str) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// The value with what entities are called in place of their ids.
    fn put_into(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(name) = self.0.get(text.as_str()) {
                    text.clone_from(name);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.put_into(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.put_into(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// What leads from the one to the other, in the order in which entities were made.
pub(super) fn changes(before: &[Record], after: &[Record]) -> Vec<SetChange> {
    let (named_before, named_after) = (References::of(before), References::of(after));
    let old: HashMap<&str, &Record> = before.iter().map(|record| (record.id.as_str(), record)).collect();
    let new: HashMap<&str, &Record> = after.iter().map(|record| (record.id.as_str(), record)).collect();
    let gone = before.iter().filter(|record| !new.contains_key(record.id.as_str()));
    let pairs = after.iter().map(|record| (old.get(record.id.as_str()).copied(), Some(record)));
    let all = pairs.chain(gone.map(|record| (Some(record), None)));
    all.filter_map(|(before, after)| one(before, after, &named_before, &named_after)).collect()
}

fn one(
    before: Option<&Record>,
    after: Option<&Record>,
    named_before: &References,
    named_after: &References,
) -> Option<SetChange> {
    let takes_part = |record: Option<&Record>| record.is_some_and(|record| record.status != Status::Archived);
    let action = match (before, after) {
        _ if !takes_part(before) && !takes_part(after) => return None,
        (None, _) => SetAction::Create,
        (_, None) => SetAction::Archive,
        (Some(old), Some(new)) if old.spec == new.spec => return None,
        (Some(_), Some(_)) if !takes_part(after) => SetAction::Archive,
        (Some(_), Some(_)) if !takes_part(before) => SetAction::Resume,
        (Some(old), Some(new)) if old.slug != new.slug => SetAction::Rename,
        (Some(_), Some(_)) => SetAction::Update,
    };
    let told = after.or(before)?;
    let named = if after.is_some() { named_after } else { named_before };
    let mut fields = match after {
        Some(after) => diff::changes(before.map_or(&Value::Null, |before| &before.spec), &after.spec),
        // It was not there yet.
        None => json!({ "status": [told.status.as_str(), Status::Archived.as_str()] }),
    };
    for sides in fields.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some([one, other]) = sides.as_array_mut().map(Vec::as_mut_slice) {
            named_before.put_into(one);
            named_after.put_into(other);
        }
    }
    let was = before.map(|before| &before.slug).filter(|was| after.is_some_and(|after| after.slug != **was));
    Some(SetChange {
        action,
        kind: told.kind,
        reference: named.name(&told.id),
        was: was.cloned(),
        id: Some(told.id.clone()),
        fields: match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        },
        drifted: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_domain::{Timestamp, entity::Kind};

    fn record(kind: Kind, id: &str, parent: &str, slug: &str, status: Status) -> Record {
        let spec = json!({ "slug": slug, "status": status.as_str(), "campaign": parent, "postback_secret": format!("canary-{slug}") });
        let at = Timestamp::UNIX_EPOCH;
        let (id, parent, slug) = (id.to_owned(), parent.to_owned(), slug.to_owned());
        Record { kind, id, parent, slug, status, version: 1, created_at: at, updated_at: at, spec }
    }

    #[test]
    fn entities_are_the_same_by_their_ids_and_called_as_they_are_at_the_end() {
        use Status::{Active, Archived};
        let campaign = |slug: &str| record(Kind::Campaign, "cmp_1", "", slug, Active);
        let stream = |parent: &str, status| record(Kind::Stream, "str_1", parent, "de", status);
        let was =
            [campaign("summer"), stream("cmp_1", Active), record(Kind::Source, "src_1", "", "old", Active)];
        let is = [
            campaign("autumn"),
            stream("cmp_1", Archived),
            record(Kind::Source, "src_1", "", "old", Active),
            record(Kind::Source, "src_2", "", "new", Active),
            record(Kind::Source, "src_3", "", "never", Archived),
        ];
        let told = |before: &[Record], after: &[Record]| -> Vec<(SetAction, String, Option<String>)> {
            changes(before, after).into_iter().map(|c| (c.action, c.reference, c.was)).collect()
        };
        let name = |text: &str| text.to_owned();
        assert_eq!(
            told(&was, &is),
            [
                (SetAction::Rename, name("autumn"), Some(name("summer"))),
                (SetAction::Archive, name("autumn/de"), None),
                (SetAction::Create, name("new"), None),
            ]
        );
        assert_eq!(
            told(&is, &was),
            [
                (SetAction::Rename, name("summer"), Some(name("autumn"))),
                (SetAction::Resume, name("summer/de"), None),
                (SetAction::Archive, name("new"), None),
            ]
        );
        assert!(told(&is, &is).is_empty());
        let all = changes(&was, &is);
        assert_eq!(all[0].fields["slug"], json!(["summer", "autumn"]));
        assert_eq!(all[2].fields["slug"], json!([null, "new"]));
        let moved = changes(
            &[stream("cmp_1", Active), campaign("summer")],
            &[stream("src_2", Active), is[3].clone(), campaign("autumn")],
        );
        assert_eq!(moved[0].fields["campaign"], json!(["summer", "new"]), "slugs in the place of ids");
        assert!(!serde_json::to_string(&all).expect("JSON").contains("canary"), "no secret: {all:?}");
    }
}
