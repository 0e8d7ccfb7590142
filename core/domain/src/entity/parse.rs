//! From JSON to a spec, reporting every problem at once (`docs/decisions/0008-every-problem-at-once.md`).

use super::{Kind, Spec, objects::Objects, words::readable};
use crate::{money::Currency, problem::Problems};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Segment, Track};
use std::collections::{BTreeMap, BTreeSet};

/// Fields that a shown entity has beside its spec; accepted and ignored, so that what was shown can be sent back.
const META: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// Each round mends one value; an input has at most this many problems worth reading.
const MOST_PROBLEMS: usize = 100;

/// Parses and validates a spec.
///
/// Serde stops at the first broken value. To find them all, each is noted and replaced, by the one of the spec's
/// example if there is one, else by nothing, and parsing starts again.
///
/// # Errors
/// All problems, with the path of each.
pub fn parse<S: Spec>(input: Value) -> Result<S, Problems> {
    parse_over(input, None)
}

/// As [`parse`], of what takes the place of `before`: a currency that ISO 4217 does not list, saved before there was a
/// list, is no fault of a change that leaves it as it is.
///
/// # Errors
/// All problems, with the path of each.
pub fn parse_over<S: Spec>(input: Value, before: Option<&Value>) -> Result<S, Problems> {
    let stays = before.is_some_and(|before| keeps_currency(S::KIND, before, &input));
    let is_kept = |path: &str| stays && Some(path) == S::KIND.currency();
    let Value::Object(mut fields) = input else {
        return Err(Problems::one("", "must be an object"));
    };
    for name in META {
        fields.remove(name);
    }
    let given: BTreeSet<String> = fields.keys().cloned().collect();
    let mut mender = Mender { value: Value::Object(fields), example: S::example(), removed: BTreeMap::new() };
    let (spec, mut problems) = mender.read::<S>();
    let Some(spec) = spec else { return Err(problems) };
    let mut found = spec.validate();
    found.0.retain(|p| !is_kept(&p.path));
    if problems.is_empty() {
        return found.into_result(spec);
    }
    for p in found.0 {
        let path = mender.original(&p.path);
        let field = path.split(['.', '[']).next().unwrap_or_default();
        // What was not given, or was replaced, is no fault of the person's.
        if given.contains(field)
            && !problems.0.iter().any(|q| within(&q.path, &path) || within(&path, &q.path))
        {
            problems.add(path, p.message);
        }
    }
    Err(problems)
}

/// Whether the currency is the one that was there.
fn keeps_currency(kind: Kind, before: &Value, after: &Value) -> bool {
    let said = |spec| kind.currency_in(spec).and_then(|text| Currency::stored(text).ok());
    said(before).is_some_and(|currency| said(after) == Some(currency))
}

/// Reads what is not an entity, reporting every problem at once: what is broken is noted and taken out.
///
/// # Errors
/// All problems, with the path of each.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problems> {
    let mut mender = Mender { value, example: Value::Null, removed: BTreeMap::new() };
    match mender.read() {
        (Some(read), problems) => problems.into_result(read),
        (None, problems) => Err(problems),
    }
}

/// Serde reports a missing or unknown field at the object that lacks or has it, and `TryFrom` errors at the whole
/// value; the field's name is in the message: "missing field `a`", "unknown field `a`, …", "at `a`: …".
fn locate(message: &str, place: &mut Vec<Segment>) -> String {
    for before in ["missing field `", "unknown field `", "at `"] {
        let Some((key, rest)) = message.strip_prefix(before).and_then(|m| m.split_once('`')) else {
            continue;
        };
        let named = matches!(place.last(), Some(Segment::Map { key: last }) if last == key);
        if before != "unknown field `" || !named {
            place.push(Segment::Map { key: key.to_owned() });
        }
        if before == "at `" {
            return rest.trim_start_matches(": ").to_owned();
        }
    }
    message.to_owned()
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

/// Whether a path is another one or lies within it.
fn within(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The input with its broken values replaced.
struct Mender {
    value: Value,
    example: Value,
    /// Items taken out of lists: the list's path to their places in what the person wrote.
    removed: BTreeMap<String, BTreeSet<usize>>,
}

impl Mender {
    /// What can be read when everything broken is replaced, and what was.
    fn read<T: DeserializeOwned>(&mut self) -> (Option<T>, Problems) {
        let mut problems = Problems::default();
        for _ in 0..MOST_PROBLEMS {
            let mut track = Track::new();
            let tracked = serde_path_to_error::Deserializer::new(Objects(&self.value), &mut track);
            // Erased, so that what follows the path is compiled once and not for each type that is read.
            let error = match erased_serde::deserialize(&mut <dyn erased_serde::Deserializer>::erase(tracked))
            {
                Ok(read) => return (Some(read), problems),
                Err(error) => error,
            };
            let mut place: Vec<Segment> = track.path().iter().cloned().collect();
            let message = locate(&error.to_string(), &mut place);
            let path = self.original(&path_text(&place));
            // A value that is still refused after it was mended: what holds it has to go. One that is refused since
            // something in it was replaced is no fault of the person's.
            if problems.0.iter().any(|p| p.path == path) {
                place.pop();
            } else if !problems.0.iter().any(|p| within(&p.path, &path)) {
                problems.add(path, readable(&message));
            }
            if !self.mend(&place) {
                break;
            }
        }
        (None, problems)
    }

    /// Replaces what is at `place`, or the nearest thing around it that can be replaced. False if there is none.
    fn mend(&mut self, place: &[Segment]) -> bool {
        (1..=place.len()).rev().any(|length| self.replace(&place[..length]))
    }

    fn replace(&mut self, place: &[Segment]) -> bool {
        let Some((last, parents)) = place.split_last() else { return false };
        let mut at = &mut self.value;
        let mut like = Some(&self.example);
        for segment in parents {
            let inner = match segment {
                Segment::Map { key } => {
                    like = like.and_then(|e| e.get(key));
                    at.get_mut(key)
                }
                Segment::Seq { index } => {
                    like = like.and_then(|e| e.get(0));
                    at.get_mut(index)
                }
                Segment::Enum { .. } | Segment::Unknown => None,
            };
            let Some(inner) = inner else { return false };
            at = inner;
        }
        match (at, last) {
            (Value::Object(map), Segment::Map { key }) => match like.and_then(|e| e.get(key)) {
                Some(stand_in) if map.get(key) != Some(stand_in) => {
                    map.insert(key.clone(), stand_in.clone());
                    true
                }
                _ => map.remove(key).is_some(),
            },
            (Value::Array(items), Segment::Seq { index }) if *index < items.len() => {
                items.remove(*index);
                let list = self.original(&path_text(parents));
                let place = self.shifted(&list, *index);
                self.removed.entry(list).or_default().insert(place);
                true
            }
            _ => false,
        }
    }

    /// The path in what the person wrote: items that were taken out count.
    fn original(&self, path: &str) -> String {
        let mut out = String::new();
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('[') {
            out.push_str(before);
            match after.split_once(']').and_then(|(n, tail)| Some((n.parse::<usize>().ok()?, tail))) {
                Some((index, tail)) => {
                    out = format!("{out}[{}]", self.shifted(&out, index));
                    rest = tail;
                }
                None => {
                    out.push('[');
                    rest = after;
                }
            }
        }
        out + rest
    }

    fn shifted(&self, list: &str, index: usize) -> usize {
        let gone = self.removed.get(list);
        gone.into_iter().flatten().fold(index, |at, removed| if *removed <= at { at + 1 } else { at })
    }
}
