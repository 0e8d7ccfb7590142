//! Opening a database file: pragmas, whose file it is, migrations.

use crate::error::OpenError;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::{path::Path, time::Duration};
use tfx_ports::files;

/// `TFFX`: marks a file as ours in its header.
const APPLICATION_ID: i64 = 0x5446_4658;

/// How long a write waits for another process. Writers hold the lock for one transaction at a time.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// What a file is made of.
pub(crate) struct Blueprint {
    /// Its name in the data folder.
    pub(crate) file: &'static str,
    /// SQL that leads from schema `i` to `i + 1`; never changed once released, only added to.
    pub(crate) migrations: &'static [&'static str],
    /// Looks into each of its tables: none is written to while one of them cannot be read as it lies on the device.
    pub(crate) look: &'static str,
    /// Bytes; counts when the file is made.
    pub(crate) page_size: u32,
    /// KiB of pages the writer remembers.
    pub(crate) cache_kib: u32,
    /// Whether the file becomes shorter when rows leave.
    pub(crate) gives_back: bool,
}

/// A file of up to so many bytes that does not become shorter is written anew when it is opened; it takes a second at
/// most. For a larger one a person says when.
const SMALL: i64 = 64 << 20;

/// A connection for writing to a file with the newest schema.
pub(crate) fn open(path: &Path, blueprint: &Blueprint) -> Result<Connection, OpenError> {
    let fail = |e| OpenError::from_sqlite(path.to_owned(), e);
    // SQLite would make it as the umask says; its other files get the rights of this one. What is wrong, it says below.
    let _ = files::begin(path);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(fail)?;
    wait_when_busy(&mut conn).map_err(fail)?;
    whose(&conn, path)?;
    conn.pragma_update(None, "page_size", blueprint.page_size).map_err(fail)?;
    if blueprint.gives_back {
        // Counts when the file is made, and when it is written anew.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(fail)?;
    }
    conn.pragma_update(None, "cache_size", -i64::from(blueprint.cache_kib)).map_err(fail)?;
    enter_wal(&conn).map_err(fail)?;
    // What is answered survives the loss of power: every commit is synced. (On macOS a sync that means it.)
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;",
    )
    .map_err(fail)?;
    migrate(&mut conn, path, blueprint)?;
    if blueprint.gives_back {
        bring_along(&conn);
    }
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Lets a file become shorter from now on that was made by a program that did not know how. It is as good without: what is
/// in the way (another process, no room) is there again at the next start.
fn bring_along(conn: &Connection) {
    let pragma = |name: &str| conn.pragma_query_value(None, name, |r| r.get::<_, i64>(0));
    let bytes = || Ok::<_, rusqlite::Error>(pragma("page_count")? * pragma("page_size")?);
    if pragma("auto_vacuum").is_ok_and(|mode| mode != 2) && bytes().is_ok_and(|bytes| bytes <= SMALL) {
        let _ = conn.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;");
    }
}

/// Waits for other processes in steps of a millisecond: SQLite's own steps of up to 100 ms let a waiting writer
/// miss every gap of a busy one.
pub(super) fn wait_when_busy(conn: &mut Connection) -> rusqlite::Result<()> {
    let tries = i32::try_from(BUSY.as_millis()).unwrap_or(i32::MAX);
    conn.busy_handler(Some(move |tried: i32| {
        std::thread::sleep(Duration::from_millis(1));
        tried < tries
    }))
}

/// Refuses a file that is a database of somebody else. A new file is empty.
pub(crate) fn whose(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let fail = |e| OpenError::from_sqlite(path.to_owned(), e);
    // In this order: another process may be making the file, and gives it tables and id in one step.
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).map_err(fail)?;
    let id: i64 = conn.pragma_query_value(None, "application_id", |r| r.get(0)).map_err(fail)?;
    if id == APPLICATION_ID || (id == 0 && tables == 0) {
        Ok(())
    } else {
        Err(OpenError::NotOurs { path: path.to_owned() })
    }
}

/// Switches to WAL. The switch needs the file alone for a moment and does not ask the busy handler.
fn enter_wal(conn: &Connection) -> rusqlite::Result<()> {
    let mut tries = BUSY.as_millis() / 5;
    loop {
        let mode: rusqlite::Result<String> =
            conn.pragma_update_and_check(None, "journal_mode", "wal", |r| r.get(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Err(e) if !busy(&e) || tries == 0 => return Err(e),
            // Another process is just now making the same file.
            Ok(_) | Err(_) if tries > 0 => tries -= 1,
            Ok(_) => return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(5), None)),
            Err(e) => return Err(e),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn busy(e: &rusqlite::Error) -> bool {
    matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Brings the schema up to date in one transaction; another process may be doing the same at this moment.
fn migrate(conn: &mut Connection, path: &Path, blueprint: &Blueprint) -> Result<(), OpenError> {
    let fail = |e| OpenError::from_sqlite(path.to_owned(), e);
    let version = |c: &Connection| c.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0));
    let known = i64::try_from(blueprint.migrations.len()).unwrap_or(i64::MAX);
    let mut found = version(conn).map_err(fail)?;
    if found < known {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        found = version(&tx).map_err(fail)?;
        for sql in blueprint.migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
            tx.execute_batch(sql).map_err(fail)?;
        }
        let newest = found.max(known);
        tx.pragma_update(None, "user_version", newest).map_err(fail)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
        tx.commit().map_err(fail)?;
        found = newest;
    }
    if found > known {
        return Err(OpenError::TooNew { path: path.to_owned(), found, known });
    }
    Ok(())
}
