//! What commands read beside flags: `-f FILE|-`, and the forms of flag values (`k=v`, money, lengths of time).

use crate::exit::Failure;
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{self, Read},
    path::Path,
};
use tfx_domain::money::{Amount, Currency};

/// Larger files are surely not meant.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The text of a file, or of standard input for `-`.
///
/// # Errors
/// It cannot be read, is too large or not UTF-8.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let bad = |e: io::Error| Failure::usage(format!("{name} cannot be read: {e}"));
    let mut out = String::new();
    let mut reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(fs::File::open(path).map_err(bad)?)
    };
    reader.by_ref().take(MAX_FILE).read_to_string(&mut out).map_err(bad)?;
    if out.len() as u64 == MAX_FILE {
        return Err(Failure::usage(format!("{name} is larger than {MAX_FILE} bytes")));
    }
    Ok(out)
}

/// The fields of an entity from YAML or JSON.
///
/// # Errors
/// Not YAML or JSON, not an object, with the place.
pub(crate) fn fields(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = text(path)?;
    // JSON is told apart by its brace, for error messages of the right language.
    let parsed: Result<Value, String> = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|e| format!("is not JSON: {e}"))
    } else {
        serde_norway::from_str(&text).map_err(|e| format!("is not YAML: {e}"))
    };
    match parsed {
        Ok(mut value @ Value::Object(_)) => {
            decimal_texts(&mut value);
            let Value::Object(fields) = value else { return Ok(Map::new()) };
            Ok(fields)
        }
        Ok(_) => Err(Failure::usage(format!("{} must hold one object: field: value", path.display()))),
        Err(why) => Err(Failure::usage(format!("{} {why}", path.display()))),
    }
}

/// Money is decimal text; who writes `amount: 2.5` without quotes means the same.
fn decimal_texts(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if inner.is_number() && matches!(name.as_str(), "amount" | "per_click" | "payout") {
                    *inner = Value::String(inner.to_string());
                } else {
                    decimal_texts(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(decimal_texts),
        _ => {}
    }
}

/// `name=value`.
///
/// # Errors
/// No `=`, no name.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

/// `name=number`.
///
/// # Errors
/// No `=`, no name, not a whole number.
pub(crate) fn count(text: &str) -> Result<(String, u64), String> {
    let (name, value) = pair(text)?;
    value.trim().parse().map(|n| (name, n)).map_err(|_| "must be NAME=NUMBER".to_owned())
}

/// A number of things.
///
/// # Errors
/// Not a whole number above 0.
pub(crate) fn positive(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "must be a whole number above 0".to_owned())
}

/// An amount with an optional currency: `25`, `0.02 EUR`.
///
/// # Errors
/// Not an amount, not a currency.
pub(crate) fn money(text: &str) -> Result<(Amount, Option<Currency>), String> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (amount, currency) = text.split_at(at);
    let amount: Amount = amount.trim().parse().map_err(|e| format!("the amount {e}"))?;
    let currency = match currency.trim() {
        "" => None,
        code => Some(code.parse().map_err(|e| format!("the currency {e}"))?),
    };
    if amount < Amount::ZERO {
        return Err("must not be negative".to_owned());
    }
    Ok((amount, currency))
}

/// `path=value`: JSON if it reads as JSON, else text.
///
/// # Errors
/// No `=`, no path.
pub(crate) fn setting(text: &str) -> Result<(String, Value), String> {
    let (path, value) = pair(text)?;
    let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
    Ok((path, value))
}

/// Puts a value at a dotted path, making objects on the way.
pub(crate) fn put(fields: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            fields.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = fields.entry(first.to_owned()).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_an_amount_and_perhaps_a_currency() {
        let amount = |t: &str| t.parse::<Amount>().expect("amount");
        let eur = "EUR".parse().ok();
        assert_eq!(money("25"), Ok((amount("25"), None)));
        assert_eq!(money("0.02 EUR"), Ok((amount("0.02"), eur)));
        assert_eq!(money("0.02eur"), Ok((amount("0.02"), eur)));
        for bad in ["", "EUR", "1,5", "1 EURO", "-1", "1e5"] {
            assert!(money(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_makes_what_it_needs() {
        let mut fields = Map::new();
        put(&mut fields, "caps.clicks_daily", json!(5));
        put(&mut fields, "caps.timezone", json!("UTC"));
        put(&mut fields, "name", json!("N"));
        assert_eq!(
            Value::Object(fields),
            json!({"caps": {"clicks_daily": 5, "timezone": "UTC"}, "name": "N"})
        );
        assert_eq!(setting("allow_upsell=true"), Ok(("allow_upsell".to_owned(), json!(true))));
        assert_eq!(setting("name=Summer"), Ok(("name".to_owned(), json!("Summer"))));
    }

    #[test]
    fn numbers_of_money_become_texts() {
        let mut value = json!({"payout": {"amount": 2.5}, "cost": {"per_click": 0.02}, "weight": 7});
        decimal_texts(&mut value);
        assert_eq!(value, json!({"payout": {"amount": "2.5"}, "cost": {"per_click": "0.02"}, "weight": 7}));
    }
}
