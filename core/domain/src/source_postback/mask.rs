//! What must not be shown of what a source is told: a login before the host, values that are named as secrets are, and what
//! stands in a URL or body as a key does. The log of what was sent, the audit log and whoever shows a source ask here.
//!
//! Of where clicks are sent (destinations, trafficback) the first two are not shown. What looks like a key stays there: offers
//! are told apart by it.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::borrow::Cow;

/// What stands in place of a secret.
pub const MASK: &str = "***";
/// Words of names whose values are not shown.
const WORDS: [&str; 9] = ["key", "sign", "sig", "pwd", "pass", "hash", "auth", "hmac", "digest"];
/// Parts of such names.
const PARTS: [&str; 9] =
    ["token", "secret", "password", "passwd", "apikey", "signature", "auth_", "authorization", "bearer"];
/// What has letters and digits in one piece of this length was not made by a person.
const PIECE: usize = 12;
/// What has both and is so long altogether is a key too, such as a UUID.
const LONG: usize = 32;
/// What is shorter is no secret, and would hide half of what is said.
const SHORTEST: usize = 8;

/// Fields of a network and of a source that are nothing but a secret: no part of them is ever shown.
pub const SECRETS: [&str; 3] = ["postback_secret", "postback_signing_key", "signing_key"];

/// Fields of a source and of an alert, of a destination, a campaign and a click, in which secrets may stand.
pub const FIELDS: [&str; 8] = [
    "postback_url",
    "postback_urls",
    "postback_body",
    "channels",
    "url",
    "health_check",
    "trafficback_url",
    "final_url",
];

/// What looks like a secret in a URL as a person wrote it.
pub fn secrets_of_url(url: &str) -> Vec<String> {
    let mut secrets = Vec::new();
    of_url(url, &mut secrets);
    secrets
}

/// What nobody may be shown of a URL whose every part but the server may be the secret: the rest of it, whole and in pieces.
pub fn secrets_behind_server(url: &str) -> Vec<String> {
    let mut secrets = secrets_of_url(url);
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let tail = &rest[rest.find(['/', '?', '#']).unwrap_or(rest.len())..];
    for piece in std::iter::once(tail).chain(tail.split(['/', '?', '&', '#', '='])) {
        if piece.len() >= SHORTEST {
            keep(piece, &mut secrets);
        }
    }
    secrets
}

/// What looks like a secret in a body as a person wrote it.
pub fn secrets_of_body(body: &Value) -> Vec<String> {
    let mut secrets = Vec::new();
    of_json("", body, &mut secrets);
    secrets
}

/// A URL without a login and without values that are named as secrets are; `text` masks the rest.
pub fn url(url: &str, text: impl Fn(&str) -> String) -> String {
    masked_url(url, is_secret_field, text)
}

/// Such fields as they are shown to whoever may not see secrets; others stay.
pub fn field(name: &str, value: &mut Value) {
    match (name, value) {
        (_, Value::Array(items)) if name != "postback_body" => {
            items.iter_mut().for_each(|item| field(name, item));
        }
        ("postback_url", Value::String(url)) => *url = template(url),
        ("url" | "trafficback_url" | "final_url", Value::String(url)) => *url = of_clicks(url),
        ("health_check", Value::Object(check)) => {
            check.get_mut("url").into_iter().for_each(|url| field("url", url));
        }
        ("channels", Value::String(channel)) => {
            if let Some((kind, url)) = channel.split_once(':').filter(|(_, to)| to.contains("://")) {
                *channel = format!("{kind}:{}", server(url));
            }
        }
        ("postback_urls", Value::Object(urls)) => {
            urls.values_mut().for_each(|url| field("postback_url", url));
        }
        ("postback_body", body) => {
            let secrets = secrets_of_body(body);
            written(body);
            texts(body, &|text| without(text, &secrets));
        }
        _ => {}
    }
}

/// A URL as a person wrote it, without its secrets; macros stay.
fn template(url: &str) -> String {
    let secrets = secrets_of_url(url);
    masked_url(url, is_written_secret, |text| without(text, &secrets))
}

/// Where clicks are sent, as a person wrote it or filled in: without a login and without values that are named as secrets are;
/// macros stay.
pub fn of_clicks(url: &str) -> String {
    if !url.contains("://") {
        return url.to_owned();
    }
    masked_url(url, is_written_secret, str::to_owned)
}

/// A URL whose every part but the server may be the secret.
fn server(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (login, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("***@", host));
    let tail = if tail.is_empty() || tail == "/" { tail } else { "/***" };
    format!("{scheme}://{login}{host}{tail}")
}

fn masked_url(url: &str, is_secret: fn(&str, &str) -> bool, text: impl Fn(&str) -> String) -> String {
    let (before, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let mut out = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{before}://{MASK}@{host}"),
        None => format!("{before}://{authority}"),
    };
    match tail.split_once('?') {
        None => out.push_str(&text(tail)),
        Some((path, query)) => {
            out.push_str(&text(path));
            out.push('?');
            out.push_str(&text(&masked_fields(query, is_secret)));
        }
    }
    out
}

/// A text without these.
fn without(text: &str, secrets: &[String]) -> String {
    let mut secrets: Vec<&String> = secrets.iter().filter(|s| s.len() >= SHORTEST).collect();
    secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
}

fn texts(json: &mut Value, change: &impl Fn(&str) -> String) {
    match json {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| texts(item, change)),
        Value::Object(members) => members.values_mut().for_each(|member| texts(member, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Values that are named as secrets are, as a person wrote them.
fn written(json: &mut Value) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if is_written_secret(name, text) => MASK.clone_into(text),
                    Value::Number(_) if is_secret_name(name) => *value = MASK.into(),
                    _ => written(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(written),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_secret_field(name: &str, _: &str) -> bool {
    is_secret_name(name)
}

/// Macros alone are none.
fn is_written_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) && literals(value).any(|piece| !piece.is_empty())
}

/// A query or a form without values that are named as secrets are.
pub fn fields(text: &str) -> String {
    masked_fields(text, is_secret_field)
}

fn masked_fields(text: &str, is_secret: fn(&str, &str) -> bool) -> String {
    let shown: Vec<Cow<'_, str>> = text.split('&').map(|pair| masked_field(pair, is_secret)).collect();
    shown.join("&")
}

fn masked_field(pair: &str, is_secret: fn(&str, &str) -> bool) -> Cow<'_, str> {
    match pair.split_once('=') {
        Some((name, value)) if is_secret(name, value) => format!("{name}={MASK}").into(),
        _ => pair.into(),
    }
}

/// JSON without values that are named as secrets are.
pub fn json(json: &mut Value) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                if is_secret_name(name) && !value.is_null() {
                    *value = MASK.into();
                } else {
                    self::json(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(self::json),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a value of this name is not shown.
fn is_secret_name(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
        || name.split(|c: char| !c.is_ascii_alphabetic()).any(|word| WORDS.contains(&word))
}

/// What a person wrote between the macros of a template.
fn literals(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').enumerate().map(|(n, piece)| match piece.split_once('}') {
        Some((_, after)) if n > 0 => after,
        _ => piece,
    })
}

fn of_url(url: &str, secrets: &mut Vec<String>) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if let Some((login, _)) = authority.rsplit_once('@') {
        login.split(':').for_each(|part| keep(part, secrets));
        as_header(login, secrets);
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    for part in path.split('/') {
        looked_at(part, secrets);
    }
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        of_value(name, value, secrets);
    }
}

fn of_json(name: &str, json: &Value, secrets: &mut Vec<String>) {
    match json {
        Value::String(text) => of_value(name, text, secrets),
        Value::Array(items) => items.iter().for_each(|item| of_json(name, item, secrets)),
        Value::Object(members) => members.iter().for_each(|(name, value)| of_json(name, value, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn of_value(name: &str, value: &str, secrets: &mut Vec<String>) {
    if is_secret_name(name) {
        literals(value).for_each(|piece| keep(piece, secrets));
    } else {
        looked_at(value, secrets);
    }
}

fn looked_at(text: &str, secrets: &mut Vec<String>) {
    for piece in literals(text) {
        let plain = percent_decode_str(piece).decode_utf8_lossy();
        let both = |text: &str| {
            text.contains(|c: char| c.is_ascii_digit()) && text.contains(|c: char| c.is_ascii_alphabetic())
        };
        let pieces = plain.split(|c: char| !c.is_ascii_alphanumeric());
        let keys: Vec<String> = pieces.filter(|p| p.len() >= PIECE && both(p)).map(str::to_owned).collect();
        if !keys.is_empty() || plain.len() >= LONG && both(&plain) {
            keep(piece, secrets);
        }
        // A server may repeat it alone.
        secrets.extend(keys);
    }
}

/// A login as `Authorization: Basic` has it, in either alphabet of base64; one with padding begins with the one without.
fn as_header(login: &str, secrets: &mut Vec<String>) {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut plain: Vec<u8> = percent_decode_str(user).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(password));
    for (padded, bare) in
        [(BASE64_STANDARD, BASE64_STANDARD_NO_PAD), (BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD)]
    {
        secrets.extend([padded.encode(&plain), bare.encode(&plain)]);
    }
}

/// As it is written, and as it is meant.
fn keep(piece: &str, secrets: &mut Vec<String>) {
    secrets.push(piece.to_owned());
    secrets.push(percent_decode_str(piece).decode_utf8_lossy().into_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_login_is_found_as_its_header_has_it() {
        let secrets = secrets_of_url("https://us%C3%A9r:p%3Fs~>w@s.example/");
        for (alphabet, padded) in [("+/", true), ("+/", false), ("-_", true), ("-_", false)] {
            let mut text = BASE64_STANDARD.encode("usér:p?s~>w");
            if alphabet == "-_" {
                text = text.replace('+', "-").replace('/', "_");
            }
            if !padded {
                text = text.trim_end_matches('=').to_owned();
            }
            assert!(secrets.contains(&text), "{text} in {secrets:?}");
            let answer = without(&format!("Authorization: Basic {text}"), &secrets);
            assert_eq!(answer, "Authorization: Basic ***");
        }
        assert!(secrets_of_url("https://user@s.example/").contains(&BASE64_STANDARD.encode("user:")));
    }

    #[test]
    fn a_source_is_shown_without_its_secrets_and_with_its_macros() {
        let table = [
            (
                "https://s.example/pb?cid={external_id}&p={payout}",
                "https://s.example/pb?cid={external_id}&p={payout}",
            ),
            ("https://user:pw@s.example/pb", "https://***@s.example/pb"),
            (
                "https://s.example/?token=abc&key=k{sub1}&auth={param:auth}&st={status:lead=1 sale=2}",
                "https://s.example/?token=***&key=***&auth={param:auth}&st={status:lead=1 sale=2}",
            ),
            ("https://s.example/a1b2c3d4e5f6a7/pb?id={tid}", "https://s.example/***/pb?id={tid}"),
        ];
        for (url, want) in table {
            let mut value = json!(url);
            field("postback_url", &mut value);
            assert_eq!(value, want);
            let mut again = value.clone();
            field("postback_url", &mut again);
            assert_eq!(again, value, "what is masked stays so");
        }
        let mut urls = json!({ "sale": "https://s.example/?token=abc", "lead": "https://s.example/" });
        field("postback_urls", &mut urls);
        assert_eq!(urls, json!({ "sale": "https://s.example/?token=***", "lead": "https://s.example/" }));
        let mut changed = json!([null, "https://u:p@s.example/"]);
        field("postback_url", &mut changed);
        assert_eq!(changed, json!([null, "https://***@s.example/"]));
        let mut body =
            json!({ "id": "{external_id}", "auth": { "token": "abc", "n": 1 }, "key": 5, "pass": "{sub1}" });
        field("postback_body", &mut body);
        let want = json!({ "id": "{external_id}", "auth": { "token": "***", "n": 1 }, "key": "***", "pass": "{sub1}" });
        assert_eq!(body, want);
        let sent = [
            (
                "https://user:pw@o.example/1a2b3c4d5e6f7g8h?api_key=abc&sub={click_id}&token={param:token}",
                "https://***@o.example/1a2b3c4d5e6f7g8h?api_key=***&sub={click_id}&token={param:token}",
            ),
            ("https://o.example/?password=a&sig={sub1}b#x=1", "https://o.example/?password=***&sig=***"),
            ("https://o.example/a@b?monkey=1", "https://o.example/a@b?monkey=1"),
            ("", ""),
            ("no=url", "no=url"),
        ];
        for (url, want) in sent {
            for name in ["url", "trafficback_url", "final_url"] {
                let mut value = json!([null, url]);
                field(name, &mut value);
                assert_eq!(value, json!([null, want]));
            }
            let mut check = json!({ "url": url, "failures": 3 });
            field("health_check", &mut check);
            assert_eq!(check, json!({ "url": want, "failures": 3 }));
        }
        let mut name = json!("https://u:p@s.example/");
        field("name", &mut name);
        assert_eq!(name, "https://u:p@s.example/");
    }
}
