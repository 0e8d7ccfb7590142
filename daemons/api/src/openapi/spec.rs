//! Entities: what is sent to make one and to change one, and how one is shown, each made of the spec of its kind as
//! `entities` makes it.

use super::{
    schemas::{PLACE, Schemas, to_taken},
    tidied::or_null,
};
use crate::entities::kinds::ops;
use serde_json::{Map, Value, json};
use tfx_api::{Labels, entities::SHOWN_ONLY};
use tfx_domain::entity::{
    AlertSpec, CampaignSpec, DestinationSpec, Kind, NetworkSpec, SourceSpec, Spec, StreamSpec, TemplateSpec,
};

/// The name of a kind's schema: `Campaign`.
pub(super) fn name(kind: Kind) -> String {
    let noun = kind.noun();
    noun[..1].to_uppercase() + &noun[1..]
}

/// A small one that can be saved as it is, where what it names is there.
pub(super) fn example(kind: Kind) -> Value {
    let mut example = match kind {
        Kind::Campaign => CampaignSpec::example(),
        Kind::Stream => StreamSpec::example(),
        Kind::Destination => DestinationSpec::example(),
        Kind::Source => SourceSpec::example(),
        Kind::Network => NetworkSpec::example(),
        Kind::Template => TemplateSpec::example(),
        Kind::Alert => AlertSpec::example(),
    };
    for (field, value) in [("campaign", json!("summer")), ("network", json!("adnet"))] {
        if example.get(field).is_some() {
            example[field] = value;
        }
    }
    if kind == Kind::Stream {
        example["destinations"] = json!([{ "destination": "offer" }]);
    }
    example
}

/// The spec's schema in the code.
fn spec_of(schemas: &mut Schemas, kind: Kind, taken: bool) -> Map<String, Value> {
    fn both<S: Spec + schemars::JsonSchema>(schemas: &mut Schemas, taken: bool) -> Option<Value> {
        let name = S::schema_name();
        if taken {
            let _ = schemas.taken::<S>();
            schemas.taken_by_name(&name)
        } else {
            let _ = schemas.shown::<S>();
            schemas.shown_by_name(&name)
        }
    }
    let schema = match kind {
        Kind::Campaign => both::<CampaignSpec>(schemas, taken),
        Kind::Stream => both::<StreamSpec>(schemas, taken),
        Kind::Destination => both::<DestinationSpec>(schemas, taken),
        Kind::Source => both::<SourceSpec>(schemas, taken),
        Kind::Network => both::<NetworkSpec>(schemas, taken),
        Kind::Template => both::<TemplateSpec>(schemas, taken),
        Kind::Alert => both::<AlertSpec>(schemas, taken),
    };
    let mut schema = schema.expect("a spec is a schema by its name");
    if taken {
        to_taken(&mut schema);
    }
    let Value::Object(fields) = schema else { panic!("an object") };
    fields
}

fn properties(schema: &mut Map<String, Value>) -> &mut Map<String, Value> {
    schema.get_mut("properties").and_then(Value::as_object_mut).expect("it has properties")
}

/// What is sent to make one.
pub(super) fn created(schemas: &mut Schemas, kind: Kind) -> Value {
    schemas.named(&format!("New{}", name(kind)), false, |schemas| {
        let mut schema = named_others(schemas, kind);
        let text = json!({ "type": "string" });
        let properties = properties(&mut schema);
        for field in ["slug", "name"] {
            let one = properties.get(field).cloned().expect("it has a name");
            properties.insert(field.to_owned(), or_null(one));
        }
        let required = schema.get_mut("required").and_then(Value::as_array_mut).expect("some is required");
        required.retain(|name| name != "slug" && name != "name");
        // One is made of the other.
        let without = |field: &str| json!({ "not": { "required": [field], "properties": { field: text } } });
        schema.insert("if".to_owned(), without("name"));
        schema.insert("then".to_owned(), json!({ "required": ["slug"], "properties": { "slug": text } }));
        let about = format!(
            "A new {kind}. A slug that is not said is made of the name, a name that is not said is the slug"
        );
        schema.insert("description".to_owned(), about.into());
        Value::Object(schema)
    })
}

/// What stands before its noun.
pub(super) fn article(kind: Kind) -> &'static str {
    if kind == Kind::Alert { "an" } else { "a" }
}

/// What is sent to change one: a merge patch of it.
pub(super) fn changed(schemas: &mut Schemas, kind: Kind) -> Value {
    schemas.named(&format!("{}Patch", name(kind)), false, |schemas| {
        let schema = named_others(schemas, kind);
        let mut schema = merge_patch(schemas, schema);
        let a = article(kind);
        let about = format!(
            "What is to be changed of {a} {kind}, a JSON merge patch (RFC 7396): null takes a field away"
        );
        schema.insert("description".to_owned(), about.into());
        schema.remove("required");
        Value::Object(schema)
    })
}

/// The spec as a person may write it: others by any of their names, an amount without its currency, and what answers have
/// beside the spec.
fn named_others(schemas: &mut Schemas, kind: Kind) -> Map<String, Value> {
    let mut schema = spec_of(schemas, kind, true);
    let text = |other: Kind| json!({ "description": format!("A {other}: its id or slug"), "type": "string", "minLength": 1 });
    for (path, other) in ops(kind).refs {
        match path.split_once(['.', '[']) {
            None => {
                let required = schema["required"].as_array().is_some_and(|r| r.iter().any(|n| n == path));
                let one = if required { text(*other) } else { or_null(text(*other)) };
                properties(&mut schema).insert((*path).to_owned(), one);
            }
            Some(("destinations", _)) => {
                let one = renamed(schemas, "StreamDestination", "destination", text(*other));
                properties(&mut schema)["destinations"]["items"] = one;
            }
            Some(("action", _)) => {
                let mut action = schemas.taken_by_name("Action").expect("a stream has an action");
                to_taken(&mut action);
                for form in action["oneOf"].as_array_mut().into_iter().flatten() {
                    form["title"] = format!("New{}", form["title"].as_str().unwrap_or_default()).into();
                    if form["properties"].get("campaign").is_some() {
                        form["properties"]["campaign"] = text(*other);
                    }
                }
                let one = schemas.named("NewAction", false, |_| action);
                properties(&mut schema).insert("action".to_owned(), one);
            }
            Some(_) => panic!("{path} is not described"),
        }
    }
    if let Some((field, _)) = kind.money() {
        let name = if field == "payout" { "Money" } else { "Cost" };
        let mut money = schemas.taken_by_name(name).expect("money is taken");
        to_taken(&mut money);
        if name == "Money" {
            money["properties"]["amount"] = schemas.taken::<tfx_domain::schema::NotNegative>();
        }
        let currency = money["properties"]["currency"].take();
        money["properties"]["currency"] = or_null(currency);
        money["properties"]["currency"]["description"] =
            "Of what; not said: the currency of who pays or asks for it".into();
        if let Some(required) = money["required"].as_array_mut() {
            required.retain(|name| name != "currency");
        }
        let field_name = if field == "payout" { "Payout" } else { "ClickCost" };
        let one = schemas.named(field_name, false, |_| money);
        properties(&mut schema).insert(field.to_owned(), or_null(one));
    }
    for field in SHOWN_ONLY {
        let ignored = json!({ "description": "Ignored, so that what was shown can be sent back" });
        properties(&mut schema).insert(field.to_owned(), ignored);
    }
    schema
}

/// A schema of the code with one field as it may be written.
fn renamed(schemas: &mut Schemas, of: &str, field: &str, one: Value) -> Value {
    let mut schema = schemas.taken_by_name(of).unwrap_or_else(|| panic!("{of} is taken"));
    to_taken(&mut schema);
    schema["properties"][field] = one;
    schemas.named(&format!("New{of}"), false, |_| schema)
}

/// As a merge patch of it: nothing has to be said, and null takes away what may be absent.
fn merge_patch(schemas: &mut Schemas, mut schema: Map<String, Value>) -> Map<String, Value> {
    let required: Vec<String> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let fields = std::mem::take(properties(&mut schema));
    for (name, field) in fields {
        let ignored = SHOWN_ONLY.contains(&name.as_str());
        let mut one = merged(schemas, field);
        if let Some(fields) = one.as_object_mut() {
            fields.remove("default");
        }
        let one = if ignored || required.contains(&name) { one } else { or_null(one) };
        properties(&mut schema).insert(name, one);
    }
    schema.remove("required");
    schema
}

/// What is within an object is merged too; lists and words are replaced.
fn merged(schemas: &mut Schemas, field: Value) -> Value {
    if let Some(reference) = field.get("$ref").and_then(Value::as_str).map(str::to_owned) {
        let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
        let own = reference.starts_with(PLACE);
        let schema = if own { schemas.own_by_name(&name) } else { schemas.taken_by_name(&name) };
        let Some(Value::Object(mut inner)) = schema else { return field };
        if name == "NewAction" {
            return schemas.named("ActionPatch", false, |_| action_patch(&inner));
        }
        if !inner.contains_key("properties") {
            return field;
        }
        let mut whole = Value::Object(std::mem::take(&mut inner));
        if !own {
            to_taken(&mut whole);
        }
        let Value::Object(inner) = whole else { return field };
        return schemas
            .named(&format!("{name}Patch"), false, |schemas| Value::Object(merge_patch(schemas, inner)));
    }
    let Value::Object(mut fields) = field else { return field };
    if let Some(Value::Array(forms)) = fields.get_mut("anyOf") {
        for form in forms {
            let one = form.take();
            *form = merged(schemas, one);
        }
    }
    for map in ["additionalProperties", "patternProperties"] {
        match fields.get_mut(map) {
            Some(Value::Object(values)) if map == "patternProperties" => {
                for (_, value) in values.iter_mut() {
                    *value = or_null(value.take());
                }
            }
            Some(value @ Value::Object(_)) => *value = or_null(value.take()),
            _ => {}
        }
    }
    Value::Object(fields)
}

/// The fields of all types: the type may stay as it is.
fn action_patch(action: &Map<String, Value>) -> Value {
    let forms = action.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let types: Vec<Value> = forms.iter().map(|form| form["properties"]["type"]["const"].clone()).collect();
    let field = |name: &str| {
        let found = forms.iter().find_map(|form| form["properties"].get(name));
        or_null(found.cloned().unwrap_or(Value::Null))
    };
    json!({
        "description": "What is done with a click: the fields of its type; another type begins anew",
        "type": "object", "additionalProperties": false,
        "properties": {
            "type": { "type": "string", "enum": types },
            "code": {
                "description": "The status of a redirect or of a bare status",
                "type": ["integer", "null"], "minimum": 200, "maximum": 599,
            },
            "body": field("body"),
            "campaign": field("campaign"),
        },
    })
}

/// One as it is shown.
pub(super) fn shown(schemas: &mut Schemas, kind: Kind) -> Value {
    schemas.named(&name(kind), true, |schemas| {
        let mut schema = spec_of(schemas, kind, false);
        let moment = schemas.shown::<tfx_domain::schema::Moment>();
        let labels = schemas.shown::<Labels>();
        let fields = properties(&mut schema);
        fields.remove("postback_signing_key");
        for secret in ["former_secret", "signing_key", "former_signing_key"] {
            fields.remove(secret);
        }
        let mut add = |name: &str, about: &str, mut one: Value| {
            one["description"] = about.into();
            fields.insert(name.to_owned(), one);
        };
        let id = json!({ "type": "string", "pattern": format!("^{}_[0-9a-z]{{19}}$", kind.prefix()) });
        add("id", "Never changes", id);
        let version = json!({ "type": "integer", "minimum": 1 });
        add("version", "1 when it was made, one more with every change; what `If-Match` compares", version);
        add("created_at", "When it was made", moment.clone());
        add("updated_at", "When it was last changed", moment.clone());
        add("labels", "The slugs of what it names, by id", labels);
        let why = "Why this program, of an older version, cannot read it; then fields may be missing";
        add("unreadable", why, json!({ "type": "string" }));
        let flag = || json!({ "type": "boolean" });
        let texts = json!({ "type": "array", "items": { "type": "string" } });
        match kind {
            Kind::Network => {
                add("has_postback_secret", "Whether postbacks must carry a secret", flag());
                add("former_secret_until", "Until when the secret before that works too", moment.clone());
                add("has_signing_key", "Whether it signs its postbacks", flag());
                add("former_signing_key_until", "Until when the signing key before that works too", moment);
                let secret = json!({ "type": "string" });
                add("postback_secret", "Only in the answer that made it: what postbacks must carry", secret);
            }
            Kind::Source => add("has_postback_signing_key", "Whether what it is told is signed", flag()),
            Kind::Campaign => {
                let count = json!({ "type": "integer", "minimum": 0 });
                add("active_streams", "In lists: how many of its streams are active", count);
            }
            Kind::Stream => add("warnings", "What will not work as it is, in sentences", texts),
            Kind::Alert => {
                let now = schemas.shown::<tfx_api::alerts::AlertSummary>();
                add("now", "How it stands", now);
                add("warnings", "What will not work as it is, in sentences", texts);
            }
            Kind::Destination | Kind::Template => {}
        }
        let required = schema.get_mut("required").and_then(Value::as_array_mut).expect("some is required");
        required.extend(["id", "version", "created_at", "updated_at"].map(Value::from));
        schema.remove("additionalProperties");
        Value::Object(schema)
    })
}

/// A page of them.
pub(super) fn listed(schemas: &mut Schemas, kind: Kind) -> Value {
    schemas.named(&format!("PageOf{}", name(kind)), true, |schemas| {
        let item = shown(schemas, kind);
        let labels = schemas.shown::<Labels>();
        json!({
            "description": format!("A page of {}", kind.plural()), "type": "object", "required": ["items"],
            "properties": {
                "items": { "description": "The oldest first", "type": "array", "items": item },
                "next": { "description": "The `cursor` of the next page; absent on the last", "type": "string" },
                "left_out": {
                    "description": "Why some that belong here cannot be read", "type": "array",
                    "items": { "type": "string" },
                },
                "labels": labels,
            },
        })
    })
}
