//! `tfx restore embedded`: a backup of the embedded stores, into a data folder.

use super::archive::opened;
use crate::{
    commands::backup::{Where, data_folder, failure, stopped},
    context::Context,
    exit::{Failure, Kind},
    output::{Column, Listing},
    progress::Meter,
};
use clap::{Args, ValueHint};
use serde_json::json;
use std::path::Path;
use tfx_ops::backup::{self, Look, RestoreFailed, Restored};

/// Restore the embedded stores from a backup of tfx, into the data folder that --data-dir names.
///
/// The whole backup is read and checked, then unpacked beside, checked again as databases, and only then moved to its place.
/// A folder that is in use is refused in any case: stop tfx up and the services first. What stands in it is never deleted:
/// --force moves it into a folder before-TIME in it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx restore embedded tfx.tar.zst --dry-run\n  \
    tfx restore embedded tfx.tar.zst --data-dir /var/lib/tfx-new\n  \
    tfx restore embedded tfx.tar.zst --force")]
pub(crate) struct Embedded {
    /// The backup, or a set or a folder of sets, of which it takes the newest whole one; also s3://…; - for standard input, which is
    /// kept in a temporary file first.
    #[arg(value_name = "FILE|DIR|s3://…|-", value_hint = ValueHint::AnyPath)]
    file: Where,
    /// Check the backup and say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Also where something is: it is moved away, not deleted.
    #[arg(long)]
    force: bool,
}

impl Embedded {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let archive = opened(context, &self.file, "embedded").await?;
        let folder = data_folder(context)?;
        let store = tfx_wiring::folder_backup(&folder, &folder);
        let meter = Meter::new(context.out.quiet);
        let teller = Meter::teller(meter.as_ref());
        let looked = tokio::select! {
            looked = backup::look(&store, &archive, None, &teller) => looked,
            () = stopped() => {
                Meter::end(meter.as_ref());
                return Err(Failure::interrupted().hint("nothing was changed"));
            }
        };
        Meter::end(meter.as_ref());
        let look = looked.map_err(super::archive::refused)?;
        let (parts, rows) = (look.contents.parts.len(), look.contents.documents());
        let moment = look.contents.moment.map(|at| crate::when::shown(&at.to_string())).unwrap_or_default();
        context.out.note(format!(
            "the backup is whole: {parts} files, {rows} rows, of {moment}, made by {}",
            look.contents.made_by
        ));
        let in_the_way = self.in_the_way(&folder, &look);
        if self.dry_run {
            return planned(context, &folder, &look, in_the_way.as_ref());
        }
        if let Some(refused) = in_the_way {
            return Err(refused);
        }
        let restored = tokio::select! {
            restored = backup::restore(&store, &archive, &look, self.force, false, &teller) => restored,
            () = stopped() => {
                Meter::end(meter.as_ref());
                return Err(Failure::interrupted().hint("run it again: a folder that is half restored is used by nobody"));
            }
        };
        Meter::end(meter.as_ref());
        ended(context, &folder, restored)
    }

    fn in_the_way(&self, folder: &Path, look: &Look) -> Option<Failure> {
        let standing = &look.standing;
        if !standing.running.is_empty() {
            let why = standing.running.join("; ");
            return Some(Failure::new(Kind::Conflict, format!("it is in use: {why}")).hint(
                "stop it first, also with --force: it would go on to write where the restored files are",
            ));
        }
        if !standing.there.is_empty() && !self.force {
            let there = backup::named(&standing.there, 5);
            return Some(
                Failure::new(Kind::Conflict, format!("{} is not empty: {there}", folder.display())).hint(
                    "name another folder by --data-dir; or --force moves what is of tfx in it into a folder before-TIME",
                ),
            );
        }
        None
    }
}

fn planned(context: &Context, folder: &Path, look: &Look, refused: Option<&Failure>) -> Result<(), Failure> {
    let row = |part: &backup::ArchivePart| {
        json!({
            "file": part.name, "to": folder.join(&part.name), "kind": part.kind, "rows": part.documents,
            "bytes": part.bytes, "sha256": part.checksum,
        })
    };
    let columns = vec![
        Column::text("file", "file"),
        Column::text("kind", "kind"),
        Column::number("rows", "rows"),
        Column::number("bytes", "bytes"),
        Column::text("to", "to"),
    ];
    context.out.rows(&Listing {
        columns,
        rows: look.contents.parts.iter().map(row).collect(),
        name: "to",
    })?;
    if let Some(refused) = refused {
        context.out.note(format!("warning: {}", refused.message));
    }
    context.out.note("nothing was changed");
    Ok(())
}

fn ended(
    context: &Context,
    folder: &Path,
    restored: Result<Vec<Restored>, RestoreFailed>,
) -> Result<(), Failure> {
    let parts = restored.map_err(|RestoreFailed { error, .. }| failure(&error))?;
    if let Some(aside) = parts.iter().find_map(|part| part.aside.as_ref()) {
        context.out.note(format!("what stood there is in {aside}"));
    }
    let item = json!({
        "data_dir": folder, "files": parts.len(), "rows": parts.iter().map(|p| p.documents).sum::<u64>(),
        "aside": parts.iter().find_map(|part| part.aside.as_ref()),
    });
    let columns = [
        Column::text("data folder", "data_dir"),
        Column::number("files", "files"),
        Column::number("rows", "rows"),
    ];
    context.out.item(&item, &columns, "data_dir")?;
    if !folder.join("secrets.key").exists() {
        let note = "secrets in it are sealed, and what opens them is in no backup: put the installation's secrets.key into the folder \
                    before the start, unless SECRETS_KEY or SECRETS_KEY_FILE has it";
        context.out.note(note);
    }
    context.out.note("tfx up starts on it, or the services with TFX_DATA_DIR");
    context.out.note(super::OPENS_AGAIN);
    Ok(())
}
