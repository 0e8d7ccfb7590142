//! The file that is sent: a tar.gz of this user alone, whole or not there.

use crate::exit::{Failure, Kind};
use flate2::{Compression, write::GzEncoder};
use std::{io, path::Path};
use tar::{Builder, Header};
use tfx_ops::{clock, files};

/// Everything stands in this folder.
const FOLDER: &str = "tfx-bundle";

/// A file of the archive.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Nothing is put in the place of another file unless that was asked for.
///
/// # Errors
/// It is there, or its folder is not.
pub(super) fn free(path: &Path, force: bool) -> Result<(), Failure> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() || path.file_name().is_none() {
        return Err(Failure::usage(format!("--bundle: {} is a folder; name a file", path.display())));
    }
    if !folder.is_dir() {
        return Err(Failure::usage(format!("--bundle: the folder {} is not there", folder.display())));
    }
    if path.exists() && !force { Err(taken(path)) } else { Ok(()) }
}

/// Writes it, beside and renamed.
///
/// # Errors
/// Somebody else made such a file meanwhile; it cannot be written.
pub(super) fn write(path: &Path, force: bool, entries: &[Entry]) -> Result<(), Failure> {
    let unwritten = |e: io::Error| Failure::failed(format!("{} cannot be written: {e}", path.display()));
    let bytes = packed(entries).map_err(unwritten)?;
    if force {
        return files::replace(path, &bytes).map_err(unwritten);
    }
    if files::make(path, &bytes).map_err(unwritten)? { Ok(()) } else { Err(taken(path)) }
}

fn taken(path: &Path) -> Failure {
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
