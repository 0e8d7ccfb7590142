//! Canonical Extended JSON as MongoDB's Go driver writes it, and so mongodump: without spaces, fields in their order, `<`
//! and `&` as they are.
//!
//! It is read by BSON's own deserializer, which keeps the order too.

use mongodb::bson::{Bson, Document};
use std::fmt::Write;

/// `{"name":value,…}`.
pub(super) fn document(out: &mut String, document: &Document) {
    out.push('{');
    for (n, (name, of)) in document.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        text(out, name);
        out.push(':');
        value(out, of);
    }
    out.push('}');
}

/// A text in quotes.
pub(super) fn text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // JavaScript takes the last two for ends of lines.
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => put(out, format_args!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn value(out: &mut String, of: &Bson) {
    match of {
        Bson::Double(n) => put(out, format_args!(r#"{{"$numberDouble":"{}"}}"#, double(*n))),
        Bson::String(s) => text(out, s),
        Bson::Array(all) => {
            out.push('[');
            for (n, one) in all.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                value(out, one);
            }
            out.push(']');
        }
        Bson::Document(d) => document(out, d),
        Bson::Boolean(b) => put(out, format_args!("{b}")),
        Bson::Null => out.push_str("null"),
        Bson::RegularExpression(regex) => {
            out.push_str(r#"{"$regularExpression":{"pattern":"#);
            text(out, regex.pattern.as_str());
            out.push_str(r#","options":"#);
            let mut options: Vec<char> = regex.options.as_str().chars().collect();
            options.sort_unstable();
            text(out, &options.into_iter().collect::<String>());
            out.push_str("}}");
        }
        Bson::JavaScriptCode(code) => {
            out.push_str(r#"{"$code":"#);
            text(out, code);
            out.push('}');
        }
        Bson::JavaScriptCodeWithScope(code) => {
            out.push_str(r#"{"$code":"#);
            text(out, &code.code);
            out.push_str(r#","$scope":"#);
            document(out, &code.scope);
            out.push('}');
        }
        Bson::Int32(n) => put(out, format_args!(r#"{{"$numberInt":"{n}"}}"#)),
        Bson::Int64(n) => put(out, format_args!(r#"{{"$numberLong":"{n}"}}"#)),
        Bson::Timestamp(t) => {
            put(out, format_args!(r#"{{"$timestamp":{{"t":{},"i":{}}}}}"#, t.time, t.increment));
        }
        Bson::Binary(binary) => {
            let subtype: u8 = binary.subtype.into();
            put(
                out,
                format_args!(
                    r#"{{"$binary":{{"base64":"{}","subType":"{subtype:02x}"}}}}"#,
                    base64(&binary.bytes)
                ),
            );
        }
        Bson::ObjectId(id) => put(out, format_args!(r#"{{"$oid":"{}"}}"#, id.to_hex())),
        Bson::DateTime(at) => {
            put(out, format_args!(r#"{{"$date":{{"$numberLong":"{}"}}}}"#, at.timestamp_millis()));
        }
        Bson::Symbol(symbol) => {
            out.push_str(r#"{"$symbol":"#);
            text(out, symbol);
            out.push('}');
        }
        Bson::Decimal128(n) => put(out, format_args!(r#"{{"$numberDecimal":"{n}"}}"#)),
        Bson::Undefined => out.push_str(r#"{"$undefined":true}"#),
        Bson::MaxKey => out.push_str(r#"{"$maxKey":1}"#),
        Bson::MinKey => out.push_str(r#"{"$minKey":1}"#),
        // No index and no option has one; the library writes it as it is.
        Bson::DbPointer(_) => out.push_str(&serde_json::to_string(of).unwrap_or_default()),
    }
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    // A text takes everything.
    let _ = out.write_fmt(what);
}

/// As Go's `%G` writes it with the fewest digits, with a point if it has neither that nor an exponent.
fn double(n: f64) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{n:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..=5).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}E{sign}{:02}", exponent.abs());
    }
    let plain = format!("{n}");
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let all = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * n) & 63) as usize];
            out.push(if n <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{Decimal128, JavaScriptCodeWithScope, Regex, Timestamp, doc, oid::ObjectId};

    #[test]
    fn every_type_is_written_as_the_official_tool_does_and_read_back() {
        let every = doc! {
            "double": 1.0, "large": 1_234_567.5, "small": 0.000_01, "half": -0.5, "text": "a\"\\\u{1}<&>\u{2028}ü",
            "list": [1_i32, 2_i64], "inner": {"x": Bson::Null}, "yes": true,
            "regex": Bson::RegularExpression(Regex { pattern: "^a/".try_into().expect("text"), options: "im".try_into().expect("text") }),
            "code": Bson::JavaScriptCode("f()".to_owned()),
            "scoped": JavaScriptCodeWithScope { code: "g()".to_owned(), scope: doc! {"a": 1_i32} },
            "at": mongodb::bson::DateTime::from_millis(-1), "stamp": Timestamp { time: 1, increment: 2 },
            "bytes": mongodb::bson::Binary { subtype: 4.into(), bytes: vec![0, 255, 7, 9] },
            "id": ObjectId::from_bytes([7; 12]), "symbol": Bson::Symbol("s".to_owned()),
            "decimal": "1.50".parse::<Decimal128>().expect("a number"),
            "undefined": Bson::Undefined, "max": Bson::MaxKey, "min": Bson::MinKey,
        };
        let mut out = String::new();
        document(&mut out, &every);
        let want = r#"{"double":{"$numberDouble":"1.0"},"large":{"$numberDouble":"1.2345675E+06"},"small":{"$numberDouble":"1E-05"},"half":{"$numberDouble":"-0.5"},"text":"a\"\\\u0001<&>\u2028ü","list":[{"$numberInt":"1"},{"$numberLong":"2"}],"inner":{"x":null},"yes":true,"regex":{"$regularExpression":{"pattern":"^a/","options":"im"}},"code":{"$code":"f()"},"scoped":{"$code":"g()","$scope":{"a":{"$numberInt":"1"}}},"at":{"$date":{"$numberLong":"-1"}},"stamp":{"$timestamp":{"t":1,"i":2}},"bytes":{"$binary":{"base64":"AP8HCQ==","subType":"04"}},"id":{"$oid":"070707070707070707070707"},"symbol":{"$symbol":"s"},"decimal":{"$numberDecimal":"1.50"},"undefined":{"$undefined":true},"max":{"$maxKey":1},"min":{"$minKey":1}}"#;
        assert_eq!(out, want);
        let back: Document = serde_json::from_str(&out).expect("Extended JSON");
        assert_eq!(back, every);
    }

    #[test]
    fn doubles_are_never_taken_for_whole_numbers() {
        for (n, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (100_000.0, "100000.0"),
            (1e6, "1E+06"),
            (1e21, "1E+21"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
            (0.0001, "0.0001"),
        ] {
            assert_eq!(double(n), text);
        }
    }
}
