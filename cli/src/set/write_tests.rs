//! What is written is read again, and reads well.

use super::{
    read::entities_of,
    vars::Vars,
    write::{WIDTH, text},
    yaml::documents,
};
use crate::input;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other}"),
    }
}

fn again(entity: &Map<String, Value>) -> Map<String, Value> {
    let text = text(entity);
    let found = entities_of(&text, &Vars::default());
    found.and_then(|mut all| all.pop()).unwrap_or_else(|| panic!("{:?}\n{text}", documents(&text).1))
}

#[test]
fn an_entity_is_written_as_it_is_read() {
    let campaign = object(json!({
        "name": "Summer", "slug": "summer", "source": "push", "cost": {"per_click": "0.02", "currency": "EUR"},
        "trafficback_url": "https://a.example/?s={click_id}&p=${payout}",
        "streams": [
            {"slug": "de", "name": "NO", "filters": [{"is": ["DE", "NO"], "field": "country"}, {"field": "param:x", "is_not": ["a, b"]}],
             "destinations": [{"destination": "offer-a", "weight": 70}]},
            {"slug": "rest", "name": "2024", "action": {"type": "html", "body": "<p>\nx: y\n</p>\n"}, "schedule": {"windows": ["22:00-08:00"]}},
        ],
    }));
    let want = "\
# Written by tfx export.
slug: summer
name: Summer
source: push
cost:
  per_click: 0.02
  currency: EUR
trafficback_url: https://a.example/?s={click_id}&p=$${payout}
streams:
  - slug: de
    name: \"NO\"
    filters:
      - { field: country, is: [DE, \"NO\"] }
      - { field: param:x, is_not: [\"a, b\"] }
    destinations:
      - { destination: offer-a, weight: 70 }

  - slug: rest
    name: \"2024\"
    action:
      type: html
      body: |
        <p>
        x: y
        </p>
    schedule:
      windows: [\"22:00-08:00\"]
";
    assert_eq!(text(&campaign), want);
    assert_eq!(again(&campaign), campaign);
}

#[test]
fn long_lists_are_broken() {
    let codes: Vec<String> = (0..40).map(|i| format!("code-{i}")).collect();
    let entity =
        object(json!({"slug": "a", "filters": [{"field": "city", "is": codes}], "allowed_ips": codes}));
    let text = text(&entity);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    assert_eq!(again(&entity), entity);
}

fn json() -> impl Strategy<Value = Value> {
    let odd = prop::sample::select(vec![
        "",
        " ",
        "null",
        "~",
        "true",
        "NO",
        "12",
        "0x1f",
        "1e3",
        "-",
        "- a",
        "a: b",
        "a #b",
        "a:",
        "${X}",
        "$${X}",
        "{a}",
        "[",
        "a\nb",
        "a\n",
        "\na",
        "a\n\nb\n",
        "a \nb",
        " a\nb",
        "a\n\n",
        "\t",
        "a\r\nb",
        "\u{85}",
        "\u{2028}",
        "\u{feff}x",
        "\u{0}",
        "---",
        "...",
        "日本",
        "'",
        "\"",
        "\\",
        "%a",
        "@",
        "2024-01-31",
        "1_000",
        ".5",
        "+1",
        "!a",
        "&a",
        "*a",
        "|",
        ">",
        "a\tb",
        "a\n\tb",
        "x\n---\ny",
    ]);
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        odd.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[ -~\n]{0,20}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        "[a-z_]{1,6}",
        "[ -~]{1,5}",
        Just("amount".to_owned()),
        Just("streams".to_owned()),
        Just("postback_body".to_owned())
    ];
    scalar.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Numbers in the place of money become texts, and names that say where a secret is are none.
fn is_said_otherwise(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            name.ends_with("_from")
                || input::is_decimal(name) && value.is_number()
                || is_said_otherwise(value)
        }),
        Value::Array(items) => items.iter().any(is_said_otherwise),
        _ => false,
    }
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again(fields in prop::collection::btree_map("[a-z_]{1,6}", json(), 0..6)) {
        let entity: Map<String, Value> = fields.into_iter().collect();
        prop_assume!(!is_said_otherwise(&Value::Object(entity.clone())));
        prop_assume!(!entity.is_empty());
        let back = again(&entity);
        prop_assert_eq!(&back, &entity, "{}", text(&entity));
    }
}
