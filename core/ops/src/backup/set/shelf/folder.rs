//! Sets in a folder, a folder each. As long as one is none, its folder has another name. One with partitions of tables in it keeps a
//! ledger of what is whole, so that another run can go on with it; any other goes away with the run that makes it.

use super::{Adopted, Draft, Files, Held, Record, Shelf};
use crate::backup::{
    Archive, PlaceError,
    packing::Device,
    place::{Partial, Target, to_its_place},
    set::{
        MANIFEST, PARTIAL, PRUNED, SetError, SetKind, is_left_over, is_partial_file, manifest::SetPart,
        manifest::sum,
    },
    take::Begun,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tfx_domain::Timestamp;
use tfx_ports::{clock, entropy, files};

/// What is locked by nobody and could be gone on with is deleted when it is older; where there are no locks, anything is.
const LEFT: Duration = Duration::from_secs(86_400);
/// What is younger may be somebody's who has not locked it yet.
const JUST_NOW: Duration = Duration::from_secs(60);

/// What is whole in an unfinished set: a line of JSON each, synced before the next is begun. Locked by the run that makes it.
const LEDGER: &str = "taken.jsonl";

/// The folder of sets.
pub(super) struct FolderShelf(pub(super) PathBuf);

impl Shelf for FolderShelf {
    fn path(&self) -> PathBuf {
        self.0.clone()
    }

    fn entries(&self) -> Result<Vec<(String, Arc<dyn Files>)>, SetError> {
        let mut found: Vec<(String, Arc<dyn Files>)> = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(SetError::io(&self.0))? {
            let entry = entry.map_err(SetError::io(&self.0))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if SetKind::of_name(&name).is_some() || is_left_over(&name) || is_file && is_partial_file(&name) {
                found.push((name, Arc::new(Folder(entry.path()))));
            }
        }
        Ok(found)
    }

    fn entry(&self, name: &str) -> io::Result<Arc<dyn Files>> {
        Ok(Arc::new(Folder(self.0.join(name))))
    }

    fn begin(&self, name: &str, resumable: bool) -> Result<Box<dyn Draft>, SetError> {
        Ok(Box::new(Unfinished::begin(&self.0, name, resumable)?))
    }

    fn resume(&self, kind: SetKind) -> Result<Option<(Box<dyn Draft>, Vec<Record>)>, SetError> {
        let resumed = Unfinished::resume(&self.0, kind)?;
        Ok(resumed.map(|(draft, records)| (Box::new(draft) as Box<dyn Draft>, records)))
    }

    fn can_resume(&self, kind: SetKind) -> Result<bool, SetError> {
        let is_free = |path: &PathBuf| {
            File::open(path.join(LEDGER))
                .is_ok_and(|file| file.metadata().is_ok_and(|m| m.len() > 0) && file.try_lock().is_ok())
        };
        Ok(left(&self.0, kind)?.iter().any(is_free))
    }

    fn prune(&self, name: &str) -> Result<(), SetError> {
        let (set, away) = (self.0.join(name), self.0.join(format!("{name}{PRUNED}")));
        let failed = || SetError::io(&set);
        fs::rename(&set, &away).map_err(failed())?;
        File::open(&self.0).and_then(|dir| dir.sync_all()).map_err(failed())?;
        fs::remove_dir_all(&away).map_err(failed())
    }

    fn finish(&self, _: bool) -> Result<Vec<String>, SetError> {
        Ok(Vec::new())
    }

    fn clear(&self, name: &str) -> Result<(), SetError> {
        let path = self.0.join(name);
        let is_folder = fs::symlink_metadata(&path).map_err(SetError::io(&path))?.is_dir();
        let cleared = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        cleared.map_err(SetError::io(&path))
    }
}

/// What was to be a set, or was one.
fn of_left(path: &Path) -> io::Result<Held> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.ends_with(PRUNED) {
        return Ok(Held::Left { why: "it was being deleted".to_owned(), goes: true });
    }
    let changed = Timestamp::try_from(fs::symlink_metadata(path)?.modified()?).map_err(io::Error::other)?;
    let age = Duration::try_from(clock::now().duration_since(changed)).unwrap_or_default();
    let lock = File::open(path)?;
    let free = match lock.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        // This file system knows no locks: only time tells.
        Err(TryLockError::Error(_)) => age > LEFT,
    };
    if !free {
        return Ok(Held::Left { why: "somebody makes it".to_owned(), goes: false });
    }
    let goes_on = fs::metadata(path.join(LEDGER)).is_ok_and(|ledger| ledger.len() > 0) && age < LEFT;
    if goes_on {
        let why = "left of a run that ended before its end: --resume goes on with it".to_owned();
        return Ok(Held::Left { why, goes: false });
    }
    // Whoever has made it just now has not locked it yet.
    Ok(Held::Left { why: "left of a run that was killed".to_owned(), goes: age > JUST_NOW })
}

/// The files in a folder.
#[derive(Debug)]
struct Folder(PathBuf);

impl Files for Folder {
    fn path(&self) -> PathBuf {
        self.0.clone()
    }

    fn held(&self) -> io::Result<Held> {
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        if SetKind::of_name(&name).is_none() && (is_left_over(&name) || is_partial_file(&name)) {
            return of_left(&self.0);
        }
        if !fs::symlink_metadata(&self.0)?.is_dir() {
            return Ok(Held::None("it is no folder".to_owned()));
        }
        let mut held = BTreeMap::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let found = entry.metadata()?;
            let bytes = found.is_file().then_some(found.len());
            held.insert(entry.file_name().to_string_lossy().into_owned(), bytes);
        }
        Ok(Held::Files(held))
    }

    fn archive(&self, file: &str) -> io::Result<Archive> {
        Archive::open(&self.0.join(file))
    }

    fn begin(&self, file: &str) -> Result<Begun, PlaceError> {
        let (partial, device) = Partial::begin(&self.0.join(file))?;
        Ok((Box::new(partial) as Box<dyn Target>, Box::new(device) as Box<dyn Device>))
    }

    fn put(&self, file: &str, text: &[u8]) -> io::Result<()> {
        match files::make(&self.0.join(file), text)? {
            true => Ok(()),
            false => Err(ErrorKind::AlreadyExists.into()),
        }
    }

    fn remove(&self, file: &str) {
        let _ = fs::remove_file(self.0.join(file));
    }

    /// By a hard link.
    fn adopt(&self, file: &str, from_set: &str, part: &SetPart) -> Adopted {
        let Some(sets) = self.0.parent() else { return Adopted::Impossible };
        let (from, to) = (sets.join(from_set).join(&part.file), self.0.join(file));
        match fs::symlink_metadata(&from) {
            Ok(found) if found.is_file() => {}
            _ => return Adopted::Impossible,
        }
        if !is_whole(&sets.join(from_set), part) {
            return Adopted::Damaged;
        }
        let _ = fs::remove_file(&to);
        if fs::hard_link(&from, &to).is_ok() { Adopted::Done } else { Adopted::Impossible }
    }
}

/// The folder as long as it is no set.
struct Unfinished {
    path: PathBuf,
    /// The folder, locked: it is being made.
    _lock: File,
    ledger: Option<Ledger>,
}

struct Ledger {
    file: File,
    records: usize,
}

impl Unfinished {
    /// A new one. With a ledger, others can go on with it.
    fn begin(dir: &Path, name: &str, ledger: bool) -> Result<Self, SetError> {
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
        let lock = locked(&path).map_err(SetError::io(&path))?;
        let mut new = Self { path, _lock: lock, ledger: None };
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
    fn resume(dir: &Path, kind: SetKind) -> Result<Option<(Self, Vec<Record>)>, SetError> {
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
            let lock = locked(&path).map_err(SetError::io(&path))?;
            return Ok(Some((Self { path, _lock: lock, ledger }, records)));
        }
        Ok(None)
    }
}

impl Draft for Unfinished {
    fn files(&self) -> Arc<dyn Files> {
        Arc::new(Folder(self.path.clone()))
    }

    fn record(&mut self, record: &Record) -> Result<(), SetError> {
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

    fn keep(mut self: Box<Self>, name: &str, manifest: &[u8]) -> Result<PathBuf, SetError> {
        let set = self.path.with_file_name(name);
        let path = self.path.join(MANIFEST);
        files::make(&path, manifest).map_err(SetError::io(&path))?;
        if self.ledger.take().is_some() {
            // From here on nobody goes on with it.
            let at = self.path.join(LEDGER);
            fs::remove_file(&at).map_err(SetError::io(&at))?;
        }
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(SetError::io(&set))?;
        to_its_place(&self.path, &set)?;
        Ok(set)
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

/// The folder, held by this run as long as it lives; where there are no locks, its age alone tells.
fn locked(path: &Path) -> io::Result<File> {
    let folder = File::open(path)?;
    // Who looks whether anybody makes it has the lock for a moment: that is waited for.
    let _ = folder.lock();
    Ok(folder)
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
    File::open(folder.join(&part.file))
        .and_then(|mut file| sum(&mut file, &mut |_| {}))
        .is_ok_and(|found| found == (part.sha256.clone(), part.bytes))
}
