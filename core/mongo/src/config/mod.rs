//! [`ConfigStore`]. Every change is a transaction that counts the revision up first: so changes happen one after
//! the other, and the revision they make orders entities and their lines of the audit log. Lines that tell of no entity take
//! a place between them and no turn.

mod audit;
mod change;
mod kept;
mod names;
mod records;
mod watch;

pub(crate) use kept::begin as begin_to_keep;

use crate::db::Db;
use async_trait::async_trait;
use mongodb::{Collection, bson::doc};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, AuditLog},
    config::{Beside, Change, ConfigStore, Record, RecordQuery},
    page::{Page, PageRequest},
    revisions::{self, KeptVersion, RevisionChange, Revisions},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};
use watch::Watch;

/// How often a waiting reader looks by itself, whether a change stream works or not. Changes reach it within twice
/// that.
const LOOK: Duration = Duration::from_secs(1);

/// The one document of `revision`.
const REVISION_ID: &str = "config";

/// The number of the last change.
#[derive(Serialize, Deserialize)]
struct Revision {
    #[serde(rename = "_id")]
    id: String,
    value: i64,
    /// The place of its line in the audit log; 0: it is of before.
    #[serde(default)]
    place: i64,
}

/// Configuration on MongoDB.
pub(crate) struct Config {
    db: Arc<Db>,
    watch: Watch,
    /// Changes of this process take turns here instead of in conflicts.
    turn: Mutex<()>,
}

impl Config {
    pub(crate) fn new(db: Arc<Db>, change_streams: bool) -> Self {
        let watch = Watch::new(Self::revisions(&db), change_streams);
        Self { db, watch, turn: Mutex::new(()) }
    }

    fn revisions(db: &Db) -> Collection<Revision> {
        db.collection("revision")
    }

    async fn now(&self) -> Result<u64, StoreError> {
        let revisions = Self::revisions(&self.db);
        let found = self.db.call("read the revision", revisions.find_one(doc! {"_id": REVISION_ID})).await?;
        Ok(found.map_or(0, |r| r.value.cast_unsigned()))
    }
}

#[async_trait]
impl AuditLog for Config {
    async fn append(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.note("write the audit log", Some(&entry), &[]).await
    }

    async fn audit(&self, id: Option<&str>, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        audit::list(&self.db, id, page).await
    }
}

#[async_trait]
impl Revisions for Config {
    async fn revisions(&self, page: &PageRequest) -> Result<Page<revisions::Revision>, StoreError> {
        kept::list(&self.db, page).await
    }

    async fn revision(&self, number: u64) -> Result<(revisions::Revision, Vec<RevisionChange>), StoreError> {
        kept::one(&self.db, number).await
    }

    async fn at_revision(&self, number: u64) -> Result<Vec<Record>, StoreError> {
        let records = kept::at(&self.db, number).await?;
        self.db.whole_now().await?;
        Ok(records)
    }

    async fn kept_versions(&self, kind: Kind, page: &PageRequest) -> Result<Page<KeptVersion>, StoreError> {
        kept::of_kind(&self.db, kind, page).await
    }

    async fn reseal_kept(&self, version: &KeptVersion) -> Result<(), StoreError> {
        kept::reseal(&self.db, version).await
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
        self.change(&changes, at, &beside).await
    }

    async fn changed_since(&self, revision: u64) -> Result<(u64, Vec<Record>), StoreError> {
        let changed = records::changed_since(&self.db, revision).await?;
        self.db.whole().await?;
        Ok(changed)
    }

    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        records::get(&self.db, kind, id).await
    }

    async fn find(&self, kind: Kind, parent: &str, slug: &str) -> Result<Option<Record>, StoreError> {
        records::find(&self.db, kind, parent, slug).await
    }

    async fn list(&self, query: &RecordQuery) -> Result<Page<Record>, StoreError> {
        records::list(&self.db, query).await
    }

    async fn load(&self) -> Result<(u64, Vec<Record>), StoreError> {
        let loaded = records::load(&self.db).await?;
        // Asked afterwards: what was read was whole then.
        self.db.whole_now().await?;
        Ok(loaded)
    }

    async fn wait_for_change(&self, since: u64, at_most: Duration) -> Result<u64, StoreError> {
        let end = Instant::now() + at_most;
        let mut changes = self.watch.changes();
        loop {
            changes.mark_unchanged();
            let revision = self.now().await?;
            let now = Instant::now();
            if revision != since || now >= end {
                return Ok(revision);
            }
            // Whether woken or not, the next round looks.
            let _ = timeout_at(end.min(now + LOOK), changes.changed()).await;
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.db.ping_writes("revision").await
    }
}
