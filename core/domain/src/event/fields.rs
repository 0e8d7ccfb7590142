//! What each field of an event is, beside its type: its JSON, and where the stores keep it.
//!
//! The structs of events are the list: `described!` and [`click_facts`](crate::click_facts) make both the struct and
//! its `FIELDS`. From them are made the files of ClickHouse (`core/clickhouse/src/migrate/artefact.rs`), the rows of
//! the embedded store, the dimensions of reports and the names of columns that people ask lists for.

use super::{ClickEvent, ConversionEvent, PostbackLogEvent};

/// How a field stands in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonType {
    /// The fields of [`ClickDims`](super::ClickDims), in its place.
    Facts,
    /// A text.
    Text,
    /// A text or null.
    TextOrNull,
    /// One of a few words.
    Word,
    /// `true` or `false`.
    Mark,
    /// A text: an entity's id that begins with this and an underscore. Null where it is not required.
    Id(&'static str),
    /// A text: a ULID, as ids of clicks are. Null where it is not required.
    Ulid,
    /// A text: 32 hexadecimal digits.
    Visitor,
    /// A text: RFC 3339.
    Time,
    /// A whole number of 16 bits.
    U16,
    /// A whole number of 32 bits, or null.
    U32,
    /// A whole number of 63 bits.
    U63,
    /// A whole number of 64 bits.
    U64,
    /// An object of an amount, as text, and a currency. Null where it is not required.
    Money,
    /// A word that people may add to.
    Status,
    /// A list of texts.
    Texts,
    /// A list of pairs of texts.
    Pairs,
    /// A list of ids of campaigns.
    Campaigns,
    /// A list of objects, each a stream and a reason.
    Passed,
}

/// Where ClickHouse keeps a field. Types are those of its columns, with their codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClickHousePlace {
    /// In the event as it came, and nowhere else.
    Body,
    /// In the event as it came; its name reads it from there.
    Alias,
    /// In the event as it came; what the columns of another field are made of needs it.
    Folded,
    /// In a column of its name.
    Column(&'static str),
    /// In columns of these names: what they hold is made of this field, perhaps of others too.
    Columns(&'static [(&'static str, &'static str)]),
}

/// Where the embedded store keeps a field beside the event as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowColumn {
    /// Nowhere, or in a way of its own.
    Own,
    /// In this column, as the number of a text.
    Numbered(&'static str),
    /// In this column, as it is.
    Text(&'static str),
    /// In this column, as a JSON list.
    List(&'static str),
    /// Among the bits of the column `facts`.
    Bits,
}

/// A field of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventField {
    /// Its name in JSON.
    pub name: &'static str,
    /// How it stands there.
    pub json: JsonType,
    /// Whether an event without it is none.
    pub required: bool,
    /// Where ClickHouse keeps it.
    pub kept: ClickHousePlace,
    /// Where the embedded store keeps it.
    pub row: RowColumn,
    /// The migration of the embedded store's events that brought its column; 0: it has none.
    pub since: u16,
}

impl EventField {
    /// One that may be absent and is kept in the body only.
    pub(super) const fn of(json: JsonType) -> Self {
        Self { name: "", json, required: false, kept: ClickHousePlace::Body, row: RowColumn::Own, since: 0 }
    }

    /// An event must have it.
    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) const fn kept(self, kept: ClickHousePlace) -> Self {
        Self { kept, ..self }
    }

    pub(super) const fn column(self, kind: &'static str) -> Self {
        self.kept(ClickHousePlace::Column(kind))
    }

    pub(super) const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

/// A struct of an event, and `FIELDS` of it: each field is followed by what else is to be known of it.
macro_rules! described {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$of_field:meta])* pub $field:ident: $type:ty = $what:expr,)*
    }) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
        }

        impl $name {
            /// What its fields are, in their order.
            pub const FIELDS: &'static [EventField] = {
                use crate::event::fields::JsonType::*;
                const fn of(json: crate::event::JsonType) -> EventField {
                    EventField::of(json)
                }
                &[$($what.named(stringify!($field)),)*]
            };
        }
    };
}
pub(super) use described;

/// A kind of event: those that differ in their fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Clicks, whatever became of them.
    Click,
    /// States of conversions.
    Conversion,
    /// Postbacks.
    PostbackLog,
    /// Changes of a destination's health. No struct yet: whatever else it says is kept as it came.
    DestinationHealth,
}

const HEALTH: &[EventField] = &[
    EventField::of(JsonType::U16).required().named("schema"),
    EventField::of(JsonType::Ulid).required().column("String").named("id"),
    EventField::of(JsonType::Time).required().column("DateTime64(3, 'UTC')").named("at"),
    EventField::of(JsonType::Id("dst")).required().column("LowCardinality(String)").named("destination_id"),
];

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Click, Self::Conversion, Self::PostbackLog, Self::DestinationHealth];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Conversion => "conversion",
            Self::PostbackLog => "postback_log",
            Self::DestinationHealth => "destination_health",
        }
    }

    /// Its fields as they stand in JSON, those of a click's facts in their place.
    pub fn fields(self) -> Vec<&'static EventField> {
        let own = match self {
            Self::Click => ClickEvent::FIELDS,
            Self::Conversion => ConversionEvent::FIELDS,
            Self::PostbackLog => PostbackLogEvent::FIELDS,
            Self::DestinationHealth => HEALTH,
        };
        own.iter()
            .flat_map(|field| match field.json {
                JsonType::Facts => super::ClickDims::FIELDS.iter(),
                _ => std::slice::from_ref(field).iter(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ClickDims;
    use serde_json::{Map, Value, json};
    use std::collections::BTreeSet;

    /// Values that it may have.
    fn samples(field: &EventField) -> Vec<Value> {
        match field.json {
            JsonType::Facts => Vec::new(),
            JsonType::Text | JsonType::Status => vec![json!("x")],
            JsonType::TextOrNull => vec![json!("x"), Value::Null],
            JsonType::Word => match field.name {
                "outcome" => vec![json!("routed"), json!("loop")],
                "request" => vec![json!("visit"), json!("head")],
                "device_type" => vec![json!("mobile"), json!("unknown")],
                "direction" => vec![json!("out"), json!("in")],
                _ => vec![json!("recorded"), json!("conflict"), json!("sent")],
            },
            JsonType::Mark => vec![json!(true), json!(false)],
            JsonType::Id(prefix) => vec![json!(format!("{prefix}_0000000000000000001"))],
            JsonType::Ulid => vec![json!("01KG0Z3V5T8Q2M4N6P7R9SABCD")],
            JsonType::Visitor => vec![json!("0123456789abcdef0123456789abcdef")],
            JsonType::Time => vec![json!("2026-02-01T10:00:00Z")],
            JsonType::U16 => vec![json!(1)],
            JsonType::U32 => vec![json!(u32::MAX), Value::Null],
            JsonType::U63 => vec![json!(i64::MAX)],
            JsonType::U64 => vec![json!(u64::MAX)],
            JsonType::Money => vec![json!({ "amount": "2.5", "currency": "USD" })],
            JsonType::Texts => vec![json!(["a", "b"])],
            JsonType::Pairs => vec![json!([["a", "b"]])],
            JsonType::Campaigns => vec![json!(["cmp_0000000000000000001"])],
            JsonType::Passed => vec![json!([{ "stream_id": "str_0000000000000000001", "reason": "r" }])],
        }
    }

    /// The event as it is written after it was read; none: it cannot be read.
    fn read(kind: EventKind, object: &Map<String, Value>) -> Option<Value> {
        let value = Value::Object(object.clone());
        match kind {
            EventKind::Click => serde_json::from_value::<ClickEvent>(value).ok().map(|e| json!(e)),
            EventKind::Conversion => serde_json::from_value::<ConversionEvent>(value).ok().map(|e| json!(e)),
            EventKind::PostbackLog => {
                serde_json::from_value::<PostbackLogEvent>(value).ok().map(|e| json!(e))
            }
            EventKind::DestinationHealth => None,
        }
    }

    #[test]
    fn the_list_is_what_the_structs_read_and_write() {
        for kind in [EventKind::Click, EventKind::Conversion, EventKind::PostbackLog] {
            let fields = kind.fields();
            let full: Map<String, Value> =
                fields.iter().map(|f| (f.name.to_owned(), samples(f).swap_remove(0))).collect();
            let written = read(kind, &full).expect("a full event is one");
            assert_eq!(written, Value::Object(full.clone()), "{kind:?}: every field, as it was");
            for field in fields {
                let mut without = full.clone();
                without.remove(field.name);
                assert_eq!(read(kind, &without).is_none(), field.required, "{kind:?} without {}", field.name);
                let mut wrong = full.clone();
                wrong.insert(field.name.to_owned(), json!({ "no": ["such", "type"] }));
                assert_eq!(read(kind, &wrong), None, "{kind:?} with a wrong {}", field.name);
                for sample in samples(field) {
                    let mut with = full.clone();
                    with.insert(field.name.to_owned(), sample);
                    assert!(read(kind, &with).is_some(), "{kind:?}: {:?}", with[field.name]);
                }
            }
        }
    }

    #[test]
    fn a_field_has_one_type_and_a_column_one_name() {
        for kind in EventKind::ALL {
            let names: Vec<_> = kind.fields().iter().map(|f| f.name).collect();
            let distinct: BTreeSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), names.len(), "{kind:?}: {names:?}");
            for other in EventKind::ALL {
                for field in kind.fields() {
                    let same = other.fields().into_iter().find(|o| o.name == field.name);
                    assert!(same.is_none_or(|o| o.json == field.json), "{} has two types", field.name);
                }
            }
        }
        let rows: Vec<_> = ClickDims::FIELDS
            .iter()
            .filter_map(|f| match f.row {
                RowColumn::Numbered(c) | RowColumn::Text(c) | RowColumn::List(c) => Some(c),
                RowColumn::Own | RowColumn::Bits => None,
            })
            .collect();
        assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "{rows:?}");
    }
}
