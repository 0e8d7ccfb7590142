//! `tfx backup prune`: deletes old sets.

use super::{
    Where,
    all::failure,
    list::{listed, listing, tell},
};
use crate::{context::Context, exit::Failure, input, prompt};
use clap::{Args, ValueHint};
use serde_json::json;
use tfx_ops::{
    backup::set::{self, Fate, FoundSet, Keep, Sets},
    clock,
};
use tokio::task::spawn_blocking;

/// Delete old sets of backups; the newest whole one never goes.
///
/// Sets that are not whole do not count, are told, and are left for a person; so are those of the future. What a run left that
/// was killed goes, unless it can be gone on with and is younger than a day; in a bucket, what got nothing new for a day, with
/// uploads of sets. A set that is being deleted is none any more before its first file goes.
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
        let plan = set::plan(&sets, Keep { newest: self.keep, weekly: self.keep_weekly }, clock::now());
        let go: Vec<FoundSet> = sets
            .iter()
            .zip(&plan)
            .filter(|(_, kept)| **kept == Fate::Goes)
            .map(|(set, _)| set.clone())
            .collect();
        let unended = finished(&place, true).await?;
        if asks && !(go.is_empty() && unended.is_empty()) {
            let uploads = match unended.len() {
                0 => String::new(),
                n => format!(" and end {n} uploads"),
            };
            let question = format!("Delete {} of {} backups{uploads} for good?", go.len(), sets.len());
            if !prompt::confirm(&question, false)? {
                context.out.note("nothing was deleted");
                return Ok(());
            }
        }
        let done = match self.dry_run {
            true => unended,
            false => {
                let done = finished(&place, false).await?;
                let deleting = spawn_blocking(move || go.iter().try_for_each(|set| set::prune(&place, set)));
                deleting.await.map_err(Failure::failed)?.map_err(failure)?;
                done
            }
        };
        for done in done {
            context.out.note(done);
        }
        let word = |kept: Fate| match kept {
            Fate::Newest => "stays",
            Fate::OfItsWeek => "stays: the newest of its week",
            Fate::Half => "stays: not whole",
            Fate::Unfinished => "stays: unfinished",
            Fate::Future => "stays: of the future",
            Fate::Goes if self.dry_run => "would go",
            Fate::Goes => "deleted",
        };
        let mut rows = listing(&sets, |at| plan.get(at).map(|kept| json!(word(*kept))));
        rows.columns.push(crate::output::Column::text("what", "what"));
        context.out.rows(&rows)?;
        let stay: Vec<FoundSet> = sets
            .into_iter()
            .zip(&plan)
            .filter(|(_, kept)| **kept != Fate::Goes)
            .map(|(set, _)| set)
            .collect();
        tell(context, &stay);
        if self.dry_run {
            context.out.note("nothing was deleted");
        }
        Ok(())
    }
}

/// Uploads of sets that nobody goes on with are ended; or, as a dry run, would be.
async fn finished(place: &Sets, dry_run: bool) -> Result<Vec<String>, Failure> {
    let place = place.clone();
    let finishing = spawn_blocking(move || set::finish(&place, dry_run));
    finishing.await.map_err(Failure::failed)?.map_err(failure)
}
