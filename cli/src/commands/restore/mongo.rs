//! `tfx restore mongo`: an archive of ours or of mongodump's, back into MongoDB.

use super::archive::{opened, refused};
use crate::{
    commands::backup::{Where, failure, open, stopped},
    context::Context,
    exit::{Failure, Kind},
    output::{Column, Listing},
    progress::Meter,
    prompt,
};
use clap::{Args, ValueHint};
use serde_json::{Value, json};
use std::path::Path;
use tfx_domain::problem::Problems;
use tfx_ops::backup::{self, Look, RestoreFailed, Restored, Selection, Stage};

/// Restore MongoDB from a backup of tfx or mongodump.
///
/// The whole archive is read and checked before anything is changed; gzip and zstd are recognised. Names, options and indexes
/// come back as they stood, into the database that the archive names. Databases and collections of the server's own are left
/// out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx restore mongo backup.archive.zst --dry-run\n  \
    tfx restore mongo backup.archive.zst --drop --yes\n  \
    tfx restore mongo dump.gz --ns-from 'shop.*' --ns-to 'trial.*'")]
pub(crate) struct Mongo {
    /// The archive, or a set or a folder of sets, of which it takes the newest whole one; also s3://…; - for standard input, which is
    /// kept in a temporary file first.
    #[arg(value_name = "FILE|DIR|s3://…|-", value_hint = ValueHint::AnyPath)]
    file: Where,
    /// Drop each collection that is in the archive before it is restored.
    #[arg(long)]
    drop: bool,
    /// Check the archive and say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Only these: DATABASE.COLLECTION, with * for anything; may be said more than once.
    #[arg(long, value_name = "PATTERN")]
    ns_include: Vec<String>,
    /// All but these.
    #[arg(long, value_name = "PATTERN")]
    ns_exclude: Vec<String>,
    /// Restore these under the name that --ns-to says.
    #[arg(long, value_name = "PATTERN")]
    ns_from: Vec<String>,
    /// The names for those of --ns-from; each * is what it stands for there.
    #[arg(long, value_name = "PATTERN")]
    ns_to: Vec<String>,
    /// End with the first document or index that MongoDB does not take.
    #[arg(long)]
    stop_on_error: bool,
    /// Also where services run on it.
    #[arg(long)]
    force: bool,
}

impl Mongo {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let selection = Selection::new(&self.ns_include, &self.ns_exclude, &self.ns_from, &self.ns_to);
        let selection = selection.map_err(|p| Failure::usage("some flags are not valid").with(p))?;
        let asks = self.drop && !self.dry_run && !context.yes;
        let from_stdin = self.file.path() == Some(Path::new("-"));
        if asks && (from_stdin || !prompt::possible()) {
            return Err(Failure::usage("dropping collections needs a yes: give --yes")
                .hint("--dry-run says which would be dropped"));
        }
        let archive = opened(context, &self.file, "mongo").await?;
        let (store, _) = open(context).await?;
        let meter = Meter::new(context.out.quiet);
        let teller = Meter::teller(meter.as_ref());
        let looked = tokio::select! {
            looked = backup::look(&store, &archive, Some(&selection), &teller) => looked,
            () = stopped() => {
                Meter::end(meter.as_ref());
                return Err(Failure::interrupted().hint("nothing was changed"));
            }
        };
        Meter::end(meter.as_ref());
        let look = looked.map_err(refused)?;
        self.tell(context, &look);
        if self.dry_run {
            return planned(context, &look);
        }
        if !look.standing.running.is_empty() && !self.force {
            let why = look.standing.running.join("; ");
            return Err(Failure::new(Kind::Conflict, format!("services run on it: {why}")).hint(
                "stop them first: they would see half of it, and write in between; --force restores all the same",
            ));
        }
        if asks && !prompt::confirm(&question(&look), false)? {
            context.out.note("nothing was changed");
            return Ok(());
        }
        let restored = tokio::select! {
            restored = backup::restore(&store, &archive, &look, self.drop, self.stop_on_error, &teller) => restored,
            () = stopped() => {
                Meter::end(meter.as_ref());
                return Err(Failure::interrupted().hint("what was restored stays, half of it: run it again with --drop"));
            }
        };
        Meter::end(meter.as_ref());
        ended(context, &look, restored)
    }

    fn tell(&self, context: &Context, look: &Look) {
        let contents = &look.contents;
        context.out.note(format!(
            "the archive is whole: {} parts, {} documents, of MongoDB {}, made by {}",
            contents.parts.len(),
            contents.documents(),
            contents.server,
            contents.made_by
        ));
        for part in &look.chosen.left_out {
            context.out.note(format!("left out: {}, {}", part.name, part.why));
        }
        if !look.standing.open.is_empty() {
            let open = backup::named(&look.standing.open, 5);
            context.out.note(format!("an earlier restore did not come to its end: {open}"));
        }
        let there = look.standing.there.len();
        if there > 0 && !self.drop {
            context.out.note(format!(
                "{there} are there already: documents come beside those in them, and options stay; --drop drops them first"
            ));
        }
    }
}

fn question(look: &Look) -> String {
    let dropped = look.standing.there.len();
    format!("Drop {dropped} collections that are there, and restore {}?", look.chosen.moves.len())
}

/// What would be done.
fn planned(context: &Context, look: &Look) -> Result<(), Failure> {
    let row = |m: &backup::Move| {
        let part = look.contents.parts.iter().find(|p| p.name == m.from);
        json!({
            "from": m.from, "to": m.to, "there": look.standing.there.contains(&m.to),
            "kind": part.map(|p| p.kind), "documents": part.map(|p| p.documents),
            "bytes": part.map(|p| p.bytes), "indexes": part.map(|p| p.indexes),
        })
    };
    let columns = vec![
        Column::text("from", "from"),
        Column::text("to", "to"),
        Column::text("kind", "kind"),
        Column::number("documents", "documents"),
        Column::number("bytes", "bytes"),
        Column::number("indexes", "indexes"),
        Column::text("there", "there"),
    ];
    context.out.rows(&Listing { columns, rows: look.chosen.moves.iter().map(row).collect(), name: "to" })?;
    for why in &look.standing.running {
        context.out.note(format!("warning: services run on it: {why}"));
    }
    context.out.note("nothing was changed");
    Ok(())
}

/// What was done, or how far it came.
fn ended(
    context: &Context,
    look: &Look,
    restored: Result<Vec<Restored>, RestoreFailed>,
) -> Result<(), Failure> {
    let parts = match restored {
        Ok(parts) => parts,
        Err(RestoreFailed { error, parts }) => {
            let mut problems = Problems::default();
            for part in &parts {
                problems.add(&part.to, so_far(look, part));
            }
            let why = failure(&error);
            let message = format!("the restore ended before its end: {}", why.message);
            return Err(Failure { message, ..why }
                .with(problems)
                .hint("what was restored stays; run it again with --drop when that is mended"));
        }
    };
    let mut problems = Problems::default();
    for part in parts.iter().filter(|p| p.problem.is_some()) {
        let why = part.problem.as_deref().unwrap_or_default();
        problems
            .add(&part.to, format!("{} documents were not taken; the first reason is: {why}", part.refused));
    }
    if !problems.is_empty() {
        return Err(Failure::failed("not all was taken by MongoDB; the rest is restored").with(problems));
    }
    let rows =
        parts.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>().map_err(Failure::failed)?;
    let columns = vec![
        Column::text("from", "from"),
        Column::text("to", "to"),
        Column::number("documents", "documents"),
        Column::number("indexes", "indexes"),
    ];
    context.out.rows(&Listing { columns, rows, name: "to" })?;
    let open = look.standing.open.iter().filter(|name| look.chosen.moves.iter().all(|m| m.to != **name));
    super::still_open(context, open);
    context.out.note(super::OPENS_AGAIN);
    Ok(())
}

fn so_far(look: &Look, part: &Restored) -> String {
    let of = look.contents.parts.iter().find(|p| p.name == part.from).map_or(0, |p| p.documents);
    let refused = if part.refused > 0 { format!(", {} not taken", part.refused) } else { String::new() };
    match part.stage {
        Stage::Untouched => "not begun".to_owned(),
        Stage::Begun => format!("begun: {} of {of} documents{refused}", part.documents),
        Stage::Done => format!("done: {} documents{refused}", part.documents),
    }
}
