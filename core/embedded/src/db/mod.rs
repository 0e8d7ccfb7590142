//! One database file: a writer thread with group commit, and a few readers.

pub(crate) mod beside;
mod open;
mod readers;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use open::{Blueprint, open, whose};
pub(crate) use writer::Cache;

use crate::error::{OpenError, OrStoreError};
use readers::{Lane, Readers};
use rusqlite::{Connection, OpenFlags};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tfx_ports::StoreError;
use writer::Writer;

/// An open database file. `C` is what the writer remembers between calls.
pub(crate) struct Database<C: Cache> {
    writer: Writer<C>,
    readers: Arc<Readers>,
    path: PathBuf,
    look: &'static str,
}

impl<C: Cache> Database<C> {
    /// Opens or creates `file` in `folder`.
    pub(crate) fn open(folder: &Path, blueprint: &'static Blueprint) -> Result<Self, OpenError> {
        let path = folder.join(blueprint.file);
        let writing = open(&path, blueprint)?;
        let writer = Writer::start(&path, blueprint, writing)
            .map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
        Ok(Self { writer, readers: Arc::new(Readers::new(path.clone())), path, look: blueprint.look })
    }

    /// Runs `work` in a transaction that is durable when this returns. Concurrent calls share one transaction and
    /// one sync; a call that fails leaves no trace and does not disturb the others. None is done while a table cannot be
    /// read as it lies on the device: what a sick file takes would be gone when it is restored.
    pub(crate) async fn write<T, W>(&self, what: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, &mut C) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.run(what, work).await
    }

    /// Runs `work`, a look-up by keys, on a reader, beside the runtime's threads.
    pub(crate) async fn read<T, W>(&self, what: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.run(Lane::Point, what, work).await
    }

    /// As [`Self::read`], for what may read much: no look-up waits behind it.
    pub(crate) async fn scan<T, W>(&self, what: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.run(Lane::Scan, what, work).await
    }

    /// Runs `work` on a connection of its own, in no transaction: for what SQLite does outside of one only.
    pub(crate) async fn alone<T, W>(&self, what: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || work(&apart(&path, what)?));
        done.await.map_err(|e| StoreError::broken(what, e))?
    }

    /// Answers if the file can be written, and each table read as it lies on the device. It writes: a full or read-only
    /// device reads well.
    pub(crate) async fn ping_writes(&self) -> Result<(), StoreError> {
        let ping = move |conn: &Connection, _: &mut C| {
            let version: i64 =
                conn.pragma_query_value(None, "user_version", |r| r.get(0)).or_store_error(PING)?;
            conn.pragma_update(None, "user_version", version).or_store_error(PING)
        };
        self.write(PING, ping).await
    }

    /// Answers if each table can be read as it lies on the device.
    pub(crate) async fn ping_reads(&self) -> Result<(), StoreError> {
        let look = self.look;
        self.alone(PING, move |conn| look_into(conn, look)).await
    }
}

/// A connection that remembers no page.
fn apart(path: &Path, what: &'static str) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).or_store_error(what)?;
    open::wait_when_busy(&mut conn).or_store_error(what)?;
    Ok(conn)
}

const PING: &str = "see whether the store is well";

fn look_into(conn: &Connection, tables: &str) -> Result<(), StoreError> {
    conn.query_row(tables, [], |_| Ok(())).or_store_error(PING)
}

/// Looks on a connection of its own: those that are kept remember pages, and would not see that one has become unreadable.
fn look_apart(path: &Path, tables: &str) -> Result<(), StoreError> {
    look_into(&apart(path, PING)?, tables)
}

/// The store has more to do than it gets done: the caller is told at once, and may come again.
fn busy(what: &str, why: &str) -> StoreError {
    StoreError::Unavailable { what: format!("{what}: {why}"), source: None }
}
