//! A few read connections, used on the runtime's blocking threads.

use super::open::wait_when_busy;
use crate::error::OrStoreError;
use rusqlite::{Connection, OpenFlags};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tfx_ports::StoreError;
use tokio::sync::Semaphore;

/// Reads at a time; more wait. In WAL mode readers and the writer do not wait for each other.
const AT_ONCE: usize = 4;

/// Read connections, opened when needed and kept.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Runs `work` on a connection. All its statements see the same state of the database.
    pub(super) async fn run<T, W>(self: &Arc<Self>, what: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        // The permit goes with the work: a caller who gives up does not make room before the work ends.
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|e| StoreError::unavailable(what, e))?;
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let conn = this.take().or_store_error(what)?;
            let tx = conn.unchecked_transaction().or_store_error(what)?;
            let result = work(&tx);
            tx.finish().or_store_error(what)?;
            this.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            result
        });
        done.await.map_err(|e| StoreError::broken(what, e))?
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.connect(), Ok)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        // Not read-only: a reader of a WAL file takes part in its shared memory.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(&self.path, flags)?;
        wait_when_busy(&mut conn)?;
        conn.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")?;
        conn.set_prepared_statement_cache_capacity(64);
        Ok(conn)
    }
}
