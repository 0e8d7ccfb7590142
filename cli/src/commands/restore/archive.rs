//! What restores of all stores have in common: the archive that is named, and why one is refused before anything is changed.

use crate::{
    commands::backup::{Where, bucket, failure, of_io},
    context::Context,
    exit::Failure,
};
use std::{
    io::{self, IsTerminal},
    path::Path,
};
use tfx_ops::backup::{Archive, RestoreError};
use tokio::task::spawn_blocking;

/// The archive in the file or the bucket, or what comes through standard input, kept.
pub(super) async fn opened(context: &Context, file: &Where) -> Result<Archive, Failure> {
    let unreadable = |e: io::Error| Failure::usage(format!("{file} cannot be read: {e}"));
    let file = match file {
        Where::Path(file) => file,
        Where::Bucket(url) if url.key.is_empty() => {
            return Err(Failure::usage(format!("{url} names no object")));
        }
        Where::Bucket(url) => {
            let (bucket, key) = (bucket(context, url)?, url.key.clone());
            let looked = spawn_blocking(move || Archive::of_bucket(&bucket, &key)).await;
            let looked = looked.unwrap_or_else(|e| Err(io::Error::other(e)));
            return looked.map_err(|e| of_io(&e, format!("{url} cannot be read: {e}")));
        }
    };
    if file != Path::new("-") {
        return Archive::open(file).map_err(unreadable);
    }
    if io::stdin().is_terminal() {
        return Err(Failure::usage("an archive cannot be typed")
            .hint("name a file, or lead standard input to it: tfx restore … - < FILE"));
    }
    let kept = spawn_blocking(|| Archive::kept(io::stdin().lock()));
    kept.await.unwrap_or_else(|e| Err(io::Error::other(e))).map_err(|e| {
        Failure::failed(format!("standard input cannot be kept: {e}"))
            .hint("it needs room in the folder for temporary files, which TMPDIR names")
    })
}

/// Why nothing was changed.
pub(super) fn refused(error: RestoreError) -> Failure {
    match error {
        RestoreError::Archive(e) => failure(&e).hint("nothing was changed"),
        RestoreError::Selection(problems) => Failure::usage("some flags are not valid").with(problems),
        RestoreError::Store(e) => failure(&e.into()).hint("nothing was changed"),
    }
}

/// The first few of some names.
pub(super) fn ended_early(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
