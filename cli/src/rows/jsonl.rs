//! An object on each line. Numbers keep the digits with which they are written; `null` is an empty cell.

use super::{Broken, LONGEST, Place, Row};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{
    fmt,
    io::{BufRead, Read as _},
    sync::Arc,
};

/// The next object; blank lines are none.
pub(super) fn next(input: &mut Box<dyn BufRead + Send>, at: &mut Place) -> Result<Option<Row>, Broken> {
    loop {
        let line = at.line;
        let mut raw = Vec::new();
        let read = input.by_ref().take(LONGEST as u64 + 2).read_until(b'\n', &mut raw)?;
        if read == 0 {
            return Ok(None);
        }
        *at = Place { offset: at.offset + read as u64, line: line + 1 };
        let text = raw.trim_ascii().to_vec();
        if text.len() > LONGEST {
            return Err(Broken::at(line, format!("it is longer than {} KiB", LONGEST >> 10)));
        }
        if text.is_empty() {
            continue;
        }
        let (mut names, mut cells, mut numbers, mut problem) = (Vec::new(), Vec::new(), Vec::new(), None);
        match serde_json::from_slice::<Pairs>(&text) {
            Err(e) => problem = Some(format!("it is no object of JSON: {e}")),
            Ok(Pairs(pairs)) => {
                for (name, value) in pairs {
                    match cell(&value) {
                        Ok(cell) => {
                            if value.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
                                numbers.push(cells.len());
                            }
                            names.push(name);
                            cells.push(cell.into_bytes());
                        }
                        Err(why) => problem = Some(format!("{name} {why}")),
                    }
                }
            }
        }
        return Ok(Some(Row { line, end: *at, names: Arc::from(names), cells, numbers, raw: text, problem }));
    }
}

fn cell(value: &RawValue) -> Result<String, &'static str> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(|_| "holds half of a character"),
        Some(b'n') => Ok(String::new()),
        Some(b'{' | b'[') => Err("is an object or a list; allowed is a text or a number"),
        // A word is none of the facts, and another column may hold it.
        _ => Ok(text.to_owned()),
    }
}

/// The fields of an object, in their order, also those that stand there twice.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfObject;

        impl<'de> Visitor<'de> for OfObject {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(OfObject)
    }
}
