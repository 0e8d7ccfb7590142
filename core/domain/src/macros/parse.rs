//! From a template's text to its segments, with every problem at once.

use super::{
    MAX_URL, Scope,
    encode::literal,
    value::{Sources, Value, known},
};
use crate::problem::Problems;
use url::Url;

/// The longest template, in bytes, as written and as sent.
pub(super) const LONGEST: usize = 4096;
/// The most macros in one template; keeps the least share of each value long enough for an id.
pub(super) const MOST_MACROS: usize = 64;
// Each value can count on its share of what the literals leave.
const _: () = assert!((MAX_URL - LONGEST) / MOST_MACROS >= 64);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Goes into the URL as it is.
    Literal(Box<str>),
    /// Is filled in.
    Macro { value: Value, raw: bool },
}

impl Segment {
    /// The name of its macro, if nothing stands for it.
    pub(super) fn empty(&self, known: &Sources<'_>) -> Option<String> {
        match self {
            Self::Macro { value, .. } if value.is_empty(known) => Some(value.name()),
            Self::Macro { .. } | Self::Literal(_) => None,
        }
    }

    /// Whether it is known of a click alone, and not of its conversion.
    pub(super) fn needs_click(&self) -> bool {
        matches!(self, Self::Macro { value, .. } if value.of_click_alone())
    }
}

/// A checked template.
pub(super) struct Parsed {
    pub(super) host: String,
    pub(super) segments: Vec<Segment>,
}

pub(super) fn parse(text: &str, scope: Scope) -> Result<Parsed, Problems> {
    let mut problems = Problems::default();
    problems.require(text.len() <= LONGEST, "", "must be at most 4096 bytes");
    problems.require(
        !text.chars().any(char::is_control),
        "",
        "must not contain control characters or line breaks",
    );
    problems.require(text.trim() == text, "", "must not begin or end with a blank");
    problems.require(
        !text.contains('\\'),
        "",
        "must not contain a backslash; write / in paths and %5C in values",
    );
    if text.len() > LONGEST {
        return Err(problems);
    }
    let (origin, rest) = split_origin(text.trim());
    let origin = origin.and_then(|o| check_origin(o, &mut problems));
    let mut segments = Vec::new();
    split_macros(rest, scope, literal, &mut segments, &mut problems);
    let macros = segments.iter().filter(|s| matches!(s, Segment::Macro { .. })).count();
    problems.require(macros <= MOST_MACROS, "", "must have at most 64 macros");
    let Some((origin, host)) = origin else {
        if problems.is_empty() {
            problems.add("", "must begin with http:// or https:// and a host");
        }
        return Err(problems);
    };
    prepend(&mut segments, origin);
    let literals: usize =
        segments.iter().map(|s| if let Segment::Literal(l) = s { l.len() } else { 0 }).sum();
    problems.require(literals <= LONGEST, "", "must be at most 4096 bytes once it is percent-encoded");
    problems.into_result(Parsed { host, segments })
}

/// Splits after scheme, user, host and port. A backslash ends them too, as it does in browsers.
fn split_origin(text: &str) -> (Option<&str>, &str) {
    let after_scheme = ["https://", "http://"]
        .into_iter()
        .find(|s| text.get(..s.len()).is_some_and(|t| t.eq_ignore_ascii_case(s)))
        .map(str::len);
    let Some(start) = after_scheme else { return (None, text) };
    // A macro's arguments may hold a slash: `{date:%Y/%m}` in a host is one macro in a host.
    let mut inside = false;
    let end = text[start..].find(|c| {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            _ => {}
        }
        !inside && matches!(c, '/' | '?' | '#' | '\\')
    });
    let (origin, rest) = text.split_at(end.map_or(text.len(), |e| start + e));
    (Some(origin), rest)
}

/// The origin as it is sent, and the host; problems otherwise.
fn check_origin(origin: &str, problems: &mut Problems) -> Option<(String, String)> {
    if let Some((_, rest)) = origin.split_once('{') {
        let name = rest.split('}').next().unwrap_or(rest);
        let message = format!(
            "{{{name}}} stands in the host; macros are allowed only after it, in path, query and fragment, so that no \
             visitor can choose where he is sent"
        );
        problems.add("", message);
        return None;
    }
    let (_, authority) = origin.split_once("://")?;
    if authority.is_empty() {
        problems.add("", "must name a host after http:// or https://");
        return None;
    }
    let url = match Url::parse(&format!("{origin}/")) {
        Ok(url) => url,
        Err(e) => {
            problems.add("", format!("'{authority}' is not a host: {e}"));
            return None;
        }
    };
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some((url.as_str().strip_suffix('/')?.to_owned(), host))
}

/// Splits a text into its segments; `sent` is how a literal stands where it goes to.
pub(super) fn split_macros(
    mut rest: &str,
    scope: Scope,
    sent: fn(&str) -> String,
    segments: &mut Vec<Segment>,
    problems: &mut Problems,
) {
    let mut listed = false;
    while let Some(at) = rest.find(['{', '}']) {
        push_literal(segments, sent, &rest[..at]);
        let inner = &rest[at + 1..];
        if rest.as_bytes()[at] == b'}' {
            problems.add("", "has a '}' without a '{' before it; write %7D for the character itself");
            rest = inner;
            continue;
        }
        let Some(end) = inner.find(['{', '}']).filter(|e| inner.as_bytes()[*e] == b'}') else {
            let shown: String = inner.chars().take(40).collect();
            problems.add(
                "",
                format!(
                    "has a '{{' without a '}}' after it, before '{shown}'; write %7B for the character itself"
                ),
            );
            rest = inner;
            continue;
        };
        let name = &inner[..end];
        let (raw, plain) = name.strip_prefix('_').map_or((false, name), |n| (true, n));
        match Value::parse(plain, scope) {
            Ok(value) => segments.push(Segment::Macro { value, raw }),
            // The list is long: once is enough.
            Err(message) if message.ends_with("is not a macro") && !listed => {
                listed = true;
                problems.add("", format!("{message}; known are {}", known(scope)));
            }
            Err(message) => problems.add("", message),
        }
        rest = &inner[end + 1..];
    }
    push_literal(segments, sent, rest);
}

fn push_literal(segments: &mut Vec<Segment>, sent: fn(&str) -> String, text: &str) {
    if !text.is_empty() {
        segments.push(Segment::Literal(sent(text).into()));
    }
}

/// Joins the origin with the literal that follows it, so that rendering copies once.
fn prepend(segments: &mut Vec<Segment>, mut origin: String) {
    if let Some(Segment::Literal(first)) = segments.first_mut() {
        origin.push_str(first);
        *first = origin.into();
    } else {
        segments.insert(0, Segment::Literal(origin.into()));
    }
}
