//! The folder of a set as long as it is none. One with partitions of tables in it keeps a ledger of what is whole, so that
//! another run can go on with it; any other goes away with the run that makes it.

use super::{MANIFEST, PARTIAL, PRUNED, SetError, SetKind, is_left_over, manifest::SetPart, manifest::sum};
use crate::backup::{PlaceError, place::to_its_place};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use tfx_ports::{entropy, files, table_backup::StoredPartition};

/// What is whole in an unfinished set: a line of JSON each, synced before the next is begun. Locked by the run that makes it.
const LEDGER: &str = "taken.jsonl";

/// A partition that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) table: String,
    pub(super) definition: String,
    pub(super) partition: StoredPartition,
    pub(super) part: SetPart,
}

/// The folder as long as it is no set.
pub(super) struct Unfinished {
    path: PathBuf,
    ledger: Option<Ledger>,
}

struct Ledger {
    file: File,
    records: usize,
}

impl Unfinished {
    /// A new one. With a ledger, others can go on with it.
    pub(super) fn begin(dir: &Path, name: &str, ledger: bool) -> Result<Self, SetError> {
        let set = dir.join(name);
        match fs::symlink_metadata(&set) {
            Ok(_) => return Err(PlaceError::Taken(set).into()),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(SetError::Io { path: dir.to_owned(), error }),
        }
        let path = dir.join(format!("{name}.{:08x}{PARTIAL}", entropy::random_u128() >> 96));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(PlaceError::NoFolder(set).into()),
            Err(error) => return Err(SetError::Io { path: dir.to_owned(), error }),
        }
        let mut new = Self { path, ledger: None };
        if ledger {
            let at = new.path.join(LEDGER);
            let failed = SetError::io(&at);
            let begun = files::private().read(true).append(true).create_new(true).open(&at);
            let begun = begun.and_then(|file| file.try_lock().map(|()| file).map_err(io::Error::from));
            new.ledger = Some(Ledger { file: begun.map_err(failed)?, records: 0 });
        }
        Ok(new)
    }

    /// The newest one of the kind that was left by a run that has ended, with what is whole in it; the rest of it is deleted.
    /// It blocks.
    pub(super) fn resume(dir: &Path, kind: SetKind) -> Result<Option<(Self, Vec<Record>)>, SetError> {
        for path in left(dir, kind)? {
            let at = path.join(LEDGER);
            let failed = || SetError::io(&at);
            let mut file = match files::private().read(true).append(true).open(&at) {
                Ok(file) => file,
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failed()(error)),
            };
            match file.try_lock() {
                Ok(()) => {}
                // Somebody is making it.
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(failed()(error)),
            }
            let mut text = Vec::new();
            file.read_to_end(&mut text).map_err(failed())?;
            let (mut records, mut whole) = (Vec::new(), 0);
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                // The last one may be cut off.
                let Ok(record) = serde_json::from_slice::<Record>(line) else { break };
                whole += line.len() as u64;
                records.push(record);
            }
            file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0)).map(|_| ())).map_err(failed())?;
            records.retain(|record| is_whole(&path, &record.part));
            let known: BTreeSet<&str> =
                records.iter().map(|r| r.part.file.as_str()).chain([LEDGER]).collect();
            for entry in fs::read_dir(&path).map_err(SetError::io(&path))? {
                let entry = entry.map_err(SetError::io(&path))?;
                if !known.contains(entry.file_name().to_string_lossy().as_ref()) {
                    fs::remove_file(entry.path()).map_err(SetError::io(&entry.path()))?;
                }
            }
            let ledger = Some(Ledger { file, records: records.len() });
            return Ok(Some((Self { path, ledger }, records)));
        }
        Ok(None)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// One more is whole and durable.
    pub(super) fn record(&mut self, record: &Record) -> Result<(), SetError> {
        let Some(ledger) = &mut self.ledger else { return Ok(()) };
        let path = self.path.join(LEDGER);
        let written = serde_json::to_vec(record).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            ledger.file.write_all(&line)?;
            ledger.file.sync_all()
        });
        written.map_err(SetError::io(&path))?;
        ledger.records += 1;
        Ok(())
    }

    /// Everything is in it and durable: it becomes the set.
    pub(super) fn keep(mut self, set: &Path, manifest: &[u8]) -> Result<(), SetError> {
        let path = self.path.join(MANIFEST);
        files::make(&path, manifest).map_err(SetError::io(&path))?;
        if self.ledger.take().is_some() {
            // From here on nobody goes on with it.
            let at = self.path.join(LEDGER);
            fs::remove_file(&at).map_err(SetError::io(&at))?;
        }
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(SetError::io(set))?;
        Ok(to_its_place(&self.path, set)?)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.ledger.as_ref().is_none_or(|ledger| ledger.records == 0) {
            // It is not there any more when it has become a set.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Whether there is one of the kind that another run can go on with.
///
/// # Errors
/// The folder cannot be read.
pub fn can_resume(dir: &Path, kind: SetKind) -> Result<bool, SetError> {
    let is_free = |path: &PathBuf| {
        File::open(path.join(LEDGER))
            .is_ok_and(|file| file.metadata().is_ok_and(|m| m.len() > 0) && file.try_lock().is_ok())
    };
    Ok(left(dir, kind)?.iter().any(is_free))
}

/// Folders of unfinished sets of the kind, the newest first.
fn left(dir: &Path, kind: SetKind) -> Result<Vec<PathBuf>, SetError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(SetError::io(dir))? {
        let name = entry.map_err(SetError::io(dir))?.file_name().to_string_lossy().into_owned();
        if is_left_over(&name) && !name.ends_with(PRUNED) && SetKind::of_left_over(&name) == kind {
            names.push(name);
        }
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names.iter().map(|name| dir.join(name)).collect())
}

fn is_whole(folder: &Path, part: &SetPart) -> bool {
    sum(&folder.join(&part.file), &mut |_| {}).is_ok_and(|found| found == (part.sha256.clone(), part.bytes))
}
