//! Revisions that were: a document for each, and one for each version of an entity. They are kept from what stood there when this
//! began, without a gap; where one is found (a program that keeps nothing has changed something, or a backup of before was
//! restored), they begin anew.

use super::{REVISION_ID, Revision as Counted, records};
use crate::{
    db::Db,
    error::{Failed, code, store_error},
    paging::{after, limit, page, query_limit},
};
use futures_util::TryStreamExt;
use mongodb::{
    ClientSession, Collection,
    bson::{Document, doc},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError, clock,
    config::{Change, NewRecord, Record},
    page::{Page, PageRequest},
    revisions::{KeptVersion, Revision, RevisionChange, made_by, missing},
};

/// Added to the number of what stood there at the beginning: it is before all changes, in its order.
const BEFORE: i64 = -(1 << 60);

const READ: &str = "read what revisions are kept";
const BEGIN: &str = "begin to keep revisions";
const NAMESPACE_EXISTS: i32 = 48;
/// Versions that are asked for at once.
const AT_ONCE: usize = 1_000;

/// A revision as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredRevision {
    #[serde(rename = "_id")]
    revision: i64,
    /// RFC 3339.
    at: String,
    actor: String,
    /// The text of the JSON.
    sums: String,
}

impl StoredRevision {
    fn new(made: Revision) -> Result<Self, StoreError> {
        let Revision { revision, at, by, sums } = made;
        let sums = serde_json::to_string(&sums).map_err(|e| StoreError::broken("keep a revision", e))?;
        Ok(Self { revision: revision.cast_signed(), at: at.to_string(), actor: by, sums })
    }

    fn revision(self) -> Result<Revision, StoreError> {
        let what = || format!("kept revision {}", self.revision);
        Ok(Revision {
            revision: self.revision.cast_unsigned(),
            at: self.at.parse().map_err(|e| StoreError::broken(what(), e))?,
            sums: serde_json::from_str(&self.sums).map_err(|e| StoreError::broken(what(), e))?,
            by: self.actor,
        })
    }
}

/// A version of an entity as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredVersion {
    /// The number that the change made.
    #[serde(rename = "_id")]
    change: i64,
    action: String,
    kind: String,
    entity: String,
    parent: String,
    slug: String,
    status: String,
    /// The bits of a `u64`.
    version: i64,
    created_at: String,
    updated_at: String,
    /// The text of the JSON.
    spec: String,
}

impl StoredVersion {
    fn new(record: &Record, change: i64, action: &str) -> Self {
        Self {
            change,
            action: action.to_owned(),
            kind: record.kind.noun().to_owned(),
            entity: record.id.clone(),
            parent: record.parent.clone(),
            slug: record.slug.clone(),
            status: record.status.as_str().to_owned(),
            version: record.version.cast_signed(),
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
            spec: record.spec.to_string(),
        }
    }

    /// As far as this program knows what it reads.
    fn record(self) -> Option<Record> {
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.noun() == self.kind) else {
            tracing::warn!(
                id = self.entity,
                kind = self.kind,
                "an entity of a kind that this program does not know is left out"
            );
            return None;
        };
        let stored = NewRecord {
            kind,
            id: self.entity,
            parent: self.parent,
            slug: self.slug,
            status: &self.status,
            version: self.version.cast_unsigned(),
            created_at: &self.created_at,
            updated_at: &self.updated_at,
            spec: &self.spec,
        };
        Some(stored.record())
    }
}

fn revisions(db: &Db) -> Collection<StoredRevision> {
    db.collection("kept_revisions")
}

fn versions(db: &Db) -> Collection<StoredVersion> {
    db.collection("kept_versions")
}

/// Keeps the revision that changes make, in their transaction. A conflict where the one before it is not kept: then
/// [`begin`] helps.
pub(super) async fn keep(
    db: &Db,
    what: &str,
    changes: &[Change],
    last: i64,
    session: &mut ClientSession,
) -> Result<(), Failed> {
    let Some(made) = made_by(changes, last.cast_unsigned()) else { return Ok(()) };
    let before = last - i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let all = revisions(db);
    let newest = all.find_one(doc! {}).sort(doc! {"_id": -1}).session(&mut *session);
    if db.step(what, newest).await?.is_none_or(|newest| newest.revision != before) {
        let what = format!("{what}: revision {before} is not kept");
        return Err(Failed::Conflict(StoreError::Unavailable { what, source: None }));
    }
    let kept = (before + 1..)
        .zip(changes)
        .map(|(number, change)| StoredVersion::new(&change.record, number, &change.audit.action));
    let kept: Vec<StoredVersion> = kept.collect();
    db.step(what, versions(db).insert_many(kept).session(&mut *session)).await?;
    db.step(what, all.insert_one(StoredRevision::new(made)?).session(session)).await?;
    Ok(())
}

/// The newest that is kept.
pub(super) async fn newest(db: &Db) -> Result<Option<i64>, StoreError> {
    let all = revisions(db);
    let newest = all.find_one(doc! {}).sort(doc! {"_id": -1});
    Ok(db.call(READ, newest).await?.map(|newest| newest.revision))
}

/// Makes sure that the present revision is kept: where it is not, all that stands there becomes the first.
///
/// # Errors
/// The store does not answer.
pub(crate) async fn begin(db: &Db) -> Result<(), StoreError> {
    let mut retry = db.retry();
    loop {
        let counted = db.collection::<Counted>("revision");
        let now =
            db.call(BEGIN, counted.find_one(doc! {"_id": REVISION_ID})).await?.map(|revision| revision.value);
        match newest(db).await? {
            // A number that was lost is found again by those that are kept.
            Some(newest) if now.is_none_or(|now| now == newest) => return Ok(()),
            _ => {}
        }
        // A transaction that makes a collection is in the way of others.
        match db.database().create_collection("kept_revisions").await {
            Err(e) if code(&e) != Some(NAMESPACE_EXISTS) => return Err(store_error(BEGIN, e)),
            Ok(()) | Err(_) => {}
        }
        let mut session = db.begin(BEGIN).await.map_err(Failed::into_error)?;
        let steps = take_over(db, &mut session).await;
        match db.end(BEGIN, session, steps).await {
            Ok(()) => return Ok(()),
            Err(Failed::Conflict(e) | Failed::Taken(e)) => retry.pause(e).await?,
            Err(e @ (Failed::Unknown(_) | Failed::Refused(_))) => return Err(e.into_error()),
        }
    }
}

async fn take_over(db: &Db, session: &mut ClientSession) -> Result<(), Failed> {
    let counted = db.collection::<Counted>("revision");
    let counted = counted.find_one(doc! {"_id": REVISION_ID}).session(&mut *session);
    let now = db.step(BEGIN, counted).await?.map(|revision| revision.value);
    let newest = revisions(db);
    let newest = newest.find_one(doc! {}).sort(doc! {"_id": -1}).session(&mut *session);
    // Outside of a transaction the two were read one after the other, and somebody may have made a revision between them.
    if db.step(BEGIN, newest).await?.is_some_and(|newest| now.is_none_or(|now| now == newest.revision)) {
        return Ok(());
    }
    let now = now.unwrap_or(0);
    let all = db.collection::<Document>("kept_revisions");
    let gone = db.step(BEGIN, all.delete_many(doc! {}).session(&mut *session)).await?.deleted_count;
    db.step(BEGIN, versions(db).delete_many(doc! {}).session(&mut *session)).await?;
    if gone > 0 {
        tracing::warn!(
            revision = now,
            forgotten = gone,
            "the revisions of the configuration begin anew: it was changed by what keeps none, or put back to an earlier state"
        );
    }
    let stand = records::stand(db, BEGIN, session).await?;
    let kept = stand.iter().map(|(seq, record)| StoredVersion::new(record, BEFORE + seq, ""));
    let kept: Vec<StoredVersion> = kept.collect();
    if !kept.is_empty() {
        db.step(BEGIN, versions(db).insert_many(kept).session(&mut *session)).await?;
    }
    let first =
        Revision { revision: now.cast_unsigned(), at: clock::now(), by: String::new(), sums: Vec::new() };
    db.step(BEGIN, revisions(db).insert_one(StoredRevision::new(first)?).session(session)).await?;
    Ok(())
}

pub(super) async fn list(db: &Db, request: &PageRequest) -> Result<Page<Revision>, StoreError> {
    let before = after(request, |cursor| cursor.parse::<i64>().ok())?.unwrap_or(i64::MAX);
    let limit = limit(request);
    let all = revisions(db);
    let find = all.find(doc! {"_id": {"$lt": before}}).sort(doc! {"_id": -1}).limit(query_limit(limit + 1));
    let found = db.rows(READ, find).await?;
    page(found, limit, |last| last.revision.to_string()).try_map(StoredRevision::revision)
}

pub(super) async fn one(db: &Db, wanted: u64) -> Result<(Revision, Vec<RevisionChange>), StoreError> {
    let stored = known(db, wanted).await?;
    let last = stored.revision;
    let Some(before) = beside(db, doc! {"$lt": last}, -1).await? else {
        return Ok((stored.revision()?, Vec::new()));
    };
    let all = versions(db);
    let find = all.find(doc! {"_id": {"$gt": before, "$lte": last}}).sort(doc! {"_id": 1});
    let change = |stored: StoredVersion| RevisionChange {
        action: stored.action,
        kind: stored.kind,
        id: stored.entity,
        version: stored.version.cast_unsigned(),
    };
    let changes = db.rows(READ, find).await?.into_iter().map(change).collect();
    Ok((stored.revision()?, changes))
}

/// Everything as it was, in the order in which it was created.
pub(super) async fn at(db: &Db, wanted: u64) -> Result<Vec<Record>, StoreError> {
    let last = known(db, wanted).await?.revision;
    // The index answers it, without the documents.
    let newest = vec![
        doc! {"$match": {"entity": {"$gt": ""}, "_id": {"$lte": last}}},
        doc! {"$sort": {"entity": 1, "_id": 1}},
        doc! {"$group": {"_id": "$entity", "first": {"$first": "$_id"}, "last": {"$last": "$_id"}}},
    ];
    let all = versions(db);
    let read = async { all.aggregate(newest).await?.try_collect::<Vec<Document>>().await };
    let of_each = db.call(READ, Box::pin(read)).await?;
    let number = |row: &Document, field| row.get_i64(field).unwrap_or_default();
    let created: HashMap<i64, i64> =
        of_each.iter().map(|row| (number(row, "last"), number(row, "first"))).collect();
    let wanted: Vec<i64> = created.keys().copied().collect();
    let mut found = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(AT_ONCE) {
        let rows = db.rows(READ, all.find(doc! {"_id": {"$in": some}})).await?;
        found.extend(rows.into_iter().map(|row| (created.get(&row.change).copied(), row)));
    }
    found.sort_by_key(|(first, _)| *first);
    Ok(found.into_iter().filter_map(|(_, row)| row.record()).collect())
}

pub(super) async fn of_kind(
    db: &Db,
    kind: Kind,
    request: &PageRequest,
) -> Result<Page<KeptVersion>, StoreError> {
    let from = after(request, |cursor| cursor.parse::<i64>().ok())?.unwrap_or(i64::MIN);
    let limit = limit(request);
    let all = versions(db);
    let which = doc! {"_id": {"$gt": from}, "kind": kind.noun()};
    let found = db.rows(READ, all.find(which).sort(doc! {"_id": 1}).limit(query_limit(limit + 1))).await?;
    let found = page(found, limit, |last| last.change.to_string());
    let version = |stored: StoredVersion| {
        let place = stored.change;
        stored.record().map(|record| KeptVersion { place, record })
    };
    let items = found.items.into_iter().filter_map(version).collect();
    Ok(Page { items, next: found.next, left_out: found.left_out })
}

pub(super) async fn reseal(db: &Db, version: &KeptVersion) -> Result<(), StoreError> {
    db.whole().await?;
    let KeptVersion { place, record } = version;
    let this = doc! {"_id": place, "entity": &record.id};
    let set = doc! {"$set": {"spec": record.spec.to_string()}};
    let done = db.write("seal a version of before", versions(db).update_one(this, set)).await;
    done.map(|_| ()).map_err(Failed::into_error)
}

async fn known(db: &Db, wanted: u64) -> Result<StoredRevision, StoreError> {
    let found = db.call(READ, revisions(db).find_one(doc! {"_id": wanted.cast_signed()})).await?;
    let Some(found) = found.filter(|_| i64::try_from(wanted).is_ok()) else {
        let ends = beside(db, doc! {"$gt": i64::MIN}, 1).await?.zip(newest(db).await?);
        let signed = i64::try_from(wanted).unwrap_or(i64::MAX);
        let before = beside(db, doc! {"$lt": signed}, -1).await?;
        let around = before.zip(beside(db, doc! {"$gt": signed}, 1).await?);
        let unsigned = |(one, two): (i64, i64)| (one.cast_unsigned(), two.cast_unsigned());
        return Err(missing(wanted, ends.map(unsigned), around.map(unsigned)));
    };
    Ok(found)
}

/// The revision next to a number on one side.
async fn beside(db: &Db, side: Document, way: i32) -> Result<Option<i64>, StoreError> {
    let all = revisions(db);
    let find = all.find_one(doc! {"_id": side}).sort(doc! {"_id": way});
    Ok(db.call(READ, find).await?.map(|found| found.revision))
}
