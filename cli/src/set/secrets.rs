//! Secrets of a configuration, which are in no file of it: `FIELD_from: env:NAME | file:PATH` says where one is. It is read when the
//! set is made, sent, and shown nowhere.

use super::yaml::{Node, Shape, plain};
use serde_json::{Map, Value};
use std::path::Path;
use tfx_domain::source_postback::mask;
use tfx_ops::files;

pub(crate) use mask::SECRETS;

/// URLs in which secrets may stand.
const URLS: [&str; 3] = ["postback_url", "trafficback_url", "url"];
/// A map whose every value is such a URL.
const MAP_OF_URLS: &str = "postback_urls";
/// A list whose items may be `from: env:NAME`.
const LIST: &str = "channels";
/// More is no secret.
const MOST: u64 = 64 * 1024;

/// The field that is meant by `FIELD_from`, in a map that stands at the field `parent`.
pub(super) fn meant<'n>(name: &'n str, parent: &str) -> Option<&'n str> {
    let field = name.strip_suffix("_from").filter(|f| !f.is_empty())?;
    (SECRETS.contains(&field) || URLS.contains(&field) || parent == MAP_OF_URLS).then_some(field)
}

/// What an item of the list `parent` is taken from: `{ from: env:NAME }`.
pub(super) fn item_from<'n>(item: &'n Node, parent: &str) -> Option<&'n Node> {
    match &item.shape {
        Shape::Map(fields) if parent == LIST => match fields.as_slice() {
            [only] if only.name == "from" => Some(&only.value),
            _ => None,
        },
        _ => None,
    }
}

/// What `env:NAME` or `file:PATH` holds; a path is meant from the folder of the file that says it.
///
/// # Errors
/// It is neither, or holds nothing. The secret is in no message.
pub(super) fn taken(from: &Node, dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let form = || "must be env:NAME or file:PATH".to_owned();
    let (Shape::Plain(text) | Shape::Text(text)) = &from.shape else { return Err(form()) };
    let (place, name) = text.split_once(':').filter(|(_, name)| !name.trim().is_empty()).ok_or_else(form)?;
    let name = name.trim();
    let secret = match place {
        "env" => env(name).ok_or_else(|| format!("{name} is not set in the environment"))?,
        "file" => {
            let path = dir.join(name);
            let bytes = files::read_plain(&path, MOST)
                .map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
            let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.display()))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        _ => return Err(form()),
    };
    if secret.is_empty() { Err(format!("{text} holds nothing")) } else { Ok(secret) }
}

/// Fields of an item, as they are written, in which a secret stands plainly.
pub(super) fn written(item: &Node) -> Vec<&super::yaml::Field> {
    let Shape::Map(fields) = &item.shape else { return Vec::new() };
    fields.iter().filter(|field| is_written(&field.name, &raw(&field.value))).collect()
}

fn is_written(name: &str, value: &Value) -> bool {
    if SECRETS.contains(&name) {
        return value.as_str().is_some_and(|text| !is_variable(text) && text != mask::MASK);
    }
    let mut shown = value.clone();
    if mask::FIELDS.contains(&name) {
        mask::field(name, &mut shown);
    }
    shown != *value
}

/// Nothing but variables, as [`raw`] gives them.
fn is_variable(text: &str) -> bool {
    text.starts_with('{') && text.ends_with('}')
}

/// A value as it is written. Variables are like macros, in which no secret is looked for.
fn raw(node: &Node) -> Value {
    match &node.shape {
        Shape::Text(text) => Value::String(text.replace("${", "{")),
        Shape::Plain(text) => match plain(text) {
            Value::String(text) => Value::String(text.replace("${", "{")),
            other => other,
        },
        Shape::List(items) => Value::Array(items.iter().map(raw).collect()),
        Shape::Map(fields) => Value::Object(fields.iter().map(|f| (f.name.clone(), raw(&f.value))).collect()),
    }
}

/// The fields of an item that are shown masked in part.
pub(crate) fn masked_fields(item: &Map<String, Value>) -> Vec<&'static str> {
    let is_masked =
        |name: &&&str| item.get(**name).is_some_and(|value| value.to_string().contains(mask::MASK));
    mask::FIELDS.iter().filter(is_masked).copied().collect()
}

/// A line of a file as it may be shown in a log: what is named as secrets are, and what looks like one in a URL, is not in it.
pub(super) fn shown_line(line: &str) -> String {
    let line = line.trim_end();
    let Some((before, value)) = line.split_once(": ") else { return line.to_owned() };
    let name = before.trim_start_matches([' ', '-']).trim_matches(['"', '\'']);
    if SECRETS.iter().any(|secret| name == *secret || value.contains(&format!("{secret}:"))) {
        return format!("{before}: {}", mask::MASK);
    }
    let mut named = serde_json::json!({ name: value });
    mask::json(&mut named);
    let mut value = named[name].clone();
    if value.as_str().is_some_and(|text| text.contains("://")) {
        mask::field("postback_url", &mut value);
    }
    format!("{before}: {}", value.as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{super::yaml::documents, *};

    fn node(text: &str) -> Node {
        documents(text).0.remove(0)
    }

    #[test]
    fn a_secret_comes_from_the_environment_or_a_file() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("key"), "from a file\r\n").expect("a file");
        std::fs::write(dir.path().join("empty"), "\n").expect("a file");
        let env = |name: &str| match name {
            "KEY" => Some("from the environment".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let from = |text: &str| taken(&node(text), dir.path(), &env);
        assert_eq!(from("env:KEY").as_deref(), Ok("from the environment"));
        assert_eq!(from("file:key").as_deref(), Ok("from a file"));
        for (text, part) in [
            ("env:GONE", "GONE is not set"),
            ("env:EMPTY", "holds nothing"),
            ("file:empty", "holds nothing"),
            ("file:gone", "cannot be read"),
            ("file:.", "is no file"),
            ("vault:x", "must be env:NAME or file:PATH"),
            ("KEY", "must be"),
            ("[a]", "must be"),
            ("12", "must be"),
        ] {
            let why = from(text).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn secrets_that_are_written_plainly_are_found() {
        for (text, want) in [
            ("postback_secret: hunter2hunter2", 1),
            ("postback_secret: ${SECRET}", 0),
            ("postback_secret: \"***\"", 0),
            ("postback_secret:", 0),
            ("postback_secret_from: env:X", 0),
            ("signing_key: abcdefgh", 1),
            ("trafficback_url: https://a.example/?token=abc", 1),
            ("trafficback_url: https://a.example/?token=***", 0),
            ("trafficback_url: https://a.example/?token=${TOKEN}", 0),
            ("url: https://u:p@a.example/", 1),
            ("url: https://a.example/?s={click_id}", 0),
            ("channels: [\"webhook:https://a.example/hooks/T0/B0/abc\"]", 1),
            ("postback_urls: { sale: \"https://a.example/?key=1a2b\" }", 1),
            ("name: token", 0),
        ] {
            assert_eq!(written(&node(text)).len(), want, "{text}");
        }
    }

    #[test]
    fn a_line_is_shown_without_its_secrets() {
        for (line, want) in [
            ("  weight: many", "  weight: many"),
            ("postback_secret: canary", "postback_secret: ***"),
            ("  - { slug: a, postback_secret: canary }", "  - { slug: ***"),
            ("  pass: canary", "  pass: ***"),
            ("url: https://u:canary@a.example/", "url: https://***@a.example/"),
            ("  sale: https://a.example/?token=canary", "  sale: https://a.example/?token=***"),
            ("- no field", "- no field"),
        ] {
            assert_eq!(shown_line(line), want);
        }
    }
}
