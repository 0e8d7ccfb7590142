//! Which files of the data folder belong into a backup besides the databases, and what of the others is told.

use super::manifest::Kind;
use crate::data_dir::{Belongs, belongs};
use std::{
    fs::{self, File},
    io::{self, Cursor, ErrorKind, Read},
    path::Path,
};
use tfx_events::{Held, copies};

/// A file at the moment.
pub(super) struct Companion {
    /// Its name in the data folder.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) bytes: u64,
    pub(super) from: Box<dyn Read + Send>,
}

/// Opens what belongs to the databases, quickly: nobody can write to them meanwhile. The use of caps comes before the journals,
/// so that a click that the use does not know is in the journal, or in the counters of the store.
pub(super) fn companions(folder: &Path) -> io::Result<Vec<Companion>> {
    let mut found = Vec::new();
    for name in names(folder)? {
        if belongs(&name) != Belongs::InBackups || name == JOURNAL {
            continue;
        }
        match open(folder, &name) {
            Ok(companion) => found.push(companion),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(io::Error::new(e.kind(), format!("{name}: {e}"))),
        }
    }
    let journals = folder.join(JOURNAL);
    for service in names(&journals)? {
        let files = copies(&journals.join(&service));
        let files = files.map_err(|e| io::Error::new(e.kind(), format!("{JOURNAL}/{service}: {e}")))?;
        found.extend(files.into_iter().map(|file| Companion {
            name: format!("{JOURNAL}/{service}/{}", file.name),
            kind: Kind::Journal,
            bytes: file.bytes,
            from: match file.holds {
                Held::Bytes(bytes) => Box::new(Cursor::new(bytes)),
                Held::File(file) => Box::new(file),
            },
        }));
    }
    Ok(found)
}

const JOURNAL: &str = "journal";

fn open(folder: &Path, name: &str) -> io::Result<Companion> {
    // It is replaced by renaming, never written in place: what is open stays as it is.
    let file = File::open(folder.join(name))?;
    let bytes = file.metadata()?.len();
    Ok(Companion { name: name.to_owned(), kind: Kind::File, bytes, from: Box::new(file) })
}

/// What lies there and is in no backup, with the reason.
pub(super) fn left_out(folder: &Path) -> io::Result<Vec<String>> {
    let mut told = Vec::new();
    for name in names(folder)? {
        match belongs(&name) {
            Belongs::InBackups | Belongs::Silently => {}
            Belongs::LeftOut(why) => told.push(format!("{name}: {why}")),
        }
    }
    Ok(told)
}

/// Names in a folder, in order; none of one that is not there. Names that are no text are of nobody here.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
