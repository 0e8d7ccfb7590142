//! A file as a reader sees it, page by page into another one; and whether a file that nobody uses is whole.

use super::{CopyError, Snapshot, known_schema};
use crate::{OpenError, db::whose};
use rusqlite::{
    Connection, ErrorCode, OpenFlags,
    backup::{Backup, StepResult},
};
use std::{collections::BTreeMap, fs::OpenOptions, io, path::Path, thread::sleep, time::Duration};
use tfx_ports::files;

/// Pages at a time: a few megabytes, so that it can be told how far it is.
const PAGES: i32 = 512;

/// What a whole file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// How many indexes there are.
    pub indexes: usize,
    /// The version of its schema.
    pub schema: i64,
}

impl Snapshot {
    /// Copies the file as it was at the moment to `to`, where nothing is, and says its bytes. `told` hears how many bytes
    /// are done, and of how many, and says whether to go on.
    ///
    /// # Errors
    /// [`CopyError`]; a part of it may be there then.
    pub fn copy(&self, to: &Path, told: &dyn Fn(u64, u64) -> bool) -> Result<u64, CopyError> {
        let failed = |error| CopyError::Io { path: to.to_owned(), error };
        files::private().write(true).create_new(true).open(to).map_err(failed)?;
        let mut copy = Connection::open(to).map_err(|e| writing(to, e))?;
        // Nobody sees it before it is whole: it is synced at the end, once.
        copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            .map_err(|e| writing(to, e))?;
        let size: u32 =
            self.conn.pragma_query_value(None, "page_size", |r| r.get(0)).map_err(|e| self.said(e))?;
        {
            let backup = Backup::new(&self.conn, &mut copy).map_err(|e| writing(to, e))?;
            loop {
                let step = backup.step(PAGES).map_err(|e| self.reading_or_writing(to, e))?;
                let at = backup.progress();
                let (all, left) =
                    (u64::from(at.pagecount.unsigned_abs()), u64::from(at.remaining.unsigned_abs()));
                if !told(all.saturating_sub(left) * u64::from(size), all * u64::from(size)) {
                    return Err(CopyError::GivenUp);
                }
                match step {
                    StepResult::Done => break,
                    StepResult::More => {}
                    _ => sleep(Duration::from_millis(1)),
                }
            }
        }
        copy.close().map_err(|(_, e)| writing(to, e))?;
        let file = OpenOptions::new().read(true).open(to).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(file.metadata().map_err(failed)?.len())
    }

    /// A step both reads and writes: a full device is the copy's, anything else is told of the file itself.
    fn reading_or_writing(&self, to: &Path, e: rusqlite::Error) -> CopyError {
        match e.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => writing(to, e),
            Some(ErrorCode::SystemIoFailure) if !is_of_reading(&e) => writing(to, e),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                CopyError::Damaged { path: self.path.clone(), why: e.to_string() }
            }
            _ => self.said(e),
        }
    }
}

/// Whether the device did not give what was to be read.
fn is_of_reading(e: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ};
    let code = e.sqlite_error().map(|e| e.extended_code);
    code.is_some_and(|code| [SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ].contains(&code))
}

fn writing(to: &Path, e: rusqlite::Error) -> CopyError {
    let path = to.to_owned();
    match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => CopyError::Io { path, error: io::ErrorKind::StorageFull.into() },
        Some(ErrorCode::SystemIoFailure) => CopyError::Io { path, error: io::Error::other(e) },
        _ => CopyError::Sqlite { path, error: e },
    }
}

/// What a file holds that nobody uses, if it is whole (`PRAGMA quick_check`). `name` is the one that it has in the data folder.
///
/// # Errors
/// It is damaged, somebody else's or newer than this program.
pub fn look(path: &Path, name: &str) -> Result<Tables, CopyError> {
    let damaged = |why: String| CopyError::Damaged { path: path.to_owned(), why };
    let said = |e: rusqlite::Error| match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(e.to_string()),
        _ => CopyError::Sqlite { path: path.to_owned(), error: e },
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(said)?;
    // It is nobody else's: no shared memory beside it.
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY;").map_err(said)?;
    whose(&conn, path)?;
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)).map_err(said)?;
    if found != "ok" {
        return Err(damaged(found));
    }
    let schema = conn.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(said)?;
    let known = known_schema(name).unwrap_or(0);
    if schema > known {
        return Err(OpenError::TooNew { path: path.to_owned(), found: schema, known }.into());
    }
    let names = |kind: &str| -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite_%' ORDER BY name";
        conn.prepare(sql)?.query_map([kind], |r| r.get(0))?.collect()
    };
    let mut rows = BTreeMap::new();
    for table in names("table").map_err(said)? {
        let sql = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        let count = conn.query_row(&sql, [], |r| r.get::<_, i64>(0)).map_err(said)?;
        rows.insert(table, count.unsigned_abs());
    }
    let indexes = names("index").map_err(said)?.len();
    conn.close().map_err(|(_, e)| said(e))?;
    Ok(Tables { rows, indexes, schema })
}
