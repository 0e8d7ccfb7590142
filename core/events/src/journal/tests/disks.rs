//! A disk that can be full, stall and fail.

use crate::journal::{Disk, RealDisk};
use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

/// A disk that can be full, stall and fail.
pub(crate) struct TestDisk {
    /// Bytes it still takes.
    pub(crate) room: AtomicU64,
    pub(crate) cut_fails: AtomicBool,
    pub(crate) sync_fails: AtomicBool,
    pub(crate) syncs: AtomicU64,
    /// Bytes written, and how many of them are synced.
    pub(crate) written: AtomicU64,
    pub(crate) synced: AtomicU64,
    /// Places that cannot be read: of which file (its inode), from where to where.
    pub(crate) unreadable: Mutex<Vec<(u64, std::ops::Range<u64>)>>,
    stalled: Mutex<bool>,
    /// Writers that wait.
    pub(crate) stuck: AtomicU64,
    moved: Condvar,
}

impl Default for TestDisk {
    fn default() -> Self {
        Self {
            room: AtomicU64::new(u64::MAX),
            cut_fails: AtomicBool::default(),
            sync_fails: AtomicBool::default(),
            syncs: AtomicU64::default(),
            written: AtomicU64::default(),
            synced: AtomicU64::default(),
            unreadable: Mutex::default(),
            stalled: Mutex::default(),
            stuck: AtomicU64::default(),
            moved: Condvar::default(),
        }
    }
}

impl TestDisk {
    /// Writes wait from now on, or go on.
    pub(crate) fn stall(&self, stalled: bool) {
        *self.stalled.lock().expect("lock") = stalled;
        self.moved.notify_all();
    }
}

impl Disk for TestDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        RealDisk.create(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        let mut stalled = self.stalled.lock().expect("lock");
        self.stuck.fetch_add(1, SeqCst);
        while *stalled {
            stalled = self.moved.wait(stalled).expect("lock");
        }
        self.stuck.fetch_sub(1, SeqCst);
        let room = usize::try_from(self.room.load(SeqCst)).expect("64 bits");
        if room == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        let n = RealDisk.write(file, &bytes[..bytes.len().min(room)])?;
        self.room.fetch_sub(n as u64, SeqCst);
        self.written.fetch_add(n as u64, SeqCst);
        Ok(n)
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        if self.cut_fails.load(SeqCst) {
            return Err(io::Error::other("no cut today"));
        }
        RealDisk.cut(file, length)
    }

    fn read_at(&self, file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let inode = file.metadata()?.ino();
        let read = offset..offset + bytes.len() as u64;
        let bad = self.unreadable.lock().expect("lock");
        if bad.iter().any(|(of, place)| *of == inode && place.start < read.end && read.start < place.end) {
            return Err(io::Error::from_raw_os_error(5));
        }
        RealDisk.read_at(file, bytes, offset)
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, SeqCst);
        if self.sync_fails.load(SeqCst) {
            return Err(io::Error::other("no sync today"));
        }
        self.synced.store(self.written.load(SeqCst), SeqCst);
        Ok(())
    }
}
