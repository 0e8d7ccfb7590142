//! Actions as people type them: `redirect:301`, `status:404`, `text:hello`, `campaign:autumn`.

use serde_json::{Value, json};

const FORMS: &str = "must be redirect, redirect:CODE, meta_refresh, double_meta, js, text:TEXT, html:HTML, status:CODE or campaign:SLUG";

/// Reads an action.
///
/// # Errors
/// The forms.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let (word, rest) = match text.split_once(':') {
        Some((word, rest)) => (word, Some(rest)),
        None => (text, None),
    };
    let code = |rest: &str| rest.parse::<u16>().map_err(|_| FORMS.to_owned());
    Ok(match (word, rest) {
        ("redirect", None) => json!({ "type": "redirect" }),
        ("redirect", Some(rest)) => json!({ "type": "redirect", "code": code(rest)? }),
        ("meta_refresh" | "double_meta" | "js", None) => json!({ "type": word }),
        ("text" | "html", Some(body)) => json!({ "type": word, "body": body }),
        ("status", Some(rest)) => json!({ "type": "status", "code": code(rest)? }),
        ("campaign", Some(campaign)) if !campaign.is_empty() => {
            json!({ "type": "campaign", "campaign": campaign })
        }
        _ => return Err(FORMS.to_owned()),
    })
}

/// Whether an action leads to no destination.
pub(super) fn needs_none(action: Option<&Value>) -> bool {
    let word = action.and_then(|a| a["type"].as_str());
    word.is_some_and(|w| matches!(w, "text" | "html" | "status" | "campaign"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_action_is_read() {
        let table = [
            ("redirect:301", json!({"type": "redirect", "code": 301})),
            ("js", json!({"type": "js"})),
            ("text:a:b", json!({"type": "text", "body": "a:b"})),
            ("status:404", json!({"type": "status", "code": 404})),
            ("campaign:autumn", json!({"type": "campaign", "campaign": "autumn"})),
        ];
        for (text, want) in table {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
        for bad in ["", "status", "status:x", "js:1", "campaign:", "jump"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(needs_none(Some(&json!({"type": "status"}))) && !needs_none(None));
    }
}
