//! Makes a set: in a folder that has another name until everything in it is durable.

use super::{
    SetError, SetKind, TableSource,
    manifest::{SetManifest, SetPart, sum},
    tables::{self, Earlier, Origins},
    unfinished::Unfinished,
};
use crate::backup::{OnPhase, Packing, Phase, to_file};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tfx_ports::{
    backup::{Backup, Progress},
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

/// Makes a set in `dir`.
///
/// # Errors
/// [`SetError`]; then there is no set, but perhaps one to go on with ([`super::can_resume`]).
pub async fn make(dir: &Path, making: Making, teller: &OnPhase) -> Result<Made, SetError> {
    let Making { kind, sources, tables, missing, incremental, resume, there } = making;
    let moment = clock::now();
    let name = format!("{}{}", moment.strftime("%Y%m%dT%H%M%SZ"), kind.ending());
    let store = tables.as_ref().map_or("", |tables| tables.store);
    let by_partition = tables.is_some() && there.is_none();
    let (begun, base) = {
        let (dir, name) = (dir.to_owned(), name.clone());
        blocking(dir.clone(), move || {
            let base = if incremental && by_partition { Earlier::of_set(&dir, store)? } else { None };
            let resumed = if resume && by_partition { Unfinished::resume(&dir, kind)? } else { None };
            let begun = match resumed {
                Some(resumed) => resumed,
                None => (Unfinished::begin(&dir, &name, by_partition)?, Vec::new()),
            };
            Ok((begun, base))
        })
        .await?
    };
    let (mut unfinished, records) = begun;
    let resumed = Earlier::of_run(unfinished.path(), records);
    let (base_name, base) = base.map_or((None, Earlier::default()), |(name, base)| (Some(name), base));
    let mut parts = Vec::new();
    for source in &sources {
        parts.push(of_source(unfinished.path(), source, teller).await?);
    }
    let (mut catalogue, mut origins) = (None, Origins::default());
    if let Some(source) = &tables {
        let (of_tables, said, from) = match &there {
            None => tables::take(&mut unfinished, source, &resumed, &base, teller).await?,
            Some(disk) => {
                let place = ServerPlace { disk: disk.clone(), name: name.clone() };
                let (part, said) = tables::take_there(unfinished.path(), source, place, teller).await?;
                (vec![part], said, Origins::default())
            }
        };
        parts.extend(of_tables);
        (catalogue, origins) = (Some(said), from);
    }
    let manifest = SetManifest::new(moment, parts, missing);
    let path = dir.join(&name);
    unfinished.keep(&path, &manifest.text())?;
    Ok(Made { path, manifest, catalogue, origins, base: base_name })
}

async fn of_source(folder: &Path, source: &Source, teller: &OnPhase) -> Result<SetPart, SetError> {
    let path = folder.join(&source.file);
    let taken = to_file(&source.backup, &path, source.packing, teller).await;
    let taken = taken.map_err(|error| SetError::Part { part: source.store.to_owned(), error })?;
    let (tell, of, read) = (Arc::clone(teller), taken.bytes, path.clone());
    let summed = spawn_blocking(move || {
        let mut bytes = 0;
        sum(&read, &mut |more| {
            bytes += more;
            tell(Phase::ReadingBack, Progress { bytes, documents: 0, of: Some(of) });
        })
    });
    let summed = summed.await.unwrap_or_else(|e| Err(io::Error::other(e)));
    let (sha256, bytes) = summed.map_err(SetError::io(&path))?;
    Ok(SetPart {
        file: source.file.clone(),
        store: source.store.to_owned(),
        bytes,
        sha256,
        documents: taken.contents.documents(),
        moment: taken.contents.moment,
    })
}

/// Does what blocks where it may.
async fn blocking<T: Send + 'static>(
    dir: PathBuf,
    work: impl FnOnce() -> Result<T, SetError> + Send + 'static,
) -> Result<T, SetError> {
    spawn_blocking(work).await.unwrap_or_else(|e| Err(SetError::Io { path: dir, error: io::Error::other(e) }))
}
