//! What is filled in and looked up of an alert rule: its name, the entities that its filters name, and whether it is armed.

use crate::{alerts, failure::Failure, report::checked_filter};
use serde_json::{Map, Value};
use tfx_domain::{
    entity::{AlertSpec, parse_over},
    problem::Problems,
};
use tfx_ports::config::ConfigStore;

/// A rule that nobody names is called as its condition.
pub(super) fn name(fields: &mut Map<String, Value>) {
    let absent = |name: &str| fields.get(name).is_none_or(Value::is_null);
    if absent("name")
        && absent("slug")
        && let Some(Value::String(when)) = fields.get("when").cloned()
    {
        let name: String = when.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
        fields.insert("name".to_owned(), name.into());
    }
}

/// Puts ids in the place of slugs in filters.
///
/// # Errors
/// The store's.
pub(super) async fn filters(
    config: &dyn ConfigStore,
    value: &mut Value,
    problems: &mut Problems,
) -> Result<(), Failure> {
    if let Some(filters) = alerts::filters(value) {
        let mut checked = Vec::with_capacity(filters.len());
        for (i, filter) in filters.iter().enumerate().take(MOST) {
            checked.push(checked_filter(config, filter, &format!("filters[{i}]"), problems).await?);
        }
        if filters.len() <= MOST {
            value["filters"] = serde_json::to_value(checked).unwrap_or_default();
        }
    }
    Ok(())
}

/// Lets a rule that is new, or that does something else than what was tried, begin with a dry run. `patch` is what is said of
/// what was there `before`.
pub(super) fn begin_dry(
    value: &mut Value,
    before: Option<&Value>,
    patch: Option<&Map<String, Value>>,
    problems: &mut Problems,
) {
    let armed = value.get("armed") == Some(&Value::Bool(true));
    match before {
        None if armed => {
            let message = "must not be true at first: a rule begins with a dry run; tfx alert arm RULE, or a PATCH of armed, \
                           lets it pause";
            problems.add("armed", message);
        }
        Some(before) if armed => {
            let old = parse_over::<AlertSpec>(before.clone(), None);
            let new = parse_over::<AlertSpec>(value.clone(), Some(before));
            if let (Ok(old), Ok(new)) = (old, new)
                && new.acts_otherwise(&old)
            {
                let says = patch.is_some_and(|patch| patch.get("armed") == Some(&Value::Bool(true)));
                if says && !old.armed {
                    let message =
                        "must be said by itself: what it does is changed here, and begins with a dry run";
                    problems.add("armed", message);
                }
                value["armed"] = false.into();
            }
        }
        _ => {}
    }
}

/// Filters that are looked up; more are told by the rule's own check.
const MOST: usize = 20;
