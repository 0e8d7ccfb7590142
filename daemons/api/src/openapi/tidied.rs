//! Schemas as people and generators of clients read them best.

use crate::access::money::FIELDS as MONEY;
use serde_json::{Map, Value, json};

/// What is taken.
pub(super) fn taken(schema: &mut Value) {
    each(schema, &mut |fields| {
        words(fields);
        description(fields);
        anything(fields);
        bounds(fields);
        address(fields);
        if fields.get("default").is_some_and(Value::is_null) {
            fields.remove("default");
        }
    });
}

/// What is shown: what may be absent is never null, and money may always be absent.
pub(super) fn shown(schema: &mut Value) {
    each(schema, &mut |fields| {
        words(fields);
        description(fields);
        anything(fields);
        bounds(fields);
        address(fields);
        fields.remove("default");
        if let Some(Value::Array(required)) = fields.get_mut("required") {
            required.retain(|name| !name.as_str().is_some_and(|name| MONEY.contains(&name)));
        }
        let required: Vec<String> = fields
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        if let Some(Value::Object(properties)) = fields.get_mut("properties") {
            for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(name)) {
                not_null(property);
            }
        }
    });
}

/// Anything: `{}`, which generators read where they do not read `true`.
fn anything(fields: &mut Map<String, Value>) {
    for (name, value) in fields.iter_mut() {
        match (name.as_str(), value) {
            ("items" | "additionalProperties", value) if *value == Value::Bool(true) => *value = json!({}),
            ("properties", Value::Object(properties)) => {
                properties.values_mut().filter(|p| **p == Value::Bool(true)).for_each(|p| *p = json!({}));
            }
            _ => {}
        }
    }
}

/// Each schema, inner ones first.
fn each(value: &mut Value, see: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, see)),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if !matches!(name.as_str(), "default" | "example" | "examples" | "enum" | "const") {
                    each(value, see);
                }
            }
            see(fields);
        }
        _ => {}
    }
}

/// `oneOf` of words, each with what it means, as one `enum` that says it.
fn words(fields: &mut Map<String, Value>) {
    let Some(Value::Array(forms)) = fields.get("oneOf") else { return };
    let mut words = Vec::new();
    let mut told = Vec::new();
    for form in forms {
        if let Some(word) = form.get("const").and_then(Value::as_str) {
            words.push(word.to_owned());
            let about = form.get("description").and_then(Value::as_str).unwrap_or_default();
            told.push(format!("`{word}`: {about}"));
        } else if let (Some(Value::Array(more)), 1 | 2) =
            (form.get("enum"), form.as_object().map_or(0, Map::len))
        {
            words.extend(more.iter().filter_map(Value::as_str).map(str::to_owned));
        } else {
            return;
        }
    }
    fields.remove("oneOf");
    let about = fields.get("description").and_then(Value::as_str).unwrap_or_default();
    let about = format!("{about}\n\n{}", told.join("\n\n"));
    fields.insert("description".to_owned(), about.trim().into());
    fields.insert("type".to_owned(), "string".into());
    fields.insert("enum".to_owned(), words.into());
}

/// Without links into the code.
fn description(fields: &mut Map<String, Value>) {
    let Some(Value::String(text)) = fields.get_mut("description") else { return };
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("[`") {
        out.push_str(before);
        match after.split_once("`]") {
            Some((link, tail)) => {
                let name = link.rsplit("::").next().unwrap_or(link);
                out.push_str(&format!("`{name}`"));
                // `[words](path)`: the words alone.
                rest = match tail.strip_prefix('(').and_then(|t| t.split_once(')')) {
                    Some((_, tail)) => tail,
                    None => tail,
                };
            }
            None => {
                out.push_str("[`");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    *text = out;
}

/// An address, by the formats that there are.
fn address(fields: &mut Map<String, Value>) {
    if fields.get("format").is_some_and(|format| format == "ip") {
        fields.remove("format");
        let is_null = fields.get("type").is_some_and(Value::is_array);
        let mut forms = vec![json!({ "format": "ipv4" }), json!({ "format": "ipv6" })];
        if is_null {
            forms.push(json!({ "type": "null" }));
        }
        fields.insert("anyOf".to_owned(), forms.into());
    }
}

/// Whole numbers have an end where their type has one.
fn bounds(fields: &mut Map<String, Value>) {
    let most = match fields.get("format").and_then(Value::as_str) {
        Some("uint8") => json!(u8::MAX),
        Some("uint16") => json!(u16::MAX),
        Some("uint32") => json!(u32::MAX),
        Some("uint" | "uint64") => json!(u64::MAX),
        Some("int32") => {
            fields.entry("minimum").or_insert(json!(i32::MIN));
            json!(i32::MAX)
        }
        Some("int64") => {
            fields.entry("minimum").or_insert(json!(i64::MIN));
            json!(i64::MAX)
        }
        _ => return,
    };
    fields.entry("maximum").or_insert(most);
    if fields["format"] != "int32" && fields["format"] != "int64" {
        // Formats of the code, which others do not know.
        fields.remove("format");
    }
}

/// Without `null`.
pub(super) fn not_null(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|t| t != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            fields.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(forms)) = fields.get_mut("anyOf") {
        forms.retain(|form| form.get("type").is_none_or(|t| t != "null"));
        if let [Value::Object(one)] = forms.as_slice() {
            let one = one.clone();
            fields.remove("anyOf");
            for (name, value) in one {
                fields.entry(name).or_insert(value);
            }
        }
    }
}

/// The same or `null`.
pub(super) fn or_null(schema: Value) -> Value {
    let Value::Object(mut fields) = schema else { return json!({ "anyOf": [schema, { "type": "null" }] }) };
    let is_enum = fields.contains_key("enum");
    match fields.get_mut("type") {
        Some(Value::Array(types)) => {
            if !types.iter().any(|t| t == "null") {
                types.push("null".into());
            }
        }
        Some(Value::String(one)) if !is_enum => {
            let one = std::mem::take(one);
            fields.insert("type".to_owned(), json!([one, "null"]));
        }
        _ => {
            if let Some(Value::Array(forms)) = fields.get_mut("anyOf") {
                if !forms.iter().any(|form| form.get("type").is_some_and(|t| t == "null")) {
                    forms.push(json!({ "type": "null" }));
                }
            } else {
                let about = fields.remove("description");
                let mut both = json!({ "anyOf": [fields, { "type": "null" }] });
                if let Some(about) = about {
                    both["description"] = about;
                }
                return both;
            }
        }
    }
    Value::Object(fields)
}
