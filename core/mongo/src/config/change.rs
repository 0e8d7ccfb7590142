//! Changing entities: revision, entities and audit entries in one transaction.

use super::{
    Config, REVISION_ID, Revision,
    audit::StoredEntry,
    records::{self, StoredRecord},
};
use crate::{accounts, error::Failed};
use mongodb::{ClientSession, bson::doc, options::ReturnDocument};
use tfx_ports::{
    StoreError,
    accounts::Account,
    audit::AuditEntry,
    config::{Change, Record},
};

impl Config {
    /// Adds a line to the audit log that tells of no entity, with the accounts that it tells of; returns the revision it
    /// made.
    pub(crate) async fn note(&self, entry: &AuditEntry, done: &[Account]) -> Result<u64, StoreError> {
        let what = "write the audit log";
        self.db.ready().await?;
        let _turn = self.turn.lock().await;
        let mut retry = self.db.retry();
        loop {
            let mut session = match self.db.begin(what).await {
                Ok(session) => session,
                Err(e) => return Err(e.into_error()),
            };
            let steps = async {
                let revision = self.count(what, 1, None, &mut session).await?;
                accounts::put(&self.db, done, &mut session).await?;
                self.tell(what, entry, revision, &mut session).await?;
                Ok(revision.cast_unsigned())
            };
            let steps = steps.await;
            match self.db.end(what, session, steps).await {
                Ok(revision) => {
                    self.watch.wake();
                    return Ok(revision);
                }
                Err(Failed::Conflict(e) | Failed::Taken(e)) => retry.pause(e).await?,
                Err(e @ (Failed::Unknown(_) | Failed::Refused(_))) => return Err(e.into_error()),
            }
        }
    }

    async fn tell(
        &self,
        what: &str,
        entry: &AuditEntry,
        revision: i64,
        session: &mut ClientSession,
    ) -> Result<(), Failed> {
        let entries = self.db.collection::<StoredEntry>("audit");
        let insert = entries.insert_one(StoredEntry::new(entry, revision)).session(session);
        self.db.step(what, insert).await.map(|_| ())
    }

    /// Makes changes, and saves accounts with them; returns the revision they made.
    pub(super) async fn change(
        &self,
        changes: &[Change],
        at: Option<u64>,
        done: &[Account],
    ) -> Result<u64, StoreError> {
        let what = match changes {
            [] if done.is_empty() => return self.revision().await,
            [] => "change nothing".to_owned(),
            [Change { record, new: true, .. }] => format!("create {} {}", record.kind, record.id),
            [Change { record, .. }] => format!("update {} {}", record.kind, record.id),
            several => format!("make {} changes", several.len()),
        };
        self.db.ready().await?;
        let _turn = self.turn.lock().await;
        let mut retry = self.db.retry();
        loop {
            match self.attempt(&what, changes, at, done).await {
                Ok(revision) => {
                    self.watch.wake();
                    return Ok(revision);
                }
                Err(Failed::Conflict(e)) => retry.pause(e).await?,
                Err(Failed::Taken(e)) => retry.pause(self.who_has_it(&what, changes, e).await?).await?,
                Err(e @ (Failed::Unknown(_) | Failed::Refused(_))) => return Err(e.into_error()),
            }
        }
    }

    async fn attempt(
        &self,
        what: &str,
        changes: &[Change],
        at: Option<u64>,
        done: &[Account],
    ) -> Result<u64, Failed> {
        let mut session = self.db.begin(what).await?;
        let steps = async {
            let revision = self.steps(what, changes, at, &mut session).await?;
            accounts::put(&self.db, done, &mut session).await?;
            Ok(revision)
        };
        let steps = steps.await;
        self.db.end(what, session, steps).await
    }

    async fn steps(
        &self,
        what: &str,
        changes: &[Change],
        at: Option<u64>,
        session: &mut ClientSession,
    ) -> Result<u64, Failed> {
        let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
        let last = self.count(what, count, at, session).await?;
        let mut revision = last - count;
        for Change { record, audit, new } in changes {
            revision += 1;
            self.names_are_free(what, record, session).await?;
            if *new {
                let stored = StoredRecord::new(record, revision);
                let all = records::collection(&self.db, record.kind);
                self.db.step(what, all.insert_one(stored).session(&mut *session)).await?;
            } else {
                self.replace(what, record, session).await?;
            }
            self.tell(what, audit, revision, session).await?;
        }
        Ok(last.cast_unsigned())
    }

    /// The last of the next `count` revisions. Who else wants them now conflicts with us: so changes happen one after
    /// the other, and what a transaction reads after this stays so until it ends.
    async fn count(
        &self,
        what: &str,
        count: i64,
        at: Option<u64>,
        session: &mut ClientSession,
    ) -> Result<i64, Failed> {
        let revisions = Self::revisions(&self.db);
        let mut this = doc! {"_id": REVISION_ID};
        if let Some(at) = at {
            this.insert("value", at.cast_signed());
        }
        let add = revisions
            .find_one_and_update(this, doc! {"$inc": {"value": count}})
            .return_document(ReturnDocument::After);
        if let Some(revision) = self.db.step(what, add.session(&mut *session)).await? {
            return Ok(revision.value);
        }
        let find = revisions.find_one(doc! {"_id": REVISION_ID}).session(session);
        if let Some(Revision { value, .. }) = self.db.step(what, find).await? {
            return Err(Failed::Refused(StoreError::Moved { revision: value.cast_unsigned() }));
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

    /// Nobody else has its slug or former slugs, now or formerly. No index holds slugs and former ones together; the
    /// turn that the revision gives does.
    async fn names_are_free(
        &self,
        what: &str,
        record: &Record,
        session: &mut ClientSession,
    ) -> Result<(), Failed> {
        let all = records::collection(&self.db, record.kind);
        let find = all.find_one(records::others_named(record)).session(session);
        match self.db.step(what, find).await? {
            Some(other) => Err(Failed::Refused(StoreError::SlugTaken { existing: other.id().to_owned() })),
            None => Ok(()),
        }
    }

    async fn replace(&self, what: &str, record: &Record, session: &mut ClientSession) -> Result<(), Failed> {
        let all = records::collection(&self.db, record.kind);
        if let Some(before) = record.version.checked_sub(1) {
            let this = doc! {"_id": &record.id, "version": before.cast_signed()};
            let update = all.update_one(this, records::changed_fields(record)).session(&mut *session);
            if self.db.step(what, update).await?.matched_count == 1 {
                return Ok(());
            }
        }
        let find = all.find_one(doc! {"_id": &record.id}).session(session);
        Err(Failed::Refused(match self.db.step(what, find).await? {
            Some(now) => StoreError::VersionMismatch { current: now.version() },
            None => StoreError::NotFound,
        }))
    }

    /// A unique key is taken: by whom? The conflict to try again with, if by nobody any more, or by somebody whose
    /// write a majority does not have yet.
    async fn who_has_it(
        &self,
        what: &str,
        changes: &[Change],
        e: StoreError,
    ) -> Result<StoreError, StoreError> {
        for Change { record, new, .. } in changes {
            let all = records::collection(&self.db, record.kind);
            if let Some(other) = self.db.call(what, all.find_one(records::others_named(record))).await? {
                return Err(StoreError::SlugTaken { existing: other.id().to_owned() });
            }
            if *new && records::get(&self.db, record.kind, &record.id).await?.is_some() {
                let what = format!("{what}: the id is taken");
                return Err(StoreError::Broken { what, source: None });
            }
        }
        Ok(e)
    }
}
