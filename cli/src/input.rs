//! What commands read beside flags: `-f FILE|-`, and the forms of flag values (`k=v`, money, lengths of time).

use crate::exit::Failure;
use serde_json::{Map, Value, json};
use std::{
    fmt::Display,
    fs,
    io::{self, Read},
    path::Path,
    str::FromStr,
};
use tfx_domain::{
    money::{Amount, Currency},
    problem::Problems,
};

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

/// Whether a field of this name is money, or another decimal number that is a text for programs.
pub(crate) fn is_decimal(name: &str) -> bool {
    matches!(name, "amount" | "per_click" | "percent" | "payout" | "scale")
}

/// Money is decimal text; who writes `amount: 2.5` without quotes means the same.
fn decimal_texts(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if inner.is_number() && is_decimal(name) {
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

/// What is said of one name twice, and not alike: `sub1=a` and `sub1=b`. It stands at the path of the field.
pub(crate) fn repeated(path: &str, pairs: &[(String, String)]) -> Problems {
    let mut problems = Problems::default();
    for (i, (name, value)) in pairs.iter().enumerate() {
        let first = pairs[..i].iter().find(|(other, _)| other == name).map(|(_, first)| first);
        if let Some(first) = first.filter(|first| *first != value) {
            problems.add(format!("{path}.{name}"), format!("is said twice: '{first}' and '{value}'"));
        }
    }
    problems
}

/// `name=number`.
///
/// # Errors
/// No `=`, no name, not a whole number.
pub(crate) fn count(text: &str) -> Result<(String, u64), String> {
    let (name, value) = pair(text)?;
    value.trim().parse().map(|n| (name, n)).map_err(|_| "must be NAME=NUMBER".to_owned())
}

/// A whole number, of which clap would say in the words of a library what it is not.
///
/// # Errors
/// Not a whole number, or one that is too large.
pub(crate) fn number<N: FromStr>(text: &str) -> Result<N, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let why = if digits { "is too large" } else { "must be a whole number" };
    text.parse().ok().filter(|_| digits).ok_or_else(|| why.to_owned())
}

/// A whole number from `least` to `most`.
pub(crate) fn within<N>(
    least: N,
    most: N,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let must = || format!("must be a whole number of {least} to {most}");
        number(text).ok().filter(|n| (least..=most).contains(n)).ok_or_else(must)
    }
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
    let amount = Amount::exact(amount.trim()).map_err(|e| format!("the amount {e}"))?;
    let currency = match currency.trim() {
        "" => None,
        code => Some(code.parse().map_err(|e| format!("the currency {e}"))?),
    };
    if amount < Amount::ZERO {
        return Err("must not be negative".to_owned());
    }
    Ok((amount, currency))
}

/// `path=value`: JSON if it reads as JSON, else text. An item of a list stands in brackets, in which a `=` is only that.
///
/// # Errors
/// No `=`, no path.
pub(crate) fn setting(text: &str) -> Result<(String, Value), String> {
    let mut inside = false;
    let sign = text.find(|c| {
        inside = (inside || c == '[') && c != ']';
        c == '=' && !inside
    });
    let (path, value) = match sign.map(|at| (text[..at].trim(), &text[at + 1..])) {
        Some((path, value)) if !path.is_empty() => (path.to_owned(), value.to_owned()),
        _ => pair(text)?,
    };
    let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
    Ok((path, value))
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A field.
    Field(String),
    /// An item of a list: what it is called there, or its place.
    Item(String),
}

/// The steps of `destinations[offer].weight`.
///
/// # Errors
/// It is no path.
pub(crate) fn steps(path: &str) -> Result<Vec<Step>, String> {
    let none = || format!("'{path}' is not a path such as caps.timezone or destinations[offer].weight");
    let mut out = Vec::new();
    let mut rest = path;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (field, after) = rest.split_at(end);
        if field.is_empty() {
            return Err(none());
        }
        out.push(Step::Field(field.to_owned()));
        rest = after;
        while let Some(inside) = rest.strip_prefix('[') {
            let (item, after) =
                inside.split_once(']').filter(|(item, _)| !item.is_empty()).ok_or_else(none)?;
            out.push(Step::Item(item.to_owned()));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(out),
            None => return Err(none()),
        }
    }
}

/// Puts a value into one item of a list of `there`, and the list into `fields`; without a value takes it away. What
/// `fields` says of the list already goes before.
///
/// # Errors
/// There is no such list or item; which there are.
pub(crate) fn put_item(
    fields: &mut Map<String, Value>,
    there: &Value,
    path: &str,
    steps: &[Step],
    value: Option<&Value>,
) -> Result<(), Failure> {
    let [Step::Field(first), rest @ ..] = steps else {
        return Err(Failure::usage(format!("{path} begins with no field")));
    };
    let before = fields.get(first).or_else(|| there.get(first)).cloned().unwrap_or(Value::Null);
    let mut whole = before;
    walk(&mut whole, rest, there, value).map_err(|why| Failure::usage(format!("{path}: {why}")))?;
    fields.insert(first.clone(), whole);
    Ok(())
}

fn walk(at: &mut Value, steps: &[Step], entity: &Value, value: Option<&Value>) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        *at = value.cloned().unwrap_or(Value::Null);
        return Ok(());
    };
    match step {
        Step::Field(name) => {
            let Value::Object(fields) = at else { return Err(format!("there is no field {name}")) };
            if rest.is_empty() && value.is_none() {
                fields.remove(name);
                return Ok(());
            }
            walk(fields.entry(name.clone()).or_insert(Value::Null), rest, entity, value)
        }
        Step::Item(name) => {
            let Value::Array(items) = at else { return Err("there is no list".to_owned()) };
            let found = items.iter().position(|item| names(item, entity).iter().any(|n| n == name));
            let place = found.or_else(|| name.parse().ok().filter(|i| *i < items.len()));
            let Some(place) = place else {
                let all: Vec<String> =
                    items.iter().filter_map(|i| names(i, entity).into_iter().next()).collect();
                return Err(format!("there is no '{name}'; there are {}", all.join(", ")));
            };
            if rest.is_empty() && value.is_none() {
                items.remove(place);
                return Ok(());
            }
            walk(&mut items[place], rest, entity, value)
        }
    }
}

/// What an item of a list is called: the slug or id of what it refers to, the field it asks, the name of a parameter,
/// itself.
fn names(item: &Value, entity: &Value) -> Vec<String> {
    let Value::Object(fields) = item else {
        let whole = crate::output::text(item);
        let name = whole.split_once('=').map(|(name, _)| name.to_owned());
        return name.into_iter().chain([whole]).collect();
    };
    let mut out = Vec::new();
    for field in ["destination", "field", "slug", "name"] {
        if let Some(text) = fields.get(field).and_then(Value::as_str) {
            let label = entity["labels"].get(text).and_then(Value::as_str);
            out.extend(label.map(str::to_owned));
            out.push(text.to_owned());
        }
    }
    out
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
    fn what_is_said_twice_and_not_alike_is_a_problem() {
        let pairs = |all: &[(&str, &str)]| {
            all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        };
        let said = pairs(&[("sub1", "a"), ("sub2", "a"), ("sub1", "b"), ("sub2", "a")]);
        let problems = repeated("params.subs", &said);
        assert_eq!(problems.to_string(), "params.subs.sub1: is said twice: 'a' and 'b'");
    }

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
    fn one_item_of_a_list_is_changed_by_its_name() {
        let there = json!({
            "labels": { "dst_1": "offer", "dst_2": "other" },
            "destinations": [{ "destination": "dst_1", "weight": 70 }, { "destination": "dst_2", "weight": 30 }],
            "filters": [{ "field": "country", "is": ["US"] }, { "field": "param:a=b", "is": ["x"] }],
            "allowed_ips": ["192.0.2.1/32"],
        });
        let table = [
            ("destinations[offer].weight=60", "/destinations/0/weight", json!(60)),
            ("destinations[dst_2].weight=60", "/destinations/1/weight", json!(60)),
            ("destinations[1].weight=60", "/destinations/1/weight", json!(60)),
            ("filters[country].is=[\"CA\"]", "/filters/0/is", json!(["CA"])),
            ("filters[country].is[US]=CA", "/filters/0/is/0", json!("CA")),
            ("filters[param:a=b].is[0]=[y=]", "/filters/1/is/0", json!("[y=]")),
        ];
        for (text, at, want) in table {
            let (path, value) = setting(text).expect(text);
            let mut patch = Map::new();
            put_item(&mut patch, &there, &path, &steps(&path).expect(text), Some(&value)).expect(text);
            let patch = Value::Object(patch);
            assert_eq!(patch.pointer(at), Some(&want), "{text}: {patch}");
            assert_eq!(patch.as_object().map(Map::len), Some(1), "{text}: only that list");
        }
        let mut patch = Map::new();
        let gone = steps("destinations[other]").expect("steps");
        put_item(&mut patch, &there, "destinations[other]", &gone, None).expect("taken away");
        assert_eq!(patch["destinations"].as_array().map(Vec::len), Some(1));
        let nope = steps("destinations[nope].weight").expect("steps");
        let why = put_item(&mut patch, &there, "x", &nope, None).expect_err("none").message;
        assert!(why.contains("'nope'") && why.contains("offer"), "{why}");
        for bad in ["", "a..b", "a[b", "a[]", "[a]", "a[b]c", "a."] {
            assert!(steps(bad).is_err(), "{bad}");
        }
        assert_eq!(
            setting("trafficback_url=https://x.example/?a[b]=c").map(|(path, _)| path),
            Ok("trafficback_url".to_owned())
        );
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
