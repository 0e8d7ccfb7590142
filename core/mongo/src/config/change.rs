//! Changing entities: revision, entities and audit entries in one transaction.

use super::{
    Config, REVISION_ID, Revision,
    audit::StoredEntry,
    kept,
    records::{self, StoredRecord},
};
use crate::{accounts, error::Failed, sequence};
use mongodb::{
    ClientSession,
    bson::{Document, doc},
    options::ReturnDocument,
};
use std::collections::HashMap;
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    accounts::Account,
    audit::AuditEntry,
    config::{Beside, Change, Record},
};

/// The most documents of a command, and the most bytes of their texts: a message has at most 48 MB.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 8 << 20;

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

    /// Makes changes, and saves with them what stands beside; returns the revision they made.
    pub(super) async fn change(
        &self,
        changes: &[Change],
        at: Option<u64>,
        beside: &Beside,
    ) -> Result<u64, StoreError> {
        let what = match changes {
            [] if *beside == Beside::default() => return self.now().await,
            [] => "change nothing".to_owned(),
            [Change { record, new: true, .. }] => format!("create {} {}", record.kind, record.id),
            [Change { record, .. }] => format!("update {} {}", record.kind, record.id),
            several => format!("make {} changes", several.len()),
        };
        self.db.ready().await?;
        let _turn = self.turn.lock().await;
        let mut retry = self.db.retry();
        loop {
            match self.attempt(&what, changes, at, beside).await {
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
        beside: &Beside,
    ) -> Result<u64, Failed> {
        let mut session = self.db.begin(what).await?;
        let steps = async {
            let revision = self.steps(what, changes, at, beside.line.as_ref(), &mut session).await?;
            accounts::put(&self.db, &beside.accounts, &mut session).await?;
            Ok(revision)
        };
        let steps = steps.await;
        self.db.end(what, session, steps).await
    }

    /// Many changes are a few commands, not a few each: see [`parts`].
    async fn steps(
        &self,
        what: &str,
        changes: &[Change],
        at: Option<u64>,
        line: Option<&AuditEntry>,
        session: &mut ClientSession,
    ) -> Result<u64, Failed> {
        let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
        let places = count + i64::from(line.is_some());
        let Revision { value: last, place, .. } = self.count(what, count, places, at, session).await?;
        let nets = nets(what, changes)?;
        for kind in Kind::ALL {
            let of_kind: Vec<&Net<'_>> = nets.iter().filter(|net| net.record.kind == kind).collect();
            if of_kind.is_empty() {
                continue;
            }
            self.settle_names(what, kind, &of_kind, session).await?;
            let new = of_kind.iter().filter(|net| net.new);
            let new: Vec<StoredRecord> =
                new.map(|net| StoredRecord::new(net.record, last - count + 1 + net.first)).collect();
            let all = records::collection(&self.db, kind);
            for part in parts(&new, StoredRecord::size) {
                self.db.step(what, all.insert_many(part).session(&mut *session)).await?;
            }
            let updated: Vec<(&Record, u64)> =
                of_kind.iter().filter_map(|net| Some((net.record, net.before?))).collect();
            for part in parts(&updated, |(record, _)| records::size(record)) {
                let updates = part.iter().map(|(record, before)| {
                    let this = doc! {"_id": &record.id, "version": before.cast_signed()};
                    doc! {"q": this, "u": records::changed_fields(record)}
                });
                self.update(what, kind, updates.collect(), session).await?;
            }
        }
        let first = place - places + 1;
        let told = (0..count).zip(changes);
        let mut lines: Vec<StoredEntry> = told
            .map(|(n, change)| StoredEntry::new(&change.audit, first + n, Some(last - count + 1 + n)))
            .collect();
        lines.extend(line.map(|line| StoredEntry::new(line, place, None)));
        let entries = self.db.collection::<StoredEntry>("audit");
        for part in parts(&lines, StoredEntry::size) {
            self.db.step(what, entries.insert_many(part).session(&mut *session)).await?;
        }
        kept::keep(&self.db, what, changes, last, session).await?;
        Ok(last.cast_unsigned())
    }

    /// Runs updates (`q`, `u`) of a kind in one command of a transaction; each must find its document.
    pub(super) async fn update(
        &self,
        what: &str,
        kind: Kind,
        updates: Vec<Document>,
        session: &mut ClientSession,
    ) -> Result<(), Failed> {
        let count = updates.len();
        let command = doc! {"update": kind.plural(), "updates": updates, "ordered": true};
        let run = self.db.database().run_command(command).session(session);
        let done = self.db.step(what, run).await?;
        crate::conversions::refused(what, &done)?;
        let found = done.get("n").and_then(|n| n.as_i64().or_else(|| n.as_i32().map(i64::from)));
        if found.and_then(|n| usize::try_from(n).ok()) == Some(count) {
            return Ok(());
        }
        // They were read in this transaction.
        let what = format!("{what}: {count} {} were to be changed, and {found:?} were found", kind.plural());
        Err(Failed::Refused(StoreError::Broken { what, source: None }))
    }

    /// The last of the next `count` revisions, and of the next `places` of lines. Who else wants them now conflicts with us: so changes happen one after
    /// the other, and what a transaction reads after this stays so until it ends.
    async fn count(
        &self,
        what: &str,
        count: i64,
        places: i64,
        at: Option<u64>,
        session: &mut ClientSession,
    ) -> Result<Revision, Failed> {
        let revisions = Self::revisions(&self.db);
        let mut this = doc! {"_id": REVISION_ID};
        if let Some(at) = at {
            this.insert("value", at.cast_signed());
        }
        let since = if places > 0 { sequence::block(places) } else { 0 };
        // Behind the lines of the changes before, whatever the clock says.
        let place = doc! {"$max": [since, {"$add": [{"$ifNull": ["$place", 0_i64]}, places]}]};
        let next = doc! {"$set": {"value": {"$add": ["$value", count]}, "place": place}};
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

    /// A unique key is taken: by whom? The conflict to try again with, if by nobody any more, or by somebody whose
    /// write a majority does not have yet.
    async fn who_has_it(
        &self,
        what: &str,
        changes: &[Change],
        e: StoreError,
    ) -> Result<StoreError, StoreError> {
        // Names are looked at in the transaction, all together: what is taken of many is none.
        let alone = if changes.len() == 1 { changes } else { &[] };
        for Change { record, new, .. } in alone {
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

/// What changes of one entity come to together: a bulk may make one and change it.
pub(super) struct Net<'c> {
    /// As it is in the end.
    pub(super) record: &'c Record,
    /// Whether it is new.
    pub(super) new: bool,
    /// The version that there is before; none: there can be none.
    pub(super) before: Option<u64>,
    /// The place of its first change among all.
    first: i64,
}

/// What changes come to, by entity.
fn nets<'c>(what: &str, changes: &'c [Change]) -> Result<Vec<Net<'c>>, Failed> {
    let mut all: Vec<Net<'c>> = Vec::with_capacity(changes.len());
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(changes.len());
    for (first, Change { record, new, .. }) in (0..).zip(changes) {
        let Some(net) = places.get(record.id.as_str()).and_then(|place| all.get_mut(*place)) else {
            places.insert(&record.id, all.len());
            let before = record.version.checked_sub(1).filter(|_| !*new);
            all.push(Net { record, new: *new, before, first });
            continue;
        };
        if *new {
            let what = format!("{what}: the id is taken");
            return Err(Failed::Refused(StoreError::Broken { what, source: None }));
        }
        let current = net.record.version;
        if current.checked_add(1) != Some(record.version) {
            return Err(Failed::Refused(StoreError::VersionMismatch { current }));
        }
        net.record = record;
    }
    Ok(all)
}

/// The same in parts that a command takes each.
pub(super) fn parts<T>(all: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut parts = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (n, one) in all.iter().enumerate() {
        let size = size(one);
        if n > from && (n - from == MOST || bytes + size > MOST_BYTES) {
            parts.push(&all[from..n]);
            (from, bytes) = (n, 0);
        }
        bytes += size;
    }
    if from < all.len() {
        parts.push(&all[from..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_is_too_long_and_nothing_is_left_out() {
        let of = |sizes: &[usize]| parts(sizes, |size| *size).iter().map(|p| p.len()).collect::<Vec<_>>();
        assert_eq!(of(&[]), Vec::<usize>::new());
        assert_eq!(of(&[1; 2_001]), [1_000, 1_000, 1]);
        assert_eq!(of(&[MOST_BYTES, 1, MOST_BYTES - 1, 1]), [1, 2, 1]);
        assert_eq!(of(&[2 * MOST_BYTES, 2 * MOST_BYTES]), [1, 1], "what is too long for any goes alone");
    }
}
