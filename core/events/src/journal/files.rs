//! Names, header and folder of the segments.

use super::sectors::is_unreadable;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Bytes before the first record.
pub(crate) const HEADER: u64 = 16;
/// The format written, and the newest read.
pub(crate) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"tfx-jrnl";

/// The header of a segment.
pub(crate) fn header(version: u32) -> [u8; HEADER as usize] {
    let mut bytes = [0; HEADER as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..12]);
    bytes[12..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The version a segment's header names; none if the header is damaged or not whole. Records are found without it.
pub(crate) fn version_of(path: &Path) -> io::Result<Option<u32>> {
    let mut bytes = Vec::new();
    match File::open(path)?.take(HEADER).read_to_end(&mut bytes) {
        Err(e) if is_unreadable(&e) => return Ok(None),
        read => read?,
    };
    let Some(version) = bytes.get(8..).and_then(|b| b.first_chunk()) else {
        return Ok(None);
    };
    let version = u32::from_le_bytes(*version);
    Ok((bytes == header(version)).then_some(version))
}

/// Where the segment that begins with sequence `first` is.
pub(crate) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg"))
}

/// Where bytes of a segment that are no record are kept.
pub(crate) fn damaged_path(dir: &Path, first: u64, offset: u64) -> PathBuf {
    dir.join(format!("{first:020}-{offset:012}.damaged"))
}

/// Where a delivered segment is kept in which something could not be read.
pub(crate) fn unreadable_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.unreadable"))
}

/// First sequence and length of every segment, in order.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|n| n.strip_suffix(".seg")).filter(|n| n.len() == 20);
        if let Some(first) = number.and_then(|n| n.parse().ok()) {
            found.push((first, entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes creations and deletions in the folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
