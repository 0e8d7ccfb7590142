//! What is wrong with what a command line says of an entity, as far as that can be told without api-service: beside flags
//! that cannot be read, so that everything is told at once.

use super::{Fields, Spec, create::SpecInput};
use crate::exit::Failure;
use serde_json::Value;
use tfx_domain::{
    entity::{
        self, AlertSpec, CampaignSpec, DestinationSpec, Kind, NetworkSpec, SourceSpec, StreamSpec,
        TemplateSpec, parse,
    },
    problem::Problems,
};

/// What is wrong with these flags. What they refer to is not looked up, and what they do not say is not missed.
pub(super) fn problems(kind: Kind, input: &SpecInput, fields: &impl Fields) -> Problems {
    let mut said = Spec::new();
    // What cannot be put together, perhaps for want of a flag that could not be read, is told when that is mended.
    let _ = input.put(fields, &mut said);
    let mut problems = fields.repeated();
    problems.0.extend(of(kind, said).0);
    problems
}

/// Ends with all that is wrong where something is said twice: what would be saved is only one of it.
///
/// # Errors
/// A wrong command line, with all problems.
pub(super) fn once(kind: Kind, input: &SpecInput, fields: &impl Fields) -> Result<(), Failure> {
    if fields.repeated().is_empty() {
        return Ok(());
    }
    Err(Failure::usage("the command line is not valid").with(problems(kind, input, fields)))
}

fn of(kind: Kind, said: Spec) -> Problems {
    match kind {
        Kind::Campaign => checked::<CampaignSpec>(said),
        Kind::Stream => checked::<StreamSpec>(said),
        Kind::Destination => checked::<DestinationSpec>(said),
        Kind::Source => checked::<SourceSpec>(said),
        Kind::Network => checked::<NetworkSpec>(said),
        Kind::Template => checked::<TemplateSpec>(said),
        Kind::Alert => checked::<AlertSpec>(said),
    }
}

fn checked<S: entity::Spec>(said: Spec) -> Problems {
    let mut whole = match S::example() {
        Value::Object(fields) => fields,
        _ => Spec::new(),
    };
    whole.extend(said.clone());
    let said = Value::Object(said);
    let Err(mut problems) = parse::<S>(Value::Object(whole)) else { return Problems::default() };
    problems.0.retain(|p| is_said(&said, &p.path) && !S::REFS.iter().any(|(path, _)| names(&p.path, path)));
    problems
}

/// Whether there is something at a path such as `caps.clicks_daily` or `filters[0].is[1]`.
fn is_said(said: &Value, path: &str) -> bool {
    let mut at = Some(said);
    for step in path.split(['.', '[']).map(|s| s.trim_end_matches(']')) {
        at = at.and_then(|v| v.get(step).or_else(|| v.get(step.parse::<usize>().ok()?)));
    }
    at.is_some()
}

/// Whether a path such as `destinations[3].destination` is one of those at `destinations[].destination`.
fn names(path: &str, all: &str) -> bool {
    let mut bare = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        inside = (inside || c == '[') && c != ']';
        if !inside || c == '[' {
            bare.push(c);
        }
    }
    bare == all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_said_is_checked_and_nothing_else() {
        let table: [(Kind, Value, &[&str]); 7] = [
            (
                Kind::Destination,
                json!({ "caps": { "foo": 3 }, "url": "nowhere", "network": "adnet" }),
                &["caps.foo", "url"],
            ),
            (Kind::Destination, json!({ "payout": { "currency": "EUR" } }), &[]),
            (Kind::Destination, json!({ "schedule": { "windows": ["never"] } }), &["schedule.windows[0]"]),
            (Kind::Campaign, json!({ "slug": "a b", "source": "social" }), &["slug"]),
            (
                Kind::Stream,
                json!({ "campaign": "summer", "destinations": [{ "destination": "offer" }] }),
                &[],
            ),
            (
                Kind::Template,
                json!({ "network": "adnet", "statuses": { "sale": ["a"], "lead": ["a"] } }),
                &["statuses.sale[0]"],
            ),
            (Kind::Network, json!({ "allowed_ips": ["1.2.3.4/99"] }), &["allowed_ips[0]"]),
        ];
        for (kind, said, want) in table {
            let Value::Object(fields) = said.clone() else { panic!("object") };
            let paths: Vec<String> = of(kind, fields).0.into_iter().map(|p| p.path).collect();
            assert_eq!(paths, want, "{kind}: {said}");
        }
    }
}
