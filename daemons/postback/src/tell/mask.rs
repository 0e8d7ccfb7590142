//! What was sent, for the log, without what looks like a secret: a login before the host, values that are named so, and
//! what stands in the source's URL or body as a key does. An answer may repeat it, so it is looked for there too.

use crate::masks::Masks;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::borrow::Cow;
use tfx_domain::{entity::SourceSpec, postback::ConversionStatus};

/// Words of names whose values are not shown.
const WORDS: [&str; 9] = ["key", "sign", "sig", "pwd", "pass", "hash", "auth", "hmac", "digest"];
/// Parts of such names.
const PARTS: [&str; 9] =
    ["token", "secret", "password", "passwd", "apikey", "signature", "auth_", "authorization", "bearer"];
/// What has letters and digits in one piece of this length was not made by a person.
const PIECE: usize = 12;
/// What has both and is so long altogether is a key too, such as a UUID.
const LONG: usize = 32;
/// The longest URL and body that are kept.
const LONGEST: usize = 2048;
const MASK: &str = "***";

/// What is not shown of what one source is sent.
pub(super) struct Hidden(Masks);

impl Hidden {
    /// What looks like a secret in what a source wrote for a state.
    pub(super) fn of(source: Option<&SourceSpec>, status: &ConversionStatus) -> Self {
        let Some(source) = source else { return Self(Masks::default()) };
        let mut secrets = Vec::new();
        if let Some(url) = source.tell_url(status) {
            of_url(url, &mut secrets);
        }
        if let Some(body) = &source.postback_body {
            of_json("", body, &mut secrets);
        }
        Self(Masks::of(secrets.iter().map(String::as_str)))
    }

    pub(super) fn text(&self, text: &str) -> String {
        self.0.masked(text)
    }

    pub(super) fn url(&self, url: &str) -> String {
        let (before, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let mut out = match authority.rsplit_once('@') {
            Some((_, host)) => format!("{before}://{MASK}@{host}"),
            None => format!("{before}://{authority}"),
        };
        match tail.split_once('?') {
            None => out.push_str(&self.text(tail)),
            Some((path, query)) => {
                out.push_str(&self.text(path));
                out.push('?');
                out.push_str(&self.text(&fields(query)));
            }
        }
        cut(out)
    }

    pub(super) fn body(&self, body: &str, content_type: &str) -> String {
        if content_type != "application/json" {
            return cut(self.text(&fields(body)));
        }
        match serde_json::from_str(body) {
            Ok(mut json) => {
                mask(&mut json);
                cut(self.text(&json.to_string()))
            }
            Err(_) => cut(self.text(body)),
        }
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

/// A query or a form.
fn fields(text: &str) -> String {
    let shown: Vec<Cow<'_, str>> = text.split('&').map(field).collect();
    shown.join("&")
}

fn field(pair: &str) -> Cow<'_, str> {
    match pair.split_once('=') {
        Some((name, _)) if is_secret_name(name) => format!("{name}={MASK}").into(),
        _ => pair.into(),
    }
}

fn mask(json: &mut Value) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                if is_secret_name(name) && !value.is_null() {
                    *value = MASK.into();
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

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

/// As it is written, and as it is meant.
fn keep(piece: &str, secrets: &mut Vec<String>) {
    secrets.push(piece.to_owned());
    secrets.push(percent_decode_str(piece).decode_utf8_lossy().into_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hidden(fields: &Value) -> Hidden {
        let mut spec = json!({ "slug": "push", "name": "Push" });
        spec.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
        let spec: SourceSpec = tfx_domain::entity::parse(spec).expect("a source");
        Hidden::of(Some(&spec), &ConversionStatus::Sale)
    }

    #[test]
    fn what_looks_like_a_secret_is_not_kept() {
        let none = Hidden::of(None, &ConversionStatus::Sale);
        let table = [
            ("https://s.example/pb?cid=1&payout=2.5", "https://s.example/pb?cid=1&payout=2.5"),
            ("https://user:pw@s.example/pb", "https://***@s.example/pb"),
            (
                "https://s.example/?access_token=abc&x=1&KEY=k",
                "https://s.example/?access_token=***&x=1&KEY=***",
            ),
            ("https://s.example?sig=abc", "https://s.example?sig=***"),
            (
                "https://s.example/?access_key=a&s2s_key=b&pass=c&hash=d&to%6ben=e",
                "https://s.example/?access_key=***&s2s_key=***&pass=***&hash=***&to%6ben=***",
            ),
            ("https://s.example/a@b?keyword=shoes", "https://s.example/a@b?keyword=shoes"),
            ("https://s.example/?flag", "https://s.example/?flag"),
        ];
        for (url, want) in table {
            assert_eq!(none.url(url), want);
        }
        assert_eq!(none.url(&format!("https://s.example/{}", "é".repeat(5_000))).len(), LONGEST);
        assert_eq!(none.body("id=1&api-key=x", "application/x-www-form-urlencoded"), "id=1&api-key=***");
        assert_eq!(
            none.body(r#"{"auth":{"token":"x"},"id":"1"}"#, "application/json"),
            r#"{"auth":"***","id":"1"}"#
        );
    }

    #[test]
    fn what_stands_in_a_template_as_a_key_does_is_found_wherever_it_stands() {
        const TOKEN: &str = "bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
        let url = format!("https://api.example/{TOKEN}/send?text={{status}}-9f8e7d6c5b4a&offer=summer-2024");
        let hidden = hidden(&json!({
            "postback_url": url, "postback_method": "post_json",
            "postback_body": { "to": ["550e8400-e29b-41d4-a716-446655440000"], "pass": "hunter2hunter" },
        }));
        assert_eq!(
            hidden.url(&url.replace("{status}", "sale")),
            "https://api.example/***/send?text=sale***&offer=summer-2024"
        );
        let answer = format!("no {TOKEN}, hunter2hunter, 550e8400-e29b-41d4-a716-446655440000");
        assert_eq!(hidden.text(&answer), "no ***, ***, ***");
        let body = r#"{"to":["550e8400-e29b-41d4-a716-446655440000"],"x":"y"}"#;
        assert_eq!(hidden.body(body, "application/json"), r#"{"to":["***"],"x":"y"}"#);
        assert_eq!(hidden.body(&"é".repeat(5_000), "text/plain").len(), LONGEST);
    }
}
