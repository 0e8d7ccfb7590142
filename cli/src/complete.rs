//! Completion of slugs from the running API, by the same binary that the shell's script calls.

use crate::{
    context::{Context, Overrides},
    output::{Format, Out},
};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use std::{ffi::OsStr, time::Duration};
use tfx_api::entities::EntityQuery;
use tfx_domain::entity::Kind;

/// The variable that the shells' scripts set.
pub(crate) const VAR: &str = "TFX_COMPLETE";
/// Somebody sits there with a finger on the tab key.
const PATIENCE: Duration = Duration::from_millis(700);

/// Completes references to entities of a kind.
pub(crate) fn of(kind: Kind) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let known = references(kind).unwrap_or_default();
        known.into_iter().filter(|(r, _)| r.starts_with(&*typed)).map(candidate).collect()
    })
}

fn candidate((reference, name): (String, String)) -> CompletionCandidate {
    CompletionCandidate::new(reference).help(Some(name.into()))
}

/// How entities are referred to, and their names. None when the API does not answer: a shell shows no errors.
fn references(kind: Kind) -> Option<Vec<(String, String)>> {
    let context = Context::new(&Overrides::default(), Out::new(Format::Table, true, true), false).ok()?;
    let client = context.client().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let query = EntityQuery { limit: Some(1000), ..EntityQuery::default() };
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, client.list(kind, &query)).await });
    let page = answer.ok()?.ok()?;
    let text = |item: &serde_json::Value, field: &str| crate::output::text(&item[field]);
    let one = |item: &serde_json::Value| {
        let slug = text(item, "slug");
        let reference = match kind.parent() {
            Some(parent) => {
                let id = text(item, parent.noun());
                format!("{}/{slug}", page.labels.get(&id).unwrap_or(&id))
            }
            None => slug,
        };
        (reference, text(item, "name"))
    };
    Some(page.items.iter().map(one).collect())
}
