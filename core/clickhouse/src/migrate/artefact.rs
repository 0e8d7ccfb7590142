//! The files 003 and 004 of `deploy/clickhouse/init` are made: what stands in their templates, and the fields of events
//! as `tfx_domain::event` lists them. They are committed, since containers run them as they are; a test compares.
//!
//! `<<columns KIND WIDTH>>` and the like stand in the templates where something follows from the list.

use std::fmt::Write as _;
use tfx_domain::event::{ClickHousePlace, EventField, EventKind, JsonType};

/// Longest line of a list.
const LINE: usize = 119;

const FILES: [(&str, &str, &str); 2] = [
    ("003_mvp_event_tables.sql", include_str!("template/003_mvp_event_tables.sql"), super::script::TABLES),
    ("004_kafka_ingestion.sql", include_str!("template/004_kafka_ingestion.sql"), super::script::PIPELINE),
];

/// A template with everything filled in.
fn made(template: &str) -> String {
    let mut rest = template;
    let mut file = String::new();
    while let Some((before, (what, after))) =
        rest.split_once("<<").and_then(|(before, at)| Some((before, at.split_once(">>")?)))
    {
        file.push_str(before);
        file.push_str(&filled_in(what));
        rest = after;
    }
    file + rest
}

fn filled_in(what: &str) -> String {
    let words: Vec<&str> = what.split(' ').collect();
    match words.as_slice() {
        ["columns", kind, width] => lines(columns(kind).map(|c| padded(c.name, width, c.kind)), ","),
        ["rows", kind, width] => lines(columns(kind).map(|c| padded(c.name, width, c.plain())), ","),
        ["aliases", kind, width] => {
            let fields = fields(kind).into_iter().filter(|f| f.kept == ClickHousePlace::Alias);
            let all: Vec<String> = fields
                .map(|f| {
                    let read = format!("String ALIAS JSONExtractString(event, '{}')", f.name);
                    padded(f.name, width, &read)
                })
                .collect();
            all.join(",\n")
        }
        ["tuple", kind] => {
            let mut typed = typed(kind);
            typed.last_mut().into_iter().for_each(|last| last.push_str(")') AS e"));
            wrapped(&typed, 12)
        }
        ["short", "tuple", kind] => typed(kind).join(", "),
        ["required", kind] => {
            let required = fields(kind).into_iter().filter(|f| f.required);
            wrapped(&required.map(|f| quoted(f.name)).collect::<Vec<_>>(), 12)
        }
        ["names", kind] => {
            let names: Vec<String> = columns(kind).map(|c| c.name.to_owned()).collect();
            wrapped(&names, 4) + ","
        }
        ["select", kind] => lines(columns(kind).map(|c| format!("    {} AS {}", c.value(kind), c.name)), ","),
        ["numbers"] => numbers().join("|"),
        ["numbers", "in", "words"] => {
            let mut all = numbers();
            let last = all.pop().unwrap_or_default();
            format!("{} or {last}", all.join(", "))
        }
        ["is", kind @ ..] => one_of(kind),
        _ => panic!("a template asks for {what:?}"),
    }
}

/// A column, and the field it is made of.
#[derive(Clone, Copy)]
struct Column {
    name: &'static str,
    /// Its type and codec.
    kind: &'static str,
    field: &'static EventField,
}

impl Column {
    /// Its type alone.
    fn plain(self) -> &'static str {
        let kind = self.kind.split(" CODEC(").next().unwrap_or_default();
        kind.split(" DEFAULT ").next().unwrap_or_default()
    }

    /// What it holds, of the fields `e` of a message.
    fn value(self, kind: &str) -> String {
        let name = self.field.name;
        match (self.field.json, self.name) {
            (_, "kind") => "multiIf(request_ != 'visit', 'prefetch', e.is_bot, 'bot', \
                            outcome_ != 'routed', 'trafficback', 'click')"
                .to_owned(),
            // The defaults of these two are needed for the kind too.
            (JsonType::Word, "outcome" | "request") => format!("{name}_"),
            (JsonType::Word, "direction") => format!("if(e.{name} = '', 'in', e.{name})"),
            (JsonType::Word, "device_type") => format!("if(e.{name} = '', 'unknown', e.{name})"),
            (JsonType::Time, "at") => {
                let id = if kind == "click" { "click_id" } else { "id" };
                format!(
                    "fromUnixTimestamp64Milli(arraySum(arrayMap(
            (c, n) -> bitShiftLeft(toInt64(position('0123456789ABCDEFGHJKMNPQRSTVWXYZ', c)) - 1, 50 - 5 * n),
            arraySlice(ngrams(rightPad(upper(e.{id}), 26, '0'), 1), 1, 10), range(1, 11))), 'UTC')"
                )
            }
            (JsonType::Time, _) => {
                format!(
                    "ifNull(parseDateTime64BestEffortOrNull(e.{name}, 3, 'UTC'), toDateTime64(0, 3, 'UTC'))"
                )
            }
            (JsonType::Ulid, _) => format!("upper(e.{name})"),
            (JsonType::Visitor, _) => format!("lower(e.{name})"),
            (JsonType::Status, _) => format!("lowerUTF8(trimBoth(e.{name}))"),
            (JsonType::Money, column) => {
                let of = |part: &str| match name {
                    "cost" if kind == "click" => format!("if(of_bot, e.bot_cost.{part}, e.cost.{part})"),
                    _ => format!("e.{name}.{part}"),
                };
                if column.ends_with("currency") {
                    format!("upper({})", of("currency"))
                } else {
                    let amount = of("amount");
                    format!("CAST(roundBankers(toDecimal256OrZero({amount}, 40), 6), 'Decimal(18, 6)')")
                }
            }
            _ => format!("e.{name}"),
        }
    }
}

fn fields(kind: &str) -> Vec<&'static EventField> {
    EventKind::ALL.into_iter().find(|k| k.as_str() == kind).expect("a kind of event").fields()
}

fn columns(kind: &str) -> impl Iterator<Item = Column> {
    fields(kind).into_iter().flat_map(|field| {
        let columns = match field.kept {
            ClickHousePlace::Column(kind) => vec![(field.name, kind)],
            ClickHousePlace::Columns(columns) => columns.to_vec(),
            ClickHousePlace::Body | ClickHousePlace::Alias | ClickHousePlace::Folded => Vec::new(),
        };
        columns.into_iter().map(move |(name, kind)| Column { name, kind, field })
    })
}

/// What a message is read as: fields of which something is kept.
fn typed(kind: &str) -> Vec<String> {
    let read = |f: &&EventField| {
        f.name == "schema"
            || (!matches!(f.kept, ClickHousePlace::Body | ClickHousePlace::Alias) && f.name != "at")
    };
    let typed = |f: &EventField| {
        let json = match f.json {
            JsonType::U16 => "UInt16",
            JsonType::U32 => "UInt32",
            JsonType::U63 | JsonType::U64 => "UInt64",
            JsonType::Mark => "Bool",
            JsonType::Money => "Tuple(amount String, currency String)",
            JsonType::Texts => "Array(String)",
            _ => "String",
        };
        format!("{} {json}", f.name)
    };
    fields(kind).into_iter().filter(read).map(typed).collect()
}

/// The fields of all events that are like this, each once, in order.
fn every(like: impl Fn(&EventField) -> bool) -> Vec<&'static str> {
    let mut names = Vec::new();
    for field in EventKind::ALL.into_iter().flat_map(EventKind::fields).filter(|f| like(f)) {
        if !names.contains(&field.name) {
            names.push(field.name);
        }
    }
    names
}

fn numbers() -> Vec<&'static str> {
    let kinds = [JsonType::U16, JsonType::U63, JsonType::U64, JsonType::U32];
    kinds.into_iter().flat_map(|kind| every(|f| f.json == kind)).collect()
}

/// The beginning of a case: the field is one of a type.
fn one_of(words: &[&str]) -> String {
    let names = match words {
        ["text"] => every(|f| f.json == JsonType::Text),
        ["text", "or", "null"] => every(|f| f.json == JsonType::TextOrNull),
        ["mark"] => every(|f| f.json == JsonType::Mark),
        ["id", prefix] => every(|f| is_id(f, prefix) && !is_named(f)),
        ["named", "id", prefix] => every(|f| is_id(f, prefix) && is_named(f)),
        ["ulid"] => every(|f| f.json == JsonType::Ulid),
        ["visitor"] => every(|f| f.json == JsonType::Visitor),
        ["time"] => every(|f| f.json == JsonType::Time),
        ["u16"] => every(|f| f.json == JsonType::U16),
        ["u32"] => every(|f| f.json == JsonType::U32),
        ["u63"] => every(|f| f.json == JsonType::U63),
        ["u64"] => every(|f| f.json == JsonType::U64),
        ["money"] => every(|f| f.json == JsonType::Money),
        ["status"] => every(|f| f.json == JsonType::Status),
        ["texts"] => every(|f| f.json == JsonType::Texts),
        ["pairs"] => every(|f| f.json == JsonType::Pairs),
        ["campaigns"] => every(|f| f.json == JsonType::Campaigns),
        ["passed"] => every(|f| f.json == JsonType::Passed),
        _ => panic!("a template asks whether a field is {words:?}"),
    };
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    match names.as_slice() {
        [one] => format!("p.1 = {one},"),
        all if all.iter().map(|n| n.len() + 2).sum::<usize>() + 16 < LINE => {
            format!("p.1 IN ({}),", all.join(", "))
        }
        all => format!("p.1 IN (\n{}),", wrapped(all, 12)),
    }
}

/// Whether it is an id of an entity of that kind.
fn is_id(field: &EventField, prefix: &str) -> bool {
    matches!(field.json, JsonType::Id(of) if of == prefix)
}

/// Whether it is never null, whatever the event.
fn is_named(field: &EventField) -> bool {
    let everywhere = EventKind::ALL.into_iter().flat_map(EventKind::fields).filter(|f| f.name == field.name);
    everywhere.clone().all(|f| f.required)
}

fn quoted(name: &str) -> String {
    format!("'{name}'")
}

fn padded(name: &str, width: &str, rest: &str) -> String {
    let width = width.parse().expect("a width");
    format!("    {name:<width$} {rest}")
}

/// Lines that all end alike.
fn lines(lines: impl Iterator<Item = String>, end: &str) -> String {
    lines.map(|line| line + end).collect::<Vec<_>>().join("\n")
}

/// With commas, in lines of equal indent that are as long as may be.
fn wrapped(items: &[String], indent: usize) -> String {
    let mut text = String::new();
    let mut line = 0;
    for (n, item) in items.iter().enumerate() {
        let long = item.len() + 1;
        if n > 0 && line + 1 + long <= LINE {
            text.push(' ');
            line += 1;
        } else {
            let _ = write!(text, "{}{:indent$}", if n > 0 { "\n" } else { "" }, "");
            line = indent;
        }
        text.push_str(item);
        if n + 1 < items.len() {
            text.push(',');
        }
        line += long;
    }
    text
}

#[test]
fn the_files_are_as_the_list_of_fields_makes_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/clickhouse/init");
    for (name, template, committed) in FILES {
        let made = made(template);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(format!("{folder}/{name}"), made).expect("write");
            continue;
        }
        let differs = committed.lines().zip(made.lines()).find(|(is, should)| is != should);
        assert!(
            committed == made,
            "{name} differs from what the list of fields makes, first here: {differs:#?}; renew it with: \
             UPDATE=1 cargo test -p tfx-clickhouse artefact"
        );
    }
}

/// A type of a field that no case looks at would let any value pass, which nobody could read back.
#[test]
fn every_field_is_looked_at_once() {
    let (_, checks) = super::script::PIPELINE.split_once("NOT multiIf(").expect("the checks");
    let (checks, _) = checks.split_once("AS wrong").expect("their end");
    let cases: Vec<&str> = checks.split("p.1 ").skip(1).filter(|c| !c.starts_with("!=")).collect();
    for field in every(|f| f.json != JsonType::Facts) {
        let name = quoted(field);
        let looks = |case: &&&str| {
            let names = case.strip_prefix("= ").map(|c| c.split(',').next());
            let names = names.or_else(|| case.strip_prefix("IN (").map(|c| c.split(')').next()));
            names.flatten().is_some_and(|names| names.contains(&name))
        };
        assert_eq!(cases.iter().filter(looks).count(), 1, "{field}");
    }
}
