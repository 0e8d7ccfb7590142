//! Takes a backup into a file, which is read back before it has its name, or into a stream.

use super::{
    Bucket, OnPhase, Phase, PlaceError,
    packing::{Device, Packed, Packing},
    place::{ObjectTarget, Partial, Target},
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
use tokio::task::spawn_blocking;

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
    /// The SHA-256 of what was read back, if it is known.
    #[serde(skip)]
    pub(super) sha256: Option<String>,
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
    let path = path.to_owned();
    let begin = move || {
        let (partial, file) = Partial::begin(&path)?;
        Ok((Box::new(partial) as Box<dyn Target>, Box::new(file) as Box<dyn Device>))
    };
    to_target(backup, begin, packing, teller).await
}

/// Takes a backup into an object of a bucket, where nothing is.
///
/// # Errors
/// [`TakeError`]; then there is no object.
pub async fn to_bucket<A: Archived + ?Sized + 'static>(
    backup: &Arc<A>,
    bucket: &Bucket,
    key: &str,
    packing: Packing,
    teller: &OnPhase,
) -> Result<Taken, TakeError> {
    let (bucket, key) = (bucket.clone(), key.to_owned());
    to_target(backup, move || ObjectTarget::begin_alone(&bucket, &key), packing, teller).await
}

/// Where a backup comes, and what takes its bytes.
pub(super) type Begun = (Box<dyn Target>, Box<dyn Device>);

/// Takes a backup to where nothing is, and reads it back.
pub(super) async fn to_target<A: Archived + ?Sized + 'static>(
    backup: &Arc<A>,
    begin: impl FnOnce() -> Result<Begun, PlaceError> + Send + 'static,
    packing: Packing,
    teller: &OnPhase,
) -> Result<Taken, TakeError> {
    let begun = Instant::now();
    let (target, device) = apart(begin).await?;
    let path = target.path();
    let (contents, bytes) = written(backup, device, packing, teller).await?;
    let (target, read_back) = apart(move || {
        let read_back = target.written().map_err(|e| TakeError::NotAsWritten(e.to_string()))?;
        Ok::<_, TakeError>((target, read_back))
    })
    .await?;
    let found = read_back.check_and_sum(backup, Phase::ReadingBack, teller).await;
    let (found, sha256) = found.map_err(|e| TakeError::NotAsWritten(e.to_string()))?;
    if read_back.bytes() != bytes {
        return Err(TakeError::NotAsWritten("it has another size".to_owned()));
    }
    if found.parts != contents.parts {
        return Err(TakeError::NotAsWritten("it holds other documents".to_owned()));
    }
    apart(move || target.keep()).await?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Taken { file: Some(path), packing, bytes, contents, verified: true, sha256, seconds })
}

/// Does what blocks where it may.
async fn apart<T: Send + 'static, E: Into<TakeError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, TakeError> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(e) => Err(BackupError::Write(io::Error::other(e)).into()),
    }
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
        sha256: None,
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
