//! Makes a set: it is none until everything in it is durable.

use super::{
    SetError, SetKind, TableSource,
    manifest::{SetManifest, SetPart, sum},
    shelf::{Files, Sets},
    tables::{self, Earlier, Origins},
};
use crate::backup::{OnPhase, Packing, Taken, take::to_target};
use std::{io, path::PathBuf, sync::Arc};
use tfx_ports::{
    backup::Backup,
    clock,
    table_backup::{Catalogue, ServerPlace},
};
use tokio::task::spawn_blocking;

/// A store of which the set has a part.
pub struct Source {
    /// `embedded`, `mongo`.
    pub store: &'static str,
    /// What the part is called.
    pub file: String,
    /// How it is compressed.
    pub packing: Packing,
    /// The store itself.
    pub backup: Arc<dyn Backup>,
}

/// What is to be in a set, and how.
#[derive(Default)]
pub struct Making {
    /// Of which stores it is.
    pub kind: SetKind,
    /// Stores with one part each. They come first.
    pub sources: Vec<Source>,
    /// A store of tables.
    pub tables: Option<TableSource>,
    /// What is not in it.
    pub missing: Vec<String>,
    /// Whether partitions that have not changed since the newest set of the folder are not read again.
    pub incremental: bool,
    /// Whether to go on with one that did not come to its end, if there is any. Nothing but partitions that have not changed is
    /// taken from it.
    pub resume: bool,
    /// The tables are written by the server, to a disk of its own: the set has only their catalogue.
    pub there: Option<String>,
}

/// A set that was made.
pub struct Made {
    /// Where it is.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: SetManifest,
    /// What the store of tables held.
    pub catalogue: Option<Catalogue>,
    /// How its partitions came into it.
    pub origins: Origins,
    /// The earlier set that it was compared with.
    pub base: Option<String>,
}

/// Makes a set.
///
/// # Errors
/// [`SetError`]; then there is no set, but perhaps one to go on with ([`super::can_resume`]).
pub async fn make(sets: &Sets, making: Making, teller: &OnPhase) -> Result<Made, SetError> {
    let Making { kind, sources, tables, missing, incremental, resume, there } = making;
    let moment = clock::now();
    let name = format!("{}{}", moment.strftime("%Y%m%dT%H%M%SZ"), kind.ending());
    let store = tables.as_ref().map_or("", |tables| tables.store);
    let by_partition = tables.is_some() && there.is_none();
    let (begun, base) = {
        let (sets, name) = (sets.clone(), name.clone());
        blocking(sets.shelf().path(), move || {
            let base = if incremental && by_partition { Earlier::of_set(&sets, store)? } else { None };
            let resumed = if resume && by_partition { sets.shelf().resume(kind)? } else { None };
            let begun = match resumed {
                Some(resumed) => resumed,
                None => (sets.shelf().begin(&name, by_partition)?, Vec::new()),
            };
            Ok((begun, base))
        })
        .await?
    };
    let (mut draft, records) = begun;
    let resumed = Earlier::of_run(records);
    let (base_name, base) = base.map_or((None, Earlier::default()), |(name, base)| (Some(name), base));
    let mut parts = Vec::new();
    for source in &sources {
        parts.push(of_source(draft.files(), source, teller).await?);
    }
    let (mut catalogue, mut origins) = (None, Origins::default());
    if let Some(source) = &tables {
        let (of_tables, said, from) = match &there {
            None => {
                tables::take(&mut *draft, source, &resumed, (base_name.as_deref(), &base), teller).await?
            }
            Some(disk) => {
                let place = ServerPlace { disk: disk.clone(), name: name.clone() };
                let (part, said) = tables::take_there(draft.files(), source, place, teller).await?;
                (vec![part], said, Origins::default())
            }
        };
        parts.extend(of_tables);
        (catalogue, origins) = (Some(said), from);
    }
    let manifest = SetManifest::new(moment, parts, missing);
    let (at, text) = (sets.shelf().path(), manifest.text());
    let path = blocking(at, move || draft.keep(&name, &text)).await?;
    Ok(Made { path, manifest, catalogue, origins, base: base_name })
}

async fn of_source(files: Arc<dyn Files>, source: &Source, teller: &OnPhase) -> Result<SetPart, SetError> {
    let (begins, file) = (Arc::clone(&files), source.file.clone());
    let taken = to_target(&source.backup, move || begins.begin(&file), source.packing, teller).await;
    let taken = taken.map_err(|error| SetError::Part { part: source.store.to_owned(), error })?;
    let (sha256, bytes) = summed(&files, &source.file, &taken).await?;
    Ok(SetPart {
        file: source.file.clone(),
        store: source.store.to_owned(),
        bytes,
        sha256,
        documents: taken.contents.documents(),
        moment: taken.contents.moment,
    })
}

/// The checksum and the bytes of what was taken; it is read for that if it was not while it was read back.
pub(super) async fn summed(
    files: &Arc<dyn Files>,
    file: &str,
    taken: &Taken,
) -> Result<(String, u64), SetError> {
    if let Some(sha256) = &taken.sha256 {
        return Ok((sha256.clone(), taken.bytes));
    }
    let (files, file) = (Arc::clone(files), file.to_owned());
    let path = files.path().join(&file);
    blocking(path.clone(), move || {
        let summed = files.archive(&file).and_then(|archive| sum(&mut *archive.raw(), &mut |_| {}));
        summed.map_err(SetError::io(&path))
    })
    .await
}

/// Does what blocks where it may.
pub(super) async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> Result<T, SetError> + Send + 'static,
) -> Result<T, SetError> {
    spawn_blocking(work).await.unwrap_or_else(|e| Err(SetError::Io { path, error: io::Error::other(e) }))
}
