//! The parameters of a postback: query, then form or JSON body, as pairs in their order. The first of a name counts.
//!
//! Nothing here fails on strange bytes: broken percent-encoding stays as it is, broken UTF-8 becomes U+FFFD. Only
//! JSON that is none, and too many parameters, are refused.

use http::HeaderMap;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;
use tfx_domain::postback::Refusal;

/// Most parameters one postback may have.
const MAX_PARAMS: usize = 1000;

/// Parameters in their order.
pub(crate) type Params = Vec<(String, String)>;

/// What a request says.
pub(crate) struct Said {
    pub(crate) params: Params,
    /// Names of a JSON body whose values are objects or lists.
    pub(crate) nested: Vec<String>,
    /// Names the part that is wrong. What was readable is kept for the log.
    pub(crate) problem: Result<(), Refusal>,
}

/// All parameters of a request.
pub(crate) fn read(query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Said {
    let refusal = |parameter: &str, message| Refusal { parameter: parameter.to_owned(), message };
    let mut params = pairs(query.unwrap_or("").as_bytes());
    let mut nested = Vec::new();
    let problem = match format_of(headers, body) {
        Format::None => Ok(()),
        Format::Form => {
            params.extend(pairs(body));
            Ok(())
        }
        Format::Json => {
            json(body, &mut nested).map(|more| params.extend(more)).map_err(|e| refusal("body", e))
        }
    };
    let problem = problem.and_then(|()| match params.len() {
        0..=MAX_PARAMS => Ok(()),
        n => Err(refusal("parameters", format!("are {n}; allowed are {MAX_PARAMS}"))),
    });
    Said { params, nested, problem }
}

/// The first value of a name.
pub(crate) fn first<'p>(params: &'p [(String, String)], name: &str) -> Option<&'p str> {
    params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

enum Format {
    None,
    Form,
    Json,
}

/// What the body is: by its content type; without one that says so, by its first character.
fn format_of(headers: &HeaderMap, body: &[u8]) -> Format {
    let Some(begin) = body.iter().find(|b| !b.is_ascii_whitespace()) else { return Format::None };
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Format::Form,
        e if e.ends_with("/json") || e.ends_with("+json") => Format::Json,
        _ if *begin == b'{' => Format::Json,
        "" | "text/plain" => Format::Form,
        // Files, XML and the like say nothing we understand; the query may.
        _ => Format::None,
    }
}

fn pairs(encoded: &[u8]) -> Params {
    url::form_urlencoded::parse(encoded)
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// An object, flattened one level: `{"a": {"b": 1}}` is `a.b=1`, and `a` is nested. Numbers keep the digits they came
/// with.
fn json(body: &[u8], nested: &mut Vec<String>) -> Result<Params, String> {
    let text = std::str::from_utf8(body).map_err(|_| "is not UTF-8".to_owned())?;
    let object = |text| serde_json::from_str::<Object<'_>>(text).map(|o| o.0);
    let fields = object(text).map_err(|e| format!("is not a JSON object: {e}"))?;
    let mut out = Vec::with_capacity(fields.len());
    let mut add = |name: String, value: &RawValue, flat: bool| {
        if value.get().starts_with(['{', '[']) {
            nested.push(name.clone());
        }
        if !flat {
            out.extend(text_of(value).map(|v| (name, v)));
        }
    };
    for (name, value) in fields {
        if value.get().starts_with('{') {
            // Cannot fail: it was read as JSON just now.
            for (inner, value) in object(value.get()).unwrap_or_default() {
                add(format!("{name}.{inner}"), value, false);
            }
            add(name, value, true);
        } else {
            add(name, value, false);
        }
    }
    Ok(out)
}

fn text_of(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => None,
        raw if raw.starts_with('"') => serde_json::from_str(raw).ok(),
        raw => Some(raw.to_owned()),
    }
}

/// A JSON object's fields in their order, repeated ones too.
struct Object<'j>(Vec<(String, &'j RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str, content_type: &str, body: &[u8]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert("content-type", content_type.parse().expect("value"));
        }
        let Said { params, problem, .. } = read(Some(query), &headers, body);
        let shown: Vec<String> = params.iter().map(|(n, v)| format!("{n}={v}")).collect();
        (shown.join("|"), problem.is_ok())
    }

    #[test]
    fn every_format_becomes_pairs() {
        let form = "application/x-www-form-urlencoded";
        let json = "application/json; charset=utf-8";
        let table: &[(&str, &str, &[u8], &str)] = &[
            ("a=1&b=two+words%21", "", b"", "a=1|b=two words!"),
            ("a=%zz&b=%ff&c", "", b"", "a=%zz|b=\u{fffd}|c="),
            ("&&=x&a=1", "", b"", "a=1"),
            ("a=1", form, b"a=2&b=3", "a=1|a=2|b=3"),
            ("", "", b"a=1", "a=1"),
            ("a=1", "text/xml", b"<a>2</a>", "a=1"),
            ("a=1", "multipart/form-data; boundary=x", b"--x\r\n", "a=1"),
            ("a=1", json, b"  ", "a=1"),
            (
                "",
                json,
                br#"{"s":"x\u00e9","n":12.50,"i":12345678901234567890123,"t":true,"z":null}"#,
                "s=xé|n=12.50|i=12345678901234567890123|t=true",
            ),
            (
                "",
                json,
                br#"{"d":{"click_id":"c","deep":{"x":1}},"l":[1,2]}"#,
                r#"d.click_id=c|d.deep={"x":1}|l=[1,2]"#,
            ),
            ("", "", br#" {"a":1}"#, "a=1"),
            ("", "application/vnd.api+json", br#"{"a":1,"a":2}"#, "a=1|a=2"),
        ];
        for (query, content_type, body, want) in table {
            assert_eq!(of(query, content_type, body), ((*want).to_owned(), true), "{query} {content_type}");
        }
    }

    #[test]
    fn objects_and_lists_are_told_from_texts() {
        let body = br#"{"payout":{"a":1,"b":[2]},"txid":["x"],"status":"{}","note":"[1]","z":null}"#;
        let said = read(Some("sub=[1]"), &HeaderMap::new(), body);
        assert_eq!(said.nested, ["payout.b", "payout", "txid"]);
    }

    #[test]
    fn json_that_is_none_is_refused_and_the_query_is_kept() {
        let deep = "[".repeat(200_000);
        for body in ["{", "[]", "1", "\"x\"", "{\"a\":}", "{\"a\":\"\\ud800\"", "{}{}", deep.as_str()] {
            assert_eq!(
                of("q=1", "application/json", body.as_bytes()),
                ("q=1".to_owned(), false),
                "{body:.20}"
            );
        }
        assert_eq!(of("q=1", "application/json", b"{\"a\":\"\xff\"}"), ("q=1".to_owned(), false));
        assert!(!of(&"a=1&".repeat(MAX_PARAMS + 1), "", b"").1);
        assert!(of(&"a=1&".repeat(MAX_PARAMS), "", b"").1);
    }
}
