//! An archive that can be read from its begin more than once: a file, or what came through a pipe, kept in a file without a
//! name meanwhile.

use super::{OnPhase, Phase, packing};
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tfx_ports::backup::{Archived, BackupError, Contents, Progress};
use tokio::task::spawn_blocking;

/// An archive that can be read more than once.
#[derive(Debug, Clone)]
pub struct Archive {
    file: Arc<File>,
    bytes: u64,
}

impl Archive {
    /// A file; what cannot be read twice, such as a pipe with a name, is kept first.
    ///
    /// # Errors
    /// It is a folder or cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let found = file.metadata()?;
        if found.is_dir() {
            let why = "it is a folder, and an archive is a file (mongodump --archive=FILE makes one)";
            return Err(io::Error::new(ErrorKind::IsADirectory, why));
        }
        if found.is_file() { Ok(Self { bytes: found.len(), file: Arc::new(file) }) } else { Self::kept(file) }
    }

    /// What comes through a pipe: kept in the folder for temporary files (`TMPDIR`) until this is dropped.
    ///
    /// # Errors
    /// It cannot be read, or there is no room for it.
    pub fn kept(mut from: impl Read) -> io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        let bytes = io::copy(&mut from, &mut file)?;
        Ok(Self { file: Arc::new(file), bytes })
    }

    /// Its bytes as they lie there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// From the begin, unpacked; and how many bytes of the file were read, while it is.
    pub(super) fn read(&self) -> io::Result<(Box<dyn Read + Send>, Arc<AtomicU64>)> {
        let at = Arc::new(AtomicU64::new(0));
        let (inside, _) = packing::unpacked(Pass { file: Arc::clone(&self.file), at: Arc::clone(&at) })?;
        Ok((inside, at))
    }

    /// Reads it to its end.
    pub(super) async fn check<A: Archived + ?Sized + 'static>(
        &self,
        backup: &Arc<A>,
        phase: Phase,
        teller: &OnPhase,
    ) -> Result<Contents, BackupError> {
        let (mut inside, at) = self.read().map_err(BackupError::Read)?;
        let (backup, teller, size) = (Arc::clone(backup), Arc::clone(teller), self.bytes);
        let check = move || {
            // Of what is packed only the packed size is known: as much of the rest as of it was read.
            let told = |progress: Progress| {
                let read = at.load(Ordering::Relaxed).max(1);
                let of = u128::from(progress.bytes) * u128::from(size) / u128::from(read);
                teller(phase, Progress { of: u64::try_from(of).ok(), ..progress });
            };
            backup.check(&mut inside, &told)
        };
        spawn_blocking(check).await.unwrap_or_else(|e| Err(BackupError::Read(io::Error::other(e))))
    }
}

/// Reads a file from its begin, whoever else reads it.
struct Pass {
    file: Arc<File>,
    at: Arc<AtomicU64>,
}

impl Read for Pass {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(into, self.at.load(Ordering::Relaxed))?;
        self.at.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
