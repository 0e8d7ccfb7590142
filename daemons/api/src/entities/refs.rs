//! References: from what a person writes (id, slug, `parent/slug`) to records, and from a spec's slugs to ids.

use super::kinds::kind_of;
use crate::failure::Failure;
use serde_json::Value;
use tfx_domain::{
    entity::{Kind, MAX_DESTINATIONS, Status},
    nearest::nearest,
    problem::Problems,
};
use tfx_ports::{
    config::{ConfigStore, Record, RecordQuery},
    page::PageRequest,
};

/// The entity a person means, if there is one.
pub(crate) async fn find(
    config: &dyn ConfigStore,
    kind: Kind,
    text: &str,
) -> Result<Option<Record>, Failure> {
    // A parent may be named by its id: `net_…/default` is no id itself.
    if kind_of(text).is_some() && !text.contains('/') {
        return Ok(config.get(kind, text).await?);
    }
    // Slugs are lower-case; typed ones need not be.
    let text = text.to_lowercase();
    let Some(parent_kind) = kind.parent() else { return Ok(config.find(kind, "", &text).await?) };
    let Some((parent, slug)) = text.split_once('/') else { return Ok(None) };
    let parent = match kind_of(parent) {
        Some(_) => config.get(parent_kind, parent).await?,
        None => config.find(parent_kind, "", parent).await?,
    };
    match parent {
        Some(parent) => Ok(config.find(kind, &parent.id, slug).await?),
        None => Ok(None),
    }
}

/// The entity a person means.
///
/// # Errors
/// 404 that says how such an entity is named.
pub(crate) async fn named(config: &dyn ConfigStore, kind: Kind, text: &str) -> Result<Record, Failure> {
    match find(config, kind, text).await? {
        Some(record) => Ok(record),
        None => Err(Failure::not_found(unknown(config, kind, text).await)),
    }
}

/// Why there is no such entity, and which one was probably meant.
pub(crate) async fn unknown(config: &dyn ConfigStore, kind: Kind, text: &str) -> String {
    let meant = near(config, kind, text).await.unwrap_or_default();
    let shown: String = text.chars().take(100).collect();
    match kind.parent() {
        Some(parent) if !text.contains('/') && kind_of(text).is_none() => {
            format!("a {kind} is named by its id or as {parent}/{kind}: '{shown}' is neither{meant}")
        }
        _ => format!("no {kind} has the slug or id '{shown}'{meant}"),
    }
}

/// So many are named of those that there are.
const NAMED: usize = 5;

/// What was probably meant, to put behind a message: the reference that is nearest to a text, among the first thousand;
/// else what there is, where that is little. A store that does not answer suggests nothing.
async fn near(config: &dyn ConfigStore, kind: Kind, text: &str) -> Option<String> {
    let did = |meant: &str| format!("; did you mean '{meant}'?");
    match (kind.parent(), text.split_once('/')) {
        (None, _) => {
            let known = known(config, kind, None).await?;
            Some(did(nearest(text, known.iter().map(|r| r.slug.as_str()))?))
        }
        (Some(parent_kind), Some((parent, slug))) => {
            let Some(parent) = find(config, parent_kind, parent).await.ok()? else {
                // The parent itself may be written wrong.
                let all = known(config, parent_kind, None).await?;
                let meant = format!("{}/{slug}", nearest(parent, all.iter().map(|r| r.slug.as_str()))?);
                return find(config, kind, &meant).await.ok()?.map(|_| did(&meant));
            };
            let inside = known(config, kind, Some(parent.id)).await?;
            let slugs = || inside.iter().map(|r| r.slug.as_str());
            match nearest(slug, slugs()) {
                Some(meant) => Some(did(&format!("{}/{meant}", parent.slug))),
                None if (1..=NAMED).contains(&inside.len()) => {
                    let all: Vec<String> = slugs().map(|slug| format!("{}/{slug}", parent.slug)).collect();
                    Some(format!("; there is {}", all.join(", ")))
                }
                None => None,
            }
        }
        (Some(parent_kind), None) => {
            let known = known(config, kind, None).await?;
            let meant = nearest(text, known.iter().map(|r| r.slug.as_str()))?;
            let meant = known.iter().find(|r| r.slug == meant)?;
            let parent = config.get(parent_kind, &meant.parent).await.ok()??;
            Some(did(&format!("{}/{}", parent.slug, meant.slug)))
        }
    }
}

/// The first thousand that are not archived, of a parent or of all.
async fn known(config: &dyn ConfigStore, kind: Kind, parent: Option<String>) -> Option<Vec<Record>> {
    let statuses = vec![Status::Active, Status::Paused];
    let query = RecordQuery { kind, parent, statuses, page: PageRequest::first(1000) };
    Some(config.list(&query).await.ok()?.items)
}

/// Every text at `path` (`destinations[].destination`) with the path at which it stands.
pub(crate) fn at_path<'v>(value: &'v mut Value, path: &str) -> Vec<(String, &'v mut String)> {
    fn walk<'v>(value: &'v mut Value, steps: &[&str], at: &str, out: &mut Vec<(String, &'v mut String)>) {
        let Some((step, rest)) = steps.split_first() else {
            if let Value::String(text) = value {
                out.push((at.to_owned(), text));
            }
            return;
        };
        let name = step.trim_end_matches("[]");
        let at = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        let Some(inner) = value.get_mut(name) else { return };
        if !step.ends_with("[]") {
            walk(inner, rest, &at, out);
        } else if let Value::Array(items) = inner {
            for (i, item) in items.iter_mut().enumerate() {
                walk(item, rest, &format!("{at}[{i}]"), out);
            }
        }
    }
    let mut out = Vec::new();
    walk(value, &path.split('.').collect::<Vec<_>>(), "", &mut out);
    out
}

/// Puts ids in the place of slugs. What names nothing, or something archived that the entity did not refer to
/// before, is a problem, and a well-formed id stands in for it so that the rest can still be checked.
pub(crate) async fn resolve(
    config: &dyn ConfigStore,
    refs: &[(&str, Kind)],
    value: &mut Value,
    before: Option<&Value>,
    problems: &mut Problems,
) -> Result<(), Failure> {
    let kept = before.map(|spec| ids(refs, spec)).unwrap_or_default();
    let mut stand_in = 0;
    for (path, kind) in refs {
        let named = at_path(value, path);
        // A list that is too long is told by its own check; nobody looks up what it holds.
        let too_long = named.len() > MAX_DESTINATIONS;
        for (at, text) in named {
            if too_long {
                stand_in += 1;
                *text = format!("{}_{stand_in:019}", kind.prefix());
                continue;
            }
            let message = match find(config, *kind, text).await? {
                Some(record) if record.status != Status::Archived || kept.contains(&record.id) => {
                    *text = record.id;
                    continue;
                }
                Some(_) => format!("the {kind} '{text}' is archived; resume it or name another"),
                None => unknown(config, *kind, text).await,
            };
            problems.add(at, message);
            stand_in += 1;
            *text = format!("{}_{stand_in:019}", kind.prefix());
        }
    }
    Ok(())
}

/// The ids that a stored spec refers to.
pub(crate) fn ids(refs: &[(&str, Kind)], spec: &Value) -> Vec<String> {
    let mut spec = spec.clone();
    let mut out = Vec::new();
    for (path, _) in refs {
        out.extend(at_path(&mut spec, path).into_iter().map(|(_, id)| id.clone()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tfx_domain::entity::{Spec, StreamSpec};

    #[test]
    fn references_are_found_where_the_spec_says_and_nowhere_else() {
        let mut spec = json!({
            "campaign": "a", "name": "campaign",
            "destinations": [{ "destination": "b" }, { "destination": 5 }, "x", { "destination": "c" }],
            "action": { "type": "campaign", "campaign": "d" },
        });
        let mut found = Vec::new();
        for (path, _) in StreamSpec::REFS {
            found.extend(at_path(&mut spec, path).into_iter().map(|(at, text)| format!("{at}={text}")));
        }
        found.sort();
        let want = [
            "action.campaign=d",
            "campaign=a",
            "destinations[0].destination=b",
            "destinations[3].destination=c",
        ];
        assert_eq!(found, want);
        for odd in
            [json!(null), json!([]), json!({ "destinations": { "destination": "x" } }), json!("campaign")]
        {
            let mut odd = odd;
            assert!(at_path(&mut odd, "destinations[].destination").is_empty());
        }
    }
}
