//! `tfx rollback`: puts the configuration back to what it was at a revision; shows what that changes and asks first on a terminal,
//! wants `--yes` elsewhere.

use crate::{
    changes, complete,
    context::Context,
    exit::{Failure, Kind},
    output::{Column, Format},
    prompt,
};
use clap::Args;
use tfx_api::{Client, revisions::RestoreRequest, sets::SetAnswer};

/// Put the configuration back to what it was at a revision.
///
/// What changed since is changed back, what was made since is archived, what was archived since takes part again: all of it at
/// once or nothing, as one new revision, so that a rollback can be rolled back. Secrets stay as they are now, and links with slugs
/// that are given up again go on leading there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx rollback --last --dry-run\n  \
    tfx rollback 12\n  \
    tfx rollback --last --yes")]
pub(crate) struct Rollback {
    /// The number of the revision, as 'tfx revision list' shows it.
    #[arg(value_name = "N", required_unless_present = "last", add = complete::revisions())]
    number: Option<u64>,
    /// Take back the newest revision: to the one before it.
    #[arg(long, conflicts_with = "number")]
    last: bool,
    /// Only say what would be changed.
    #[arg(long)]
    dry_run: bool,
}

impl Rollback {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let asks = !context.yes && !self.dry_run;
        if asks && !prompt::possible() {
            return Err(Failure::usage("changing the configuration back needs a yes: give --yes")
                .hint("--dry-run says what would be changed"));
        }
        let client = context.client()?;
        let number = match self.number {
            Some(number) => number,
            None => before_the_newest(&client).await?,
        };
        let put_back = async |revision, dry_run| {
            let done = client.restore_revision(number, &RestoreRequest { revision }, dry_run).await;
            done.map_err(|e| {
                Failure::from(e).hint_if_missing("'tfx revision list' shows those that are kept")
            })
        };
        let planned = put_back(None, true).await?;
        if self.dry_run {
            print(context, &planned)?;
            context.out.note(told(number, &planned));
            return Ok(());
        }
        if asks && !planned.changes.is_empty() {
            changes::print(context.out, &planned.changes)?;
            warn(context, &planned);
            let question = format!("Go back to revision {number}: {}?", changes::summary(&planned.changes));
            if !prompt::confirm(&question, false)? {
                context.out.note("nothing was changed");
                return Ok(());
            }
        }
        // What was looked at is what is done.
        let done = put_back(Some(planned.revision), false).await.map_err(|e| match e.kind {
            Kind::Conflict => {
                e.hint("somebody changed something meanwhile; look again: tfx rollback --dry-run")
            }
            _ => e,
        })?;
        if context.out.format == Format::Table && asks {
            context.out.note(told(number, &done));
            return Ok(());
        }
        print(context, &done)?;
        context.out.note(told(number, &done));
        Ok(())
    }
}

/// The revision that the newest one took the place of.
async fn before_the_newest(client: &Client) -> Result<u64, Failure> {
    let newest = client.revisions(Some(2), None).await?.items;
    match newest.as_slice() {
        [_, before, ..] => Ok(before.revision),
        _ => Err(Failure::new(Kind::NotFound, "there is no revision before the newest that is kept")
            .hint("'tfx revision list' shows those that are kept")),
    }
}

fn print(context: &Context, answer: &SetAnswer) -> Result<(), Failure> {
    if context.out.format != Format::Table {
        let item = serde_json::to_value(answer).map_err(Failure::failed)?;
        return context.out.item(&item, &[Column::number("revision", "revision")], "revision");
    }
    changes::print(context.out, &answer.changes)?;
    warn(context, answer);
    Ok(())
}

fn warn(context: &Context, answer: &SetAnswer) {
    for warning in &answer.warnings {
        context.out.note(format!("warning: {warning}"));
    }
}

fn told(number: u64, answer: &SetAnswer) -> String {
    let what = changes::summary(&answer.changes);
    match (answer.changes.is_empty(), answer.applied) {
        (true, _) => format!("everything is as it was at revision {number}"),
        (false, true) => format!("back at revision {number}, as revision {}: {what}", answer.revision),
        (false, false) => format!("nothing was changed; it would be: {what}"),
    }
}
