//! How far delivery got, on disk.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// Apart far enough that one torn sector cannot hurt both.
const SLOTS: [u64; 2] = [0, 4096];
const SLOT_BYTES: usize = 12;

/// The `cursor` file.
#[derive(Debug)]
pub(crate) struct Cursor {
    file: File,
    next: u64,
    slot: usize,
}

impl Cursor {
    /// Opens the file, or creates it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let read = SLOTS.map(|at| read_slot(&file, at));
        let next = read.iter().flatten().max().copied().unwrap_or(0);
        // Write first over the slot that does not count.
        let slot = usize::from(read[0] == Some(next));
        Ok(Self { file, next, slot })
    }

    /// The sequence of the next record to deliver; 0 if none was ever delivered.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Moves on; survives a crash of the process.
    pub(crate) fn write(&mut self, next: u64) -> io::Result<()> {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..8].copy_from_slice(&next.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..8]);
        bytes[8..].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all_at(&bytes, SLOTS[self.slot])?;
        self.slot = 1 - self.slot;
        self.next = next;
        Ok(())
    }

    /// What was written survives the loss of power.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn read_slot(file: &File, at: u64) -> Option<u64> {
    let mut bytes = [0; SLOT_BYTES];
    file.read_exact_at(&mut bytes, at).ok()?;
    let (next, crc) = bytes.split_at(8);
    (crc32fast::hash(next).to_le_bytes() == crc)
        .then(|| u64::from_le_bytes(*next.first_chunk().unwrap_or(&[0; 8])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_torn_slot_leaves_the_one_before() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("cursor");
        let mut cursor = Cursor::open(&path).expect("new");
        assert_eq!(cursor.next(), 0);
        for next in 1..=7 {
            cursor.write(next).expect("write");
            let whole = fs::read(&path).expect("read");
            for torn in 0..whole.len().min(SLOT_BYTES) {
                for at in SLOTS {
                    let mut bytes = whole.clone();
                    let Some(byte) = bytes.get_mut(at as usize + torn) else { continue };
                    *byte ^= 0x40;
                    let other = dir.path().join("torn");
                    fs::write(&other, &bytes).expect("write");
                    let found = Cursor::open(&other).expect("open").next();
                    assert!(found == next || found + 1 == next, "{found} of {next}");
                }
            }
            cursor = Cursor::open(&path).expect("again");
            assert_eq!(cursor.next(), next);
        }
    }
}
