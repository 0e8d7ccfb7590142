//! Takes a backup into a file, which is read back before it has its name, or into a stream.

use super::{
    OnPhase, Phase, PlaceError,
    packing::{Device, Packed, Packing},
    place::Partial,
    source::Archive,
};
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tfx_ports::backup::{Archived, BackupError, Contents};

/// A backup that was taken.
#[derive(Debug, Clone, Serialize)]
pub struct Taken {
    /// Where it is; none of a stream.
    pub file: Option<PathBuf>,
    /// What is around it.
    pub packing: Packing,
    /// Its bytes as they lie there.
    pub bytes: u64,
    /// What is in it.
    pub contents: Contents,
    /// Whether it was read back.
    pub verified: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It cannot be put there.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// It cannot be made.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// What was read back is not what was written.
    #[error(
        "what was written was not found when it was read back: {0}; is the device sound? Nothing was kept"
    )]
    NotAsWritten(String),
}

/// Takes a backup into a file where nothing is.
///
/// # Errors
/// [`TakeError`]; then there is no file.
pub async fn to_file<A: Archived + ?Sized + 'static>(
    backup: &Arc<A>,
    path: &Path,
    packing: Packing,
    teller: &OnPhase,
) -> Result<Taken, TakeError> {
    let begun = Instant::now();
    let (partial, file) = Partial::begin(path)?;
    let (contents, bytes) = written(backup, file, packing, teller).await?;
    let read_back = Archive::open(partial.beside()).map_err(BackupError::Read)?;
    let found = read_back.check(backup, Phase::ReadingBack, teller).await;
    let found = found.map_err(|e| TakeError::NotAsWritten(e.to_string()))?;
    if found.parts != contents.parts {
        return Err(TakeError::NotAsWritten("it holds other documents".to_owned()));
    }
    partial.keep()?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Taken { file: Some(path.to_owned()), packing, bytes, contents, verified: true, seconds })
}

/// Takes a backup into a stream, which nobody can read back.
///
/// # Errors
/// [`TakeError`]; then what was written is not whole, and everybody who reads it sees that.
pub async fn to_stream<A: Archived + ?Sized + 'static>(
    backup: &Arc<A>,
    stream: impl Write + Send + 'static,
    packing: Packing,
    teller: &OnPhase,
) -> Result<Taken, TakeError> {
    let begun = Instant::now();
    let (contents, bytes) = written(backup, Stream(stream), packing, teller).await?;
    Ok(Taken {
        file: None,
        packing,
        bytes,
        contents,
        verified: false,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

async fn written<A: Archived + ?Sized + 'static>(
    backup: &Arc<A>,
    device: impl Device + 'static,
    packing: Packing,
    teller: &OnPhase,
) -> Result<(Contents, u64), BackupError> {
    let bytes = Arc::new(AtomicU64::new(0));
    let sink = Packed::new(device, packing, Arc::clone(&bytes)).map_err(BackupError::Write)?;
    let told = |progress| teller(Phase::Writing, progress);
    let contents = backup.write(Box::new(sink), &told).await?;
    Ok((contents, bytes.load(Ordering::Relaxed)))
}

impl Device for File {
    fn settle(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

struct Stream<W>(W);

impl<W: Write> Write for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write + Send> Device for Stream<W> {
    fn settle(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
