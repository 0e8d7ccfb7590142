//! What a failure of the driver means for a caller.

use mongodb::error::{
    Error as DriverError, ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};
use tfx_ports::StoreError;

/// What became of an attempt to write.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Nothing was written, since somebody else was writing the same, or the connection was lost in the middle of a
    /// transaction; the same may work now.
    Conflict(StoreError),
    /// Nothing was written, since a unique key is taken.
    Taken(StoreError),
    /// It may have been written or not.
    Unknown(StoreError),
    /// Nothing was written.
    Refused(StoreError),
}

impl Failed {
    /// Of a command that is not the commit of a transaction; `atomic` if it is a transaction of its own.
    pub(crate) fn from_driver(what: &str, e: DriverError, atomic: bool) -> Self {
        let (duplicate, transient, sent) = (is_duplicate_key(&e), is_conflict(&e), may_have_arrived(&e));
        let e = store_error(what, e);
        match () {
            () if duplicate => Self::Taken(e),
            () if transient => Self::Conflict(e),
            () if sent && atomic => Self::Unknown(e),
            () => Self::Refused(e),
        }
    }

    /// What the store said, whatever is to be done about it.
    pub(crate) fn cause(self) -> StoreError {
        match self {
            Self::Conflict(e) | Self::Taken(e) | Self::Unknown(e) | Self::Refused(e) => e,
        }
    }

    /// For a caller who does not try again.
    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Self::Conflict(e) | Self::Taken(e) | Self::Refused(e) => e,
            Self::Unknown(e) => match e {
                StoreError::Unavailable { what, source } => StoreError::Unavailable {
                    what: format!("{what}; whether it was done is not known"),
                    source,
                },
                other => other,
            },
        }
    }
}

impl From<StoreError> for Failed {
    fn from(e: StoreError) -> Self {
        Self::Refused(e)
    }
}

const CREDENTIALS: &str = "MongoDB does not accept the user and password of MONGO_URI";

/// Somebody else's transaction holds what was to be written, longer than was waited for it.
const STILL_WRITTEN: &str = "another write of the same is not over yet; MongoDB ends one that was left behind (its process was \
                             killed) within 60 s";

const WRITE_CONFLICT: i32 = 112;
const DUPLICATE_KEY: i32 = 11_000;
const OUT_OF_DISK_SPACE: i32 = 14_031;
const UNAUTHORIZED: i32 = 13;
const DATABASE_DIFFERS_IN_CASE: i32 = 13_297;
const ILLEGAL_OPERATION: i32 = 20;

/// Another writer was first, or the snapshot is too young or too old to be read: 112 WriteConflict, 246
/// SnapshotUnavailable, 239 SnapshotTooOld.
const CONFLICTS: [i32; 3] = [WRITE_CONFLICT, 246, 239];

/// Codes of a server that is away, starting, stopping, electing, overloaded or late; all may pass.
const PASSING: [i32; 25] = [
    6, 7, 24, 46, 50, 64, 89, 91, 100, 112, 134, 189, 202, 225, 239, 246, 251, 262, 290, 9_001, 10_107,
    11_600, 11_602, 13_435, 13_436,
];

/// What a failure of the driver means for a caller; `what` was tried.
pub(crate) fn store_error(what: &str, e: DriverError) -> StoreError {
    let why = describe(&e);
    let text = format!("{what}: {why}");
    match code(&e) {
        Some(OUT_OF_DISK_SPACE) => return StoreError::Full { what: text },
        Some(UNAUTHORIZED) => {
            let what = format!("{text}; MONGO_URI must name a user who has readWrite on MONGO_DATABASE");
            return StoreError::Broken { what, source: Some(Box::new(e)) };
        }
        Some(DATABASE_DIFFERS_IN_CASE) => {
            let what = format!("{text}; write MONGO_DATABASE as the server has it");
            return StoreError::Broken { what, source: Some(Box::new(e)) };
        }
        Some(WRITE_CONFLICT) => {
            let what = format!("{what}: {STILL_WRITTEN}");
            return StoreError::Unavailable { what, source: Some(Box::new(e)) };
        }
        Some(ILLEGAL_OPERATION) if why.contains("replica set") => {
            let what = format!("{text}; MONGO_URI must name a replica set (one member is enough)");
            return StoreError::Broken { what, source: Some(Box::new(e)) };
        }
        _ => {}
    }
    // The driver passes over a server that refused it a moment ago: it is refused all the same.
    let passing = why != CREDENTIALS
        && (may_have_arrived(&e)
            || is_conflict(&e)
            || matches!(*e.kind, ErrorKind::ServerSelection { .. } | ErrorKind::DnsResolve { .. })
            || code(&e).is_some_and(|c| PASSING.contains(&c)));
    if passing {
        StoreError::Unavailable { what: text, source: Some(Box::new(e)) }
    } else {
        StoreError::Broken { what: text, source: Some(Box::new(e)) }
    }
}

/// `what` took longer than it may.
pub(crate) fn timed_out(what: &str, limit: std::time::Duration) -> StoreError {
    StoreError::Unavailable {
        what: format!("{what}: MongoDB did not answer within {} ms", limit.as_millis()),
        source: None,
    }
}

/// The server's code, of the command or of the write in it.
pub(crate) fn code(e: &DriverError) -> Option<i32> {
    match &*e.kind {
        ErrorKind::Command(c) => Some(c.code),
        ErrorKind::Write(WriteFailure::WriteError(w)) => Some(w.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(w)) => Some(w.code),
        ErrorKind::InsertMany(many) => {
            let first = many.write_errors.as_ref().and_then(|all| all.first()).map(|w| w.code);
            first.or_else(|| many.write_concern_error.as_ref().map(|w| w.code))
        }
        _ => None,
    }
}

pub(crate) fn is_duplicate_key(e: &DriverError) -> bool {
    code(e) == Some(DUPLICATE_KEY)
}

pub(crate) fn is_unauthorized(e: &DriverError) -> bool {
    code(e) == Some(UNAUTHORIZED)
}

fn is_conflict(e: &DriverError) -> bool {
    // No server to be found means a wait each time: the caller learns of that at once.
    let nobody = matches!(*e.kind, ErrorKind::ServerSelection { .. });
    (e.contains_label(TRANSIENT_TRANSACTION_ERROR) && !nobody)
        || code(e).is_some_and(|c| CONFLICTS.contains(&c))
}

/// Whether the server may have done what was asked although this is the answer.
fn may_have_arrived(e: &DriverError) -> bool {
    matches!(
        *e.kind,
        ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::Write(WriteFailure::WriteConcernError(_))
    ) || e.contains_label(RETRYABLE_WRITE_ERROR)
        || e.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}

/// The driver's words without its labels and the server's raw answer.
pub(crate) fn describe(e: &DriverError) -> String {
    match &*e.kind {
        // It goes on with the whole command.
        ErrorKind::Command(c) if c.code == UNAUTHORIZED => {
            let short = c.message.split(" to execute command").next().unwrap_or_default();
            format!("{short} ({} {})", c.code, c.code_name)
        }
        ErrorKind::Command(c) => format!("{} ({} {})", c.message, c.code, c.code_name),
        ErrorKind::Write(WriteFailure::WriteError(w)) => format!("{} ({})", w.message, w.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(w)) => format!("{} ({})", w.message, w.code),
        ErrorKind::InsertMany(many) => {
            let write = many.write_errors.as_ref().and_then(|all| all.first());
            let concern = many.write_concern_error.as_ref();
            write
                .map(|w| format!("{} ({})", w.message, w.code))
                .or_else(|| concern.map(|w| format!("{} ({})", w.message, w.code)))
                .unwrap_or_else(|| "the insert failed".to_owned())
        }
        ErrorKind::Authentication { .. } => CREDENTIALS.to_owned(),
        // The driver passes over a server that refused it a moment ago, and says why among other things.
        ErrorKind::ServerSelection { message, .. } if message.contains("SCRAM failure") => {
            CREDENTIALS.to_owned()
        }
        ErrorKind::Io(io) => io.to_string(),
        ErrorKind::ServerSelection { .. } => {
            "no primary of the replica set of MONGO_URI can be reached; is MongoDB running?".to_owned()
        }
        ErrorKind::ConnectionPoolCleared { .. } => "the connection was lost".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn command(code: i32, message: &str) -> DriverError {
        let command = json!({"code": code, "codeName": "Name", "errmsg": message});
        ErrorKind::Command(serde_json::from_value(command).expect("an error of a command")).into()
    }

    #[test]
    fn a_caller_learns_whether_to_try_again() {
        let table = [
            (command(11_600, "interrupted at shutdown"), true),
            (command(10_107, "not primary"), true),
            (command(64, "waiting for replication timed out"), true),
            (command(112, "write conflict"), true),
            (command(OUT_OF_DISK_SPACE, "disk"), true),
            (command(UNAUTHORIZED, "not authorized"), false),
            (command(DUPLICATE_KEY, "E11000"), false),
            (command(10_334, "BSONObj size is invalid"), false),
            (command(121, "document failed validation"), false),
            (std::io::Error::from(std::io::ErrorKind::ConnectionReset).into(), true),
        ];
        for (e, retryable) in table {
            let full = code(&e) == Some(OUT_OF_DISK_SPACE);
            let e = store_error("write", e);
            assert_eq!(e.is_retryable(), retryable, "{e}");
            assert_eq!(matches!(e, StoreError::Full { .. }), full, "{e}");
        }
    }

    #[test]
    fn a_refusal_says_which_setting_to_correct() {
        let cases = [
            (command(UNAUTHORIZED, "not authorized on x to execute command { find: 1 }"), "MONGO_URI"),
            (command(DATABASE_DIFFERS_IN_CASE, "db already exists with different case"), "MONGO_DATABASE"),
            (command(ILLEGAL_OPERATION, "only allowed on a replica set member or mongos"), "MONGO_URI"),
        ];
        for (e, setting) in cases {
            let text = store_error("write", e).to_string();
            assert!(text.contains(setting) && !text.contains("find"), "{text}");
        }
    }

    #[test]
    fn what_may_have_been_written_is_told_from_what_was_not() {
        let reset = || DriverError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(Failed::from_driver("write", reset(), true), Failed::Unknown(_)));
        assert!(matches!(Failed::from_driver("write", reset(), false), Failed::Refused(_)));
        assert!(matches!(Failed::from_driver("write", command(112, ""), false), Failed::Conflict(_)));
        assert!(matches!(Failed::from_driver("write", command(DUPLICATE_KEY, ""), true), Failed::Taken(_)));
        let unknown = Failed::from_driver("write", reset(), true).into_error();
        assert!(unknown.to_string().contains("whether it was done is not known"), "{unknown}");
    }
}
