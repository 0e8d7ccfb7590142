//! One database: its collections, the time limit of every command, transactions, and what has to be there before
//! the first write.

use crate::{
    MongoConfig, backup, check, config,
    error::{Failed, store_error, timed_out},
    migrations,
};
use futures_util::TryStreamExt;
use mongodb::{
    Client, ClientSession, Collection, Database,
    action::Find,
    bson::{Document, doc},
    error::{Result as DriverResult, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT},
    options::{ClientOptions, ReadConcern},
};
use serde::de::DeserializeOwned;
use std::{
    future::IntoFuture,
    mem::ManuallyDrop,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tfx_ports::{StoreError, retry::Retry};
use tokio::time::timeout;

pub(crate) struct Db {
    /// Never dropped: the last one of a client begins to say good-bye to its sessions in the background, and the driver
    /// panics there when the process ends meanwhile. The server forgets sessions by itself.
    client: ManuallyDrop<Client>,
    database: Database,
    options: ClientOptions,
    operation_timeout: Duration,
    give_up_after: Duration,
    /// Set once the server was found fit and the indexes are there.
    ready: AtomicBool,
    /// When it was last seen that no restore is open.
    whole: Mutex<Option<Instant>>,
}

/// How long it is believed that no restore goes on.
pub(crate) const LOOKED_AT: Duration = Duration::from_secs(1);

impl Db {
    pub(crate) fn new(
        client: Client,
        database: Database,
        options: ClientOptions,
        config: &MongoConfig,
    ) -> Self {
        Self {
            client: ManuallyDrop::new(client),
            database,
            options,
            operation_timeout: config.operation_timeout,
            give_up_after: config.give_up_after,
            ready: AtomicBool::new(false),
            whole: Mutex::default(),
        }
    }

    pub(crate) const fn operation_timeout(&self) -> Duration {
        self.operation_timeout
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Another database of the same server, under the same terms.
    pub(crate) fn other(&self, name: &str) -> Database {
        self.client.database(name)
    }

    /// As parsed from the connection string; holds the credentials.
    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    pub(crate) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.database.collection(name)
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry::for_at_most(self.give_up_after)
    }

    /// Runs a command that reads, or that may be repeated without harm.
    pub(crate) async fn call<T>(
        &self,
        what: &str,
        command: impl IntoFuture<Output = DriverResult<T>>,
    ) -> Result<T, StoreError> {
        self.call_within(what, self.operation_timeout, command).await
    }

    /// The same for what may take longer.
    pub(crate) async fn call_within<T>(
        &self,
        what: &str,
        limit: Duration,
        command: impl IntoFuture<Output = DriverResult<T>>,
    ) -> Result<T, StoreError> {
        match timeout(limit, command.into_future()).await {
            Ok(done) => done.map_err(|e| store_error(what, e)),
            Err(_) => Err(timed_out(what, limit)),
        }
    }

    /// Answers if the primary takes writes of this user. It changes nothing: there is no such document.
    pub(crate) async fn ping_writes(&self, collection: &str) -> Result<(), StoreError> {
        self.whole().await?;
        let all = self.collection::<Document>(collection);
        let none = all.update_one(doc! {"_id": "ping"}, doc! {"$set": {"ping": true}});
        self.call("ping", none).await.map(|_| ())
    }

    /// All that a query finds.
    pub(crate) async fn rows<T: DeserializeOwned + Send + Sync>(
        &self,
        what: &str,
        find: Find<'_, T>,
    ) -> Result<Vec<T>, StoreError> {
        let read = async { find.await?.try_collect().await };
        self.call(what, Box::pin(read)).await
    }

    /// Runs updates (`q`, `u`) of a collection in one command, each by itself, durable on a majority; the server gives up after
    /// `within`, and what it did by then stands.
    pub(crate) async fn updates(
        &self,
        what: &str,
        collection: &str,
        updates: Vec<Document>,
        within: Duration,
    ) -> Result<(), StoreError> {
        let command = doc! {
            "update": collection,
            "updates": updates,
            "ordered": false,
            "writeConcern": {"w": "majority", "j": true},
            "maxTimeMS": i64::try_from(within.as_millis()).unwrap_or(i64::MAX),
        };
        let done = self.call(what, self.database().run_command(command)).await?;
        crate::conversions::refused(what, &done).map_err(Failed::into_error)
    }

    /// Runs a command that writes by itself.
    pub(crate) async fn write<T>(
        &self,
        what: &str,
        command: impl IntoFuture<Output = DriverResult<T>>,
    ) -> Result<T, Failed> {
        match timeout(self.operation_timeout, command.into_future()).await {
            Ok(done) => done.map_err(|e| Failed::from_driver(what, e, true)),
            Err(_) => Err(Failed::Unknown(timed_out(what, self.operation_timeout))),
        }
    }

    /// Runs a command of a transaction that is not committed yet: whatever happens to it, nothing is written.
    pub(crate) async fn step<T>(
        &self,
        what: &str,
        command: impl IntoFuture<Output = DriverResult<T>>,
    ) -> Result<T, Failed> {
        match timeout(self.operation_timeout, command.into_future()).await {
            Ok(done) => done.map_err(|e| Failed::from_driver(what, e, false)),
            Err(_) => Err(Failed::Refused(timed_out(what, self.operation_timeout))),
        }
    }

    /// Begins a transaction, to be ended by [`Db::end`].
    pub(crate) async fn begin(&self, what: &str) -> Result<ClientSession, Failed> {
        let mut session = self.step(what, self.client.start_session()).await?;
        self.step(what, session.start_transaction().read_concern(ReadConcern::snapshot())).await?;
        Ok(session)
    }

    /// A session whose reads all see the database at one moment.
    pub(crate) async fn snapshot(&self, what: &str) -> Result<ClientSession, StoreError> {
        self.call(what, self.client.start_session().snapshot(true)).await
    }

    /// Ends a transaction: commits if its steps went well, else aborts at once, so that the locks of what failed
    /// are not in the way of the next attempt.
    pub(crate) async fn end<T>(
        &self,
        what: &str,
        mut session: ClientSession,
        steps: Result<T, Failed>,
    ) -> Result<T, Failed> {
        match steps {
            Ok(done) => self.commit(what, &mut session).await.map(|()| done),
            Err(e) => {
                // If it does not get there, the server aborts by itself when the session is dropped or times out.
                let _ = timeout(self.operation_timeout, session.abort_transaction()).await;
                Err(e)
            }
        }
    }

    /// Commits. Asking the server again what became of a commit is safe, so that is done until it says so or the
    /// time is up.
    async fn commit(&self, what: &str, session: &mut ClientSession) -> Result<(), Failed> {
        let mut retry = self.retry();
        loop {
            let unknown = match timeout(self.operation_timeout, session.commit_transaction()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(e)) if e.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => store_error(what, e),
                Ok(Err(e)) if e.contains_label(TRANSIENT_TRANSACTION_ERROR) => {
                    return Err(Failed::Conflict(store_error(what, e)));
                }
                Ok(Err(e)) => return Err(Failed::from_driver(what, e, true)),
                Err(_) => timed_out(what, self.operation_timeout),
            };
            retry.pause(unknown).await.map_err(Failed::Unknown)?;
        }
    }

    /// Refuses while a restore into the database goes on, and after one that did not come to its end: what would be written
    /// may be dropped, or stand where something is to come back.
    pub(crate) async fn whole(&self) -> Result<(), StoreError> {
        let seen = *self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_some_and(|at| at.elapsed() < LOOKED_AT) {
            return Ok(());
        }
        self.whole_now().await
    }

    /// The same, not believing what was seen before.
    pub(crate) async fn whole_now(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        if let Some(what) = backup::half_restored(self).await? {
            return Err(StoreError::Unavailable { what, source: None });
        }
        *self.whole.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        Ok(())
    }

    /// Makes sure, until it was so once, that the server is fit and the indexes are there. Before every write:
    /// without its unique index a key would be taken twice. Callers do not queue here: while the server is away,
    /// each learns of it in its own time. Also that no restore goes on, each time.
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        self.whole().await?;
        if !self.ready.load(Ordering::Acquire) {
            check::check(self).await?;
            migrations::apply_pending(self).await?;
            config::begin_to_keep(self).await?;
            self.ready.store(true, Ordering::Release);
        }
        Ok(())
    }
}
