//! What restores of all stores have in common: the archive that is named, and why one is refused before anything is changed.

use crate::{
    commands::backup::{Where, bucket, failure, of_io},
    context::Context,
    exit::Failure,
};
use std::{
    io::{self, ErrorKind, IsTerminal},
    path::Path,
};
use tfx_ops::{
    backup::{
        Archive, RestoreError,
        set::{self, FoundSet, Sets},
    },
    clock,
};
use tokio::task::spawn_blocking;

/// The archive in the file or the bucket, or what comes through standard input, kept. Of a set, or the newest whole one of a folder
/// or a prefix, the archive of this store.
pub(super) async fn opened(context: &Context, file: &Where, store: &'static str) -> Result<Archive, Failure> {
    let unreadable = |e: io::Error| Failure::usage(format!("{file} cannot be read: {e}"));
    match file {
        Where::Path(path) if path == Path::new("-") => {}
        Where::Path(path) if path.is_dir() => {
            // `.` at the end, and links that lead to a set.
            let path = path.canonicalize().map_err(unreadable)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let above = (Sets::folder(path.parent().unwrap_or(&path)), name);
            let missing = format!(
                "{file}: it is a folder, and an archive is a file; no whole set with {store} lies in it"
            );
            let missing = Failure::usage(missing);
            return of_sets(context, file, (Sets::folder(&path), Some(above)), store, missing).await;
        }
        Where::Path(path) => return Archive::open(path).map_err(unreadable),
        Where::Bucket(url) => {
            let (of, key) = (bucket(context, url)?, url.key.clone());
            let looked = match key.is_empty() {
                true => Err(io::Error::new(ErrorKind::NotFound, "there is no whole set")),
                false => {
                    let of = of.clone();
                    let looked = spawn_blocking(move || Archive::of_bucket(&of, &key)).await;
                    looked.unwrap_or_else(|e| Err(io::Error::other(e)))
                }
            };
            let failed = |e: io::Error| of_io(&e, format!("{url} cannot be read: {e}"));
            let missing = match looked {
                Err(e) if e.kind() == ErrorKind::NotFound => failed(e),
                looked => return looked.map_err(failed),
            };
            let above =
                url.above().map(|(above, name)| (Sets::bucket(of.clone(), &above.key), name.to_owned()));
            return of_sets(context, file, (Sets::bucket(of, &url.key), above), store, missing).await;
        }
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

/// The archive of a store in the set that is named, or in the newest whole one of the place; else `missing`.
async fn of_sets(
    context: &Context,
    named: &Where,
    (place, above): (Sets, Option<(Sets, String)>),
    store: &'static str,
    missing: Failure,
) -> Result<Archive, Failure> {
    let found = spawn_blocking(move || {
        if let Some((above, name)) = above
            && set::is_name(&name)
        {
            return set::one(&above, &name).map(Some);
        }
        let all = set::list(&place).map_err(io::Error::other)?;
        let now = clock::now();
        let has = |set: &FoundSet| set.archive_of(store).is_ok() && !set.is_of_the_future(now);
        let moment = |set: &FoundSet| set.whole().map(|manifest| manifest.moment);
        Ok(all.into_iter().filter(has).max_by_key(moment))
    });
    let found = found.await.unwrap_or_else(|e| Err(io::Error::other(e)));
    let Some(set) = found.map_err(|e| of_io(&e, format!("{named} cannot be read: {e}")))? else {
        return Err(missing
            .hint("name a file, a set or a folder of sets; tfx backup list tells which sets there are"));
    };
    let path = set.path.display().to_string();
    let archive = spawn_blocking(move || set.archive_of(store)).await;
    let archive = archive.unwrap_or_else(|e| Err(io::Error::other(e)));
    let archive = archive.map_err(|e| Failure::failed(format!("{path} cannot be restored: {e}")))?;
    context.out.note(format!("of the set {path}"));
    Ok(archive)
}

/// Why nothing was changed.
pub(super) fn refused(error: RestoreError) -> Failure {
    match error {
        RestoreError::Archive(e) => failure(&e).hint("nothing was changed"),
        RestoreError::Selection(problems) => Failure::usage("some flags are not valid").with(problems),
        RestoreError::Store(e) => failure(&e.into()).hint("nothing was changed"),
    }
}
