//! Makes a set: in a folder that has another name until everything in it is durable.

use super::{
    MANIFEST, PARTIAL, SetError,
    manifest::{SetManifest, SetPart, sum},
};
use crate::backup::{OnPhase, Packing, Phase, PlaceError, place::to_its_place, to_file};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tfx_ports::{
    backup::{Backup, Progress},
    clock, entropy, files,
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

/// Makes a set of these stores in `dir`, and says where it is. `missing`: what is not in it.
///
/// # Errors
/// [`SetError`]; then there is no set.
pub async fn make(
    dir: &Path,
    sources: &[Source],
    missing: Vec<String>,
    teller: &OnPhase,
) -> Result<(PathBuf, SetManifest), SetError> {
    let moment = clock::now();
    let name = moment.strftime("%Y%m%dT%H%M%SZ").to_string();
    let unfinished = Unfinished::begin(dir, &name)?;
    let mut parts = Vec::new();
    for source in sources {
        let path = unfinished.0.join(&source.file);
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
        parts.push(SetPart {
            file: source.file.clone(),
            store: source.store.to_owned(),
            bytes,
            sha256,
            documents: taken.contents.documents(),
            moment: taken.contents.moment,
        });
    }
    let manifest = SetManifest::new(moment, parts, missing);
    let path = unfinished.0.join(MANIFEST);
    files::make(&path, &manifest.text()).map_err(SetError::io(&path))?;
    let set = dir.join(&name);
    File::open(&unfinished.0).and_then(|folder| folder.sync_all()).map_err(SetError::io(&set))?;
    to_its_place(&unfinished.0, &set)?;
    Ok((set, manifest))
}

/// The folder as long as it is no set; it goes away with this.
struct Unfinished(PathBuf);

impl Unfinished {
    fn begin(dir: &Path, name: &str) -> Result<Self, SetError> {
        let set = dir.join(name);
        match fs::symlink_metadata(&set) {
            Ok(_) => return Err(PlaceError::Taken(set).into()),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(SetError::Io { path: dir.to_owned(), error }),
        }
        let path = dir.join(format!("{name}.{:08x}{PARTIAL}", entropy::random_u128() >> 96));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(PlaceError::NoFolder(set).into()),
            Err(error) => Err(SetError::Io { path: dir.to_owned(), error }),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is not there any more when it has become a set.
        let _ = fs::remove_dir_all(&self.0);
    }
}
