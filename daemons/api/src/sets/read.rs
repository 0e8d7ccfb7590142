//! From the document of a set to its items: every problem of its form at once, each with its path in the set.

use crate::{entities::diff::FORMER, input::read};
use serde_json::{Map, Value};
use tfx_api::{
    entities::SHOWN_ONLY,
    sets::{ConfigSet, MAX_ENTITIES, RENAMED_FROM, SetRequest},
};
use tfx_domain::{entity::Kind, problem::Problems, slug::Slug};

/// An entity of a set.
pub(super) struct Item {
    pub(super) kind: Kind,
    /// Where it stands: `campaigns[3].streams[0]`.
    pub(super) path: String,
    /// The item that it stands in, by its place among all.
    pub(super) inside: Option<usize>,
    /// None: what is said is no slug, which its own check tells.
    pub(super) slug: Option<String>,
    pub(super) renamed_from: Option<String>,
    /// The rest of what is said.
    pub(super) fields: Map<String, Value>,
}

/// A set to be applied, read.
pub(super) struct Asked {
    pub(super) revision: Option<u64>,
    pub(super) prune: bool,
    pub(super) items: Vec<Item>,
    /// What is wrong with its form.
    pub(super) problems: Problems,
}

/// Reads a request.
///
/// # Errors
/// What stands around the set is wrong, or there are too many entities in it.
pub(super) fn request(mut input: Value) -> Result<Asked, Problems> {
    // Read by itself, so that a large one with a fault is read once.
    let set = input.get_mut("set").map(|set| std::mem::replace(set, Value::Object(Map::new())));
    let SetRequest { revision, prune, .. } = read(input)?;
    let mut problems = Problems::default();
    let sections = sections(set.unwrap_or_default(), &mut problems);
    let inside = |kind: Kind, items: &[Value]| {
        let lists =
            ConfigSet::inside(kind).map(|inside| items.iter().map(move |item| &item[inside.plural()]));
        lists.into_iter().flatten().filter_map(Value::as_array).map(Vec::len).sum::<usize>()
    };
    let count: usize = sections.iter().map(|(kind, items)| items.len() + inside(*kind, items)).sum();
    if count > MAX_ENTITIES {
        let message = format!(
            "has {count} entities, and may have {MAX_ENTITIES}: one set holds what one installation routes by; apply it in parts \
             without prune"
        );
        return Err(Problems::one("", message));
    }
    let mut items = Vec::with_capacity(count);
    for (kind, section) in sections {
        for (n, value) in section.into_iter().enumerate() {
            add(kind, format!("{}[{n}]", kind.plural()), None, value, &mut items, &mut problems);
        }
    }
    Ok(Asked { revision, prune, items, problems })
}

fn sections(set: Value, problems: &mut Problems) -> Vec<(Kind, Vec<Value>)> {
    let Value::Object(set) = set else {
        problems.add("", "must be an object with networks, sources, destinations, campaigns and alerts");
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in set {
        let Some(kind) = ConfigSet::SECTIONS.into_iter().find(|kind| kind.plural() == name) else {
            let known = ConfigSet::SECTIONS.map(Kind::plural).join(", ");
            problems.add(
                name,
                format!(
                    "is no part of a set: {known} are; streams stand in campaigns, templates in networks"
                ),
            );
            continue;
        };
        match value {
            Value::Array(items) => found.push((kind, items)),
            _ => problems.add(name, "must be a list"),
        }
    }
    found
}

fn add(
    kind: Kind,
    path: String,
    inside: Option<usize>,
    value: Value,
    items: &mut Vec<Item>,
    problems: &mut Problems,
) {
    let Value::Object(mut fields) = value else {
        problems.add(path, "must be an object");
        return;
    };
    let mut own = Problems::default();
    let children = ConfigSet::inside(kind).and_then(|inside| Some((inside, fields.remove(inside.plural())?)));
    let slug = fields.get("slug").and_then(Value::as_str).and_then(|text| text.parse::<Slug>().ok());
    let slug = slug.map(|slug| slug.to_string());
    let renamed_from = fields.remove(RENAMED_FROM).and_then(|said| {
        let slug = said.as_str().map(str::parse::<Slug>);
        match slug {
            Some(Ok(slug)) => Some(slug.to_string()),
            Some(Err(e)) => {
                own.add(RENAMED_FROM, e.to_string());
                None
            }
            None => {
                own.add(RENAMED_FROM, "must be the slug that it had before");
                None
            }
        }
    });
    if renamed_from.is_some() && renamed_from == slug {
        own.add(RENAMED_FROM, "is the slug that it has: leave it out");
    }
    unsaid(kind, &mut fields, &mut own);
    if fields.get("name").is_none_or(Value::is_null)
        && let Some(name) = slug.as_deref().or_else(|| fields.get("slug").and_then(Value::as_str))
    {
        let name = name.into();
        fields.insert("name".to_owned(), name);
    }
    problems.nest(&path, own);
    let place = items.len();
    items.push(Item { kind, path: path.clone(), inside, slug, renamed_from, fields });
    match children {
        Some((kind, Value::Array(children))) => {
            for (n, value) in children.into_iter().enumerate() {
                add(kind, format!("{path}.{}[{n}]", kind.plural()), Some(place), value, items, problems);
            }
        }
        Some((kind, _)) => problems.add(format!("{path}.{}", kind.plural()), "must be a list"),
        None => {}
    }
}

/// Takes out what has no place in a set, and tells it.
fn unsaid(kind: Kind, fields: &mut Map<String, Value>, problems: &mut Problems) {
    for name in SHOWN_ONLY.into_iter().chain(FORMER.map(|(_, former, _)| former)) {
        if fields.remove(name).is_some() {
            problems.add(name, "has no place in a set: it is not for people to say; leave it out");
        }
    }
    if let Some(parent) = kind.parent()
        && fields.remove(parent.noun()).is_some()
    {
        problems.add(parent.noun(), format!("is the {parent} that it stands in: leave it out"));
    }
    if kind == Kind::Stream && fields.remove("position").is_some() {
        problems.add("position", "is said by the order of the list: leave it out");
    }
    if fields.get("status").and_then(Value::as_str) == Some("archived") {
        fields.remove("status");
        problems.add(
            "status",
            "must be active or paused: what is not to be there is left out of the set, and is archived with prune",
        );
    }
    if kind == Kind::Network && fields.get("postback_secret").is_some_and(Value::is_null) {
        fields.remove("postback_secret");
        problems.add(
            "postback_secret",
            "must be a text: a network always has one; leave it out and it stays as it is",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_problem_of_the_form_is_told_with_its_path() {
        let asked = request(json!({ "set": {
            "colours": [], "sources": {}, "alerts": [5],
            "campaigns": [
                { "slug": "a", "id": "x", "streams": [{ "slug": "s", "campaign": "a", "position": 1 }, null] },
                { "slug": "b", "renamed_from": "b", "status": "archived", "streams": "no" },
            ],
            "networks": [{ "slug": "n", "postback_secret": null, "former_secret": {}, "renamed_from": 5,
                "templates": [{ "slug": "t", "network": "n" }] }],
        } }));
        let mut paths: Vec<String> = asked.expect("read").problems.0.into_iter().map(|p| p.path).collect();
        paths.sort();
        let want = [
            "alerts[0]",
            "campaigns[0].id",
            "campaigns[0].streams[0].campaign",
            "campaigns[0].streams[0].position",
            "campaigns[0].streams[1]",
            "campaigns[1].renamed_from",
            "campaigns[1].status",
            "campaigns[1].streams",
            "colours",
            "networks[0].former_secret",
            "networks[0].postback_secret",
            "networks[0].renamed_from",
            "networks[0].templates[0].network",
            "sources",
        ];
        assert_eq!(paths, want);
        let around = request(json!({ "revision": "x", "purge": true, "set": {} })).err().expect("refused");
        assert_eq!(around.0.len(), 2, "{around}");
        assert!(request(json!({ "prune": true })).is_err(), "without a set nothing would be left");
    }

    #[test]
    fn too_many_are_refused_with_their_number() {
        let streams = vec![json!({}); MAX_ENTITIES];
        let refused =
            request(json!({ "set": { "campaigns": [{ "streams": streams }] } })).err().expect("refused");
        assert!(refused.to_string().contains("50001"), "{refused}");
    }
}
