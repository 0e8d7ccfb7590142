//! Copies of the database files at one moment, while they are written to: what a backup of the data folder needs of SQLite.
//! Which other files belong to them, and what an archive looks like, is the caller's.
//!
//! For the moment the write locks of both files are held, and a reader of each begins to read. From then on the readers see
//! that moment, however long they take, and nobody waits for them (WAL). What is copied is what these readers see, page by
//! page (SQLite's online backup).

mod copy;
mod moment;

pub use copy::{Tables, look};
pub use moment::{Moment, Snapshot};

use crate::{CONFIG, EVENTS, db::Blueprint};
use std::path::PathBuf;

/// The files, in the order in which they are locked and copied.
pub const FILES: [&str; 2] = [CONFIG.file, EVENTS.file];

/// The newest schema of a file that this program knows; none if it is no database of the data folder.
pub fn known_schema(file: &str) -> Option<i64> {
    blueprints().into_iter().find(|b| b.file == file).and_then(|b| i64::try_from(b.migrations.len()).ok())
}

/// The version of SQLite.
pub fn version() -> &'static str {
    rusqlite::version()
}

const fn blueprints() -> [&'static Blueprint; 2] {
    [&CONFIG, &EVENTS]
}

/// Why there is no copy, or why a copy is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It is not there.
    #[error("{} is not there: is this the data folder of an embedded store?", .0.display())]
    Missing(PathBuf),
    /// It cannot be opened, is somebody else's, or newer than this program.
    #[error(transparent)]
    Open(#[from] crate::OpenError),
    /// What it holds is not whole.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// Others wrote to it all the time.
    #[error("{} stayed locked by others for {} s", path.display(), waited.as_secs())]
    Locked {
        /// The file.
        path: PathBuf,
        /// For so long it was tried.
        waited: std::time::Duration,
    },
    /// The files were replaced meanwhile.
    #[error("the files of the data folder were replaced while they were opened; is a restore going on?")]
    Replaced,
    /// It cannot be read, or the copy not written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Nobody waits for it any more.
    #[error("it was given up")]
    GivenUp,
    /// Something else that SQLite says.
    #[error("{}: {error}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it says.
        error: rusqlite::Error,
    },
}
