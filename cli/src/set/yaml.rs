//! YAML as configuration is written in it: values with the places where they stand. What only hides what is meant is refused:
//! anchors and aliases (and with them every bomb), tags, keys that are said twice, tabs.

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Number, Value};
use std::{collections::HashMap, fmt};

/// Deeper is surely not meant.
const DEEPEST: usize = 64;

/// Where something stands, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Mark {
    /// The beginning of a file.
    pub(crate) const BEGIN: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Mark,
    pub(crate) shape: Shape,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A text in quotes, or a block of text.
    Text(String),
    /// A text without quotes; [`plain`] tells what it is.
    Plain(String),
    /// A list.
    List(Vec<Node>),
    /// Fields, in their order.
    Map(Vec<Field>),
}

/// A field of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) at: Mark,
    pub(crate) value: Node,
}

impl Node {
    /// A field of a map.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        match &self.shape {
            Shape::Map(fields) => fields.iter().find(|f| f.name == name),
            _ => None,
        }
    }

    /// Nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.shape, Shape::Plain(text) if plain(text).is_null())
    }
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: Mark,
    pub(crate) message: String,
}

/// The documents of a text that say something, and everything wrong with it.
pub(crate) fn documents(text: &str) -> (Vec<Node>, Vec<Fault>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        faults: Vec::new(),
        within: Vec::new(),
        is_broken: false,
    };
    let mut found = Vec::new();
    while let Some((event, span)) = reader.next() {
        if matches!(
            event,
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(..)
        ) {
            let Some(node) = reader.node(&event, span, 0) else { break };
            if !node.is_null() {
                found.push(node);
            }
        }
    }
    let Reader { mut faults, within, .. } = reader;
    tabs(text, &within, &mut faults);
    faults.sort_by_key(|fault| fault.at);
    // What is in one line many times is mended at once.
    faults.dedup_by(|next, first| next.at.line == first.at.line && next.message == first.message);
    (found, faults)
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    faults: Vec<Fault>,
    /// The lines of texts of several lines, but for the first.
    within: Vec<(usize, usize)>,
    is_broken: bool,
}

impl<'t> Reader<'t> {
    /// What comes next; nothing at the end, and behind what cannot be read.
    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        if self.is_broken {
            return None;
        }
        match self.parser.next()? {
            Ok(next) => Some(next),
            Err(e) => {
                let at = Mark { line: e.marker().line().max(1), column: e.marker().col() + 1 };
                self.faults.push(Fault { at, message: format!("is not YAML: {}", e.info()) });
                self.is_broken = true;
                None
            }
        }
    }

    fn fault(&mut self, at: Mark, message: impl Into<String>) {
        self.faults.push(Fault { at, message: message.into() });
    }

    /// The value that begins with an event; none: it is not whole.
    fn node(&mut self, event: &Event<'t>, span: Span, depth: usize) -> Option<Node> {
        let at = begin(span);
        if event.anchor_id().is_some() {
            self.fault(
                at,
                "has an anchor (&): write values where they are meant, or make a variable of them",
            );
        }
        if event.tag().is_some() {
            self.fault(at, "has a tag (!): values say by their form what they are");
        }
        if depth > DEEPEST {
            self.fault(at, format!("is more than {DEEPEST} levels deep"));
            self.is_broken = true;
            return None;
        }
        let shape = match event {
            Event::Scalar(text, style, ..) => {
                if span.end.line() > span.start.line() {
                    self.within.push((span.start.line() + 1, span.end.line()));
                }
                let text = text.clone().into_owned();
                if *style == ScalarStyle::Plain { Shape::Plain(text) } else { Shape::Text(text) }
            }
            Event::Alias(..) => {
                self.fault(
                    at,
                    "is an alias (*): write values where they are meant, or make a variable of them",
                );
                Shape::Plain("~".to_owned())
            }
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            _ => return None,
        };
        Some(Node { at, shape })
    }

    fn list(&mut self, depth: usize) -> Option<Shape> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Some(Shape::List(items)),
                (event, span) => items.push(self.node(&event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Shape> {
        let mut fields: Vec<Field> = Vec::new();
        let mut known: HashMap<String, Mark> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Some(Shape::Map(fields));
            }
            let key = self.node(&event, span, depth + 1)?;
            let name = match key.shape {
                Shape::Text(name) | Shape::Plain(name) => name,
                Shape::List(_) | Shape::Map(_) => {
                    self.fault(key.at, "is no name of a field");
                    String::new()
                }
            };
            let (event, span) = self.next()?;
            let value = self.node(&event, span, depth + 1)?;
            match known.get(&name) {
                Some(first) => {
                    let line = first.line;
                    self.fault(key.at, format!("{name} is said twice, first in line {line}"));
                }
                None => {
                    known.insert(name.clone(), key.at);
                    fields.push(Field { name, at: key.at, value });
                }
            }
        }
    }
}

fn begin(span: Span) -> Mark {
    Mark { line: span.start.line().max(1), column: span.start.col() + 1 }
}

/// Lines that are indented with tabs, but for those within texts. Where one is, what the parser says about its line is that.
fn tabs(text: &str, within: &[(usize, usize)], faults: &mut Vec<Fault>) {
    for (i, line) in text.lines().enumerate() {
        let number = i + 1;
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let Some(column) = indent.find('\t').filter(|_| indent.len() < line.len()) else { continue };
        if within.iter().any(|(from, to)| (*from..=*to).contains(&number)) {
            continue;
        }
        faults.retain(|fault| fault.at.line != number || !fault.message.starts_with("is not YAML"));
        let at = Mark { line: number, column: column + 1 };
        faults.push(Fault { at, message: "is indented with a tab: YAML wants spaces".to_owned() });
    }
}

/// What a text without quotes is: nothing, true or false, a number, or itself. Words that only other readers take for more
/// (`yes`, `NO`, `0x1f`, `2024-01-31`) are texts.
pub(crate) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let first = digits.bytes().next()?;
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        // An order number, not a number.
        if digits.len() > 1 && first == b'0' {
            return None;
        }
        let text = text.strip_prefix('+').unwrap_or(text);
        return text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from)).ok();
    }
    let is_form = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let is_number = is_form && (first.is_ascii_digit() || first == b'.');
    text.parse::<f64>().ok().filter(|_| is_number).and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(text: &str) -> Vec<String> {
        documents(text).1.into_iter().map(|f| format!("{}: {}", f.at, f.message)).collect()
    }

    #[test]
    fn what_hides_what_is_meant_is_refused_with_its_place() {
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\n";
        for (text, want) in [
            ("a: 1\nb: 2\na: 3\n", "3:1: a is said twice, first in line 1"),
            ("a: &x 1\n", "1:7: has an anchor"),
            (bomb, "2:8: is an alias"),
            ("a: !!str 1\n", "has a tag"),
            ("a: !include x.yaml\n", "has a tag"),
            ("a:\n\tb: 1\n", "2:1: is indented with a tab"),
            ("a: \"open\n", "is not YAML"),
            ("a: [1, 2\n", "is not YAML"),
            ("a: b: c\n", "is not YAML"),
            ("? [a]\n: b\n", "is no name of a field"),
        ] {
            let found = faults(text);
            assert!(found.iter().any(|f| f.contains(want)), "{text:?}: {found:?}");
        }
        let deep = format!("a: {}{}", "[".repeat(80), "]".repeat(80));
        assert!(faults(&deep)[0].contains("more than 64 levels"), "{:?}", faults(&deep));
        let deeper = "[".repeat(100_000);
        assert!(!faults(&deeper).is_empty());
        assert_eq!(faults("a: |\n  x\n  \ty\nb: 1\n"), Vec::<String>::new(), "a tab within a text is text");
    }

    #[test]
    fn several_things_that_are_wrong_are_told_at_once() {
        assert_eq!(faults("a: &x 1\na: 2\nb: !t 3\n").len(), 3);
    }

    #[test]
    fn words_are_texts_and_numbers_are_numbers() {
        for (text, want) in [
            ("NO", json!("NO")),
            ("yes", json!("yes")),
            ("off", json!("off")),
            ("true", json!(true)),
            ("~", json!(null)),
            ("", json!(null)),
            ("12", json!(12)),
            ("-3", json!(-3)),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!("18446744073709551616")),
            ("0.5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("007", json!("007")),
            ("0x1f", json!("0x1f")),
            ("1.2.3", json!("1.2.3")),
            (".inf", json!(".inf")),
            ("nan", json!("nan")),
            ("-", json!("-")),
            ("1_000", json!("1_000")),
            ("22:00-08:00", json!("22:00-08:00")),
        ] {
            assert_eq!(plain(text), want, "{text}");
        }
    }

    #[test]
    fn places_are_of_values_and_keys() {
        let (found, faults) = documents("# said\na:\n  - b: 1\n    c: x\n---\nd: 2\n---\n");
        assert_eq!((found.len(), faults), (2, vec![]));
        let Some(Field { value: Node { shape: Shape::List(items), .. }, at, .. }) = found[0].field("a")
        else {
            panic!("{found:?}");
        };
        assert_eq!(*at, Mark { line: 2, column: 1 });
        assert_eq!(
            items[0].field("c").map(|f| (f.at, f.value.at)),
            Some((Mark { line: 4, column: 5 }, Mark { line: 4, column: 8 }))
        );
    }
}
