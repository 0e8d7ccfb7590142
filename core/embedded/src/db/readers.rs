//! Read connections, used on the runtime's blocking threads, in two lanes: what a click or a postback waits for never
//! stands behind a report.

use super::{busy, open::wait_when_busy};
use crate::error::OrStoreError;
use rusqlite::{Connection, OpenFlags};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tfx_ports::StoreError;
use tokio::{sync::Semaphore, time::timeout};

/// Longest time a look-up waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// A queue of reads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lane {
    /// Look-ups by key and the use of caps: short, and somebody waits for them.
    Point,
    /// Reports and lists: as long as there is much to read.
    Scan,
}

/// Reads at a time, and those that may wait for their turn: beyond, the answer is "busy" at once.
struct Queue {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Queue {
    fn new(at_once: usize, waiting: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once)), places: Arc::new(Semaphore::new(at_once + waiting)) }
    }
}

/// Read connections, opened when needed and kept. In WAL mode readers and the writer do not wait for each other.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    points: Queue,
    scans: Queue,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), points: Queue::new(4, 1024), scans: Queue::new(2, 32) }
    }

    /// Runs `work` on a connection. All its statements see the same state of the database.
    pub(super) async fn run<T, W>(
        self: &Arc<Self>,
        lane: Lane,
        what: &'static str,
        work: W,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let queue = match lane {
            Lane::Point => &self.points,
            Lane::Scan => &self.scans,
        };
        let waiting = || busy(what, "too many reads wait for the store");
        let place = Arc::clone(&queue.places).try_acquire_owned().map_err(|_| waiting())?;
        let turn = Arc::clone(&queue.turns).acquire_owned();
        let turn = match lane {
            Lane::Point => timeout(PATIENCE, turn).await.map_err(|_| waiting())?,
            Lane::Scan => turn.await,
        };
        let turn = turn.map_err(|e| StoreError::unavailable(what, e))?;
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            // They go with the work: a caller who gives up does not make room before the work ends.
            let _held = (place, turn);
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
