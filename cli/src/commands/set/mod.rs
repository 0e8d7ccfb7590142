//! Configuration as files: `tfx export`, `tfx plan`, `tfx apply`, `tfx schema`.

mod apply;
mod export;
mod kept;
mod plan;
mod schema;
mod shown;
mod written;

pub(super) use apply::Apply;
pub(super) use export::Export;
pub(super) use plan::Plan;
pub(super) use schema::Schema;

use crate::{
    context::Context,
    exit::{Failure, Kind as FailureKind},
    output::Format,
    set::{self, Set},
};
use clap::ValueHint;
use std::path::{Path, PathBuf};
use tfx_api::{
    Client,
    sets::{ConfigSet, SetAnswer, SetRequest},
};
use tfx_domain::{entity::Kind, slug::Slug};

/// So many names are told of one thing.
const NAMED: usize = 10;

/// The folder of a configuration.
#[derive(Debug, clap::Args)]
struct Folder {
    /// The folder of the configuration.
    #[arg(short = 'f', long = "file", value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

/// Which part of it, and what of the rest.
#[derive(Debug, Clone, Default, clap::Args)]
struct Extent {
    /// Only this entity, such as campaign/summer with its streams; repeatable.
    #[arg(long = "target", value_name = "KIND/SLUG", value_parser = target, conflicts_with = "prune")]
    targets: Vec<(Kind, String)>,
    /// Archive what is in no file; else it stays.
    #[arg(long)]
    prune: bool,
}

/// `campaign/summer`.
fn target(text: &str) -> Result<(Kind, String), String> {
    let nouns = || ConfigSet::SECTIONS.map(Kind::noun).join(", ");
    let (noun, slug) =
        text.split_once('/').ok_or_else(|| format!("must be KIND/SLUG; kinds are {}", nouns()))?;
    match Kind::ALL.into_iter().find(|kind| kind.noun() == noun) {
        Some(kind) if kind.parent().is_some() => {
            let parent = kind.parent().map_or("", Kind::noun);
            let slug = slug.split('/').next().unwrap_or_default();
            Err(format!("a {noun} goes with its {parent}: {parent}/{slug}"))
        }
        Some(kind) => slug.parse::<Slug>().map(|slug| (kind, slug.to_string())).map_err(|e| e.to_string()),
        None => Err(format!("'{noun}' is no kind that has files; they are {}", nouns())),
    }
}

/// What is taken of the environment.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether problems come with the lines at which they are.
fn with_lines(context: &Context) -> bool {
    !matches!(context.out.format, Format::Json | Format::Jsonl)
}

/// Reads a folder, and tells what is to be told of its files.
fn read(context: &Context, dir: &Path, extent: &Extent) -> Result<Set, Failure> {
    let mut set = set::read(dir, &env, with_lines(context))?;
    for warning in &set.warnings {
        context.out.note(format!("warning: {warning}"));
    }
    if !set.others.is_empty() {
        let names: Vec<String> = set.others.iter().map(|path| path.display().to_string()).collect();
        context.out.note(format!("no configuration, not read: {}", some(&names)));
    }
    if !extent.targets.is_empty() {
        set.keep(&extent.targets)?;
    }
    if extent.prune && set.len() == 0 {
        return Err(Failure::usage(format!("{} holds no entity, and --prune would archive all that there is", dir.display()))
            .hint("entities are in networks/, sources/, destinations/, campaigns/ and alerts/, in files that end in .yaml"));
    }
    Ok(set)
}

/// The first names of a list.
fn some(names: &[String]) -> String {
    match names.len().checked_sub(NAMED).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more", names[..NAMED].join(", ")),
        None => names.join(", "),
    }
}

/// Asks api-service what a set comes to, or has it applied.
async fn put(
    context: &Context,
    client: &Client,
    set: &Set,
    extent: &Extent,
    revision: Option<u64>,
    dry_run: bool,
) -> Result<SetAnswer, Failure> {
    let document: ConfigSet = serde_json::from_value(set.document()).map_err(Failure::failed)?;
    let request = SetRequest { revision, prune: extent.prune, set: document };
    let mut answer = client.put_config_set(&request, dry_run).await.map_err(|e| {
        let failure = Failure::from(e);
        let problems = set.placed(failure.problems.clone(), with_lines(context));
        let failure = failure.with(problems);
        match (failure.kind, extent.targets.is_empty()) {
            (FailureKind::Usage, false) if failure.hint.is_none() => failure
                .hint("only what --target names was sent: what it refers to must be there, or be named too"),
            _ => failure,
        }
    })?;
    if !extent.targets.is_empty() {
        // What was not asked for is no news, but for what is gone from inside of it.
        answer.left.retain(|left| {
            extent.targets.iter().any(|(kind, slug)| {
                let parent = left.reference.split('/').next().unwrap_or_default();
                left.kind.parent() == Some(*kind) && parent == slug
            })
        });
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_has_files() {
        assert_eq!(target("campaign/Summer"), Ok((Kind::Campaign, "summer".to_owned())));
        for (text, part) in [
            ("summer", "KIND/SLUG"),
            ("stream/summer/de", "campaign/summer"),
            ("template/adnet", "network/adnet"),
            ("offer/a", "no kind"),
            ("campaign/", "must"),
        ] {
            let why = target(text).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
