//! Where sets lie: a folder or a bucket. Both are asked for the same, and keep the same promise: what has a set's name and a manifest
//! is whole, and nothing takes the place of what is there.

mod bucket;
mod folder;

use self::{bucket::BucketShelf, folder::FolderShelf};
use super::{SetError, SetKind, manifest::SetPart};
use crate::backup::{Archive, Bucket, PlaceError, take::Begun};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tfx_ports::table_backup::StoredPartition;

/// Where sets lie.
#[derive(Clone)]
pub struct Sets(Arc<dyn Shelf>);

impl Sets {
    /// In a folder.
    pub fn folder(dir: &Path) -> Self {
        Self(Arc::new(FolderShelf(dir.to_owned())))
    }

    /// In a bucket, under names that begin with the prefix and a `/`; no prefix: at its top.
    pub fn bucket(bucket: Bucket, prefix: &str) -> Self {
        Self(Arc::new(BucketShelf::new(bucket, prefix)))
    }

    pub(super) fn shelf(&self) -> &dyn Shelf {
        &*self.0
    }
}

impl Debug for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sets").field(&self.0.path()).finish()
    }
}

/// What keeps sets. Everything blocks.
pub(super) trait Shelf: Send + Sync {
    /// Where it is, for people.
    fn path(&self) -> PathBuf;

    /// What is there under the name of a set, or is left of one. What is not of this product is passed over.
    fn entries(&self) -> Result<Vec<(String, Arc<dyn Files>)>, SetError>;

    /// What is there under one name.
    fn entry(&self, name: &str) -> io::Result<Arc<dyn Files>>;

    /// A new set, where none is.
    fn begin(&self, name: &str, resumable: bool) -> Result<Box<dyn Draft>, SetError>;

    /// The newest one of the kind that was left by a run that has ended, with what is whole in it.
    fn resume(&self, kind: SetKind) -> Result<Option<(Box<dyn Draft>, Vec<Record>)>, SetError>;

    /// Whether there is one of the kind to go on with.
    fn can_resume(&self, kind: SetKind) -> Result<bool, SetError>;

    /// Deletes a set: it is none any more before its first file goes.
    fn prune(&self, name: &str) -> Result<(), SetError>;

    /// Deletes what nobody writes any more and was not made by a name of its own: uploads. Or only says what would go.
    fn finish(&self, dry_run: bool) -> Result<Vec<String>, SetError>;

    /// Deletes what is left of a set, or of one that was to be.
    fn clear(&self, name: &str) -> Result<(), SetError>;
}

/// The files of a set, or of what is to be one. Everything blocks.
pub(super) trait Files: Debug + Send + Sync {
    /// Where they are, for people.
    fn path(&self) -> PathBuf;

    /// What there is.
    fn held(&self) -> io::Result<Held>;

    /// A file that is there.
    fn archive(&self, file: &str) -> io::Result<Archive>;

    /// Begins a file where none is.
    fn begin(&self, file: &str) -> Result<Begun, PlaceError>;

    /// Writes a small file where none is, durably.
    fn put(&self, file: &str, text: &[u8]) -> io::Result<()>;

    /// Deletes a file, if it is there.
    fn remove(&self, file: &str);

    /// Puts a file of another set of this place into this one too, if it is as it was written: it is read for that.
    fn adopt(&self, file: &str, from_set: &str, part: &SetPart) -> Adopted;
}

/// What became of a file that was to be in another set too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adopted {
    Done,
    /// It is not there, or this place cannot do that.
    Impossible,
    /// It is not what was written.
    Damaged,
}

/// What a set has.
pub(super) enum Held {
    /// Its files, with their bytes; none of what is no file.
    Files(BTreeMap<String, Option<u64>>),
    /// It is no set; why.
    None(String),
    /// It was to be a set, or was one; why it is none.
    Left {
        why: String,
        /// Whether nobody writes it any more, so that it may be deleted.
        goes: bool,
    },
}

/// A set that is being made. It goes away with this unless it is kept, or another run can go on with it.
pub(super) trait Draft: Send {
    /// Where its files come.
    fn files(&self) -> Arc<dyn Files>;

    /// One more is whole and durable.
    fn record(&mut self, record: &Record) -> Result<(), SetError>;

    /// Everything is in it and durable: it becomes the set of this name.
    fn keep(self: Box<Self>, name: &str, manifest: &[u8]) -> Result<PathBuf, SetError>;
}

/// A partition that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) table: String,
    pub(super) definition: String,
    pub(super) partition: StoredPartition,
    pub(super) part: SetPart,
}

/// Whether there is one of the kind that another run can go on with.
///
/// # Errors
/// The place cannot be read.
pub fn can_resume(sets: &Sets, kind: SetKind) -> Result<bool, SetError> {
    sets.shelf().can_resume(kind)
}
