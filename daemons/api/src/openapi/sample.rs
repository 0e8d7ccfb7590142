//! An example of what a schema describes: what the schema itself gives as one, else the plainest value of its type.

use super::schemas::PLACE;
use serde_json::{Map, Value, json};

/// How deep an example goes: what is within that and need not be there is left out.
const DEEP: usize = 6;

/// An example of a schema of the document.
pub(super) fn of(schema: &Value, all: &Map<String, Value>) -> Value {
    sample(schema, all, 0)
}

fn sample(schema: &Value, all: &Map<String, Value>, depth: usize) -> Value {
    let Value::Object(fields) = schema else { return Value::Null };
    if let Some(example) = fields.get("examples").and_then(|e| e.get(0)) {
        return example.clone();
    }
    for word in ["const", "example", "default"] {
        if let Some(value) = fields.get(word) {
            return value.clone();
        }
    }
    if let Some(first) = fields.get("enum").and_then(|e| e.get(0)) {
        return first.clone();
    }
    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
        let inner = reference.strip_prefix(PLACE).and_then(|name| all.get(name));
        return inner.map_or(Value::Null, |inner| sample(inner, all, depth));
    }
    for forms in ["oneOf", "anyOf"] {
        if let Some(first) = fields.get(forms).and_then(|f| f.get(0))
            && !fields.contains_key("properties")
        {
            return sample(first, all, depth);
        }
    }
    let kind = match fields.get("type") {
        Some(Value::Array(types)) => types.first().and_then(Value::as_str),
        Some(Value::String(one)) => Some(one.as_str()),
        _ => None,
    };
    match kind {
        Some("object") => object(fields, all, depth),
        Some("array") => {
            if let Some(Value::Array(places)) = fields.get("prefixItems") {
                return places.iter().map(|place| sample(place, all, depth + 1)).collect();
            }
            if depth >= DEEP {
                return json!([]);
            }
            fields.get("items").map_or(json!([]), |item| json!([sample(item, all, depth + 1)]))
        }
        Some("string") => text(fields),
        Some("integer") => {
            fields.get("minimum").filter(|m| m.as_i64().is_some_and(|m| m > 0)).cloned().unwrap_or(json!(0))
        }
        Some("number") => json!(0.5),
        Some("boolean") => json!(false),
        _ => json!({}),
    }
}

fn object(fields: &Map<String, Value>, all: &Map<String, Value>, depth: usize) -> Value {
    let required: Vec<&str> = fields
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut out = Map::new();
    for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
        // What tells of trouble is no part of a plain answer.
        let plain =
            !matches!(name.as_str(), "left_out" | "unreadable" | "error" | "problem" | "warnings" | "next");
        if required.contains(&name.as_str()) || (depth < DEEP && plain) {
            out.insert(name.clone(), sample(property, all, depth + 1));
        }
    }
    Value::Object(out)
}

/// A text of a pattern that gives no example: an id, or a word.
fn text(fields: &Map<String, Value>) -> Value {
    match fields.get("pattern").and_then(Value::as_str) {
        Some(pattern) if pattern.contains("_[0-9a-z]{19}$") => {
            json!(format!("{}_01k5e7q000000000000", pattern.get(1..4).unwrap_or_default()))
        }
        Some("^[0-9A-Fa-f]{32}$") => json!("0123456789abcdef0123456789abcdef"),
        Some("^[!-~]{8,200}$") => json!("0123456789abcdef"),
        _ => json!("text"),
    }
}
