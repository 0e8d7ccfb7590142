//! Reading what a device may not be able to read: an unreadable sector is 0, as no record is, and the rest is read.

use super::disk::Disk;
use std::{
    fs::File,
    io::{self, ErrorKind},
    path::Path,
};

/// Bytes given up at once, in multiples of their place.
const SECTOR: u64 = 4096;

/// What a device says of a place that it cannot read, of one whose checksum is wrong, and of a broken medium: EIO,
/// ENODATA, EBADMSG, EUCLEAN, EREMOTEIO.
const UNREADABLE: [i32; 5] = [5, 61, 74, 117, 121];

/// Whether a place cannot be read, however often it is tried.
pub(super) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| UNREADABLE.contains(&code))
}

/// Some bytes of a file.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// How many there are: fewer than asked for where the file ends.
    pub(super) got: usize,
    /// How many of them could not be read.
    pub(super) unreadable: usize,
    /// Where the last that could not be read ends.
    pub(super) unreadable_until: usize,
}

/// Fills `bytes` from `offset` on.
///
/// # Errors
/// Anything but unreadable places.
pub(super) fn read_at(disk: &dyn Disk, file: &File, bytes: &mut [u8], offset: u64) -> io::Result<Read> {
    let mut read = Read::default();
    // After a failure, sector by sector, until one can be read.
    let mut sector = false;
    while read.got < bytes.len() {
        let at = offset + read.got as u64;
        let to_sector_end = usize::try_from(SECTOR - at % SECTOR).unwrap_or(usize::MAX);
        let left = bytes.len() - read.got;
        let size = if sector { left.min(to_sector_end) } else { left };
        let part = &mut bytes[read.got..read.got + size];
        match disk.read_at(file, part, at) {
            Ok(0) => break,
            Ok(n) => {
                read.got += n;
                sector = false;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if is_unreadable(&e) && !sector => sector = true,
            Err(e) if is_unreadable(&e) => {
                part.fill(0);
                read.got += size;
                read.unreadable += size;
                read.unreadable_until = read.got;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(read)
}

/// A whole file, and what of it could not be read.
///
/// # Errors
/// It is not there, or anything but unreadable places.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> io::Result<(Vec<u8>, Read)> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let read = read_at(disk, &file, &mut bytes, 0)?;
    bytes.truncate(read.got);
    Ok((bytes, read))
}
