//! The schemas of the document: what is taken and what is shown, of the code's own types.

use super::tidied;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where schemas stand in the document.
pub(super) const PLACE: &str = "#/components/schemas/";

/// Both generators: a type may be taken in another form than it is shown in.
pub(super) struct Schemas {
    taken: SchemaGenerator,
    shown: SchemaGenerator,
    /// Those that are made of others, and whether they are shown.
    own: BTreeMap<String, (Value, bool)>,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|s| {
                s.meta_schema = None;
                "/components/schemas".clone_into(s.definitions_path.to_mut());
            })
        };
        let (taken, shown) =
            (settings().for_deserialize().into_generator(), settings().for_serialize().into_generator());
        Self { taken, shown, own: BTreeMap::new() }
    }

    /// What is taken of a type.
    pub(super) fn taken<T: JsonSchema>(&mut self) -> Value {
        let mut schema = self.taken.subschema_for::<T>().to_value();
        to_taken(&mut schema);
        schema
    }

    /// What is shown of a type.
    pub(super) fn shown<T: JsonSchema>(&mut self) -> Value {
        self.shown.subschema_for::<T>().to_value()
    }

    /// A schema of our own, under its name; `shown`: whether it is one of answers.
    pub(super) fn named(&mut self, name: &str, shown: bool, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.own.contains_key(name) {
            self.own.insert(name.to_owned(), (Value::Null, shown));
            let made = make(self);
            self.own.insert(name.to_owned(), (made, shown));
        }
        json!({ "$ref": format!("{PLACE}{name}") })
    }

    /// What is taken, by its name in the code.
    pub(super) fn taken_by_name(&self, name: &str) -> Option<Value> {
        self.taken.definitions().get(name).cloned()
    }

    /// What is shown, by its name in the code.
    pub(super) fn shown_by_name(&self, name: &str) -> Option<Value> {
        self.shown.definitions().get(name).cloned()
    }

    /// One of our own.
    pub(super) fn own_by_name(&self, name: &str) -> Option<Value> {
        self.own.get(name).map(|(schema, _)| schema.clone())
    }

    /// All of them. What is taken in another form than it is shown in is called by its name and `Input`; what names such a
    /// one, too.
    pub(super) fn all(mut self) -> (Map<String, Value>, BTreeSet<String>) {
        let mut shown = self.shown.take_definitions(true);
        let mut taken = self.taken.take_definitions(true);
        shown.values_mut().for_each(tidied::shown);
        taken.values_mut().for_each(tidied::taken);
        let mut differ: BTreeSet<String> = taken
            .iter()
            .filter(|(name, schema)| shown.get(*name).is_some_and(|other| other != *schema))
            .map(|(name, _)| name.clone())
            .collect();
        loop {
            let more: BTreeSet<String> = taken
                .iter()
                .filter(|(name, schema)| {
                    !differ.contains(*name) && shown.contains_key(*name) && names_one(schema, &differ)
                })
                .map(|(name, _)| name.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            differ.extend(more);
        }
        let mut all = shown;
        for (name, mut schema) in taken {
            rename(&mut schema, &differ);
            let name = if differ.contains(&name) { format!("{name}Input") } else { name };
            all.insert(name, schema);
        }
        for (name, (mut schema, is_shown)) in self.own {
            settle(&mut schema, &differ);
            if is_shown {
                tidied::shown(&mut schema);
            } else {
                tidied::taken(&mut schema);
            }
            all.insert(name, schema);
        }
        (all, differ)
    }
}

/// Marks references to what is taken until it is known how it is called: see [`settle`].
const TAKEN: &str = "#taken/";

/// References of a schema to what is taken, marked.
pub(super) fn to_taken(schema: &mut Value) {
    each_ref(schema, &mut |reference| {
        if let Some(name) = reference.strip_prefix(PLACE) {
            *reference = format!("{TAKEN}{name}");
        }
    });
}

/// Marked references as they are called in the end.
pub(super) fn settle(schema: &mut Value, differ: &BTreeSet<String>) {
    each_ref(schema, &mut |reference| {
        if let Some(name) = reference.strip_prefix(TAKEN) {
            let input = if differ.contains(name) { "Input" } else { "" };
            *reference = format!("{PLACE}{name}{input}");
        }
    });
}

fn rename(schema: &mut Value, differ: &BTreeSet<String>) {
    to_taken(schema);
    settle(schema, differ);
}

fn names_one(schema: &Value, differ: &BTreeSet<String>) -> bool {
    let mut found = false;
    each_ref(&mut schema.clone(), &mut |reference| {
        found |= reference.strip_prefix(PLACE).is_some_and(|name| differ.contains(name));
    });
    found
}

/// Every reference within a schema.
pub(super) fn each_ref(value: &mut Value, see: &mut impl FnMut(&mut String)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_ref(item, see)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "$ref" => see(text),
                    value => each_ref(value, see),
                }
            }
        }
        _ => {}
    }
}
