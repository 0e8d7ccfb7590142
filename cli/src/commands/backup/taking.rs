//! What backups of all stores have in common: into a file or to standard output, with a bar, and what is said of it.

use super::{Where, bucket, failure, stopped, store::of_io};
use crate::{
    context::Context,
    exit::{Failure, Kind},
    output::Column,
    progress::Meter,
};
use serde_json::json;
use std::{
    fs::File,
    io::{self, IsTerminal},
    os::fd::AsFd,
    path::Path,
    sync::Arc,
};
use tfx_ops::{
    backup::{self, Backup, Packing, PlaceError, TakeError, Taken},
    clock,
};

/// Whether standard output is meant.
pub(super) fn is_stdout(file: Option<&Where>) -> bool {
    file.and_then(Where::path) == Some(Path::new("-"))
}

/// An archive on a terminal helps nobody.
pub(super) fn not_onto_a_terminal(file: Option<&Where>) -> Result<(), Failure> {
    if is_stdout(file) && io::stdout().is_terminal() {
        return Err(Failure::usage("an archive is nothing for a terminal")
            .hint("name a file, or lead standard output somewhere"));
    }
    Ok(())
}

/// Takes a backup into the file, to standard output, or into a file in this folder that is called by `name` and the time.
pub(super) async fn take(
    context: &Context,
    store: &Arc<dyn Backup>,
    file: Option<&Where>,
    name: &str,
    packing: Packing,
) -> Result<Taken, Failure> {
    let into = match file {
        Some(Where::Bucket(url)) => Some((bucket(context, url)?, &url.key)),
        _ => None,
    };
    let meter = Meter::new(context.out.quiet);
    let teller = Meter::teller(meter.as_ref());
    let taking = async {
        if is_stdout(file) {
            let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
            let stdout = stdout.map_err(|e| TakeError::Backup(backup::BackupError::Write(e)))?;
            return backup::to_stream(store, stdout, packing, &teller).await;
        }
        if let Some((bucket, key)) = &into {
            return backup::to_bucket(store, bucket, key, packing, &teller).await;
        }
        let file = file.and_then(Where::path).map(Path::to_owned).unwrap_or_else(|| {
            let (name, ending) = name.split_once('.').unwrap_or((name, "archive"));
            let now = clock::now().strftime("%Y%m%dT%H%M%SZ");
            format!("{name}-{now}.{ending}{}", packing.ending()).into()
        });
        backup::to_file(store, &file, packing, &teller).await
    };
    let taken = tokio::select! {
        taken = taking => taken,
        () = stopped() => {
            Meter::end(meter.as_ref());
            return Err(Failure::interrupted().hint("there is no backup: nothing was kept"));
        }
    };
    Meter::end(meter.as_ref());
    taken.map_err(refused)
}

pub(super) fn refused(error: TakeError) -> Failure {
    let said = error.to_string();
    match error {
        TakeError::Place(PlaceError::Taken(_)) => Failure::new(Kind::Conflict, said),
        TakeError::Place(PlaceError::Io { error, .. }) => of_io(&error, said),
        TakeError::NotAsWritten(_) => Failure::failed(said),
        TakeError::Place(_) => Failure::usage(said),
        TakeError::Backup(e) => failure(&e),
    }
}

/// Says what was taken. `documents` is what a store calls what it counts; `checks` the command that checks a stream.
pub(super) fn print(
    context: &Context,
    taken: &Taken,
    documents: &'static str,
    checks: &str,
) -> Result<(), Failure> {
    let contents = &taken.contents;
    let Some(file) = &taken.file else {
        // Standard output has the archive.
        context.out.note(format!(
            "{} {documents} of {} parts, {} bytes; a stream cannot be read back: {checks} checks it",
            contents.documents(),
            contents.parts.len(),
            taken.bytes
        ));
        return Ok(());
    };
    let mut item = json!({
        "file": file, "packing": taken.packing, "bytes": taken.bytes, "server": contents.server,
        "documents": contents.documents(), "document_bytes": contents.bytes(), "verified": taken.verified,
        "seconds": taken.seconds, "apart": contents.apart, "parts": contents.parts,
    });
    let mut columns = vec![
        Column::text("file", "file"),
        Column::number("bytes", "bytes"),
        Column::made("parts", "parts", |item| item["parts"].as_array().map_or(0, Vec::len).to_string()),
        Column::number(documents, "documents"),
        Column::number("bytes unpacked", "document_bytes"),
        Column::text("read back", "verified"),
    ];
    if let Some(moment) = contents.moment {
        item["moment"] = json!(moment);
        item["left_out"] = json!(contents.left_out);
        columns.push(Column::time("moment", "moment"));
    }
    context.out.item(&item, &columns, "file")
}
