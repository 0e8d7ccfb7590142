//! What the journal asks of the operating system: a seam, so that tests can fill the disk, fail a sync and make a sector
//! unreadable.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// What the journal asks of the operating system.
pub(crate) trait Disk: Send + Sync {
    /// Creates an empty file whose writes go to its end. A file of that name holds no record and is emptied.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// `write(2)`: may write less than asked.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file to `length` bytes.
    fn cut(&self, file: &File, length: u64) -> io::Result<()>;
    /// `fdatasync(2)`.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// `pread(2)`: may read less than asked.
    fn read_at(&self, file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(bytes, offset)
    }
}

/// The disk itself.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.set_len(0)?;
        Ok(file)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}
