//! Completion of slugs from the running API, by the same binary that the shell's script calls.

use crate::{
    context::{Context, Overrides},
    output::{Format, Out},
    presets::{self, PresetKind},
};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use std::{ffi::OsStr, time::Duration};
use tfx_api::{ApiError, Client, entities::EntityQuery, revisions::RevisionRow};
use tfx_domain::{
    access::Scope,
    entity::Kind,
    report::{Dimension, Metric},
    routing::filter,
};

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

/// Completes the numbers of the newest revisions.
pub(crate) fn revisions() -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let known = newest_revisions().unwrap_or_default();
        known.into_iter().filter(|(number, _)| number.starts_with(&*typed)).map(candidate).collect()
    })
}

/// Completes a word of a few; in a list the one after its last comma. `sign` follows it.
pub(crate) fn words(known: impl IntoIterator<Item = &'static str>, sign: &'static str) -> ArgValueCompleter {
    let known: Vec<String> = known.into_iter().map(|word| format!("{word}{sign}")).collect();
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let (before, last) = typed.split_at(typed.rfind(',').map_or(0, |at| at + 1));
        let candidates = known.iter().filter(|word| word.starts_with(last));
        candidates.map(|word| CompletionCandidate::new(format!("{before}{word}"))).collect()
    })
}

/// The presets of networks or of traffic sources.
pub(crate) fn presets(kind: PresetKind) -> ArgValueCompleter {
    names(Some(kind))
}

/// All presets.
pub(crate) fn preset_names() -> ArgValueCompleter {
    names(None)
}

/// They are read when somebody presses the tab key, not whenever the command line is made.
fn names(kind: Option<PresetKind>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let found = presets::all(kind).filter(|preset| preset.name.starts_with(&*typed));
        found
            .map(|preset| CompletionCandidate::new(&preset.name).help(Some((&*preset.title).into())))
            .collect()
    })
}

/// The dimensions of reports.
pub(crate) fn dimensions(sign: &'static str) -> ArgValueCompleter {
    words(Dimension::names().chain(SUBS), sign)
}

/// The figures of reports.
pub(crate) fn metrics() -> ArgValueCompleter {
    words(Metric::ALL.iter().map(|m| m.as_str()), "")
}

/// What a token may do.
pub(crate) fn scopes() -> ArgValueCompleter {
    words(Scope::ALL.iter().map(|s| s.as_str()), "")
}

/// The fields that a filter may ask for.
pub(crate) fn filters() -> ArgValueCompleter {
    // `param:NAME` ends where the name begins.
    words(filter::FIELDS.iter().map(|(name, _)| name.strip_suffix("NAME").unwrap_or(name)), "")
}

const SUBS: [&str; 20] = [
    "sub1", "sub2", "sub3", "sub4", "sub5", "sub6", "sub7", "sub8", "sub9", "sub10", "sub11", "sub12",
    "sub13", "sub14", "sub15", "sub16", "sub17", "sub18", "sub19", "sub20",
];

fn candidate((reference, name): (String, String)) -> CompletionCandidate {
    CompletionCandidate::new(reference).help(Some(name.into()))
}

/// The newest revisions, and what was done in them.
fn newest_revisions() -> Option<Vec<(String, String)>> {
    let page = asked(async |client| client.revisions(Some(100), None).await)?;
    let did = |row: &RevisionRow| {
        row.did.iter().map(|sum| format!("{} {}", sum.action, sum.kind)).collect::<Vec<_>>()
    };
    Some(page.items.iter().map(|row| (row.revision.to_string(), did(row).join(", "))).collect())
}

/// What the API answers in time.
fn asked<T>(ask: impl AsyncFnOnce(Client) -> Result<T, ApiError>) -> Option<T> {
    let context = Context::new(&Overrides::default(), Out::new(Format::Table, true, true), false).ok()?;
    let client = context.client().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(client)).await }).ok()?.ok()
}

/// How entities are referred to, and their names. None when the API does not answer: a shell shows no errors.
fn references(kind: Kind) -> Option<Vec<(String, String)>> {
    let query = EntityQuery { limit: Some(1000), ..EntityQuery::default() };
    let page = asked(async |client| client.list(kind, &query).await)?;
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
