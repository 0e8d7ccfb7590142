//! Backups as files and streams: where archives lie, how they are compressed, that they are whole before they have their
//! name, and which of their parts are wanted back. What is in them is the store's ([`tfx_ports::backup`]).

mod bucket;
mod names;
mod packing;
mod place;
mod restore;
pub mod set;
mod source;
mod take;

pub use bucket::{Access, Bucket, ObjectUrl};
pub use names::{Chosen, LeftOut, Selection};
pub use packing::Packing;
pub use place::PlaceError;
pub use restore::{Look, RestoreError, look, restore};
pub use source::Archive;
pub use take::{TakeError, Taken, to_bucket, to_file, to_stream};
pub use tfx_ports::backup::{
    ArchivePart, Backup, BackupError, Contents, Move, Progress, RestoreFailed, Restored, Restoring, Stage,
    Standing, named,
};
pub use tfx_ports::table_backup::{Catalogue, StoredTable, TableBackup, TableStanding, TablesStanding};

use std::sync::Arc;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The store is read and the archive written.
    Writing,
    /// The archive is read back.
    ReadingBack,
    /// An archive is read to its end before anything is changed.
    Checking,
    /// Its parts are written into the store.
    Restoring,
}

/// Who is told how far it is.
pub type OnPhase = Arc<dyn Fn(Phase, Progress) + Send + Sync>;
