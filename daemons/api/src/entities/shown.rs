//! What an entity is shown with in place of secrets, when it comes back: it stands for what was there, and is never taken for
//! a value, nor left out without a word. What is kept so goes to no other server than before, unless who asks for it may see
//! secrets or says them himself.

use super::diff::SECRETS;
use serde_json::{Map, Value};
use tfx_domain::{entity::Kind, problem::Problems, source_postback::mask};
use url::{Origin, Url};

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
        let may_lack = kind == Kind::Source || *name == "signing_key";
        let another =
            if kind == Kind::Source { "; tfx source update SLUG --sign makes a new key" } else { "" };
        match (has_it, is) {
            (true, false) if may_lack => problems.add(
                path,
                format!("is shown in place of a secret and brings none: give {name}, or leave this out to go without{another}"),
            ),
            (false, true) if may_lack => {
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
    if let (Value::Object(check), "health_check") = (&mut *new, name) {
        let old = old.and_then(|o| o.get("url"));
        check
            .get_mut("url")
            .into_iter()
            .for_each(|url| restore(&format!("{path}.url"), "url", url, old, problems));
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
        let message = "has *** where something is not shown, which goes with nothing but what it was shown in: write what \
                       stands there, or leave it as it was shown";
        problems.add(path, message);
    }
}

/// The secrets of a source's body go to every server that its URLs name. What is kept of them goes to no other: a change
/// that names one says them all itself.
///
/// What stands in a URL is kept with the whole of it alone ([`unmask`]); a signing key is not sent, and its signatures tell
/// nothing of it.
pub(super) fn stay(value: &Value, before: &Value, patch: &Map<String, Value>, problems: &mut Problems) {
    let body = &value["postback_body"];
    let mut shown = body.clone();
    mask::field("postback_body", &mut shown);
    if is_said(body, &shown, patch.get("postback_body")) {
        return;
    }
    let known: Vec<Option<Origin>> = urls(before).into_iter().map(|(_, url)| origin(url)).collect();
    for (path, url) in urls(value) {
        if !known.contains(&origin(url)) {
            let message = "names another server, which would be sent what is kept and not shown of postback_body: give the \
                           whole postback_body with it, without ***, or have the scope read:secrets";
            problems.add(path, message);
        }
    }
}

/// Whether all of a body that is not shown is given by who changes it.
fn is_said(body: &Value, shown: &Value, said: Option<&Value>) -> bool {
    match (body, shown) {
        (Value::Object(members), Value::Object(masked)) => members.iter().all(|(name, member)| {
            is_said(member, masked.get(name).unwrap_or(&Value::Null), said.and_then(|said| said.get(name)))
        }),
        (Value::Array(items), Value::Array(masked)) => items.iter().enumerate().all(|(i, item)| {
            is_said(item, masked.get(i).unwrap_or(&Value::Null), said.and_then(|said| said.get(i)))
        }),
        _ => body == shown || Some(body) == said,
    }
}

/// The URLs of a source, by their paths.
fn urls(source: &Value) -> Vec<(String, &str)> {
    let own = source["postback_urls"].as_object().into_iter().flatten();
    let own = own.map(|(status, url)| (format!("postback_urls.{status}"), url));
    let all = std::iter::once(("postback_url".to_owned(), &source["postback_url"])).chain(own);
    all.filter_map(|(path, url)| Some((path, url.as_str()?))).collect()
}

/// Scheme, host and port; nothing in them is filled in.
fn origin(url: &str) -> Option<Origin> {
    Some(Url::parse(url).ok()?.origin())
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

    /// A change of a source by who may not see its secrets, and the paths that are refused.
    #[test]
    fn what_is_kept_goes_to_no_other_server() {
        let before = json!({
            "postback_url": "https://s.example/pb?k={external_id}",
            "postback_urls": {"lead": "https://u:p@t.example:8443/"},
            "postback_body": {"id": "{tid}", "pass": "hunter2", "of": [{"key": 5}], "note": "abc"},
        });
        let evil = "https://evil.example/";
        let with = |url: &str, body: Value| json!({"postback_url": url, "postback_body": body});
        let whole = json!({"pass": "hunter2", "of": [{"key": 5}]});
        let table = [
            (json!({"postback_url": evil}), &["postback_url"][..]),
            (json!({"postback_url": "http://s.example/pb"}), &["postback_url"]),
            (json!({"postback_url": "https://s.example:444/pb"}), &["postback_url"]),
            (json!({"postback_url": "https://s.example@evil.example/pb"}), &["postback_url"]),
            (json!({"postback_url": "https://evil.example\\@s.example/pb"}), &["postback_url"]),
            (json!({"postback_url": "https://S.example:443/other?a=1"}), &[]),
            (json!({"postback_url": "https://t.example:8443/"}), &[]),
            (
                json!({"postback_urls": {"sale": evil, "lead": "https://***@t.example:8443/"}}),
                &["postback_urls.sale"],
            ),
            // The mask goes with nothing but the URL that it was shown in.
            (
                json!({"postback_urls": {"lead": "https://***@evil.example/"}}),
                &["postback_urls.lead", "postback_urls.lead"],
            ),
            (
                json!({"postback_urls": {"lead": "https://t.example:8443/?token=***"}}),
                &["postback_urls.lead"],
            ),
            (json!({"postback_urls": {"sale": "https://***@t.example:8443/"}}), &["postback_urls.sale"]),
            (
                with(evil, json!({"id": "{tid}", "pass": "***", "of": [{"key": "***"}], "note": "abc"})),
                &["postback_url"],
            ),
            (with(evil, json!({"note": "other"})), &["postback_url"]),
            (with(evil, json!({"pass": "hunter2"})), &["postback_url"]),
            (with(evil, json!({"pass": "hunter2", "of": [{"key": 6}]})), &[]),
            (with(evil, whole.clone()), &[]),
            (with(evil, json!(null)), &[]),
            (with(evil, json!({"pass": null, "of": null})), &[]),
            (with("https://s.example/other", json!({"note": "other"})), &[]),
        ];
        for (patch, refused) in table {
            let patch = patch.as_object().expect("an object").clone();
            let mut value = before.clone();
            super::super::edit::merge(&mut value, Value::Object(patch.clone()));
            let mut problems = Problems::default();
            unmask(&mut value, Some(&before), &mut problems);
            stay(&value, &before, &patch, &mut problems);
            let paths: Vec<&str> = problems.0.iter().map(|p| p.path.as_str()).collect();
            assert_eq!(paths, refused, "{patch:?}");
        }
        // Channels of alerts hold their secrets in the URL alone.
        let before = json!({"channels": ["webhook:https://u:p@s.example/", "telegram:-100"]});
        for (channel, refused) in [
            ("webhook:https://***@s.example/", &[][..]),
            ("webhook:https://***@evil.example/", &["channels[0]"]),
            ("webhook:http://***@s.example/", &["channels[0]"]),
            ("slack:https://***@s.example/", &["channels[0]"]),
            ("webhook:https://s.example/***", &["channels[0]"]),
        ] {
            let mut problems = Problems::default();
            unmask(&mut json!({"channels": [channel]}), Some(&before), &mut problems);
            let paths: Vec<&str> = problems.0.iter().map(|p| p.path.as_str()).collect();
            assert_eq!(paths, refused, "{channel}");
        }
        let mut none = Problems::default();
        let open = json!({"postback_url": "https://s.example/", "postback_body": {"id": "{tid}"}});
        let patch = json!({"postback_url": evil});
        stay(
            &json!({"postback_url": evil, "postback_body": {"id": "{tid}"}}),
            &open,
            patch.as_object().expect("one"),
            &mut none,
        );
        assert!(none.is_empty(), "there is nothing that is not shown");
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
