//! Changing entities: revision, entities and audit entries in one transaction.

use super::{
    Config, REVISION_ID, Revision,
    audit::StoredEntry,
    kept,
    records::{self, StoredRecord},
};
use crate::{accounts, error::Failed, sequence};
use mongodb::{ClientSession, bson::doc, options::ReturnDocument};
use tfx_ports::{
    StoreError,
    accounts::Account,
    audit::AuditEntry,
    config::{Change, Record},
};

/// Places of lines are microseconds since 1970, and greater; what is less is a revision, as lines of before have it.
const FIRST_PLACE: i64 = 1 << 40;

impl Config {
    /// Saves accounts, with a line of the audit log that tells of no entity. It takes no turn with changes of the
    /// configuration, and does not touch what these hold until they are over: a login waits for none of them.
    pub(crate) async fn note(
        &self,
        what: &str,
        line: Option<&AuditEntry>,
        done: &[Account],
    ) -> Result<(), StoreError> {
        self.db.ready().await?;
        let mut retry = self.db.retry();
        loop {
            let mut session = self.db.begin(what).await.map_err(Failed::into_error)?;
            let steps = async {
                accounts::put(&self.db, done, &mut session).await?;
                match line {
                    Some(line) => self.tell_beside(what, line, &mut session).await,
                    None => Ok(()),
                }
            };
            let steps = steps.await;
            match self.db.end(what, session, steps).await {
                Ok(()) => return Ok(()),
                Err(Failed::Conflict(e) | Failed::Taken(e)) => retry.pause(e).await?,
                Err(e @ (Failed::Unknown(_) | Failed::Refused(_))) => return Err(e.into_error()),
            }
        }
    }

    /// Adds a line that tells of no entity, in a transaction of whoever does what it tells of.
    pub(crate) async fn tell_beside(
        &self,
        what: &str,
        line: &AuditEntry,
        session: &mut ClientSession,
    ) -> Result<(), Failed> {
        self.tell(what, StoredEntry::new(line, sequence::next(), None), session).await
    }

    async fn tell(&self, what: &str, line: StoredEntry, session: &mut ClientSession) -> Result<(), Failed> {
        let entries = self.db.collection::<StoredEntry>("audit");
        self.db.step(what, entries.insert_one(line).session(session)).await.map(|_| ())
    }

    /// Makes changes, and saves accounts with them; returns the revision they made.
    pub(super) async fn change(
        &self,
        changes: &[Change],
        at: Option<u64>,
        done: &[Account],
    ) -> Result<u64, StoreError> {
        let what = match changes {
            [] if done.is_empty() => return self.now().await,
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
                Err(Failed::Conflict(e)) => {
                    retry.pause(e).await?;
                    kept::begin(&self.db).await?;
                }
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
        let Revision { value: last, place, .. } = self.count(what, count, at, session).await?;
        for (left, Change { record, audit, new }) in (0..count).rev().zip(changes) {
            let revision = last - left;
            self.names_are_free(what, record, session).await?;
            if *new {
                let stored = StoredRecord::new(record, revision);
                let all = records::collection(&self.db, record.kind);
                self.db.step(what, all.insert_one(stored).session(&mut *session)).await?;
            } else {
                self.replace(what, record, session).await?;
            }
            self.tell(what, StoredEntry::new(audit, place - left, Some(revision)), session).await?;
        }
        kept::keep(&self.db, what, changes, last, session).await?;
        Ok(last.cast_unsigned())
    }

    /// The last of the next `count` revisions, and of the places of their lines. Who else wants them now conflicts with us: so changes happen one after
    /// the other, and what a transaction reads after this stays so until it ends.
    async fn count(
        &self,
        what: &str,
        count: i64,
        at: Option<u64>,
        session: &mut ClientSession,
    ) -> Result<Revision, Failed> {
        let revisions = Self::revisions(&self.db);
        let mut this = doc! {"_id": REVISION_ID};
        if let Some(at) = at {
            this.insert("value", at.cast_signed());
        }
        let since = if count > 0 { sequence::block(count) } else { 0 };
        // Behind the lines of the changes before, whatever the clock says.
        let places = doc! {"$max": [since, {"$add": [{"$ifNull": ["$place", 0_i64]}, count]}]};
        let next = doc! {"$set": {"value": {"$add": ["$value", count]}, "place": places}};
        let add = revisions.find_one_and_update(this, vec![next]).return_document(ReturnDocument::After);
        if let Some(revision) = self.db.step(what, add.session(&mut *session)).await? {
            return Ok(revision);
        }
        let find = revisions.find_one(doc! {"_id": REVISION_ID}).session(session);
        if let Some(Revision { value, .. }) = self.db.step(what, find).await? {
            return Err(Failed::Refused(StoreError::Moved { revision: value.cast_unsigned() }));
        }
        // The first change of all, or a database mended by hand. Not in the transaction: two would collide there.
        let entries = self.db.collection::<StoredEntry>("audit");
        let of_before = entries.find_one(doc! {"_id": {"$lt": FIRST_PLACE}}).sort(doc! {"_id": -1});
        let newest = entries.find_one(doc! {"revision": {"$exists": true}}).sort(doc! {"revision": -1});
        let (of_before, newest) = (self.db.call(what, of_before).await?, self.db.call(what, newest).await?);
        let told = of_before.iter().chain(&newest).map(StoredEntry::revision).max();
        let last = told.max(kept::newest(&self.db).await?).unwrap_or(0);
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
