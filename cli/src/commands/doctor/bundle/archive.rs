//! The file that is sent: a tar.gz of this user alone, or an object in a bucket; whole or not there.

use crate::{
    commands::backup::{Where, bucket, of_io},
    context::Context,
    exit::{Failure, Kind},
};
use flate2::{Compression, write::GzEncoder};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};
use tar::{Builder, Header};
use tfx_ops::{
    backup::{Bucket, ObjectUrl},
    clock, files,
};

/// Everything stands in this folder.
const FOLDER: &str = "tfx-bundle";

/// A file of the archive.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Where it goes.
pub(in crate::commands::doctor) enum Place {
    /// A file, in the place of another only if that was asked for.
    File(PathBuf, bool),
    /// An object, in the place of none.
    Object(ObjectUrl, Bucket),
}

impl Place {
    /// As a person names it.
    ///
    /// # Errors
    /// Settings of buckets that are missing or cannot be used; an object is to take the place of another.
    pub(super) fn of(context: &Context, at: &Where, force: bool) -> Result<Self, Failure> {
        match at {
            Where::Path(path) => Ok(Self::File(path.clone(), force)),
            Where::Bucket(_) if force => {
                Err(Failure::usage("--force puts a file in the place of another, and no object")
                    .hint("give the bundle another name in the bucket"))
            }
            Where::Bucket(url) => Ok(Self::Object(url.clone(), bucket(context, url)?)),
        }
    }

    /// Nothing may be there, and it can be put there.
    ///
    /// # Errors
    /// It is there, or its folder or bucket is not.
    pub(super) fn free(&self) -> Result<(), Failure> {
        match self {
            Self::File(path, force) => free(path, *force),
            Self::Object(url, _) if url.key.is_empty() => {
                Err(Failure::usage(format!("--bundle: {url} is a bucket; name an object in it")))
            }
            Self::Object(url, bucket) => match bucket.holds(&url.key) {
                Ok(true) => Err(taken(url)),
                Ok(false) => bucket.guarded(&url.key).map_err(|e| unwritten(url, &e)),
                Err(e) => Err(unwritten(url, &e)),
            },
        }
    }

    /// Writes it: a file beside and renamed, an object whole.
    ///
    /// # Errors
    /// Somebody else made such a one meanwhile; it cannot be written.
    pub(super) fn write(&self, entries: &[Entry]) -> Result<(), Failure> {
        match self {
            Self::File(path, force) => write(path, *force, entries),
            Self::Object(url, bucket) => {
                let put = packed(entries).and_then(|bytes| bucket.create(&url.key, bytes));
                put.map_err(|e| match e.kind() {
                    io::ErrorKind::AlreadyExists => taken(url),
                    _ => unwritten(url, &e),
                })
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, _) => path.display().fmt(f),
            Self::Object(url, _) => url.fmt(f),
        }
    }
}

fn unwritten(url: &ObjectUrl, e: &io::Error) -> Failure {
    of_io(e, format!("{url} cannot be written: {e}"))
}

fn taken(url: &ObjectUrl) -> Failure {
    Failure::new(Kind::Conflict, format!("{url} is there already"))
        .hint("name another object: none is replaced")
}

fn free(path: &Path, force: bool) -> Result<(), Failure> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() || path.file_name().is_none() {
        return Err(Failure::usage(format!("--bundle: {} is a folder; name a file", path.display())));
    }
    if !folder.is_dir() {
        return Err(Failure::usage(format!("--bundle: the folder {} is not there", folder.display())));
    }
    if path.exists() && !force { Err(file_taken(path)) } else { Ok(()) }
}

fn write(path: &Path, force: bool, entries: &[Entry]) -> Result<(), Failure> {
    let unwritten = |e: io::Error| Failure::failed(format!("{} cannot be written: {e}", path.display()));
    let bytes = packed(entries).map_err(unwritten)?;
    if force {
        return files::replace(path, &bytes).map_err(unwritten);
    }
    if files::make(path, &bytes).map_err(unwritten)? { Ok(()) } else { Err(file_taken(path)) }
}

fn file_taken(path: &Path) -> Failure {
    Failure::new(Kind::Conflict, format!("{} is there already", path.display()))
        .hint("name another file, or --force puts the bundle in its place")
}

fn packed(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for Entry { name, bytes } in entries {
        // No owner: the name of a user is nobody's business.
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(clock::now().as_second().unsigned_abs());
        tar.append_data(&mut header, format!("{FOLDER}/{name}"), bytes.as_slice())?;
    }
    tar.into_inner()?.finish()
}

/// The name of the first entry in which one of these secrets stands.
pub(super) fn betrays<'e>(entries: &'e [Entry], secrets: &[String]) -> Option<&'e str> {
    let holds =
        |entry: &Entry, secret: &String| entry.bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
    entries.iter().find(|entry| secrets.iter().any(|secret| holds(entry, secret))).map(|e| e.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_stays_unless_it_is_to_go() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("b.tar.gz");
        let entries = [Entry { name: "a.txt".to_owned(), bytes: b"text".to_vec() }];
        assert!(free(&path, false).is_ok() && free(dir.path(), true).is_err());
        write(&path, false, &entries).expect("written");
        let before = std::fs::read(&path).expect("read");
        assert_eq!(write(&path, false, &entries).expect_err("there").kind, Kind::Conflict);
        assert!(free(&path, false).is_err() && free(&path, true).is_ok());
        assert_eq!(std::fs::read(&path).expect("read"), before);
        write(&path, true, &[]).expect("written");
        assert_ne!(std::fs::read(&path).expect("read"), before);
        assert_eq!(files::open_to_others(&path), None);
        assert_eq!(std::fs::read_dir(dir.path()).expect("the folder").count(), 1);
    }

    #[test]
    fn a_secret_in_an_entry_is_found() {
        let entries = [Entry { name: "a.txt".to_owned(), bytes: b"x hunter22 y".to_vec() }];
        assert_eq!(betrays(&entries, &["other1".to_owned(), "hunter22".to_owned()]), Some("a.txt"));
        assert_eq!(betrays(&entries, &["other1".to_owned()]), None);
    }
}
