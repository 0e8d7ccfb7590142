//! Restores an archive into a data folder that nobody uses: unpacked beside, looked at as a whole, and only then moved to its
//! place.

use super::{
    ProgressGate,
    manifest::{Kind, Manifest, Part},
    sealed::{Unpack, unpack},
    swap::{NEW, in_the_way, remove, swap},
    take::sick,
};
use crate::{DataDir, DataDirError, FolderLock};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use tfx_embedded::backup::look;
use tfx_ports::{
    backup::{BackupError, Restored, Stage},
    files,
};

/// `replace`: what stands in the folder goes into another one first.
pub(super) fn restore(
    folder: &Path,
    mut from: Box<dyn Read + Send>,
    replace: bool,
    tell: ProgressGate<'_>,
) -> Result<Vec<Restored>, BackupError> {
    let failed = |e| unwritable(folder, &e);
    let _held = hold(folder)?;
    let there = in_the_way(folder).map_err(failed)?;
    if !replace && !there.is_empty() {
        let what = format!("{} is not empty: {}", folder.display(), there.join(", "));
        return Err(BackupError::NotSound { what });
    }
    let beside = Beside::new(folder).map_err(failed)?;
    let manifest = unpacked(&beside, &mut *from, tell)?;
    // Nothing has its name until here; from here on the mark tells.
    let aside = swap(folder).map_err(failed)?;
    let part = |part: &Part| Restored {
        from: part.name.clone(),
        to: folder.join(&part.name).display().to_string(),
        stage: Stage::Done,
        documents: part.database.as_ref().map_or(0, |d| d.rows.values().sum()),
        refused: 0,
        indexes: part.database.as_ref().map_or(0, |d| d.indexes),
        problem: None,
        aside: aside.as_ref().map(|aside| aside.display().to_string()),
    };
    Ok(manifest.parts.iter().map(part).collect())
}

fn unwritable(path: &Path, e: &io::Error) -> BackupError {
    BackupError::NotSound { what: format!("{} cannot be written: {e}", path.display()) }
}

/// Takes the folder for us alone, making it if it is not there. Half of a restore may be in it.
fn hold(folder: &Path) -> Result<DataDir, BackupError> {
    DataDir::open_half_restored(folder, FolderLock::Exclusive).map_err(|e| match e {
        DataDirError::InUse { .. } => {
            BackupError::InUse { what: format!("a tfx up or a daemon holds {}", folder.display()) }
        }
        e => BackupError::NotSound { what: e.to_string() },
    })
}

/// The folder in which what is restored lies at first; it goes away with this.
struct Beside(PathBuf);

impl Beside {
    fn new(folder: &Path) -> io::Result<Self> {
        let path = folder.join(NEW);
        if fs::exists(&path)? {
            // Of a restore that was killed.
            remove(&path)?;
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Everything of the archive, whole and durable, in the folder beside.
fn unpacked(beside: &Beside, from: &mut dyn Read, tell: ProgressGate<'_>) -> Result<Manifest, BackupError> {
    let mut to = Files { folder: &beside.0, open: None };
    let manifest = unpack(from, &mut to, tell)?;
    for part in manifest.parts.iter().filter(|p| p.kind == Kind::Database) {
        let path = beside.0.join(&part.name);
        let found = look(&path, &part.name).map_err(sick)?;
        let said = part.database.as_ref();
        if said.is_none_or(|d| d.rows != found.rows || d.schema != found.schema || d.indexes != found.indexes)
        {
            let what = format!("{} does not hold what the manifest says", part.name);
            return Err(BackupError::NotSound { what });
        }
    }
    let failed = |e| unwritable(&beside.0, &e);
    sync(&beside.0).map_err(failed)?;
    Ok(manifest)
}

/// Folders, from the inside out; the files are synced already.
fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Writes files of an archive into a folder.
struct Files<'f> {
    folder: &'f Path,
    open: Option<(PathBuf, File)>,
}

impl Unpack for Files<'_> {
    fn begin(&mut self, name: &str) -> Result<(), BackupError> {
        let path = self.folder.join(name);
        let failed = |e| unwritable(&path, &e);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
        }
        let file = files::private().write(true).create_new(true).open(&path).map_err(failed)?;
        self.open = Some((path, file));
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let Some((path, file)) = &mut self.open else { return Ok(()) };
        file.write_all(bytes).map_err(|e| unwritable(path, &e))
    }

    fn end(&mut self) -> Result<(), BackupError> {
        let Some((path, file)) = self.open.take() else { return Ok(()) };
        file.sync_all().map_err(|e| unwritable(&path, &e))
    }
}
