//! [`ConfigStore`] on `config.db`.

mod audit;
mod kept;
mod records;

use crate::{accounts, db::Database, error::OrStoreError};
use async_trait::async_trait;
use rusqlite::Connection;
use std::{sync::Arc, time::Duration};
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, AuditLog},
    config::{Beside, Change, ConfigStore, Record, RecordQuery},
    page::{Page, PageRequest},
    revisions::{KeptVersion, Revision, RevisionChange, Revisions},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How often a waiting reader looks for changes by other processes; those of this one wake it at once.
const POLL: Duration = Duration::from_millis(150);

/// Configuration on SQLite.
pub(crate) struct Config {
    db: Arc<Database<()>>,
    /// The newest revision made by this process.
    made: watch::Sender<u64>,
}

impl Config {
    pub(crate) fn new(db: Arc<Database<()>>) -> Self {
        Self { db, made: watch::Sender::new(0) }
    }

    /// Wakes who waits for another revision.
    fn wake(&self, revision: u64) {
        self.made.send_modify(|r| *r = revision.max(*r));
    }

    /// Adds a line that tells of no entity inside a transaction of whoever does what it tells of.
    pub(crate) fn tell(conn: &Connection, line: &AuditEntry) -> Result<(), StoreError> {
        audit::insert(conn, line, None)
    }

    async fn now(&self) -> Result<u64, StoreError> {
        self.db.read("read the revision", records::revision).await
    }
}

/// All changes in the transaction that holds the write lock: what is compared here stays so until it ends.
fn apply(conn: &Connection, changes: &[Change], at: Option<u64>, beside: &Beside) -> Result<u64, StoreError> {
    let revision = records::revision(conn)?;
    if at.is_some_and(|at| at != revision) {
        return Err(StoreError::Moved { revision });
    }
    if changes.len() > 1 {
        records::let_go_of_names(conn, changes)?;
    }
    for (made, change) in (revision + 1..).zip(changes) {
        let Change { record, audit, new } = change;
        if *new {
            records::create(conn, record)?;
        } else {
            records::update(conn, record)?;
        }
        audit::insert(conn, audit, Some(made))?;
        kept::version(conn, made, change)?;
    }
    if let Some(line) = &beside.line {
        audit::insert(conn, line, None)?;
    }
    for account in &beside.accounts {
        accounts::put(conn, account)?;
    }
    let revision = count(conn, changes.len())?;
    kept::revision(conn, changes, revision)?;
    Ok(revision)
}

/// Counts the revision up by the changes that were made; what it is then.
fn count(conn: &Connection, changes: usize) -> Result<u64, StoreError> {
    let count = i64::try_from(changes).unwrap_or(i64::MAX);
    conn.prepare_cached("UPDATE revision SET value = value + ? RETURNING value")
        .and_then(|mut s| s.query_row([count], |r| r.get(0)))
        .map(i64::unsigned_abs)
        .or_store_error("count the revision")
}

#[async_trait]
impl AuditLog for Config {
    async fn append(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.db.write("write the audit log", move |conn, ()| Self::tell(conn, &entry)).await
    }

    async fn audit(&self, id: Option<&str>, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        let (id, page) = (id.map(str::to_owned), page.clone());
        self.db.scan("read the audit log", move |conn| audit::list(conn, id.as_deref(), &page)).await
    }
}

#[async_trait]
impl Revisions for Config {
    async fn revisions(&self, page: &PageRequest) -> Result<Page<Revision>, StoreError> {
        let page = page.clone();
        self.db.scan("list revisions", move |conn| kept::list(conn, &page)).await
    }

    async fn revision(&self, number: u64) -> Result<(Revision, Vec<RevisionChange>), StoreError> {
        self.db.scan("read a revision", move |conn| kept::one(conn, number)).await
    }

    async fn at_revision(&self, number: u64) -> Result<Vec<Record>, StoreError> {
        self.db.scan("read the configuration of before", move |conn| kept::at(conn, number)).await
    }

    async fn kept_versions(&self, kind: Kind, page: &PageRequest) -> Result<Page<KeptVersion>, StoreError> {
        let page = page.clone();
        self.db.scan("read versions of before", move |conn| kept::versions(conn, kind, &page)).await
    }

    async fn reseal_kept(&self, version: &KeptVersion) -> Result<(), StoreError> {
        let version = version.clone();
        self.db.write("seal a version of before", move |conn, ()| kept::reseal(conn, &version)).await
    }
}

#[async_trait]
impl ConfigStore for Config {
    async fn apply_with(
        &self,
        changes: Vec<Change>,
        at: Option<u64>,
        beside: Beside,
    ) -> Result<u64, StoreError> {
        let apply = move |conn: &Connection, (): &mut ()| apply(conn, &changes, at, &beside);
        let write = self.db.write("change the configuration", apply);
        write.await.inspect(|revision| self.wake(*revision))
    }

    async fn changed_since(&self, revision: u64) -> Result<(u64, Vec<Record>), StoreError> {
        let read = move |conn: &Connection| {
            let now = records::revision(conn)?;
            // The audit log has a line of each revision; one that does not reach so far back cannot tell.
            let told = audit::lines_since(conn, revision)?;
            let records = match now.checked_sub(revision) {
                Some(0) => Vec::new(),
                Some(passed) if passed == told => records::changed_since(conn, revision)?,
                _ => records::all(conn)?,
            };
            Ok((now, records))
        };
        self.db.read("read what changed", read).await
    }

    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        let id = id.to_owned();
        self.db.read("read an entity", move |conn| records::get(conn, kind, &id)).await
    }

    async fn find(&self, kind: Kind, parent: &str, slug: &str) -> Result<Option<Record>, StoreError> {
        let (parent, slug) = (parent.to_owned(), slug.to_owned());
        self.db.read("find an entity", move |conn| records::find(conn, kind, &parent, &slug)).await
    }

    async fn list(&self, query: &RecordQuery) -> Result<Page<Record>, StoreError> {
        let query = query.clone();
        self.db.scan("list entities", move |conn| records::list(conn, &query)).await
    }

    async fn load(&self) -> Result<(u64, Vec<Record>), StoreError> {
        self.db
            .read("load the configuration", |conn| Ok((records::revision(conn)?, records::all(conn)?)))
            .await
    }

    async fn wait_for_change(&self, since: u64, at_most: Duration) -> Result<u64, StoreError> {
        let end = Instant::now() + at_most;
        let mut made = self.made.subscribe();
        loop {
            made.mark_unchanged();
            let revision = self.now().await?;
            let now = Instant::now();
            if revision != since || now >= end {
                return Ok(revision);
            }
            // Whether woken or not, the next round looks.
            let _ = timeout_at(end.min(now + POLL), made.changed()).await;
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.db.ping_writes().await
    }
}
