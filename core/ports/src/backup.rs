//! Backups of a store: all that it holds goes into an archive and comes back from one. Where archives lie, how they are
//! compressed and which of their parts are wanted is the caller's; what they look like is the store's.

use crate::error::StoreError;
use async_trait::async_trait;
use serde::Serialize;
use std::io::{self, Read, Write};
use tfx_domain::Timestamp;

/// Where an archive goes. Whoever writes it calls [`ArchiveSink::end`] when it is whole, and only then.
pub trait ArchiveSink: Write + Send {
    /// All was written: ends what it is wrapped in, and makes it durable.
    ///
    /// # Errors
    /// It cannot be.
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// What is told while something goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of documents so far.
    pub bytes: u64,
    /// Documents so far.
    pub documents: u64,
    /// Bytes that there will be, roughly; none if nobody knows.
    pub of: Option<u64>,
}

/// Who is told.
pub type OnProgress<'t> = &'t (dyn Fn(Progress) + Send + Sync);

/// One part of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchivePart {
    /// `DATABASE.COLLECTION`; of a data folder the file; of a table `TABLE/PARTITION`.
    pub name: String,
    /// `collection`, `view`, `timeseries`; `database`, `journal`, `file`; `partition`.
    pub kind: &'static str,
    /// Documents in it; of a time series its buckets; of a database its rows.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Indexes of it.
    pub indexes: usize,
    /// The checksum of all documents, as 16 digits; of a file its SHA-256.
    pub checksum: String,
}

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// Which tool made it.
    pub made_by: String,
    /// The version of the server it is from.
    pub server: String,
    /// Each part, in order.
    pub parts: Vec<ArchivePart>,
    /// What was read at another moment than the rest, since the store allows nothing else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<String>,
    /// The moment that it shows, if the archive says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moment: Option<Timestamp>,
    /// What lay there and is not in it, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl Contents {
    /// Documents of all parts.
    pub fn documents(&self) -> u64 {
        self.parts.iter().map(|p| p.documents).sum()
    }

    /// Bytes of all documents.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|p| p.bytes).sum()
    }
}

/// What is at the places of a restore now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Which of them are there.
    pub there: Vec<String>,
    /// What tells that services run on it.
    pub running: Vec<String>,
    /// What restores that did not come to their end have left open.
    pub open: Vec<String>,
}

/// The first few of some names.
pub fn named(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A part and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    /// Its name in the archive.
    pub from: String,
    /// Its name in the store.
    pub to: String,
}

/// How to restore.
#[derive(Debug, Clone, Default)]
pub struct Restoring {
    /// The wanted parts.
    pub moves: Vec<Move>,
    /// Whether what is there goes first.
    pub drop: bool,
    /// Whether the first document or index that the store does not take ends it.
    pub stop_on_error: bool,
}

/// How far a part has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing was done yet.
    Untouched,
    /// Made, perhaps with some of its documents.
    Begun,
    /// With documents and indexes.
    Done,
}

/// What became of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Its name in the archive.
    pub from: String,
    /// Its name in the store.
    pub to: String,
    /// How far it has come.
    pub stage: Stage,
    /// Documents that the store took.
    pub documents: u64,
    /// Documents that it did not take.
    pub refused: u64,
    /// Indexes made.
    pub indexes: usize,
    /// What the store said first, of a document, an index or the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Where that is now which stood there before, if it was moved away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aside: Option<String>,
}

/// A restore that ended before its end.
#[derive(Debug)]
pub struct RestoreFailed {
    /// Why.
    pub error: BackupError,
    /// How far it came.
    pub parts: Vec<Restored>,
}

/// Why there is no backup, or no restore.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The archive is damaged, or none.
    #[error("at byte {at}: {why}")]
    Damaged {
        /// The byte, of what is inside a compression.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// The archive cannot be read.
    #[error("the archive cannot be read: {0}")]
    Read(io::Error),
    /// The archive cannot be written.
    #[error("the archive cannot be written: {0}")]
    Write(io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not keep the moment of the backup for as long as the backup took.
    #[error("the store no longer has the moment that is backed up: {what}")]
    MomentGone {
        /// What it said, and what to do.
        what: String,
    },
    /// What is in the store is not whole.
    #[error("{what}")]
    HalfRestored {
        /// Since when, and what to do.
        what: String,
    },
    /// Somebody uses what is to be replaced.
    #[error("{what}")]
    InUse {
        /// Who.
        what: String,
    },
    /// What is to be backed up, or was to be restored, is not as it must be.
    #[error("{what}")]
    NotSound {
        /// What is wrong with it.
        what: String,
    },
    /// The store would not take a document or an index, and was to stop there.
    #[error("{part}: {why}")]
    Refused {
        /// Of which part.
        part: String,
        /// What the store said.
        why: String,
    },
}

/// What can be written as an archive, and read again.
#[async_trait]
pub trait Archived: Send + Sync {
    /// Writes all that it holds at one moment.
    ///
    /// # Errors
    /// [`BackupError`]; then the sink was not ended.
    async fn write(&self, to: Box<dyn ArchiveSink>, told: OnProgress<'_>) -> Result<Contents, BackupError>;

    /// Reads an archive to its end and changes nothing. It blocks: call it where that is allowed.
    ///
    /// # Errors
    /// It is not whole.
    fn check(&self, from: &mut dyn Read, told: OnProgress<'_>) -> Result<Contents, BackupError>;
}

/// A store of which backups are made.
#[async_trait]
pub trait Backup: Archived {
    /// What is at these places now. Changes nothing.
    ///
    /// # Errors
    /// The store does not say.
    async fn standing(&self, places: &[String]) -> Result<Standing, StoreError>;

    /// Restores parts of an archive that was found whole.
    ///
    /// # Errors
    /// [`RestoreFailed`], with how far it came.
    async fn restore(
        &self,
        from: Box<dyn Read + Send>,
        how: &Restoring,
        told: OnProgress<'_>,
    ) -> Result<Vec<Restored>, RestoreFailed>;
}
