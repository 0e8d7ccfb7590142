//! The moment: both files are locked for writing, readers begin, and the locks are given back, within a millisecond or two.

use super::{CopyError, blueprints};
use crate::{
    OpenError,
    db::{Blueprint, whose},
};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

/// Between two tries for a lock: shorter than the gaps of a busy writer.
const STEP: Duration = Duration::from_micros(100);
/// For so long the first lock is tried for at a time.
const FIRST: Duration = Duration::from_secs(1);
/// For so long others wait for the first file while the second lock is tried for.
const SECOND: Duration = Duration::from_millis(20);
/// For so long all of it is tried.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both files at one moment.
#[derive(Debug)]
pub struct Moment {
    /// A reader of each, in the order of [`super::FILES`].
    pub snapshots: Vec<Snapshot>,
    /// For how long nobody could write.
    pub held: Duration,
}

/// A file as it is at the moment, for as long as this lives.
#[derive(Debug)]
pub struct Snapshot {
    /// Its name in the data folder.
    pub file: &'static str,
    pub(super) path: PathBuf,
    pub(super) conn: Connection,
}

impl Moment {
    /// Begins to read both files of `folder` at once. `at_it` is called while nobody can write: it must not take long. It
    /// blocks: call it where that is allowed.
    ///
    /// # Errors
    /// [`CopyError`]; or what `at_it` says.
    pub fn take<T, E: From<CopyError>>(
        folder: &Path,
        at_it: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let before = places(folder)?;
        let mut locks = Vec::new();
        let mut snapshots = Vec::new();
        for blueprint in blueprints() {
            locks.push(open(folder, blueprint)?);
            snapshots.push(open(folder, blueprint)?);
        }
        if places(folder)? != before {
            return Err(CopyError::Replaced.into());
        }
        let [config, events] = &mut locks[..] else { return Err(CopyError::Replaced.into()) };
        lock_both(config, events)?;
        let begun = Instant::now();
        for snapshot in &snapshots {
            snapshot.begin()?;
        }
        let there = at_it();
        // A rollback of what wrote nothing; it also happens when the connections are dropped.
        for lock in &locks {
            let _ = lock.conn.execute_batch("ROLLBACK");
        }
        Ok((Self { snapshots, held: begun.elapsed() }, there?))
    }
}

impl Snapshot {
    fn begin(&self) -> Result<(), CopyError> {
        // The first read of a transaction makes its snapshot.
        let begun = self.conn.execute_batch("BEGIN");
        begun.and_then(|()| self.look()).map_err(|error| self.said(error))
    }

    fn look(&self) -> rusqlite::Result<()> {
        self.conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
    }

    pub(super) fn said(&self, error: rusqlite::Error) -> CopyError {
        CopyError::Sqlite { path: self.path.clone(), error }
    }
}

/// Which files lie there.
fn places(folder: &Path) -> Result<Vec<(u64, u64)>, CopyError> {
    let place = |blueprint: &Blueprint| {
        let path = folder.join(blueprint.file);
        match fs::metadata(&path) {
            Ok(found) => Ok((found.dev(), found.ino())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(CopyError::Missing(path)),
            Err(error) => Err(CopyError::Io { path, error }),
        }
    };
    blueprints().into_iter().map(place).collect()
}

fn open(folder: &Path, blueprint: &'static Blueprint) -> Result<Snapshot, CopyError> {
    let path = folder.join(blueprint.file);
    // Not read-only: a reader of a WAL file takes part in its shared memory. Nothing is made that is not there.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |e| CopyError::Open(OpenError::from_sqlite(path.clone(), e));
    let conn = Connection::open_with_flags(&path, flags).map_err(failed)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    whose(&conn, &path)?;
    let found = conn.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0)).map_err(failed)?;
    let known = i64::try_from(blueprint.migrations.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::TooNew { path, found, known }.into());
    }
    conn.busy_timeout(Duration::ZERO).map_err(failed)?;
    Ok(Snapshot { file: blueprint.file, path, conn })
}

/// Nobody but us may write to either. Whoever waits for one of them because of us waits for [`SECOND`] at most.
fn lock_both(config: &Snapshot, events: &Snapshot) -> Result<(), CopyError> {
    let begun = Instant::now();
    loop {
        let mut busy = config;
        if lock(config, FIRST)? {
            if lock(events, SECOND)? {
                return Ok(());
            }
            busy = events;
            config.conn.execute_batch("ROLLBACK").map_err(|e| config.said(e))?;
            sleep(SECOND);
        }
        if begun.elapsed() > PATIENCE {
            return Err(CopyError::Locked { path: busy.path.clone(), waited: begun.elapsed() });
        }
    }
}

/// False if others had it all the time.
fn lock(of: &Snapshot, within: Duration) -> Result<bool, CopyError> {
    let begun = Instant::now();
    loop {
        match of.conn.execute_batch("BEGIN IMMEDIATE") {
            Ok(()) => return Ok(true),
            Err(e) if !is_busy(&e) => return Err(OpenError::from_sqlite(of.path.clone(), e).into()),
            Err(_) if begun.elapsed() > within => return Ok(false),
            Err(_) => sleep(STEP),
        }
    }
}

fn is_busy(e: &rusqlite::Error) -> bool {
    matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
