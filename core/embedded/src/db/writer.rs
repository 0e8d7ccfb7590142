//! The writer of a file: one thread, one connection. Calls that wait while a transaction is being synced go
//! together into the next one (group commit), each in a savepoint of its own.

use super::{Blueprint, busy, look_apart, open::BUSY};
use crate::error::store_error;
use rusqlite::Connection;
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tfx_ports::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Calls in one transaction; bounds how long the first of them waits.
const TOGETHER: usize = 256;

/// Calls that may wait; beyond, the answer is "busy" at once.
const WAITING: usize = 4096;

/// A transaction that takes longer than this has stalled: whoever comes then is told at once.
const STALLED: Duration = Duration::from_secs(10);

/// How long a write waits for another process that has kept the last one waiting in vain.
const BUSY_AGAIN: Duration = Duration::from_millis(100);

/// What a writer remembers of the database between calls.
pub(crate) trait Cache: Default + Send + 'static {
    /// Something written was undone: forget what may not be there.
    fn forget(&mut self);
}

impl Cache for () {
    fn forget(&mut self) {}
}

/// How long the end of the thread is waited for: it may wait for somebody who has locked the file.
const PATIENCE: Duration = Duration::from_millis(250);

/// A handle to the writer thread. Dropping it finishes what was asked and closes the file.
pub(super) struct Writer<C: Cache> {
    queue: Option<Sender<Box<dyn Call<C>>>>,
    places: Arc<Semaphore>,
    pace: Arc<Pace>,
    thread: Option<JoinHandle<()>>,
}

/// How the writer gets on, as those see it who wait for it.
struct Pace {
    started: Instant,
    /// When the present transaction began, milliseconds since `started`, and 1 more; 0 between transactions.
    began: AtomicU64,
    /// How long the next transaction waits for other processes, milliseconds.
    patience: AtomicU64,
}

impl Pace {
    fn millis(d: Duration) -> u64 {
        u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
    }

    fn begin(&self) {
        self.began.store(Self::millis(self.started.elapsed()) + 1, Relaxed);
    }

    fn end(&self) {
        self.began.store(0, Relaxed);
    }

    fn has_stalled(&self) -> bool {
        let began = self.began.load(Relaxed);
        began > 0 && Self::millis(self.started.elapsed()).saturating_sub(began) > Self::millis(STALLED)
    }
}

impl<C: Cache> Writer<C> {
    pub(super) fn start(path: &Path, blueprint: &Blueprint, mut conn: Connection) -> io::Result<Self> {
        let (queue, calls) = channel();
        let pace = Arc::new(Pace {
            started: Instant::now(),
            began: AtomicU64::new(0),
            patience: AtomicU64::new(Pace::millis(BUSY)),
        });
        let patience = Arc::clone(&pace);
        let handler = move |tried: i32| {
            std::thread::sleep(Duration::from_millis(1));
            u64::from(tried.unsigned_abs()) < patience.patience.load(Relaxed)
        };
        conn.busy_handler(Some(handler)).map_err(io::Error::other)?;
        let seen = Arc::clone(&pace);
        let (path, tables) = (path.to_owned(), blueprint.look);
        let look = move || look_apart(&path, tables);
        let thread = std::thread::Builder::new()
            .name(format!("tfx {}", blueprint.file))
            .spawn(move || serve(&conn, &look, &calls, &seen))?;
        Ok(Self { queue: Some(queue), places: Arc::new(Semaphore::new(WAITING)), pace, thread: Some(thread) })
    }

    pub(super) async fn run<T, W>(&self, what: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, &mut C) -> Result<T, StoreError> + Send + 'static,
    {
        let gone =
            || StoreError::Unavailable { what: format!("{what}: the writer has stopped"), source: None };
        if self.pace.has_stalled() {
            return Err(busy(what, "the store has stalled"));
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| busy(what, "too many writes wait for the store"))?;
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Box::new(WriteRequest { what, work, reply, _place: place })).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl<C: Cache> Drop for Writer<C> {
    fn drop(&mut self) {
        drop(self.queue.take());
        let Some(thread) = self.thread.take() else { return };
        let until = Instant::now() + PATIENCE;
        while !thread.is_finished() {
            if Instant::now() > until {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // A panic of the thread was its own message already.
        let _ = thread.join();
    }
}

/// Why a transaction did not happen, told to every call in it.
struct NotCommitted {
    full: bool,
    why: String,
}

impl NotCommitted {
    fn by(e: rusqlite::Error) -> Self {
        Self::because(&store_error("commit", e))
    }

    fn because(e: &StoreError) -> Self {
        Self { full: matches!(e, StoreError::Full { .. }), why: e.to_string() }
    }

    fn to_error(&self, what: &str) -> StoreError {
        if self.full {
            StoreError::Full { what: what.to_owned() }
        } else {
            StoreError::Unavailable { what: format!("{what}: {}", self.why), source: None }
        }
    }
}

/// Tells a caller the outcome of the transaction.
type OnCommit = Box<dyn FnOnce(Result<(), &NotCommitted>)>;

/// A call that waits for its turn.
trait Call<C>: Send {
    /// Does the work; true if it succeeded, and whom to tell.
    fn run(self: Box<Self>, conn: &Connection, cache: &mut C) -> (Result<(), NotCommitted>, OnCommit);
    /// There is no transaction to do it in.
    fn fail(self: Box<Self>, why: &NotCommitted);
}

struct WriteRequest<T, W> {
    what: &'static str,
    work: W,
    reply: oneshot::Sender<Result<T, StoreError>>,
    _place: OwnedSemaphorePermit,
}

impl<C, T, W> Call<C> for WriteRequest<T, W>
where
    C: Cache,
    T: Send + 'static,
    W: FnOnce(&Connection, &mut C) -> Result<T, StoreError> + Send,
{
    fn run(self: Box<Self>, conn: &Connection, cache: &mut C) -> (Result<(), NotCommitted>, OnCommit) {
        let Self { what, work, reply, _place } = *self;
        let result = work(conn, cache);
        let outcome = result.as_ref().map(|_| ()).map_err(NotCommitted::because);
        let on_commit: OnCommit = Box::new(move |commit| {
            let answer = match commit {
                Ok(()) => result,
                Err(not_committed) => result.and_then(|_| Err(not_committed.to_error(what))),
            };
            // A caller who no longer waits needs no answer.
            let _ = reply.send(answer);
        });
        (outcome, on_commit)
    }

    fn fail(self: Box<Self>, why: &NotCommitted) {
        let _ = self.reply.send(Err(why.to_error(self.what)));
    }
}

/// Looks whether the file is well.
type Look<'l> = &'l dyn Fn() -> Result<(), StoreError>;

fn serve<C: Cache>(conn: &Connection, look: Look<'_>, calls: &Receiver<Box<dyn Call<C>>>, pace: &Pace) {
    let mut cache = C::default();
    while let Ok(first) = calls.recv() {
        let mut together = Vec::with_capacity(8);
        together.push(first);
        while together.len() < TOGETHER
            && let Ok(next) = calls.try_recv()
        {
            together.push(next);
        }
        pace.begin();
        let begun = transact(conn, look, &mut cache, together);
        pace.end();
        let patience = if begun.is_ok() { BUSY } else { BUSY_AGAIN };
        pace.patience.store(Pace::millis(patience), Relaxed);
        if let Err((not_committed, not_done)) = begun {
            // Those that came meanwhile have waited as long; each round of them would wait anew.
            let late: Vec<_> = calls.try_iter().collect();
            not_done.into_iter().chain(late).for_each(|call| call.fail(&not_committed));
        }
    }
}

/// # Errors
/// No transaction can be begun, or the file is sick; those are left over.
fn transact<C: Cache>(
    conn: &Connection,
    look: Look<'_>,
    cache: &mut C,
    together: Vec<Box<dyn Call<C>>>,
) -> Result<(), (NotCommitted, Vec<Box<dyn Call<C>>>)> {
    let mut calls = together.into_iter();
    // More than one round only when SQLite itself gives up a transaction (a full disk).
    while calls.len() > 0 {
        if let Err(e) = conn.execute_batch("BEGIN IMMEDIATE") {
            return Err((NotCommitted::by(e), calls.collect()));
        }
        // Once nobody else may write.
        if let Err(sick) = look() {
            let _ = conn.execute_batch("ROLLBACK");
            return Err((NotCommitted::because(&sick), calls.collect()));
        }
        let (waiting, commit) = fill(conn, cache, &mut calls);
        if commit.is_err() {
            cache.forget();
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
        }
        for on_commit in waiting {
            on_commit(commit.as_ref().copied());
        }
    }
    Ok(())
}

/// Runs calls in the open transaction and commits it; all of them, unless the transaction is given up.
fn fill<C: Cache>(
    conn: &Connection,
    cache: &mut C,
    calls: &mut impl Iterator<Item = Box<dyn Call<C>>>,
) -> (Vec<OnCommit>, Result<(), NotCommitted>) {
    let mut waiting = Vec::new();
    for call in calls {
        if let Err(e) = conn.execute_batch("SAVEPOINT call") {
            let not_committed = NotCommitted::by(e);
            call.fail(&not_committed);
            return (waiting, Err(not_committed));
        }
        let (outcome, on_commit) = call.run(conn, cache);
        waiting.push(on_commit);
        let end = match outcome {
            Ok(()) => "RELEASE call",
            Err(_) => "ROLLBACK TO call; RELEASE call",
        };
        if outcome.is_err() {
            cache.forget();
        }
        if conn.is_autocommit() {
            let given_up = || NotCommitted { full: false, why: "the transaction was given up".into() };
            return (waiting, Err(outcome.err().unwrap_or_else(given_up)));
        }
        if let Err(e) = conn.execute_batch(end) {
            return (waiting, Err(NotCommitted::by(e)));
        }
    }
    (waiting, conn.execute_batch("COMMIT").map_err(NotCommitted::by))
}
