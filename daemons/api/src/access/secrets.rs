//! Secrets in what a source is told and in where clicks are sent, in answers to who may not see them: masked by the names of
//! fields, at any depth.

use serde_json::Value;
use tfx_domain::source_postback::mask;

/// Masks them.
pub(super) fn masked(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(masked),
        Value::Object(fields) => {
            for (name, value) in fields {
                if mask::FIELDS.contains(&name.as_str()) {
                    mask::field(name, value);
                } else {
                    masked(value);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_masked_at_any_depth() {
        let mut value = json!({"items": [{"slug": "push", "postback_url": "https://u:p@s.example/?token=x&a={tid}"}],
            "changes": {"postback_urls": [null, {"sale": "https://s.example/?key=x"}]}});
        masked(&mut value);
        let want = json!({"items": [{"slug": "push", "postback_url": "https://***@s.example/?token=***&a={tid}"}],
            "changes": {"postback_urls": [null, {"sale": "https://s.example/?key=***"}]}});
        assert_eq!(value, want);
    }
}
