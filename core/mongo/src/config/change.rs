//! Changing an entity: revision, entity and audit entry in one transaction.

use super::{
    Config, REVISION_ID,
    audit::StoredEntry,
    records::{self, StoredRecord},
};
use crate::error::Failed;
use mongodb::{ClientSession, bson::doc, options::ReturnDocument};
use tfx_ports::{
    StoreError,
    config::{AuditEntry, Record},
};

/// What is to be done.
pub(super) struct Change<'a> {
    record: &'a Record,
    new: bool,
    what: String,
}

impl<'a> Change<'a> {
    pub(super) fn create(record: &'a Record) -> Self {
        Self { record, new: true, what: format!("create {} {}", record.kind, record.id) }
    }

    pub(super) fn update(record: &'a Record) -> Self {
        Self { record, new: false, what: format!("update {} {}", record.kind, record.id) }
    }
}

impl Config {
    /// Makes a change; returns the revision it made.
    pub(super) async fn change(&self, change: Change<'_>, audit: &AuditEntry) -> Result<u64, StoreError> {
        self.db.ready().await?;
        let _turn = self.turn.lock().await;
        let mut retry = self.db.retry();
        loop {
            match self.attempt(&change, audit).await {
                Ok(revision) => {
                    self.watch.wake();
                    return Ok(revision);
                }
                Err(Failed::Conflict(e)) => retry.pause(e).await?,
                Err(Failed::Taken(e)) => retry.pause(self.who_has_it(&change, e).await?).await?,
                Err(e @ (Failed::Unknown(_) | Failed::Refused(_))) => return Err(e.into_error()),
            }
        }
    }

    async fn attempt(&self, change: &Change<'_>, audit: &AuditEntry) -> Result<u64, Failed> {
        let mut session = self.db.begin(&change.what).await?;
        let steps = self.steps(change, audit, &mut session).await;
        self.db.end(&change.what, session, steps).await
    }

    async fn steps(
        &self,
        change: &Change<'_>,
        audit: &AuditEntry,
        session: &mut ClientSession,
    ) -> Result<u64, Failed> {
        let what = &change.what;
        let revision = self.count(what, session).await?;
        if change.new {
            let stored = StoredRecord::new(change.record, revision);
            let all = records::collection(&self.db, change.record.kind);
            self.db.step(what, all.insert_one(stored).session(&mut *session)).await?;
        } else {
            self.replace(change, session).await?;
        }
        let entries = self.db.collection::<StoredEntry>("audit");
        let insert = entries.insert_one(StoredEntry::new(audit, revision)).session(session);
        self.db.step(what, insert).await?;
        Ok(revision.cast_unsigned())
    }

    /// The next revision. Who else wants it now conflicts with us.
    async fn count(&self, what: &str, session: &mut ClientSession) -> Result<i64, Failed> {
        let revisions = Self::revisions(&self.db);
        let add = revisions
            .find_one_and_update(doc! {"_id": REVISION_ID}, doc! {"$inc": {"value": 1_i64}})
            .return_document(ReturnDocument::After);
        if let Some(revision) = self.db.step(what, add.session(session)).await? {
            return Ok(revision.value);
        }
        // The first change of all, or a database mended by hand. Not in the transaction: two would collide there.
        let entries = self.db.collection::<StoredEntry>("audit");
        let last = self.db.call(what, entries.find_one(doc! {}).sort(doc! {"_id": -1})).await?;
        let last = last.map_or(0, |entry| entry.revision());
        let first = doc! {"$setOnInsert": {"value": last}};
        let made = revisions.update_one(doc! {"_id": REVISION_ID}, first).upsert(true);
        match self.db.write(what, made).await {
            Ok(_) | Err(Failed::Taken(_)) => {}
            Err(e) => return Err(Failed::Refused(e.into_error())),
        }
        let why = format!("{what}: the revision was missing");
        Err(Failed::Conflict(StoreError::Unavailable { what: why, source: None }))
    }

    async fn replace(&self, change: &Change<'_>, session: &mut ClientSession) -> Result<(), Failed> {
        let record = change.record;
        let all = records::collection(&self.db, record.kind);
        if let Some(before) = record.version.checked_sub(1) {
            let this = doc! {"_id": &record.id, "version": before.cast_signed()};
            let update = all.update_one(this, records::changed_fields(record)).session(&mut *session);
            if self.db.step(&change.what, update).await?.matched_count == 1 {
                return Ok(());
            }
        }
        let find = all.find_one(doc! {"_id": &record.id}).session(session);
        Err(Failed::Refused(match self.db.step(&change.what, find).await? {
            Some(now) => StoreError::VersionMismatch { current: now.version() },
            None => StoreError::NotFound,
        }))
    }

    /// A unique key is taken: by whom? The conflict to try again with, if by nobody any more, or by somebody whose
    /// write a majority does not have yet.
    async fn who_has_it(&self, change: &Change<'_>, e: StoreError) -> Result<StoreError, StoreError> {
        let record = change.record;
        match records::find(&self.db, record.kind, &record.parent, &record.slug).await? {
            Some(other) if other.id != record.id => return Err(StoreError::SlugTaken { existing: other.id }),
            Some(_) | None => {}
        }
        if change.new && records::get(&self.db, record.kind, &record.id).await?.is_some() {
            let what = format!("{}: the id is taken", change.what);
            return Err(StoreError::Broken { what, source: None });
        }
        Ok(e)
    }
}
