//! `tfx schema`: what a file of configuration may hold, as JSON Schema for editors. It is the description of the API
//! (`docs/openapi.json`, made of the code's own types), in the form that files have.

use crate::{context::Context, exit::Failure, input};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tfx_api::{
    entities::SHOWN_ONLY,
    sets::{ConfigSet, RENAMED_FROM},
};
use tfx_domain::{entity::Kind, source_postback::mask};

/// Print the JSON Schema of files of configuration, for editors.
#[derive(Debug, Args)]
#[command(after_help = "In a file, for editors with the YAML language server:\n  \
    # yaml-language-server: $schema=../.schemas/campaign.json\n\n\
    Examples:\n  \
    tfx schema campaign > .schemas/campaign.json\n  \
    tfx schema > set.json")]
pub(crate) struct Schema {
    /// Of files of this kind; not said: of a whole set, as PUT /config/set takes it.
    #[arg(value_name = "KIND", value_parser = PossibleValuesParser::new(ConfigSet::SECTIONS.map(Kind::noun)))]
    kind: Option<String>,
}

/// Where schemas stand in the description, and in what is printed.
const FROM: &str = "#/components/schemas/";
const TO: &str = "#/definitions/";
/// A text with a variable may stand for anything.
const VARIABLE: &str = "Variable";
/// Where a secret is.
const PLACE: &str = "PlaceOfSecret";
/// Fields that say nothing in a file: the place of an entity says it.
const OF_PLACE: [&str; 5] = ["position", "former_secret", "former_signing_key", "campaign", "network"];

impl Schema {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let description: Value =
            serde_json::from_str(tfx_api_service::DESCRIPTION).map_err(Failure::failed)?;
        let all = description["components"]["schemas"].as_object().cloned().unwrap_or_default();
        let named = self.kind.and_then(|noun| Kind::ALL.into_iter().find(|kind| kind.noun() == noun));
        let schema = of(&all, named);
        context.out.lines([serde_json::to_string_pretty(&schema).map_err(Failure::failed)?])
    }
}

/// The schema of files of a kind, or of a whole set.
fn of(all: &Map<String, Value>, kind: Option<Kind>) -> Value {
    let mut made = Made { all, definitions: Map::new(), left: BTreeSet::new() };
    made.definitions.insert(VARIABLE.to_owned(), json!({
        "description": "A variable that traffoflex.yaml declares", "type": "string", "pattern": "\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}",
    }));
    made.definitions.insert(
        PLACE.to_owned(),
        json!({
            "description": "Where the secret is: a variable of the environment, or a file", "type": "string",
            "pattern": "^(env|file):.+$", "examples": ["env:NAME", "file:/run/secrets/name"],
        }),
    );
    let mut schema = match kind {
        Some(kind) => made.entity(kind),
        None => {
            let sections = ConfigSet::SECTIONS.map(|kind| {
                let entity = made.entity(kind);
                (kind.plural().to_owned(), json!({ "type": "array", "items": entity }))
            });
            let sections: Map<String, Value> = sections.into_iter().collect();
            json!({ "type": "object", "additionalProperties": false, "properties": sections })
        }
    };
    while let Some(name) = made.left.pop_first() {
        let mut schema = made.all.get(&name).cloned().unwrap_or(json!({}));
        made.for_files(&mut schema, "");
        made.definitions.insert(name, schema);
    }
    let title = kind.map_or("A configuration".to_owned(), |kind| format!("A file of a {kind}"));
    if let Value::Object(fields) = &mut schema {
        fields.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
        fields.insert("title".to_owned(), title.into());
        fields.insert("definitions".to_owned(), Value::Object(made.definitions));
    }
    schema
}

struct Made<'a> {
    all: &'a Map<String, Value>,
    definitions: Map<String, Value>,
    /// Schemas that are named, and not made yet.
    left: BTreeSet<String>,
}

impl Made<'_> {
    /// An entity in a file, with what stands inside it.
    fn entity(&mut self, kind: Kind) -> Value {
        let noun = kind.noun();
        let name = format!("New{}{}", noun[..1].to_uppercase(), &noun[1..]);
        let mut schema = self.all.get(&name).cloned().unwrap_or(json!({}));
        let Value::Object(fields) = &mut schema else { return schema };
        for rule in ["if", "then", "description"] {
            fields.remove(rule);
        }
        fields.insert("required".to_owned(), json!(["slug"]));
        if let Some(Value::Object(properties)) = fields.get_mut("properties") {
            let parent = kind.parent().map_or("", Kind::noun);
            properties.retain(|name, _| {
                !SHOWN_ONLY.contains(&name.as_str())
                    && (!OF_PLACE.contains(&name.as_str()) || is_reference(kind, name, parent))
            });
            let renamed = "The slug that it had before: it is renamed, and what it was goes on";
            properties.insert(
                RENAMED_FROM.to_owned(),
                json!({ "$ref": format!("{FROM}Slug"), "description": renamed }),
            );
        }
        self.for_files(&mut schema, "");
        if let (Some(inside), Some(Value::Object(properties))) =
            (ConfigSet::inside(kind), schema.get_mut("properties"))
        {
            let entity = self.entity(inside);
            let about = if inside == Kind::Stream {
                "Its streams, in the order in which they decide"
            } else {
                "Its templates"
            };
            properties.insert(
                inside.plural().to_owned(),
                json!({ "description": about, "type": "array", "items": entity }),
            );
        }
        schema
    }

    /// A schema of the API in the form that files have: with variables, places of secrets and numbers where money is a text.
    fn for_files(&mut self, schema: &mut Value, name: &str) {
        match schema {
            Value::Array(items) => items.iter_mut().for_each(|item| self.for_files(item, name)),
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get_mut("$ref")
                    && let Some(named) = reference.strip_prefix(FROM)
                {
                    if !self.definitions.contains_key(named) {
                        self.left.insert(named.to_owned());
                    }
                    *reference = format!("{TO}{named}");
                }
                if fields.get("required").is_some_and(Value::is_null) {
                    fields.remove("required");
                }
                if let Some(Value::String(about)) = fields.get_mut("description") {
                    *about = about.replace(": its id or slug", ": its slug");
                }
                if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                    for (name, property) in properties.iter_mut() {
                        self.for_files(property, name);
                        in_lists(property, name);
                    }
                    for secret in secrets(properties) {
                        properties
                            .insert(format!("{secret}_from"), json!({ "$ref": format!("{TO}{PLACE}") }));
                    }
                }
                for inner in ["items", "additionalProperties", "anyOf", "oneOf", "patternProperties"] {
                    if let Some(schema) = fields.get_mut(inner) {
                        match schema {
                            Value::Object(of) if inner == "patternProperties" => {
                                of.values_mut().for_each(|schema| self.for_files(schema, name));
                            }
                            schema => self.for_files(schema, name),
                        }
                    }
                }
                let is_text =
                    |fields: &Map<String, Value>| fields.get("type").is_some_and(|t| names(t, &["string"]));
                let is_closed = ["pattern", "enum", "format"].iter().any(|rule| fields.contains_key(*rule));
                let is_number =
                    fields.get("type").is_some_and(|t| names(t, &["integer", "number", "boolean"]));
                let is_money = input::is_decimal(name) && fields.contains_key("$ref");
                if is_number || is_text(fields) && is_closed || is_money {
                    let mut forms = vec![
                        Value::Object(std::mem::take(fields)),
                        json!({ "$ref": format!("{TO}{VARIABLE}") }),
                    ];
                    if is_money {
                        forms.push(json!({ "type": "number" }));
                    }
                    for rule in ["description", "default"] {
                        if let Some(said) = forms[0].as_object_mut().and_then(|form| form.remove(rule)) {
                            fields.insert(rule.to_owned(), said);
                        }
                    }
                    fields.insert("anyOf".to_owned(), Value::Array(forms));
                }
            }
            _ => {}
        }
    }
}

/// Whether a field refers to an entity that is not the one that it stands in.
fn is_reference(kind: Kind, name: &str, parent: &str) -> bool {
    matches!(name, "campaign" | "network") && name != parent && kind != Kind::Stream
}

fn names(types: &Value, wanted: &[&str]) -> bool {
    let is = |t: &Value| t.as_str().is_some_and(|t| wanted.contains(&t));
    is(types) || types.as_array().is_some_and(|all| all.iter().any(is))
}

/// Where a list or a map is of what may be secret, each item may be said to be elsewhere.
fn in_lists(property: &mut Value, name: &str) {
    let place = json!({ "$ref": format!("{TO}{PLACE}") });
    let (inner, elsewhere) = match name {
        "channels" => (
            "items",
            json!({
                "type": "object", "additionalProperties": false, "required": ["from"], "properties": { "from": place },
            }),
        ),
        "postback_urls" => ("additionalProperties", place),
        _ => return,
    };
    let either = |schema: &mut Value| {
        let of = schema.take();
        *schema = json!({ "anyOf": [of, elsewhere] });
    };
    match property.get_mut(inner).filter(|schema| schema.is_object()) {
        Some(schema) => either(schema),
        None => property["patternProperties"]
            .as_object_mut()
            .into_iter()
            .flat_map(Map::values_mut)
            .for_each(either),
    }
}

/// The fields of an object that may be said to be elsewhere.
fn secrets(properties: &Map<String, Value>) -> Vec<String> {
    let may = |name: &&String| {
        mask::SECRETS.contains(&name.as_str())
            || matches!(name.as_str(), "postback_url" | "trafficback_url" | "url")
    };
    properties.keys().filter(may).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(kind: Option<Kind>) -> Value {
        let description: Value = serde_json::from_str(tfx_api_service::DESCRIPTION).expect("JSON");
        of(description["components"]["schemas"].as_object().expect("schemas"), kind)
    }

    #[test]
    fn every_field_of_an_entity_is_described_and_nothing_that_is_only_shown() {
        let campaign = schema(Some(Kind::Campaign));
        for path in ["slug", "name", "renamed_from", "cost", "source", "trafficback_url_from", "streams"] {
            assert!(campaign["properties"][path].is_object(), "{path}");
        }
        let stream = &campaign["properties"]["streams"]["items"];
        for path in ["slug", "filters", "destinations", "weight"] {
            assert!(stream["properties"][path].is_object(), "{path}");
        }
        for gone in ["campaign", "position", "id", "version"] {
            assert!(stream["properties"][gone].is_null(), "{gone}");
        }
        assert!(schema(Some(Kind::Destination))["properties"]["network"].is_object());
        assert!(
            schema(Some(Kind::Network))["properties"]["templates"]["items"]["properties"]["network"]
                .is_null()
        );
        assert!(schema(None)["properties"]["alerts"].is_object());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for kind in ConfigSet::SECTIONS.into_iter().map(Some).chain([None]) {
            let schema = schema(kind);
            let text = schema.to_string();
            assert!(!text.contains("#/components"), "{kind:?}");
            for (_, rest) in text
                .match_indices("#/definitions/")
                .map(|(at, _)| text[at..].split_at("#/definitions/".len()))
            {
                let name = &rest[..rest.find('"').expect("its end")];
                assert!(schema["definitions"][name].is_object(), "{kind:?}: {name}");
            }
        }
    }
}
