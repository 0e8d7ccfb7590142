//! What the appender asks of the operating system: a seam, so that tests can fill the disk and fail a sync.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// What the appender asks of the operating system.
pub(crate) trait Disk: Send + Sync {
    /// Creates an empty file whose writes go to its end. A file of that name holds no record and is emptied.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// `write(2)`: may write less than asked.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file to `length` bytes.
    fn cut(&self, file: &File, length: u64) -> io::Result<()>;
    /// `fdatasync(2)`.
    fn sync(&self, file: &File) -> io::Result<()>;
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
