//! The files of a data folder belong together: one that is empty or gone beside one that is full was lost, and is not
//! made anew in silence.

use crate::error::OpenError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// What tells that a file holds something.
const FULL: [(&str, &str); 2] = [
    ("config.db", "SELECT value > 0 OR EXISTS (SELECT 1 FROM conversions) FROM revision"),
    (
        "events.db",
        "SELECT EXISTS (SELECT 1 FROM clicks) OR EXISTS (SELECT 1 FROM conversions) OR EXISTS (SELECT 1 FROM visits_ever)",
    ),
];

/// Refuses a folder of which a file was lost. One in which all files are empty or new is fine, also after a first start
/// that broke off.
pub(crate) fn check(folder: &Path) -> Result<(), OpenError> {
    for (lost, _) in FULL {
        let path = folder.join(lost);
        let length = std::fs::metadata(&path).map(|m| m.len()).ok();
        if length.is_some_and(|bytes| bytes > 0) {
            continue;
        }
        let others = FULL.into_iter().filter(|(file, _)| *file != lost);
        for (file, question) in others {
            let other = folder.join(file);
            if holds_something(&other, question) {
                let state = if length.is_some() { "empty" } else { "missing" };
                return Err(OpenError::Lost { path, state, other });
            }
        }
    }
    Ok(())
}

/// Whether the answer is yes. What cannot be asked is told by whoever opens it.
fn holds_something(path: &Path, question: &str) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let asked = Connection::open_with_flags(path, flags).and_then(|mut conn| {
        super::open::wait_when_busy(&mut conn)?;
        conn.query_row(question, [], |row| row.get(0))
    });
    asked.unwrap_or(false)
}
