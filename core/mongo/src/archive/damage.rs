//! Why bytes are no whole archive.

use super::{LARGEST, SMALLEST, VERSION};
use std::io;

/// Why bytes are no whole archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// Nothing at all.
    #[error("it is empty")]
    Empty,
    /// Something else.
    #[error("it does not begin as an archive of mongodump or tfx does")]
    NoArchive,
    /// It ends too early.
    #[error("it ends in the middle of {0}")]
    Truncated(&'static str),
    /// It ends between blocks, and not all namespaces were closed.
    #[error("it ends before the end of {}{}", .0[0], and_more(.0.len() - 1))]
    Unclosed(Vec<String>),
    /// The compression around it says that what is inside is damaged.
    #[error("what it is compressed with says: {0}")]
    Compression(String),
    /// A format of another version.
    #[error("it is of version {0:?} of the format, and only {VERSION} is known")]
    Version(String),
    /// A server whose version is no version.
    #[error("server_version is {0:?}, which is not three numbers")]
    ServerVersion(String),
    /// A length that no document has.
    #[error("{what} is said to have {length} bytes, and a document has {SMALLEST} to {LARGEST}")]
    Length {
        /// Of what.
        what: &'static str,
        /// As it stands there.
        length: i32,
    },
    /// A document that does not end as one.
    #[error("{0} does not end in 0")]
    Unended(&'static str),
    /// Bytes that are no document.
    #[error("{what} is no document: {why}")]
    Document {
        /// What should be one.
        what: &'static str,
        /// Why it is none.
        why: String,
    },
    /// A field that is not known.
    #[error("{what} has the field {field:?}, which is not known")]
    UnknownField {
        /// Where.
        what: &'static str,
        /// Which.
        field: String,
    },
    /// A field that is missing.
    #[error("{what} has no field {field:?}")]
    MissingField {
        /// Where.
        what: &'static str,
        /// Which.
        field: &'static str,
    },
    /// A field twice.
    #[error("{what} has the field {field:?} twice")]
    Twice {
        /// Where.
        what: &'static str,
        /// Which.
        field: String,
    },
    /// A field of another type or with a value that cannot be.
    #[error("{field} of {what} is not {wanted}")]
    Field {
        /// Where.
        what: &'static str,
        /// Which.
        field: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Options and indexes that cannot be read.
    #[error("the metadata of {namespace}: {why}")]
    Metadata {
        /// Whose.
        namespace: String,
        /// Why.
        why: String,
    },
    /// A namespace twice.
    #[error("{0} is listed twice")]
    ListedTwice(String),
    /// More namespaces than can be.
    #[error("it lists more than {0} namespaces")]
    TooMany(usize),
    /// What stands before the blocks is not what was written.
    #[error(
        "its list of namespaces is not the one that was written: the checksum is {found:016x}, not {wanted:016x}"
    )]
    Seal {
        /// Of what stands there.
        found: u64,
        /// As it was written.
        wanted: u64,
    },
    /// A terminator where a block should begin.
    #[error("there is an end where a block should begin")]
    StrayEnd,
    /// A block of something else.
    #[error("there is a block of {0}, which is not listed")]
    Unlisted(String),
    /// A block of what is closed.
    #[error("there is a block of {0} after its end")]
    AfterEnd(String),
    /// Documents behind the end of their namespace.
    #[error("the end of {0} is not followed by the end of its block")]
    InsideEnd(String),
    /// Documents that are not those that were written.
    #[error(
        "the documents of {namespace} are not those that were written: their checksum is {found:016x}, not {wanted:016x}"
    )]
    Checksum {
        /// Whose.
        namespace: String,
        /// Of what stands there.
        found: u64,
        /// As it was written.
        wanted: u64,
    },
}

fn and_more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" and {others} more") }
}

/// Why an archive was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It is damaged, or none.
    #[error("byte {at}: {damage}")]
    Damaged {
        /// The byte of what is inside the compression, if there is one.
        at: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// The device did not give it.
    #[error(transparent)]
    Io(io::Error),
}
