//! The configuration as a set: entities without what people do not say of them, references by slug, what has its default left out.

use crate::{
    alerts,
    entities::{
        diff::{FORMER, SECRETS},
        kinds::{kind_of, ops},
        refs::at_path,
    },
    failure::Failure,
    report,
};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};
use tfx_api::sets::{ConfigSet, SetItem};
use tfx_domain::{
    entity::{
        AlertSpec, CampaignSpec, DestinationSpec, Kind, NetworkSpec, SourceSpec, Spec, Status, StreamSpec,
        TemplateSpec, parse,
    },
    source_postback::mask,
};
use tfx_ports::config::Record;

/// All entities that are not archived and stand in nothing that is.
///
/// # Errors
/// 409: this program cannot read one of them.
pub(crate) fn set(records: &[Record]) -> Result<ConfigSet, Failure> {
    let by_id: HashMap<&str, &Record> = records.iter().map(|record| (record.id.as_str(), record)).collect();
    let reference =
        |id: &str| by_id.get(id).map(|record| reference(record, by_id.get(record.parent.as_str()).copied()));
    let mut inside: HashMap<&str, Vec<&Record>> = HashMap::new();
    for record in records.iter().filter(|record| record.status != Status::Archived) {
        inside.entry(record.parent.as_str()).or_default().push(record);
    }
    let mut set = ConfigSet::default();
    let mut top = inside.get("").cloned().unwrap_or_default();
    top.sort_by_key(|record| (record.kind, record.slug.as_str()));
    for record in top {
        let mut item = item(record, &reference)?;
        if let Some(kind) = ConfigSet::inside(record.kind) {
            let mut children = inside.get(record.id.as_str()).cloned().unwrap_or_default();
            if kind == Kind::Stream {
                children.sort_by_cached_key(|stream| decides(stream));
            } else {
                children.sort_by_key(|record| record.slug.as_str());
            }
            let children = children.into_iter().map(|child| self::item(child, &reference).map(Value::Object));
            let children: Vec<Value> = children.collect::<Result<_, _>>()?;
            if !children.is_empty() {
                item.insert(kind.plural().to_owned(), children.into());
            }
        }
        if let Some(section) = set.section_mut(record.kind) {
            section.push(item);
        }
    }
    Ok(set)
}

/// How an entity is named.
pub(super) fn reference(record: &Record, parent: Option<&Record>) -> String {
    match parent {
        Some(parent) => format!("{}/{}", parent.slug, record.slug),
        None => record.slug.clone(),
    }
}

/// Where a stream stands among those of its campaign: those of a kind together, and equal places by age.
pub(super) fn decides(stream: &Record) -> (u8, u64, String) {
    let kind = match stream.spec.get("kind").and_then(Value::as_str) {
        Some("forced") => 0,
        Some("default") => 2,
        _ => 1,
    };
    (kind, position(stream).into(), stream.id.clone())
}

/// A stream's position.
pub(super) fn position(stream: &Record) -> u32 {
    stream.spec.get("position").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// Puts references in the place of ids: how each entity is named by its id, if there is one.
pub(super) fn name_ids(kind: Kind, spec: &mut Value, reference: &impl Fn(&str) -> Option<String>) {
    for (path, _) in ops(kind).refs {
        for (_, id) in at_path(spec, path) {
            if let Some(name) = reference(id) {
                *id = name;
            }
        }
    }
    if kind == Kind::Alert
        && let Some(mut filters) = alerts::filters(spec)
    {
        for filter in filters.iter_mut().filter(|filter| report::kind_of(filter.dimension).is_some()) {
            for id in filter.values.iter_mut().filter(|id| kind_of(id).is_some()) {
                if let Some(name) = reference(id) {
                    *id = name;
                }
            }
        }
        if !filters.is_empty() {
            spec["filters"] = serde_json::to_value(filters).unwrap_or_default();
        }
    }
}

/// An entity as an item.
fn item(record: &Record, reference: &impl Fn(&str) -> Option<String>) -> Result<SetItem, Failure> {
    let kind = record.kind;
    if let Some(why) = (ops(kind).unreadable)(record) {
        return Err(Failure::written_by_another(record, &why));
    }
    let mut spec = record.spec.clone();
    name_ids(kind, &mut spec, reference);
    defaults_within(kind, &mut spec);
    let mut fields = match spec {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for name in SECRETS.into_iter().chain(FORMER.map(|(_, former, _)| former)).chain(["position"]) {
        fields.remove(name);
    }
    if let Some(parent) = kind.parent() {
        fields.remove(parent.noun());
    }
    for name in mask::FIELDS {
        if let Some(value) = fields.get_mut(name) {
            mask::field(name, value);
        }
    }
    let defaults = DEFAULTS.get(&kind);
    fields.retain(|name, value| defaults.and_then(|defaults| defaults.get(name)) != Some(&*value));
    if fields.get("name") == fields.get("slug") {
        fields.remove("name");
    }
    Ok(fields)
}

/// The fields of each kind that have a default, with it.
static DEFAULTS: LazyLock<BTreeMap<Kind, Map<String, Value>>> = LazyLock::new(|| {
    fn of<S: Spec>() -> (Kind, Map<String, Value>) {
        let example = S::example();
        let spec = parse::<S>(example.clone()).ok().and_then(|spec| serde_json::to_value(spec).ok());
        let mut fields = spec.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        fields.retain(|name, _| example.get(name).is_none());
        (S::KIND, fields)
    }
    BTreeMap::from([
        of::<SourceSpec>(),
        of::<NetworkSpec>(),
        of::<TemplateSpec>(),
        of::<DestinationSpec>(),
        of::<CampaignSpec>(),
        of::<StreamSpec>(),
        of::<AlertSpec>(),
    ])
});

/// Takes out what has its default within fields. What is paid keeps its currency: that of a network may change.
fn defaults_within(kind: Kind, spec: &mut Value) {
    let within: &[(&str, &str, Value)] = &match kind {
        Kind::Stream => vec![("destinations", "weight", json!(100))],
        Kind::Destination => vec![
            ("caps", "timezone", json!("UTC")),
            ("schedule", "timezone", json!("UTC")),
            ("health_check", "method", json!("HEAD")),
            ("health_check", "failures", json!(3)),
            ("health_check", "successes", json!(2)),
        ],
        Kind::Alert => vec![("filters", "negate", json!(false))],
        _ => return,
    };
    for (field, name, default) in within {
        let take_out = |fields: &mut Value| {
            if let Value::Object(fields) = fields
                && fields.get(*name) == Some(default)
            {
                fields.remove(*name);
            }
        };
        match spec.get_mut(*field) {
            Some(Value::Array(items)) => items.iter_mut().for_each(take_out),
            Some(value) => take_out(value),
            None => {}
        }
    }
}
