//! `tfx backup prune`: deletes old sets.

use super::{
    all::failure,
    list::{listing, tell_half},
};
use crate::{context::Context, exit::Failure, input, prompt};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use tfx_ops::backup::set::{self, Fate, FoundSet, Keep};

/// Delete old sets of backups; the newest whole one never goes.
///
/// Sets that are not whole do not count, are told, and are left for a person. A set that is being deleted is none any more
/// before its first file goes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx backup prune /backups --dry-run\n  \
    tfx backup prune /backups --keep 7 --keep-weekly 4 --yes")]
pub(crate) struct Prune {
    /// The folder of sets.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// So many of the newest stay.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = input::within::<usize>(1, 100_000))]
    keep: usize,
    /// The newest of each of so many weeks stays too (UTC, from Monday).
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = input::within::<usize>(0, 100_000))]
    keep_weekly: usize,
    /// Only say which would go.
    #[arg(long)]
    dry_run: bool,
}

impl Prune {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let asks = !context.yes && !self.dry_run;
        if asks && !prompt::possible() {
            return Err(Failure::usage("deleting backups needs a yes: give --yes")
                .hint("--dry-run says which would be deleted"));
        }
        let sets = set::list(&self.dir).map_err(failure)?;
        let plan = set::plan(&sets, Keep { newest: self.keep, weekly: self.keep_weekly });
        let go: Vec<&FoundSet> =
            sets.iter().zip(&plan).filter(|(_, kept)| **kept == Fate::Goes).map(|(set, _)| set).collect();
        let word = |kept: Fate| match kept {
            Fate::Newest => "stays",
            Fate::OfItsWeek => "stays: the newest of its week",
            Fate::Half => "stays: not whole",
            Fate::Goes if self.dry_run => "would go",
            Fate::Goes => "deleted",
        };
        let mut rows = listing(&sets, |at| plan.get(at).map(|kept| json!(word(*kept))));
        rows.columns.push(crate::output::Column::text("what", "what"));
        if asks && !go.is_empty() {
            let question = format!("Delete {} of {} backups for good?", go.len(), sets.len());
            if !prompt::confirm(&question, false)? {
                context.out.note("nothing was deleted");
                return Ok(());
            }
        }
        if !self.dry_run {
            for name in set::finish(&sets).map_err(failure)? {
                context.out.note(format!("{name}: what was left of it is deleted"));
            }
            for set in go {
                set::prune(set).map_err(failure)?;
            }
        }
        context.out.rows(&rows)?;
        tell_half(context, &sets);
        if self.dry_run {
            context.out.note("nothing was deleted");
        }
        Ok(())
    }
}
