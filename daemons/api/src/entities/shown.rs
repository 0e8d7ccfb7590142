//! What an entity is shown with in place of secrets, when it comes back: it stands for what was there, and is never taken for
//! a value, nor left out without a word.

use super::diff::SECRETS;
use serde_json::{Map, Value};
use tfx_domain::{entity::Kind, problem::Problems, source_postback::mask};

/// Of each secret whether it is said to be there: `has_postback_secret`.
pub(super) type Claims = Vec<(&'static str, bool)>;

/// What a body says of secrets.
pub(super) fn claims(fields: &Map<String, Value>) -> Claims {
    let said = |name: &&'static str| Some((*name, fields.get(&format!("has_{name}"))?.as_bool()?));
    SECRETS.iter().filter_map(said).collect()
}

/// Checks them against what is to be saved. A network without a secret is given one, and its answer shows it.
pub(super) fn check(kind: Kind, claims: &Claims, value: &Value, problems: &mut Problems) {
    for (name, said) in claims {
        let path = format!("has_{name}");
        let (is, has_it) = (value.get(*name).is_some_and(|v| !v.is_null()), *said);
        match (has_it, is) {
            (true, false) if kind == Kind::Source => problems.add(
                path,
                format!(
                    "is shown in place of a secret and brings none: give {name}, or leave this out to go without; \
                     tfx source update SLUG --sign makes a new key"
                ),
            ),
            (false, true) if kind == Kind::Source => {
                problems.add(path, format!("is only shown: {name} of null takes the secret away"));
            }
            _ => {}
        }
    }
}

/// Puts back what is masked as it was shown; any other mask is a problem.
pub(super) fn unmask(value: &mut Value, before: Option<&Value>, problems: &mut Problems) {
    for name in mask::FIELDS {
        let Some(new) = value.get_mut(name) else { continue };
        let old = before.and_then(|b| b.get(name));
        restore(name, name, new, old, problems);
    }
}

fn restore(path: &str, name: &str, new: &mut Value, old: Option<&Value>, problems: &mut Problems) {
    if let (Value::Object(urls), "postback_urls") = (&mut *new, name) {
        for (status, url) in urls {
            let old = old.and_then(|o| o.get(status));
            restore(&format!("{path}.{status}"), "postback_url", url, old, problems);
        }
        return;
    }
    if let (Value::Array(items), "channels") = (&mut *new, name) {
        let before: Vec<&Value> = old.and_then(Value::as_array).into_iter().flatten().collect();
        for (i, item) in items.iter_mut().enumerate() {
            let is_it = |old: &&Value| {
                let mut shown = (*old).clone();
                mask::field(name, &mut shown);
                *item == shown || *item == **old
            };
            // Two may look alike: the one in its place goes first.
            let here = before.get(i).copied().filter(is_it);
            let old = here.or_else(|| before.iter().copied().find(is_it));
            restore(&format!("{path}[{i}]"), name, item, old, problems);
        }
        return;
    }
    if let Some(old) = old {
        let mut shown = old.clone();
        mask::field(name, &mut shown);
        if *new == shown {
            new.clone_from(old);
            return;
        }
        if new == old {
            return;
        }
    }
    if new.to_string().contains(mask::MASK) {
        let message =
            "has *** where something is not shown: write what stands there, or leave it as it was shown";
        problems.add(path, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_shown_stands_for_what_was_there() {
        let before = json!({
            "postback_url": "https://u:p@s.example/?id={external_id}",
            "postback_urls": {"sale": "https://s.example/?token=x"},
        });
        let mut shown = before.clone();
        for name in mask::FIELDS {
            if let Some(value) = shown.get_mut(name) {
                mask::field(name, value);
            }
        }
        assert!(!shown.to_string().contains("u:p") && !shown.to_string().contains("token=x"));
        let mut problems = Problems::default();
        unmask(&mut shown, Some(&before), &mut problems);
        assert_eq!((shown, problems.0.len()), (before.clone(), 0));
        let mut other = json!({"postback_url": "https://***@other.example/"});
        unmask(&mut other, Some(&before), &mut problems);
        assert_eq!(problems.0[0].path, "postback_url");
        let mut new = json!({"postback_urls": {"sale": "https://s.example/?token=***"}});
        unmask(&mut new, None, &mut problems);
        assert_eq!(problems.0[1].path, "postback_urls.sale");
    }

    #[test]
    fn a_secret_that_is_said_to_be_there_is_not_left_out_without_a_word() {
        let said = |has: bool| json!({"has_postback_signing_key": has});
        let with = json!({"postback_signing_key": "whsec_x"});
        let table = [
            (true, json!({}), true),
            (true, with.clone(), false),
            (false, json!({}), false),
            (false, with, true),
        ];
        for (has, value, refused) in table {
            let mut problems = Problems::default();
            check(Kind::Source, &claims(said(has).as_object().expect("object")), &value, &mut problems);
            assert_eq!(!problems.is_empty(), refused, "{has} {value}");
        }
    }
}
