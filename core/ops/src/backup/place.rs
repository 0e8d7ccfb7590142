//! Where a backup is put. A file is written under another name beside, and given its own only when it is whole; an object is
//! there only when all of it is. What is there is never touched.

use super::{Archive, Bucket, bucket::Upload, packing::Device, take::Begun};
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tfx_ports::{entropy, files};

/// What the names of files end in that are not whole yet.
pub(super) const PARTIAL: &str = "part";

/// Why a backup cannot be put there.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Something is there.
    #[error("{} is there already: a backup takes the place of nothing; give it another name", .0.display())]
    Taken(PathBuf),
    /// It is a folder.
    #[error("{} is a folder: name a file in it", .0.display())]
    Folder(PathBuf),
    /// It is no name of a file.
    #[error("{} names no file", .0.display())]
    NoName(PathBuf),
    /// There is no such folder.
    #[error("the folder of {} is not there: make it first", .0.display())]
    NoFolder(PathBuf),
    /// It cannot be written there.
    #[error("{} cannot be written: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What is not known to be whole yet; it goes away with this unless it is kept.
pub(super) trait Target: Send {
    /// Where it will be.
    fn path(&self) -> PathBuf;

    /// What was written, to be read back.
    fn written(&self) -> io::Result<Archive>;

    /// It is whole.
    fn keep(self: Box<Self>) -> Result<(), PlaceError>;
}

/// A file that is not whole yet; it goes away with this unless it is kept.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    beside: PathBuf,
    /// Locked as long as somebody writes it or reads it back.
    _lock: Option<File>,
}

impl Partial {
    /// Begins one for a place where nothing is.
    pub(super) fn begin(path: &Path) -> Result<(Self, File), PlaceError> {
        vacant(path)?;
        let Some(name) = path.file_name() else { return Err(PlaceError::NoName(path.to_owned())) };
        let mut beside = name.to_owned();
        beside.push(format!(".{:08x}.{PARTIAL}", entropy::random_u128() >> 96));
        let beside = path.with_file_name(beside);
        match files::private().read(true).write(true).create_new(true).open(&beside) {
            Ok(file) => {
                // Who looks whether anybody writes it has the lock for a moment: that is waited for.
                let lock = file.try_clone().ok().filter(|file| file.lock().is_ok());
                Ok((Self { path: path.to_owned(), beside, _lock: lock }, file))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Err(PlaceError::NoFolder(path.to_owned())),
            Err(error) => Err(PlaceError::Io { path: path.to_owned(), error }),
        }
    }
}

impl Target for Partial {
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn written(&self) -> io::Result<Archive> {
        Archive::open(&self.beside)
    }

    /// Gives it its name, durably, unless somebody else was first.
    fn keep(self: Box<Self>) -> Result<(), PlaceError> {
        to_its_place(&self.beside, &self.path)
    }
}

/// An object that was not read back yet. Whoever ends it first has it; it goes away with this unless it is kept.
pub(super) struct ObjectTarget {
    bucket: Bucket,
    key: String,
    /// Whether it is this one's: what somebody else put there stays.
    ours: Arc<AtomicBool>,
    kept: bool,
}

impl ObjectTarget {
    /// The same where nothing else says yet that the server keeps what is there.
    pub(super) fn begin_alone(bucket: &Bucket, key: &str) -> Result<Begun, PlaceError> {
        let begun = Self::begin(bucket, key)?;
        bucket.guarded(key).map_err(|error| PlaceError::Io { path: begun.0.path(), error })?;
        Ok(begun)
    }

    /// Begins one for a place where nothing is.
    pub(super) fn begin(bucket: &Bucket, key: &str) -> Result<Begun, PlaceError> {
        let ours = Arc::new(AtomicBool::new(false));
        let new = Self { bucket: bucket.clone(), key: key.to_owned(), ours: Arc::clone(&ours), kept: false };
        if key.is_empty() {
            return Err(PlaceError::NoName(new.path()));
        }
        let failed = |error| PlaceError::Io { path: new.path(), error };
        match bucket.object(key) {
            Ok(_) => return Err(PlaceError::Taken(new.path())),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
        }
        let upload = Upload::begin(bucket, key).map_err(failed)?;
        Ok((Box::new(new), Box::new(Ours { upload, ours })))
    }
}

impl Target for ObjectTarget {
    fn path(&self) -> PathBuf {
        format!("s3://{}/{}", self.bucket.name(), self.key).into()
    }

    fn written(&self) -> io::Result<Archive> {
        Archive::of_bucket(&self.bucket, &self.key)
    }

    fn keep(mut self: Box<Self>) -> Result<(), PlaceError> {
        self.kept = true;
        Ok(())
    }
}

impl Drop for ObjectTarget {
    fn drop(&mut self) {
        if !self.kept && self.ours.load(Ordering::Relaxed) {
            let _ = self.bucket.delete(vec![self.key.clone()]);
        }
    }
}

/// Tells whose object it has become.
struct Ours {
    upload: Upload,
    ours: Arc<AtomicBool>,
}

impl Write for Ours {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.upload.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.upload.flush()
    }
}

impl Device for Ours {
    fn settle(&mut self) -> io::Result<()> {
        self.upload.settle()?;
        self.ours.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Gives what is whole its name, durably, unless somebody else was first.
pub(super) fn to_its_place(beside: &Path, path: &Path) -> Result<(), PlaceError> {
    let failed = |error| PlaceError::Io { path: path.to_owned(), error };
    match renameat_with(CWD, beside, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Err(PlaceError::Taken(path.to_owned())),
        // This file system knows no such renaming; a link takes no place either, and a folder takes that of none that holds
        // something.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if beside.is_dir() => {
            vacant(path)?;
            fs::rename(beside, path).map_err(failed)?;
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match fs::hard_link(beside, path) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(PlaceError::Taken(path.to_owned())),
            Err(e) => return Err(failed(e)),
        },
        Err(e) => return Err(failed(e.into())),
    }
    files::sync_folder(path).map_err(failed)
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}

/// Nothing may be there, not even a link that leads nowhere.
fn vacant(path: &Path) -> Result<(), PlaceError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(PlaceError::Folder(path.to_owned())),
        Ok(_) => Err(PlaceError::Taken(path.to_owned())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(PlaceError::Io { path: path.to_owned(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole_and_takes_no_place() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("backup");
        let names = || fs::read_dir(dir.path()).expect("lists").count();
        let (partial, mut file) = Partial::begin(&path).expect("begun");
        file.write_all(b"half").expect("written");
        assert!(!path.exists() && partial.beside.exists());
        drop(partial);
        assert_eq!(names(), 0, "what was given up leaves nothing");

        let (first, _) = Partial::begin(&path).expect("begun");
        let (second, _) = Partial::begin(&path).expect("begun: nobody is there yet");
        Box::new(first).keep().expect("kept");
        assert!(matches!(Box::new(second).keep(), Err(PlaceError::Taken(_))), "the first one stays");
        assert_eq!(names(), 1);
        assert!(matches!(Partial::begin(&path), Err(PlaceError::Taken(_))));
        assert!(matches!(Partial::begin(dir.path()), Err(PlaceError::Folder(_))));
        assert!(matches!(Partial::begin(&dir.path().join("no/such")), Err(PlaceError::NoFolder(_))));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).expect("a link");
        assert!(matches!(Partial::begin(&link), Err(PlaceError::Taken(_))), "a link is not followed");
        assert!(matches!(Partial::begin(Path::new("/dev/full")), Err(PlaceError::Taken(_))));
    }
}
