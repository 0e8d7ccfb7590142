//! What changed, for the audit log.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tfx_domain::source_postback::mask;

pub(crate) use mask::SECRETS;

/// Those of a network that are given up slowly, the field of the one before, of which nothing is shown but its end, and that of
/// its end.
pub(crate) const FORMER: [(&str, &str, &str); 2] = [
    ("postback_secret", "former_secret", "former_secret_until"),
    ("signing_key", "former_signing_key", "former_signing_key_until"),
];

/// Such a field as it may be seen: that there is a secret.
pub(super) fn hide(name: &str, value: &mut Value) {
    let is_former = FORMER.iter().any(|(_, former, _)| *former == name);
    match value {
        Value::Null => {}
        Value::Object(former) if is_former => {
            former.insert("secret".to_owned(), mask::MASK.into());
        }
        _ if is_former || SECRETS.contains(&name) => *value = mask::MASK.into(),
        _ => {}
    }
}

/// `{field: [before, after]}` of every top-level field that differs, secrets masked.
pub(crate) fn changes(before: &Value, after: &Value) -> Value {
    let fields = |v: &Value| v.as_object().cloned().unwrap_or_default();
    let (before, after) = (fields(before), fields(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut out = Map::new();
    for name in names {
        let of = |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or(Value::Null);
        let (old, new) = (of(&before), of(&after));
        if old != new {
            let masked = |mut v: Value| {
                hide(name, &mut v);
                mask::field(name, &mut v);
                v
            };
            out.insert(name.clone(), json!([masked(old), masked(new)]));
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_and_no_secret() {
        let before = json!({"a": 1, "b": {"c": 2}, "postback_secret": "canary-one"});
        let after = json!({"a": 1, "b": {"c": 3}, "d": [], "postback_secret": "canary-two"});
        let want = json!({"b": [{"c": 2}, {"c": 3}], "d": [null, []], "postback_secret": ["***", "***"]});
        assert_eq!(changes(&before, &after), want);
        let after = json!({"former_secret": {"secret": "canary-one", "until": "2026-01-02T00:00:00Z"}});
        let want = json!({"former_secret": [null, {"secret": "***", "until": "2026-01-02T00:00:00Z"}]});
        assert_eq!(changes(&json!({}), &after), want);
        let before = json!({"postback_url": "https://s.example/?token=canary"});
        let after = json!({"postback_url": "https://u:canary@s.example/"});
        let want = json!({"postback_url": ["https://s.example/?token=***", "https://***@s.example/"]});
        assert_eq!(changes(&before, &after), want);
        assert_eq!(changes(&Value::Null, &json!({"a": 1})), json!({"a": [null, 1]}));
    }
}
