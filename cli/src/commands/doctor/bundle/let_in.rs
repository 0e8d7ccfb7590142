//! What may stand in a bundle, by name or by form. What is not let in here stays out: nothing is looked for and taken out of
//! texts, since what nobody thought of would stay.
//!
//! No text of a stranger, of an entity or of an engine comes in; words come in only where they are this program's own.

use crate::commands::logs::{Line, SERVICES};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use tfx_domain::Timestamp;
use tfx_settings::vars::{self, Var};

/// What a finding may be of, as it is.
const SUBJECTS: [&str; 22] = [
    "campaigns",
    "costs",
    "data folder",
    "destinations",
    "disk",
    "engines",
    "event log",
    "event log lag",
    "events",
    "files",
    "geo database",
    "ingestion errors",
    "networks",
    "outbox",
    "postbacks",
    "secrets",
    "settings",
    "snapshot",
    "sources",
    "tfx",
    "topics",
    "topics schema",
];
/// And what is called by one of these and something of its own: that is left out where it is a name that people gave.
const ENTITIES: [&str; 6] = ["campaign", "stream", "destination", "source", "network", "template"];
const ENGINES: [&str; 3] = ["mongo", "clickhouse", "topics"];
/// Fields of a log line that are numbers and say how much or how long.
const FIGURES: [&str; 12] = [
    "status",
    "latency_ms",
    "revision",
    "open",
    "most",
    "max_connections",
    "of_one",
    "of_this_address",
    "in_all",
    "cut",
    "conversions",
    "postbacks",
];
/// Fields that stay out, whose names may be told.
const LEFT_OUT: [&str; 14] = [
    "addr",
    "alert",
    "at",
    "click_id",
    "collection",
    "destination_id",
    "error",
    "failure",
    "file",
    "key",
    "lists",
    "network",
    "reason",
    "setting",
];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The first part of a path, as far as it is one of ours.
const ROUTES: [&str; 7] = ["c", "postback", "api", "healthz", "readyz", "metrics", "internal"];
/// Labels of metrics.
const LABELS: [&str; 8] = ["service", "route", "status", "outcome", "result", "reason", "state", "le"];

/// What a finding is of.
pub(super) fn subject(of: &str) -> String {
    if SUBJECTS.contains(&of) || vars::GROUPS.iter().any(|(_, vars)| vars.iter().any(|v| v.name == of)) {
        return of.to_owned();
    }
    let (first, rest) = of.split_once(' ').unwrap_or((of, ""));
    let plain =
        |word: &str| word.len() <= 20 && word.bytes().all(|b| b.is_ascii_lowercase() || b"-_ ".contains(&b));
    if (SERVICES.contains(&first) || ENGINES.contains(&first)) && plain(rest) {
        return of.to_owned();
    }
    if ENTITIES.contains(&first) { first.to_owned() } else { "something else".to_owned() }
}

/// The value of a setting: a number, true, false, or one of the words that stand in its description. Of another it is
/// only told that it is set.
pub(super) fn setting(var: &Var, value: &str) -> String {
    let value = value.trim();
    let mut allowed = var.unit.split([' ', ',', ';', ':']).chain([var.default]);
    let is_word =
        value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && allowed.any(|word| word == value);
    match value {
        "" => String::new(),
        _ if var.secret => "***".to_owned(),
        _ if value.len() <= 15 && value.bytes().all(|b| b.is_ascii_digit()) || is_word => value.to_owned(),
        _ if value == var.default => "(default)".to_owned(),
        _ => "(set)".to_owned(),
    }
}

/// A version such as `26.1.2.33` or `0.1.0-rc1`.
pub(super) fn version(text: &str) -> Option<String> {
    let form = text.len() <= 24
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b))
        && text.contains('.');
    form.then(|| text.to_owned())
}

/// A word of the services, such as the name or the state of what one depends on.
pub(super) fn word(text: &str) -> Option<&str> {
    let form =
        (1..=24).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b"_-".contains(&b));
    form.then_some(text)
}

/// A line of `/metrics`: one of ours, with labels of few and fixed values.
pub(super) fn metric(line: &str) -> bool {
    let Some((series, value)) = line.rsplit_once(' ') else { return false };
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')),
        None => (series, Some("")),
    };
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b))
    };
    let label = |pair: &str| {
        pair.split_once('=').is_some_and(|(name, value)| {
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            LABELS.contains(&name)
                && value.is_some_and(|v| match name {
                    "le" => v == "+Inf" || v.parse::<f64>().is_ok(),
                    _ => v.len() <= 16 && word(v),
                })
        })
    };
    name.starts_with("tfx_")
        && word(name)
        && value.parse::<f64>().is_ok()
        && labels.is_some_and(|all| all.is_empty() || all.split(',').all(label))
}

/// Requests by the order in which they come: their ids may be a stranger's words.
#[derive(Default)]
pub(super) struct Requests(HashMap<String, usize>);

/// A log line; none: it is no line of a service.
pub(super) fn log_line(line: &Line, requests: &mut Requests) -> Option<Value> {
    let fields = line.fields()?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut kept = Map::new();
    let at: Timestamp = text("timestamp").parse().ok()?;
    kept.insert("timestamp".to_owned(), json!(at));
    let level =
        ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].into_iter().find(|level| *level == text("level"))?;
    kept.insert("level".to_owned(), json!(level));
    let ours = text("target").strip_prefix("tfx").is_some_and(|rest| {
        rest.len() <= 60 && rest.bytes().all(|b| b.is_ascii_lowercase() || b"_:".contains(&b))
    });
    if ours {
        kept.insert("target".to_owned(), json!(text("target")));
        kept.extend(message(text("message")).map(|m| ("message".to_owned(), json!(m))));
    }
    if let Some(id) = &line.request_id {
        let next = requests.0.len() + 1;
        let number = *requests.0.entry(id.clone()).or_insert(next);
        kept.insert("request".to_owned(), json!(number));
    }
    if let Some(method) = METHODS.into_iter().find(|method| *method == text("method")) {
        kept.insert("method".to_owned(), json!(method));
    }
    if let Some(path) = fields.get("path").and_then(Value::as_str) {
        let first = path.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
        let route = ROUTES.into_iter().find(|route| *route == first).unwrap_or("other");
        kept.insert("route".to_owned(), json!(route));
    }
    kept.extend(
        FIGURES.iter().filter_map(|name| {
            Some(((*name).to_owned(), fields.get(*name).filter(|v| v.is_number())?.clone()))
        }),
    );
    // Who helps may ask for one of them by its name.
    let known = ["timestamp", "level", "service", "target", "message", "request_id", "method", "path"];
    let out: Vec<&str> = fields
        .keys()
        .map(String::as_str)
        .filter(|name| !known.contains(name) && !FIGURES.contains(name))
        .map(|name| LEFT_OUT.into_iter().find(|known| *known == name).unwrap_or("other"))
        .collect();
    if !out.is_empty() {
        kept.insert("left_out".to_owned(), json!(out));
    }
    Some(Value::Object(kept))
}

/// The message of a line of ours is a fixed text, or nearly so: words, and short numbers.
fn message(text: &str) -> Option<&str> {
    let plain = |word: &str| {
        let word = word.trim_matches(|c: char| ",.;:()'".contains(c));
        let letters =
            word.bytes().all(|b| b.is_ascii_alphabetic() || b"_-'".contains(&b)) && word.len() <= 24;
        letters || (word.len() <= 6 && word.bytes().all(|b| b.is_ascii_digit()))
    };
    (text.len() <= 240 && text.split(' ').all(plain)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::logs::Origin;

    #[test]
    fn of_a_finding_the_kind_is_told_and_no_name() {
        for (of, told) in [
            ("disk", "disk"),
            ("MONGO_URI", "MONGO_URI"),
            ("traffic-service geo", "traffic-service geo"),
            ("clickhouse schema", "clickhouse schema"),
            ("campaign summer", "campaign"),
            ("network adnet", "network"),
            ("MY_PASSWORD_IS_X", "something else"),
            ("traffic-service http://u:pw@h", "something else"),
        ] {
            assert_eq!(subject(of), told, "{of}");
        }
    }

    #[test]
    fn of_settings_figures_and_words_of_their_description_are_told() {
        for (var, value, told) in [
            (&vars::EVENT_BATCH_SIZE, "5000", "5000"),
            (&vars::EVENT_WRITE_FAILURE_POLICY, "fail_closed", "fail_closed"),
            (&vars::OUTBOUND_ALLOW_PRIVATE, "true", "true"),
            (&vars::MONGO_URI, "mongodb://u:pw@h/db", "***"),
            (&vars::INTERNAL_TOKEN, "1234567890123", "***"),
            (&vars::AUTH_ADMIN_EMAIL, "me@example.com", "(set)"),
            (&vars::TRAFFICBACK_URL, "https://x.example/?key=k", "(set)"),
            (&vars::TRAFFICBACK_URL, "", ""),
            (&vars::API_SERVICE_URL, "http://127.0.0.1:8080", "(default)"),
            (&vars::CLICKHOUSE_USER, "hunter", "(set)"),
        ] {
            assert_eq!(setting(var, value), told, "{}", var.name);
        }
    }

    #[test]
    fn only_metrics_of_ours_come_in() {
        for (line, ok) in [
            (r#"tfx_http_requests_total{service="traffic",route="c",status="2xx"} 12"#, true),
            (r#"tfx_http_request_seconds_bucket{service="api",route="api",le="0.005"} 3"#, true),
            (r#"tfx_http_request_seconds_bucket{service="api",route="api",le="+Inf"} 3"#, true),
            ("tfx_visitor_memory_entries 9", true),
            (r#"tfx_clicks_total{sub1="me"} 1"#, false),
            (r#"tfx_clicks_total{outcome="http://x"} 1"#, false),
            (r#"tfx_clicks_total{outcome="x",y="z"} 1"#, false),
            ("process_cpu 1", false),
            ("# HELP tfx_x y", false),
            ("tfx_x secret", false),
        ] {
            assert_eq!(metric(line), ok, "{line}");
        }
    }

    #[test]
    fn of_a_log_line_what_strangers_sent_stays_out() {
        let text = r#"{"timestamp":"2026-11-25T02:30:19Z","level":"INFO","service":"traffic-service","message":"request","request_id":"canary id","method":"GET","path":"/c/canary?ip=203.0.113.7","status":404,"latency_ms":0.4,"error":"canary","canary field":1,"target":"tfx_service::handle"}"#;
        let of =
            |text: &str| log_line(&Line::of(text.as_bytes(), Origin::default()), &mut Requests::default());
        assert_eq!(
            of(text).expect("ours"),
            json!({ "timestamp": "2026-11-25T02:30:19Z", "level": "INFO", "target": "tfx_service::handle", "message": "request",
                "request": 1, "method": "GET", "route": "c", "status": 404, "latency_ms": 0.4, "left_out": ["other", "error"] })
        );
        let foreign = text.replace("tfx_service::handle", "librdkafka").replace("\"request\"", "\"canary\"");
        assert!(!of(&foreign).expect("a line").to_string().contains("canary"));
        assert_eq!(of("panicked at canary"), None);
        assert_eq!(
            message("reading the configuration again, 3 times"),
            Some("reading the configuration again, 3 times")
        );
        for text in [
            "click 01JABCDEFGH0123456789ABCDE",
            "at /home/alice/x",
            "me@example.com",
            "203.0.113.7 came",
            "4155550100",
        ] {
            assert_eq!(message(text), None, "{text}");
        }
    }
}
