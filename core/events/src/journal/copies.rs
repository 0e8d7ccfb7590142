//! What a backup takes of a journal that is in use: its files at one moment, opened, so that they can be read when the
//! journal has deleted them. Reads no event and changes nothing.

use super::files::{list, segment_path};
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
};

/// How often the files are opened anew because delivery moved on meanwhile.
const TRIES: usize = 100;

/// A file of a journal at a moment.
#[derive(Debug)]
pub struct JournalFile {
    /// Its name in the journal's folder.
    pub name: String,
    /// So many bytes of it count; more may have come since.
    pub bytes: u64,
    /// What it holds.
    pub holds: Held,
}

/// Where the bytes are.
#[derive(Debug)]
pub enum Held {
    /// Here, since the file is written in place.
    Bytes(Vec<u8>),
    /// In the open file, from its begin.
    File(File),
}

/// Opens what belongs into a backup of the journal at `dir`: how far delivery got, the segments, the events that the sink
/// refused and the bytes that are no record. Every event that was in the journal when this was called is in them, in the
/// sink or in `refused.jsonl`; those that are delivered meanwhile may be in both. A journal that is not there has none.
///
/// # Errors
/// A file cannot be opened.
pub fn copies(dir: &Path) -> io::Result<Vec<JournalFile>> {
    let mut last = None;
    for _ in 0..TRIES {
        // In this order: what delivery takes away from one is in the next one then.
        let cursor = match fs::read(dir.join("cursor")) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e),
        };
        let Some(segments) = segments(dir)? else { continue };
        let still = fs::read(dir.join("cursor")).is_ok_and(|now| now == cursor) || cursor.is_empty();
        last = Some((cursor, segments));
        if still {
            break;
        }
    }
    let Some((cursor, mut files)) = last else { return Err(ErrorKind::ResourceBusy.into()) };
    if !cursor.is_empty() {
        let bytes = cursor.len() as u64;
        files.insert(0, JournalFile { name: "cursor".to_owned(), bytes, holds: Held::Bytes(cursor) });
    }
    files.extend(kept_for_a_person(dir)?);
    Ok(files)
}

/// Every segment; none if one was deleted meanwhile.
fn segments(dir: &Path) -> io::Result<Option<Vec<JournalFile>>> {
    let listed = match list(dir) {
        Ok(listed) => listed,
        Err(e) if e.kind() == ErrorKind::NotFound => return gone_or_not_there(dir),
        Err(e) => return Err(e),
    };
    let mut files = Vec::new();
    for (first, _) in listed {
        match open(&segment_path(dir, first)) {
            Ok(file) => files.push(file),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        }
    }
    Ok(Some(files))
}

fn gone_or_not_there(dir: &Path) -> io::Result<Option<Vec<JournalFile>>> {
    Ok(if fs::exists(dir)? { None } else { Some(Vec::new()) })
}

fn kept_for_a_person(dir: &Path) -> io::Result<Vec<JournalFile>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(found),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "refused.jsonl" || name.ends_with(".damaged") {
            match open(&entry.path()) {
                Ok(file) => found.push(file),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn open(path: &Path) -> io::Result<JournalFile> {
    let file = File::open(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(JournalFile { name, bytes: file.metadata()?.len(), holds: Held::File(file) })
}
