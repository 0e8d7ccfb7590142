//! The shape of every JSON result: which fields there are, of which type. Programs rely on it; a change is a change of
//! the product.

use crate::{
    clicks::{campaign, recorded},
    place::Place,
    transcript::same,
    web,
};
use serde_json::{Map, Value};
use std::fmt::Write;

/// A value with its types in the place of its values; the items of an array are taken together.
fn shape(value: &Value) -> Value {
    let word = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "text",
        Value::Array(items) => {
            let one = items.iter().map(shape).reduce(both);
            return Value::Array(one.into_iter().collect());
        }
        Value::Object(fields) => {
            // The fields of labels are ids: three letters, an underscore, 19 more.
            let is_id = |key: &str| key.len() == 23 && key.as_bytes()[3] == b'_';
            let name = |key: &str| if is_id(key) { "ID".to_owned() } else { key.to_owned() };
            let fields: Map<String, Value> = fields.iter().map(|(k, v)| (name(k), shape(v))).collect();
            return Value::Object(fields);
        }
    };
    Value::String(word.to_owned())
}

/// What is in one or the other; a null says nothing where there is more.
fn both(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            for (key, value) in other {
                let value = match one.remove(&key) {
                    Some(before) => both(before, value),
                    None => value,
                };
                one.insert(key, value);
            }
            Value::Object(one)
        }
        (Value::Array(one), Value::Array(other)) => {
            Value::Array(one.into_iter().chain(other).reduce(both).into_iter().collect())
        }
        (one, other) if one == other => one,
        // What may be absent may be null.
        (Value::String(null), one) | (one, Value::String(null)) if null == "null" => one,
        (Value::String(one), Value::String(other)) => Value::String(format!("{one} or {other}")),
        (one, other) => panic!("{one} and {other} have no shape"),
    }
}

#[test]
fn of_every_result() {
    let mut place = Place::running();
    campaign(&place);
    let click = web::click(&place, "/c/summer?sub1=a&keyword=shoes");
    web::get(&place, "/c/nowhere", web::PHONE);
    place.set("CLICK", &click);
    recorded(&place, 2);
    place.ok(
        "tfx source create --name Social --cost-param c --sub sub1=z --postback-url https://social.example/",
    );
    place.ok("tfx campaign update summer --source social --trafficback https://tb.example/");
    place.ok(
        "tfx destination update offer --cap clicks_daily=9 --schedule mon-sun --anti-repeat 1h --health-check",
    );
    place.ok("tfx network update adnet --allow-ip 127.0.0.1");
    place.ok("tfx template update adnet/main --ignore ping --default-payout 5");
    place.file("access.log", &crate::replay::LOG.repeat(2));
    let mut text = String::new();
    for line in [
        "tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=12.5\"",
        "tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=12.5\" --send",
        "tfx campaign show summer",
        "tfx stream show summer/us",
        "tfx destination show offer",
        "tfx source show social",
        "tfx network show adnet",
        "tfx template show adnet/main",
        "tfx network create --name Other",
        "tfx campaign list",
        "tfx stream list --limit 1",
        "tfx campaign link summer",
        "tfx network postback-url adnet",
        "tfx explain summer --country US",
        "tfx explain --click $CLICK",
        "tfx click show $CLICK",
        "tfx click show $CLICK --timeline",
        "tfx click list",
        "tfx conversion list",
        "tfx conversion show $(tfx conversion list --output name)",
        "tfx postback log",
        "tfx postback queue",
        "tfx source test social",
        "tfx report --metrics clicks,roi",
        "tfx audit",
        "tfx events stats",
        "tfx config check",
        "tfx config show",
        "tfx bench --replay access.log --to summer --quiet",
    ] {
        let done = place.sh(&format!("{line} --output json"));
        assert_eq!(done.code, Some(0), "{line}: {}", done.stderr);
        let value = serde_json::from_str(&done.stdout).expect(line);
        let pretty = serde_json::to_string_pretty(&shape(&value)).expect("JSON");
        let _ = writeln!(text, "$ {line} --output json\n{pretty}\n");
    }
    same("shapes", &text);
}
