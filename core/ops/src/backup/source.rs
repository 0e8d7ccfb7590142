//! An archive that can be read from its begin more than once: a file, an object of a bucket, or what came through a pipe, kept in
//! a file without a name meanwhile.

use super::{Bucket, OnPhase, Phase, bucket::Object, packing, set::digits};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tfx_ports::backup::{Archived, BackupError, Contents, Progress};
use tokio::task::spawn_blocking;

/// An archive that can be read more than once.
#[derive(Debug, Clone)]
pub struct Archive {
    from: From,
    bytes: u64,
}

#[derive(Debug, Clone)]
enum From {
    File(Arc<File>),
    Object(Object),
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
        if found.is_file() {
            Ok(Self { bytes: found.len(), from: From::File(Arc::new(file)) })
        } else {
            Self::kept(file)
        }
    }

    /// What comes through a pipe: kept in the folder for temporary files (`TMPDIR`) until this is dropped.
    ///
    /// # Errors
    /// It cannot be read, or there is no room for it.
    pub fn kept(mut from: impl Read) -> io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        let bytes = io::copy(&mut from, &mut file)?;
        Ok(Self { from: From::File(Arc::new(file)), bytes })
    }

    /// An object of a bucket, as it is now.
    ///
    /// # Errors
    /// It is not there, or the bucket does not give it.
    pub fn of_bucket(bucket: &Bucket, key: &str) -> io::Result<Self> {
        let object = bucket.object(key)?;
        Ok(Self { bytes: object.bytes(), from: From::Object(object) })
    }

    /// Its bytes as they lie there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// From the begin, as it lies there.
    pub(super) fn raw(&self) -> Box<dyn Read + Send> {
        match &self.from {
            From::File(file) => Box::new(Pass { file: Arc::clone(file), at: 0 }),
            From::Object(object) => Box::new(object.read()),
        }
    }

    /// From the begin, unpacked.
    pub(super) fn read(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(packing::unpacked(self.raw())?.0)
    }

    /// Reads it to its end. Also gives the SHA-256 of what lies there, if all of it was read.
    pub(super) async fn check_and_sum<A: Archived + ?Sized + 'static>(
        &self,
        backup: &Arc<A>,
        phase: Phase,
        teller: &OnPhase,
    ) -> Result<(Contents, Option<String>), BackupError> {
        let sum = Arc::new(Mutex::new((Sha256::new(), 0)));
        let summed = Summed { inside: self.raw(), sum: Arc::clone(&sum) };
        let contents = self.check_from(Box::new(summed), backup, phase, teller).await?;
        let (sum, bytes) = sum.lock().map(|sum| sum.clone()).unwrap_or_default();
        Ok((contents, (bytes == self.bytes).then(|| digits(&sum.finalize()))))
    }

    /// Reads it to its end.
    pub(super) async fn check<A: Archived + ?Sized + 'static>(
        &self,
        backup: &Arc<A>,
        phase: Phase,
        teller: &OnPhase,
    ) -> Result<Contents, BackupError> {
        self.check_from(self.raw(), backup, phase, teller).await
    }

    async fn check_from<A: Archived + ?Sized + 'static>(
        &self,
        raw: Box<dyn Read + Send>,
        backup: &Arc<A>,
        phase: Phase,
        teller: &OnPhase,
    ) -> Result<Contents, BackupError> {
        let at = Arc::new(AtomicU64::new(0));
        let raw = Counted { inside: raw, at: Arc::clone(&at) };
        let (backup, teller, size) = (Arc::clone(backup), Arc::clone(teller), self.bytes);
        let check = move || {
            // Of what is packed only the packed size is known: as much of the rest as of it was read.
            let told = |progress: Progress| {
                let read = at.load(Ordering::Relaxed).max(1);
                let of = u128::from(progress.bytes) * u128::from(size) / u128::from(read);
                teller(phase, Progress { of: u64::try_from(of).ok(), ..progress });
            };
            let (mut inside, _) = packing::unpacked(raw).map_err(BackupError::Read)?;
            backup.check(&mut inside, &told)
        };
        spawn_blocking(check).await.unwrap_or_else(|e| Err(BackupError::Read(io::Error::other(e))))
    }
}

/// Reads a file from its begin, whoever else reads it.
struct Pass {
    file: Arc<File>,
    at: u64,
}

impl Read for Pass {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(into, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// Counts what is read.
struct Counted {
    inside: Box<dyn Read + Send>,
    at: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inside.read(into)?;
        self.at.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Sums what is read.
struct Summed {
    inside: Box<dyn Read + Send>,
    sum: Arc<Mutex<(Sha256, u64)>>,
}

impl Read for Summed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inside.read(into)?;
        if let Ok(mut sum) = self.sum.lock() {
            sum.0.update(&into[..n]);
            sum.1 += n as u64;
        }
        Ok(n)
    }
}
