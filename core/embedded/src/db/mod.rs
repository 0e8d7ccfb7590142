//! One database file: a writer thread with group commit, and a few readers.

pub(crate) mod beside;
mod open;
mod readers;
mod writer;

pub(crate) use open::{Blueprint, open};
pub(crate) use writer::Cache;

use crate::error::OpenError;
use readers::Readers;
use rusqlite::Connection;
use std::{path::Path, sync::Arc};
use tfx_ports::StoreError;
use writer::Writer;

/// An open database file. `C` is what the writer remembers between calls.
pub(crate) struct Database<C: Cache> {
    writer: Writer<C>,
    readers: Arc<Readers>,
}

impl<C: Cache> Database<C> {
    /// Opens or creates `file` in `folder`.
    pub(crate) fn open(folder: &Path, blueprint: &'static Blueprint) -> Result<Self, OpenError> {
        let path = folder.join(blueprint.file);
        let writing = open(&path, blueprint)?;
        let writer = Writer::start(blueprint.file, writing)
            .map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
        Ok(Self { writer, readers: Arc::new(Readers::new(path)) })
    }

    /// Runs `work` in a transaction that is durable when this returns. Concurrent calls share one transaction and
    /// one sync; a call that fails leaves no trace and does not disturb the others.
    pub(crate) async fn write<T, W>(&self, what: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, &mut C) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.run(what, work).await
    }

    /// Runs `work` on a reader, beside the runtime's threads.
    pub(crate) async fn read<T, W>(&self, what: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.run(what, work).await
    }
}
