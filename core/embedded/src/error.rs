//! Why a store cannot be opened, and what a failure of SQLite means for a caller.

use rusqlite::{Error as SqliteError, ErrorCode, ffi};
use std::path::PathBuf;
use tfx_ports::StoreError;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made.
    #[error("cannot create the data folder {}: {source}; choose another one or make its parent writable", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The folder or a file in it cannot be written.
    #[error(
        "cannot write {}: {why}; give this user write access to the folder and its files, or choose another folder",
        path.display()
    )]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file is something else.
    #[error("{} is not a database of this product; move it away or choose another data folder", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{} is damaged ({why}); restore the data folder from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// It is empty or gone, and what belongs to it is not.
    #[error(
        "{} is {state} beside {}, which is not: it was lost, and a new one would be without what was in it; restore it \
         from a backup, or move the whole data folder away to begin anew",
        path.display(), other.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// `empty` or `missing`.
        state: &'static str,
        /// The one beside it.
        other: PathBuf,
    },
    /// A newer binary wrote it.
    #[error(
        "{} has schema {found}, this binary knows up to {known}; start a newer binary or choose another data folder",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest this binary knows.
        known: i64,
    },
    /// No room.
    #[error("no space left for {}; free some space on that device", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Somebody holds it.
    #[error("{} stayed locked by another process; stop what holds it and try again", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cannot open {}: {source}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: SqliteError,
    },
}

impl OpenError {
    /// What a failure while opening `path` means to a person.
    pub(crate) fn from_sqlite(path: PathBuf, e: SqliteError) -> Self {
        match e.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                let why = why_not_writable(&path).unwrap_or_else(|| e.to_string());
                Self::NotWritable { path, why }
            }
            Some(ErrorCode::NotADatabase) => Self::NotOurs { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, why: e.to_string() },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            _ => Self::Other { path, source: e },
        }
    }
}

/// SQLite only says "unable to open"; the system knows why.
fn why_not_writable(path: &std::path::Path) -> Option<String> {
    let folder = path.parent()?;
    let probe = folder.join(".tfx-write-probe");
    let made = std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(&probe);
    let result = made.map(|_| ()).and_then(|()| std::fs::remove_file(&probe));
    let file = || std::fs::OpenOptions::new().append(true).open(path).map(|_| ());
    result.and_then(|()| file()).err().map(|e| e.to_string())
}

/// What a failure of SQLite means for a caller; `what` was tried. A store that is sick is away, not broken: what was
/// asked may work when the file is mended or restored, and no caller is to blame for it.
pub(crate) fn store_error(what: &str, e: SqliteError) -> StoreError {
    let advice = match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => return StoreError::Full { what: what.to_owned() },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the file is damaged: stop the services, restore it from a backup, start them again"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "give this user write access to the data folder and its files"
        }
        Some(ErrorCode::SystemIoFailure) => "look after the device of the data folder",
        // No such table or column, most likely: SQLite has no code of its own for it.
        Some(ErrorCode::Unknown) => {
            "the file is not as this program needs it: stop the services, restore it from a backup, start them again"
        }
        Some(
            ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig
            | ErrorCode::ApiMisuse
            | ErrorCode::ParameterOutOfRange,
        )
        | None => return StoreError::broken(what, e),
        Some(_) => return StoreError::unavailable(what, e),
    };
    StoreError::Unavailable { what: format!("{what}: {e}; {advice}"), source: Some(Box::new(e)) }
}

/// Whether a value is to blame that cannot stand in its column, and nothing else: the same value would fail in any
/// store. Keys that are taken are not of that kind, since they may be so only in a damaged index.
pub(crate) fn is_of_the_value(e: &SqliteError) -> bool {
    match e {
        SqliteError::SqliteFailure(
            ffi::Error { code: ErrorCode::TypeMismatch | ErrorCode::TooBig, .. },
            _,
        )
        | SqliteError::ToSqlConversionFailure(_)
        | SqliteError::NulError(_) => true,
        SqliteError::SqliteFailure(failure, _) => matches!(
            failure.extended_code,
            ffi::SQLITE_CONSTRAINT_CHECK | ffi::SQLITE_CONSTRAINT_NOTNULL | ffi::SQLITE_CONSTRAINT_DATATYPE
        ),
        _ => false,
    }
}

/// `result.or_store_error("read a click")?`
pub(crate) trait OrStoreError<T> {
    /// What a failure means for a caller; `what` was tried.
    fn or_store_error(self, what: &str) -> Result<T, StoreError>;
}

impl<T> OrStoreError<T> for Result<T, SqliteError> {
    fn or_store_error(self, what: &str) -> Result<T, StoreError> {
        self.map_err(|e| store_error(what, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn failure(code: i32) -> SqliteError {
        SqliteError::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn a_caller_learns_whether_to_try_again() {
        let table = [
            (ffi::SQLITE_BUSY, true),
            (ffi::SQLITE_LOCKED, true),
            (ffi::SQLITE_IOERR, true),
            (ffi::SQLITE_IOERR_READ, true),
            (ffi::SQLITE_FULL, true),
            (ffi::SQLITE_READONLY, true),
            (ffi::SQLITE_CANTOPEN, true),
            (ffi::SQLITE_CORRUPT, true),
            (ffi::SQLITE_CORRUPT_INDEX, true),
            (ffi::SQLITE_NOTADB, true),
            (ffi::SQLITE_SCHEMA, true),
            // No such table, no such column.
            (ffi::SQLITE_ERROR, true),
            (ffi::SQLITE_MISUSE, false),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, false),
        ];
        for (code, retryable) in table {
            let e = store_error("write", failure(code));
            assert_eq!(e.is_retryable(), retryable, "{code}: {e}");
            assert_eq!(matches!(e, StoreError::Full { .. }), code == ffi::SQLITE_FULL);
        }
    }

    #[test]
    fn only_a_value_that_fits_nowhere_is_an_events_own_fault() {
        let values = [
            ffi::SQLITE_CONSTRAINT_CHECK,
            ffi::SQLITE_CONSTRAINT_NOTNULL,
            ffi::SQLITE_CONSTRAINT_DATATYPE,
            ffi::SQLITE_TOOBIG,
            ffi::SQLITE_MISMATCH,
        ];
        let others = [
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_ERROR,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_FULL,
            ffi::SQLITE_NOMEM,
        ];
        assert!(values.iter().all(|code| is_of_the_value(&failure(*code))));
        assert!(!others.iter().any(|code| is_of_the_value(&failure(*code))));
    }
}
