//! Writes entities as a person would: fields in the order in which they are read, a filter in a line, and the same entity always
//! in the same bytes.

use super::{folder::HEADER, vars::escaped, yaml::plain};
use crate::input;
use serde_json::{Map, Value};
use std::fmt::Write;

/// Longer lines are broken, where they can be.
pub(super) const WIDTH: usize = 100;
/// Lists with an empty line between their items.
const APART: [&str; 2] = ["streams", "templates"];

/// Fields that are read first, in this order; others follow by their names, then what stands inside.
const FIRST: [&str; 36] = [
    "slug",
    "renamed_from",
    "name",
    "status",
    "aliases",
    "test",
    "type",
    "kind",
    "model",
    "source",
    "network",
    "url",
    "amount",
    "per_click",
    "percent",
    "currency",
    "when",
    "by",
    "field",
    "is",
    "is_not",
    "destination",
    "rotation",
    "weight",
    "match",
    "filters",
    "action",
    "stream",
    "destinations",
    "select",
    "bind",
    "cost",
    "payout",
    "params",
    "statuses",
    "caps",
];
/// Those come last.
const LAST: [&str; 2] = APART;

/// Fields in the order in which they are read.
pub(crate) fn ordered(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let rank = |name: &str| {
        let first = FIRST.iter().position(|f| *f == name);
        first.unwrap_or(if LAST.contains(&name) { FIRST.len() + 1 } else { FIRST.len() })
    };
    let mut all: Vec<(&String, &Value)> = fields.iter().collect();
    all.sort_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)).then(a.cmp(b)));
    all
}

/// The text of a file with one entity.
pub(crate) fn text(entity: &Map<String, Value>) -> String {
    let mut out = format!("{HEADER}\n");
    map(&mut out, entity, 0, false);
    out
}

/// Fields, each in lines of its own; with `begun` the first goes on in the line that there is.
fn map(out: &mut String, fields: &Map<String, Value>, indent: usize, begun: bool) {
    for (i, (name, value)) in ordered(fields).into_iter().enumerate() {
        let pad = if begun && i == 0 { 0 } else { indent };
        let _ = write!(out, "{:pad$}{}:", "", key(name));
        below(out, name, value, indent);
    }
}

/// What stands behind the name of a field.
fn below(out: &mut String, name: &str, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            map(out, fields, indent + 2, false);
        }
        Value::Array(items) if !items.is_empty() => {
            let short = flow(value);
            let is_flat = items.iter().all(|item| !item.is_object() && !item.is_array());
            if is_flat && indent + name.len() + 2 + short.chars().count() <= WIDTH {
                let _ = writeln!(out, " {short}");
                return;
            }
            out.push('\n');
            list(out, name, items, indent + 2);
        }
        Value::String(text) if is_block(text) => block(out, text, indent + 2),
        value => {
            let _ = writeln!(out, " {}", scalar(name, value, false));
        }
    }
}

fn list(out: &mut String, name: &str, items: &[Value], indent: usize) {
    let is_apart = APART.contains(&name);
    // All in one form: what is alike is read alike.
    let in_lines = !is_apart
        && items.iter().all(|item| {
            let is_flat = item.as_object().is_none_or(|fields| {
                fields
                    .values()
                    .all(|v| !v.is_object() && v.as_array().is_none_or(|l| l.iter().all(|i| !i.is_object())))
            });
            is_flat && indent + 2 + flow(item).chars().count() <= WIDTH
        });
    for (i, item) in items.iter().enumerate() {
        if is_apart && i > 0 {
            out.push('\n');
        }
        let _ = write!(out, "{:indent$}-", "");
        match item {
            Value::Object(fields) if !in_lines && !fields.is_empty() => {
                out.push(' ');
                map(out, fields, indent + 2, true);
            }
            Value::String(text) if is_block(text) => block(out, text, indent + 2),
            Value::Object(_) | Value::Array(_) => {
                let _ = writeln!(out, " {}", flow(item));
            }
            value => {
                let _ = writeln!(out, " {}", scalar("", value, false));
            }
        }
    }
}

/// A value in one line: `{ field: country, is: [DE, AT] }`.
pub(crate) fn flow(value: &Value) -> String {
    flow_of("", value)
}

fn flow_of(name: &str, value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let one = |(name, value): (&String, &Value)| format!("{}: {}", key(name), flow_of(name, value));
            format!("{{ {} }}", ordered(fields).into_iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        value => scalar(name, value, true),
    }
}

/// The name of a field.
fn key(name: &str) -> String {
    if is_plain(name, true) { name.to_owned() } else { quoted(name) }
}

fn scalar(name: &str, value: &Value, in_flow: bool) -> String {
    match value {
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        Value::String(text) => {
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            let is_number = match text.split_once('.') {
                Some((whole, parts)) => digits(whole) && digits(parts),
                None => digits(text) && plain(text).is_number(),
            };
            if input::is_decimal(name) && is_number {
                return text.clone();
            }
            let text = escaped(text);
            if is_plain(&text, in_flow) { text } else { quoted(&text) }
        }
        other => other.to_string(),
    }
}

/// Whether a text may stand without quotes, for this reader and for those that take more words for something else.
fn is_plain(text: &str, in_flow: bool) -> bool {
    const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "<<", "="];
    const BEGINS: [char; 22] = [
        '-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', ' ',
        '~', '=',
    ];
    let of_number = |c: char| c.is_ascii_hexdigit() || "xXoO_:.,+-TZ ".contains(c);
    let is_numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '.'))
        && text.chars().all(of_number);
    !text.is_empty()
        && !text.starts_with(BEGINS)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(is_special)
        && !(in_flow && text.contains([',', '[', ']', '{', '}']))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        && !is_numeric
        && plain(text).is_string()
}

/// What an editor does not show, or a reader takes for the end of a line.
fn is_special(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_special(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Texts of several lines that nothing is lost of in a block.
fn is_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !lines.ends_with('\n')
        && !text.starts_with('\n')
        && text.lines().all(|line| !line.starts_with([' ', '\t']) && !line.ends_with([' ', '\t', '\r']))
        && !text.chars().any(|c| c != '\n' && c != '\t' && is_special(c))
}

fn block(out: &mut String, text: &str, indent: usize) {
    let text = escaped(text);
    out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
    for line in text.lines() {
        if line.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, "{:indent$}{line}", "");
        }
    }
}
