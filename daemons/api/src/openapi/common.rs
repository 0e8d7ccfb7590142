//! What is common to operations: parameters, headers and problems that the whole API has.

use super::operation::Operation;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

/// The most that a version may be in `If-Match`: 19 digits.
const VERSION: &str = r#"^(\*|(W/)?"?[0-9]{1,19}"?)$"#;

/// The most that every client reads as a whole number.
pub(super) const MOST_REVISIONS: u64 = (1 << 53) - 1;

/// Parameters beside those that the table says.
pub(super) fn parameters(operation: &Operation) -> Vec<Value> {
    let mut all = Vec::new();
    let names = operation.path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    for name in names {
        let about = match name {
            "ref" => {
                "Its id or what it is called; streams and templates go by their parent, `summer%2Fmain`, or by their id"
            }
            "n" => "Its number",
            _ => "Its id",
        };
        let schema = match name {
            "n" => json!({ "type": "integer", "minimum": 0, "maximum": MOST_REVISIONS }),
            _ => json!({ "type": "string", "minLength": 1 }),
        };
        let mut parameter = json!({
            "name": name, "in": "path", "required": true, "description": about,
            "schema": schema,
        });
        if let Some(example) = called(&operation.path).filter(|_| name == "ref") {
            parameter["example"] = example.into();
        }
        all.push(parameter);
    }
    if operation.conditional {
        all.push(json!({
            "name": "If-Match", "in": "header", "example": "\"3\"",
            "description": "Only at this version, the `ETag` of an answer; `*` and none: at any",
            "schema": { "type": "string", "pattern": VERSION },
        }));
    }
    if operation.creates {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "example": "0b9c3b0e-6a51-4a4e-9d5e-6f1f3f1f8c11",
            "description": "A text that no other request has: sent again within 24 hours, what was made then is answered",
            "schema": { "type": "string", "pattern": "^[!-~]{1,200}$" },
        }));
    }
    all
}

/// What the examples of entities are called.
fn called(path: &str) -> Option<&'static str> {
    Some(match path.split('/').nth(1)? {
        "campaigns" => "summer",
        "streams" => "summer/main",
        "destinations" => "offer",
        "sources" => "push",
        "networks" => "adnet",
        "templates" => "adnet/default",
        "tokens" => "ci",
        "users" => "anna@example.com",
        _ => return None,
    })
}

/// Headers that several answers have, by name.
pub(super) fn named_headers() -> Value {
    let text = |about: &str, example: &str| json!({ "description": about, "required": true, "schema": { "type": "string" }, "example": example });
    let maybe = |about: &str, example: &str| json!({ "description": about, "schema": { "type": "string" }, "example": example });
    let request_id = "How the logs name the request: as it named itself, else anew";
    json!({
        "X-Request-Id": text(request_id, "01K5E7Q0000000000000000000"),
        "RateLimit": maybe("What is left of each limit, and for how many seconds", "\"requests\";r=11999;t=60, \"writes\";r=6000;t=60"),
        "RateLimit-Policy": maybe("How many a minute (draft-ietf-httpapi-ratelimit-headers-10)", "\"requests\";q=12000;w=60, \"writes\";q=6000;w=60"),
        "WWW-Authenticate": text("How to show a token", "Bearer"),
        "Retry-After": {
            "description": "In how many seconds to try again", "required": true,
            "schema": { "type": "integer", "minimum": 1 }, "example": 2,
        },
    })
}

/// Those of an answer with this status.
fn headers(status: StatusCode) -> Map<String, Value> {
    let mut names = vec!["X-Request-Id"];
    if status == StatusCode::UNAUTHORIZED {
        names.push("WWW-Authenticate");
    } else {
        names.extend(["RateLimit", "RateLimit-Policy"]);
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        names.push("Retry-After");
    }
    let named = |name: &str| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    let mut all: Map<String, Value> = names.into_iter().map(named).collect();
    if status == StatusCode::CONFLICT {
        let about = "With `idempotency_key_in_use`: in how many seconds to try again";
        let header =
            json!({ "description": about, "schema": { "type": "integer", "minimum": 1 }, "example": 1 });
        all.insert("Retry-After".to_owned(), header);
    }
    all
}

/// On what was made by the same request before.
pub(super) fn replayed() -> Value {
    let about = "`true`: this was made before, by a request with the same `Idempotency-Key`";
    json!({ "description": about, "schema": { "const": "true" }, "example": "true" })
}

/// Headers of an answer: those of all and its own.
pub(super) fn headers_with(
    status: StatusCode,
    own: &[(&'static str, &'static str, &'static str)],
) -> Map<String, Value> {
    let mut all = headers(status);
    for (name, about, example) in own {
        let header = json!({ "description": about, "required": true, "schema": { "type": "string" }, "example": example });
        all.insert((*name).to_owned(), header);
    }
    all
}

/// Status, code and when of what may be refused, beside what the table says; `scopes`: what the route needs.
pub(super) fn problems(
    operation: &Operation,
    open: bool,
    scopes: bool,
) -> Vec<(StatusCode, &'static str, String)> {
    let mut all = Vec::new();
    let mut add = |status, code, when: &str| all.push((status, code, when.to_owned()));
    if !open {
        add(StatusCode::UNAUTHORIZED, "unauthorized", "there is no token, or none that opens anything");
        add(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", "this address had no right token too often");
        add(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "this token asks more often in a minute than it may",
        );
    }
    if scopes {
        add(StatusCode::FORBIDDEN, "forbidden", "the token lacks a scope that this needs, which it names");
    }
    if operation.path.contains('{') {
        add(StatusCode::BAD_REQUEST, "malformed_path", "a part of the path is no text in UTF-8");
    }
    let too_large =
        "the body is larger than `HTTP_MAX_BODY_BYTES`, or than 4 KiB where no token is asked for";
    add(StatusCode::PAYLOAD_TOO_LARGE, "too_large", too_large);
    if operation.method != Method::GET && operation.body.is_some() {
        add(StatusCode::BAD_REQUEST, "malformed_json", "the body is not JSON, or says a field twice");
        add(StatusCode::BAD_REQUEST, "body", "the body broke off");
        add(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "the body is not said to be JSON");
        add(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body did not arrive in time");
    }
    let wrong = "something in the body or the query is wrong; `problems` says where and what is allowed";
    add(StatusCode::UNPROCESSABLE_ENTITY, "invalid", wrong);
    if operation.creates {
        let (used, busy) =
            ("the key was given to another request before", "a request with this key is under way");
        add(StatusCode::BAD_REQUEST, "bad_idempotency_key", "`Idempotency-Key` is no text that it may be");
        add(StatusCode::CONFLICT, "idempotency_key_in_use", busy);
        add(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", used);
    }
    if operation.conditional {
        add(StatusCode::BAD_REQUEST, "bad_if_match", "`If-Match` is no version");
        let moved = "it is at another version than `If-Match` says; `current` is which";
        add(StatusCode::PRECONDITION_FAILED, "version_mismatch", moved);
    }
    if operation.path != "/openapi.json" {
        add(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something is wrong here; the log says what");
        add(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "a store does not answer");
        add(StatusCode::GATEWAY_TIMEOUT, "timeout", "it took longer than `HTTP_REQUEST_TIMEOUT_MS`");
    }
    all
}
