//! From JSON to a spec, reporting every problem at once.

use super::Spec;
use crate::problem::Problems;
use serde_json::Value;
use serde_path_to_error::Segment;

/// Fields that a shown entity has beside its spec; accepted and ignored, so that what was shown can be sent back.
const META: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// Parses and validates a spec.
///
/// Serde stops at the first broken field. To find them all, each broken value is noted and replaced: left out,
/// or, if the field is required, taken from the spec's example, and parsing starts again.
///
/// # Errors
/// All problems, with the path of each.
pub fn parse<S: Spec>(input: Value) -> Result<S, Problems> {
    let mut problems = Problems::default();
    let Value::Object(mut fields) = input else {
        return Err(Problems::one("", "must be an object"));
    };
    for name in META {
        fields.remove(name);
    }
    let example = S::example();
    let mut value = Value::Object(fields);
    // Each round mends one path; an input has at most this many problems worth reading.
    for _ in 0..100 {
        match serde_path_to_error::deserialize::<_, S>(&value) {
            Ok(spec) => {
                // Problems of values are only meaningful for what the person wrote, not for what stood in.
                if problems.is_empty() {
                    problems = spec.validate();
                }
                return problems.into_result(spec);
            }
            Err(error) => {
                let mut segments: Vec<Segment> = error.path().iter().cloned().collect();
                let message = error.inner().to_string();
                // A missing field is reported at its parent: the name is in the message.
                if let Some(missing) = quoted(&message, "missing field `") {
                    segments.push(Segment::Map { key: missing });
                } else if let Some(unknown) = quoted(&message, "unknown field `")
                    && !matches!(segments.last(), Some(Segment::Map { key }) if *key == unknown)
                {
                    segments.push(Segment::Map { key: unknown });
                }
                problems.add(path_text(&segments), readable(&message));
                if !mend(&mut value, &segments, &example) {
                    return Err(problems);
                }
            }
        }
    }
    Err(problems)
}

fn quoted(message: &str, before: &str) -> Option<String> {
    message.strip_prefix(before)?.split('`').next().map(str::to_owned)
}

/// Serde's words, without the position it adds.
fn readable(message: &str) -> String {
    let text = message.split(" at line ").next().unwrap_or(message);
    if text.starts_with("missing field") {
        return "is required".to_owned();
    }
    if let Some(rest) = text.strip_prefix("unknown field ") {
        let known = rest.split_once(", expected ").map_or("", |(_, k)| k).replace('`', "");
        return format!("is not a known field; known are {}", known.trim_start_matches("one of "));
    }
    text.replace('`', "'")
}

fn path_text(segments: &[Segment]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for s in segments {
        match s {
            Segment::Seq { index } => {
                let _ = write!(out, "[{index}]");
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Segment::Unknown => {}
        }
    }
    out
}

/// Puts the example's value at `path`, or removes what is there. False if there is nothing left to try.
fn mend(value: &mut Value, path: &[Segment], example: &Value) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let mut at = value;
    let mut like = Some(example);
    for segment in parents {
        (at, like) = match segment {
            Segment::Map { key } => match at.get_mut(key) {
                Some(inner) => (inner, like.and_then(|e| e.get(key))),
                None => return false,
            },
            Segment::Seq { index } => match at.get_mut(index) {
                Some(inner) => (inner, like.and_then(|e| e.get(0))),
                None => return false,
            },
            Segment::Enum { .. } | Segment::Unknown => return false,
        };
    }
    match (at, last) {
        (Value::Object(map), Segment::Map { key }) => {
            let stand_in = like.and_then(|e| e.get(key)).cloned();
            match stand_in {
                Some(v) if map.get(key) != Some(&v) => map.insert(key.clone(), v).is_some() || true,
                _ => map.remove(key).is_some(),
            }
        }
        (Value::Array(items), Segment::Seq { index }) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => false,
    }
}
