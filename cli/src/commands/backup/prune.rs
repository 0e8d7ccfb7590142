//! `tfx backup prune`: deletes old sets.

use super::{
    Where,
    all::failure,
    list::{listed, listing, tell_half},
};
use crate::{context::Context, exit::Failure, input, prompt};
use clap::{Args, ValueHint};
use serde_json::json;
use tfx_ops::backup::set::{self, Fate, FoundSet, Keep};
use tokio::task::spawn_blocking;

/// Delete old sets of backups; the newest whole one never goes.
///
/// Sets that are not whole do not count, are told, and are left for a person. A set that is being deleted is none any more
/// before its first file goes. In a bucket, uploads that were begun more than a day ago and never ended go too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx backup prune /backups --dry-run\n  \
    tfx backup prune /backups --keep 7 --keep-weekly 4 --yes")]
pub(crate) struct Prune {
    /// The folder of sets, or s3://BUCKET/PREFIX.
    #[arg(value_name = "DIR|s3://…", value_hint = ValueHint::AnyPath)]
    dir: Where,
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
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let asks = !context.yes && !self.dry_run;
        if asks && !prompt::possible() {
            return Err(Failure::usage("deleting backups needs a yes: give --yes")
                .hint("--dry-run says which would be deleted"));
        }
        let place = self.dir.sets(context)?;
        let sets = listed(&place).await?;
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
        let (dry_run, going) = (self.dry_run, go.into_iter().cloned().collect::<Vec<_>>());
        let deleting = spawn_blocking(move || {
            let done = set::finish(&place, dry_run)?;
            for set in going.iter().filter(|_| !dry_run) {
                set::prune(&place, set)?;
            }
            Ok(done)
        });
        for done in deleting.await.map_err(Failure::failed)?.map_err(failure)? {
            context.out.note(done);
        }
        context.out.rows(&rows)?;
        tell_half(context, &sets);
        if self.dry_run {
            context.out.note("nothing was deleted");
        }
        Ok(())
    }
}
