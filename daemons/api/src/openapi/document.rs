//! The document, made of the table of operations and of the types, and the test that holds the committed one to it.

use super::{
    common,
    operation::Operation,
    sample,
    schemas::{Schemas, settle},
    table::{self, TAGS},
};
use crate::access::routes::{self, Needs};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tfx_api::{BASE, error::ProblemDocument};
use tfx_domain::access::Scope;

/// The media type of problems.
const PROBLEM: &str = "application/problem+json";

const ABOUT: &str = "Configuration, reports and operations of TraffoFlex. `docs/api.md` tells the rules that hold everywhere: \
                     references by id or slug, pages, conditions, money by scope. Everything that is refused is a problem \
                     document (RFC 9457): `code` is a stable word for programs, `problems` names everything that is wrong \
                     with an input, each with its path. A head that is too large for any route is 431 without a body.";

/// The document as it is committed.
fn made() -> String {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut responses = Responses::default();
    // What queries name and nothing else may.
    schemas.shown::<(tfx_domain::schema::Moment, tfx_domain::id::ClickId)>();
    for operation in table::all() {
        let made = described(&operation, &mut schemas, &mut responses);
        let method = operation.method.as_str().to_ascii_lowercase();
        paths.entry(format!("{BASE}{}", operation.path)).or_default().insert(method, made);
    }
    let (all, differ) = schemas.all();
    let mut paths = json!(paths);
    settle(&mut paths, &differ);
    with_examples(&mut paths, &all);
    let scopes: Vec<String> =
        Scope::ALL.iter().map(|s| format!("- `{}`: {}", s.as_str(), s.about())).collect();
    let bearer = format!(
        "The administrator's token, an API token or the token of a session. What it may do is a set of scopes:\n\n{}",
        scopes.join("\n")
    );
    let tags: Vec<Value> =
        TAGS.iter().map(|(name, about)| json!({ "name": name, "description": about })).collect();
    let schemas = used(all, &json!([paths, responses.0]));
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "TraffoFlex", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "api-service itself" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "headers": common::named_headers(),
            "responses": responses.0,
            "schemas": schemas,
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "description": bearer } },
        },
    });
    let mut text = String::new();
    write(&document, 0, &mut text);
    text + "\n"
}

/// A line for each member of what is not deep, so that changes are read and it is no longer than it needs to be.
fn write(value: &Value, depth: usize, out: &mut String) {
    const DEEP: usize = 6;
    let Value::Object(fields) = value else {
        out.push_str(&value.to_string());
        return;
    };
    if depth >= DEEP || fields.is_empty() {
        out.push_str(&value.to_string());
        return;
    }
    for (n, (name, value)) in fields.iter().enumerate() {
        out.push_str(if n == 0 { "{\n" } else { ",\n" });
        out.push_str(&" ".repeat(depth + 1));
        out.push_str(&format!("{}: ", Value::from(name.as_str())));
        write(value, depth + 1, out);
    }
    out.push('\n');
    out.push_str(&" ".repeat(depth));
    out.push('}');
}

/// What a route needs.
fn needs(operation: &Operation) -> &'static Needs {
    let path = format!("{BASE}{}", operation.path);
    let found = routes::all().find(|(known, method, _)| *known == path && **method == operation.method);
    found.unwrap_or_else(|| panic!("{} {path} is no route", operation.method)).2
}

fn described(operation: &Operation, schemas: &mut Schemas, responses: &mut Responses) -> Value {
    let (open, scopes): (bool, &[Scope]) = match needs(operation) {
        Needs::Nothing => (true, &[]),
        Needs::Login => (false, &[]),
        Needs::Scopes(scopes) => (false, scopes),
    };
    let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let mut about = operation.more.clone();
    if !words.is_empty() {
        let list: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        about = format!("{about} Needs {}.", list.join(", "));
    }
    let mut made = json!({
        "operationId": operation.id, "summary": operation.summary, "tags": [operation.tag],
        "security": if open { json!([]) } else { json!([{ "bearer": words }]) },
        "responses": answers(operation, schemas, responses, open, !scopes.is_empty()),
    });
    if !about.trim().is_empty() {
        made["description"] = about.trim().into();
    }
    let mut parameters = common::parameters(operation);
    parameters.extend(operation.parameters.iter().cloned());
    if !parameters.is_empty() {
        made["parameters"] = parameters.into();
    }
    if let Some(body) = &operation.body {
        let content = json!({ "schema": (body.schema)(schemas), "example": body.example });
        made["requestBody"] = json!({ "required": true, "content": { body.media_type: content } });
    }
    made
}

fn answers(
    operation: &Operation,
    schemas: &mut Schemas,
    responses: &mut Responses,
    open: bool,
    scopes: bool,
) -> Value {
    let mut all: BTreeMap<u16, Value> = BTreeMap::new();
    for answer in &operation.answers {
        let mut headers = common::headers_with(answer.status, &answer.headers);
        if operation.creates {
            headers.insert("Idempotent-Replayed".to_owned(), common::replayed());
        }
        let content = json!({ "application/json": { "schema": (answer.schema)(schemas) } });
        let made = json!({ "description": answer.about, "headers": headers, "content": content });
        all.insert(answer.status.as_u16(), made);
    }
    let mut problems: BTreeMap<StatusCode, Vec<(&str, String)>> = BTreeMap::new();
    let common = common::problems(operation, open, scopes);
    for (status, code, when) in operation.problems.iter().cloned().chain(common) {
        let told = problems.entry(status).or_default();
        if !told.iter().any(|(known, text)| *known == code && *text == when) {
            told.push((code, when));
        }
    }
    let problem = schemas.shown::<ProblemDocument>();
    for (status, told) in problems {
        let about: Vec<String> = told.iter().map(|(code, when)| format!("`{code}`: {when}")).collect();
        let name = responses.named(status, &told, &problem);
        all.insert(status.as_u16(), json!({ "$ref": name, "description": about.join("; ") }));
    }
    json!(all)
}

/// Answers that operations share: one for each status and its codes.
#[derive(Default)]
struct Responses(BTreeMap<String, Value>);

impl Responses {
    fn named(&mut self, status: StatusCode, told: &[(&str, String)], problem: &Value) -> String {
        let mut codes: BTreeMap<&str, &str> = BTreeMap::new();
        for (code, when) in told {
            codes.entry(code).or_insert(when);
        }
        let words: Vec<&str> = codes.keys().copied().collect();
        let name = format!("{}-{}", status.as_u16(), words.join("-"));
        let reference = format!("#/components/responses/{name}");
        self.0.entry(name).or_insert_with(|| {
            let examples: Map<String, Value> = codes
                .iter()
                .map(|(code, when)| ((*code).to_owned(), json!({ "value": example(status, code, when) })))
                .collect();
            json!({
                "description": format!("{}: {}", status.canonical_reason().unwrap_or("Error"), words.join(", ")),
                "headers": common::headers_with(status, &[]),
                "content": { PROBLEM: { "schema": problem, "examples": examples } },
            })
        });
        reference
    }
}

fn example(status: StatusCode, code: &str, when: &str) -> Value {
    let title = status.canonical_reason().unwrap_or("Error");
    let mut made = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": when, "code": code,
    });
    match code {
        "invalid" => {
            made["problems"] = json!([{ "path": "name", "message": "must be 1 to 200 characters without control characters" }]);
        }
        "slug_taken" => made["existing"] = "cmp_01k5e7q000000000000".into(),
        "version_mismatch" => made["current"] = 4.into(),
        "revision_moved" => made["current"] = 14.into(),
        "bulk_refused" => {
            made["problems"] =
                json!([{ "path": "items[0].ref", "message": "no campaign has the slug or id 'sumer'" }]);
            made["items"] = json!([{ "item": 0, "status": 404, "code": "not_found" }]);
        }
        _ => {}
    }
    made
}

/// An example of each answer that is done, made of its schema.
fn with_examples(paths: &mut Value, all: &Map<String, Value>) {
    for methods in paths.as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in methods.as_object_mut().into_iter().flat_map(|methods| methods.values_mut()) {
            for response in operation["responses"].as_object_mut().into_iter().flat_map(|r| r.values_mut()) {
                let content =
                    response.get_mut("content").and_then(|content| content.get_mut("application/json"));
                if let Some(content) = content {
                    content["example"] = sample::of(&content["schema"], all);
                }
            }
        }
    }
}

/// Those schemas that something in the document names.
fn used(all: Map<String, Value>, paths: &Value) -> Map<String, Value> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut open = vec![paths.clone()];
    while let Some(mut value) = open.pop() {
        super::schemas::each_ref(&mut value, &mut |reference| {
            let Some(name) = reference.strip_prefix(super::schemas::PLACE) else { return };
            if names.insert(name.to_owned()) {
                open.push(all.get(name).cloned().unwrap_or_else(|| panic!("{name} is named and not there")));
            }
        });
    }
    all.into_iter().filter(|(name, _)| names.contains(name)).collect()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let told: BTreeSet<String> =
        table::all().iter().map(|o| format!("{} {BASE}{}", o.method, o.path)).collect();
    let there: BTreeSet<String> = routes::all().map(|(path, method, _)| format!("{method} {path}")).collect();
    assert_eq!(told, there, "the table of operations has the routes of access/routes.rs");
    let ids: BTreeSet<String> = table::all().into_iter().map(|o| o.id).collect();
    assert_eq!(ids.len(), told.len(), "each has an id of its own");
}

#[test]
fn every_operation_says_what_it_does_takes_and_answers() {
    for operation in table::all() {
        let at = format!("{} {}", operation.method, operation.path);
        assert!(!operation.answers.is_empty(), "{at} answers");
        assert!(operation.summary.starts_with(char::is_uppercase), "{at}: {}", operation.summary);
        assert!(!operation.summary.ends_with('.'), "{at}: {}", operation.summary);
        let known = TAGS.iter().any(|(tag, _)| *tag == operation.tag);
        assert!(known, "{at}: {}", operation.tag);
        assert!(operation.answers.iter().all(|answer| !answer.about.is_empty()), "{at}");
    }
}

#[test]
fn the_committed_description_is_what_the_code_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let made = made();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, made).expect("write");
        return;
    }
    let committed = super::DOCUMENT;
    let differs = committed.lines().zip(made.lines()).find(|(is, should)| is != should);
    assert!(
        committed == made,
        "docs/openapi.json differs from what the code makes, first here: {differs:#?}; renew it with: \
         UPDATE=1 cargo test -p tfx-api-service openapi"
    );
}
