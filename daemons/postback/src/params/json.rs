//! A JSON body as parameters: `{"data": {"items": [{"price": 5}]}}` is `data.items.0.price=5`.
//!
//! Values are texts with the digits they came with, only exponents are written out (`1.5e1` is `15`). Objects and lists
//! are no facts themselves, nor are `true` and `false`, nor is half of a character (`"\ud83d"`), which no text can hold.

use super::RequestFacts;
use percent_encoding::percent_decode;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};
use tfx_domain::{entity::LONGEST_PATH, postback::Unreadable};

const NESTED: &str = "is an object or a list; allowed is a text or a number";
const TRUE_OR_FALSE: &str = "is true or false; allowed is a text or a number";
const BROKEN_NAME: &str =
    "is a name with half of a character (a lone surrogate such as \\ud83d); allowed is a text";
const BROKEN: &str =
    "is a text with half of a character (a lone surrogate such as \\ud83d); allowed is a text or a number";

/// How much of a name that cannot be read is told.
const LONGEST_NAME: usize = 64;
/// The largest exponent that is written out.
const LARGEST_EXPONENT: i32 = 30;

/// Adds what a JSON body says, up to one value more than `most`.
pub(super) fn read(body: &[u8], most: usize, said: &mut RequestFacts) -> Result<(), String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|_| "is not UTF-8".to_owned())?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|e| format!("is not JSON: {e}"))?;
    let one = match whole.get().as_bytes().first() {
        Some(b'{') => whole,
        Some(b'[') => match list(whole)?.as_slice() {
            [one] if one.get().starts_with('{') => one,
            [_] => return Err("is a list of what is no object; send one object".to_owned()),
            many => {
                let n = many.len();
                return Err(format!(
                    "is a list of {n}; send one object, or a list of one, for each postback"
                ));
            }
        },
        _ => return Err("is JSON but no object; send one such as {\"click_id\": \"…\"}".to_owned()),
    };
    add_all("", one, 1, most, said)
}

/// The JSON that was sent as a form, or without saying what it is: as it is, or percent-encoded as the one name of a form.
pub(super) fn under_a_form(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    let begins = |text: &[u8]| {
        let mut signs = text.iter().filter(|b| !b.is_ascii_whitespace());
        match signs.next() {
            Some(b'{') => signs.next().is_some_and(|b| matches!(b, b'"' | b'}')),
            Some(b'[') => signs.next().is_some_and(|b| matches!(b, b'{' | b']' | b'"')),
            _ => false,
        }
    };
    let body = body.trim_ascii();
    let bare = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if begins(bare) {
        // Some clients end a form's name with the sign between name and value.
        return Some(Cow::Borrowed(bare.strip_suffix(b"=").unwrap_or(bare)));
    }
    if bare.starts_with(b"%7B")
        || bare.starts_with(b"%7b")
        || bare.starts_with(b"%5B")
        || bare.starts_with(b"%5b")
    {
        let one = bare.strip_suffix(b"=").unwrap_or(bare);
        let spaced: Vec<u8> = one.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        let decoded: Vec<u8> = percent_decode(&spaced).collect();
        return begins(&decoded).then_some(Cow::Owned(decoded));
    }
    None
}

/// The members of an object or a list, each under its path.
fn add_all(
    path: &str,
    value: &RawValue,
    depth: usize,
    most: usize,
    said: &mut RequestFacts,
) -> Result<(), String> {
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if value.get().starts_with('{') {
        for (name, value) in Object::of(value)? {
            match serde_json::from_str::<String>(name.get()) {
                Ok(name) => add(inner(&name), value, depth, most, said)?,
                // It cannot be told from others of its kind, which may be what is looked for.
                Err(_) => {
                    let written: String = name.get().trim_matches('"').chars().take(LONGEST_NAME).collect();
                    said.refuse(400, &inner(&written), BROKEN_NAME);
                }
            }
        }
    } else {
        for (i, value) in list(value)?.into_iter().enumerate() {
            add(inner(&i.to_string()), value, depth, most, said)?;
        }
    }
    Ok(())
}

fn add(
    path: String,
    value: &RawValue,
    depth: usize,
    most: usize,
    said: &mut RequestFacts,
) -> Result<(), String> {
    if said.params.len() > most {
        return Ok(());
    }
    match value.get() {
        "null" => {}
        raw if raw.starts_with(['{', '[']) => {
            said.unreadable.push(Unreadable { name: path.clone(), why: NESTED });
            // Deeper than any template can name.
            if depth < LONGEST_PATH {
                add_all(&path, value, depth + 1, most, said)?;
            }
        }
        raw if raw.starts_with('"') => match serde_json::from_str(raw) {
            Ok(text) => said.params.push((path, text)),
            Err(_) => said.unreadable.push(Unreadable { name: path, why: BROKEN }),
        },
        raw @ ("true" | "false") => {
            said.unreadable.push(Unreadable { name: path.clone(), why: TRUE_OR_FALSE });
            // A template may have words for it.
            said.params.push((path, raw.to_owned()));
        }
        raw => {
            let number = (path, written_out(raw).unwrap_or_else(|| raw.to_owned()));
            if number.1.contains('.') {
                said.numbers.push(number.clone());
            }
            said.params.push(number);
        }
    }
    Ok(())
}

/// A number without its exponent: `1.25e1` is `12.5`. None if it has none, or too large a one.
fn written_out(number: &str) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok().filter(|e: &i32| e.abs() <= LARGEST_EXPONENT)?;
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let (whole, fraction) = if point <= 0 {
        ("0".to_owned(), "0".repeat(point.unsigned_abs() as usize) + &all)
    } else if point as usize >= all.len() {
        (all.clone() + &"0".repeat(point as usize - all.len()), String::new())
    } else {
        (all[..point as usize].to_owned(), all[point as usize..].to_owned())
    };
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// A list's values.
fn list(value: &RawValue) -> Result<Vec<&RawValue>, String> {
    serde_json::from_str(value.get()).map_err(|e| format!("is not a JSON list: {e}"))
}

/// An object's fields in their order, repeated ones too; names as they are written.
struct Object<'j>(Vec<(&'j RawValue, &'j RawValue)>);

impl<'j> Object<'j> {
    fn of(value: &'j RawValue) -> Result<Vec<(&'j RawValue, &'j RawValue)>, String> {
        serde_json::from_str::<Self>(value.get())
            .map(|o| o.0)
            .map_err(|e| format!("is not a JSON object: {e}"))
    }
}

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
