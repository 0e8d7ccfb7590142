//! Entities: a collection for each kind.

use super::{REVISION_ID, Revision};
use crate::{
    db::Db,
    error::Failed,
    paging::{after, limit, page, query_limit},
};
use futures_util::TryStreamExt;
use mongodb::{
    ClientSession, Collection,
    bson::{Document, doc},
    options::ReadConcern,
};
use serde::{Deserialize, Serialize};
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    config::{NewRecord, Record, RecordQuery},
    page::Page,
};

/// An entity as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredRecord {
    #[serde(rename = "_id")]
    id: String,
    /// The revision that created it: the order of lists.
    seq: i64,
    parent: String,
    slug: String,
    status: String,
    /// The bits of a `u64`.
    version: i64,
    /// RFC 3339, as given; so are all times here.
    created_at: String,
    updated_at: String,
    /// The text of the JSON.
    spec: String,
    /// Former slugs; missing where there are none, so that its index holds only who has some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
}

impl StoredRecord {
    pub(super) fn new(record: &Record, seq: i64) -> Self {
        Self {
            id: record.id.clone(),
            seq,
            parent: record.parent.clone(),
            slug: record.slug.clone(),
            status: record.status.as_str().to_owned(),
            version: record.version.cast_signed(),
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
            spec: record.spec.to_string(),
            aliases: record.aliases().into_iter().map(str::to_owned).collect(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The bytes of its longest texts.
    pub(super) fn size(&self) -> usize {
        self.spec.len()
    }

    /// As far as this program knows what it reads: another one may have written it.
    fn record(self, kind: Kind) -> Record {
        let stored = NewRecord {
            kind,
            id: self.id,
            parent: self.parent,
            slug: self.slug,
            status: &self.status,
            version: self.version.cast_unsigned(),
            created_at: &self.created_at,
            updated_at: &self.updated_at,
            spec: &self.spec,
        };
        stored.record()
    }
}

/// Those that can be read; the others are told and left out.
fn readable(kind: Kind, found: Vec<Document>) -> Vec<StoredRecord> {
    let read = |document: Document| {
        let id = document.get("_id").map(ToString::to_string).unwrap_or_default();
        let stored = mongodb::bson::deserialize_from_document::<StoredRecord>(document);
        stored
            .inspect_err(
                |error| tracing::warn!(%kind, id, %error, "an entity that cannot be read is left out"),
            )
            .ok()
    };
    found.into_iter().filter_map(read).collect()
}

/// What an update changes; the rest stays as it was created.
pub(super) fn changed_fields(record: &Record) -> Document {
    let mut set = doc! {
        "parent": &record.parent,
        "slug": &record.slug,
        "status": record.status.as_str(),
        "version": record.version.cast_signed(),
        "updated_at": record.updated_at.to_string(),
        "spec": record.spec.to_string(),
    };
    let aliases = record.aliases();
    if aliases.is_empty() {
        return doc! {"$set": set, "$unset": {"aliases": ""}};
    }
    set.insert("aliases", aliases);
    doc! {"$set": set}
}

/// Finds who else has one of these names in that place, as a slug or as a former one.
pub(super) fn others_named(record: &Record) -> Document {
    let mut names = record.aliases();
    names.push(&record.slug);
    doc! {
        "parent": &record.parent,
        "_id": {"$ne": &record.id},
        "$or": [{"slug": {"$in": &names}}, {"aliases": {"$in": &names}}],
    }
}

/// The bytes of its longest text, about.
pub(super) fn size(record: &Record) -> usize {
    record.spec.to_string().len()
}

pub(super) fn collection(db: &Db, kind: Kind) -> Collection<StoredRecord> {
    db.collection(kind.plural())
}

pub(super) async fn get(db: &Db, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
    one(db, kind, doc! {"_id": id}).await
}

pub(super) async fn find(
    db: &Db,
    kind: Kind,
    parent: &str,
    slug: &str,
) -> Result<Option<Record>, StoreError> {
    match one(db, kind, doc! {"parent": parent, "slug": slug}).await? {
        None => one(db, kind, doc! {"parent": parent, "aliases": slug}).await,
        found => Ok(found),
    }
}

async fn one(db: &Db, kind: Kind, filter: Document) -> Result<Option<Record>, StoreError> {
    let found = db.call("read an entity", collection(db, kind).find_one(filter)).await?;
    Ok(found.map(|stored| stored.record(kind)))
}

pub(super) async fn list(db: &Db, query: &RecordQuery) -> Result<Page<Record>, StoreError> {
    let from = after(&query.page, |cursor| cursor.parse::<i64>().ok())?.unwrap_or(0);
    let limit = limit(&query.page);
    let mut filter = doc! {"seq": {"$gt": from}};
    if let Some(parent) = &query.parent {
        filter.insert("parent", parent);
    }
    if !query.statuses.is_empty() {
        let words: Vec<&str> = query.statuses.iter().map(|s| s.as_str()).collect();
        filter.insert("status", doc! {"$in": words});
    }
    let all = db.collection::<Document>(query.kind.plural());
    let find = all.find(filter).sort(doc! {"seq": 1}).limit(query_limit(limit + 1));
    let found = db.rows("list entities", find).await?;
    let found = page(found, limit, |last| last.get_i64("seq").unwrap_or_default().to_string());
    let items = readable(query.kind, found.items).into_iter().map(|s| s.record(query.kind)).collect();
    Ok(Page { items, next: found.next, left_out: found.left_out })
}

/// All entities and their revision, in one snapshot. Tried again while the server cannot give one yet: just after
/// a collection was made.
pub(super) async fn load(db: &Db) -> Result<(u64, Vec<Record>), StoreError> {
    let mut retry = db.retry();
    loop {
        match load_once(db).await {
            Err(Failed::Conflict(e)) => retry.pause(e).await?,
            other => return other.map_err(Failed::into_error),
        }
    }
}

async fn load_once(db: &Db) -> Result<(u64, Vec<Record>), Failed> {
    let what = "load the configuration";
    let mut session = db.snapshot(what).await?;
    let revision = revision(db, what, &mut session).await?;
    Ok((revision, found(db, what, None, &mut session).await?))
}

/// The revision, and what changed after `since`, in one snapshot: what the audit log names. It has a
/// line of each revision; a log that does not reach so far back cannot tell, and then it is everything.
pub(super) async fn changed_since(db: &Db, since: u64) -> Result<(u64, Vec<Record>), StoreError> {
    let mut retry = db.retry();
    loop {
        match changed_once(db, since).await {
            Err(Failed::Conflict(e)) => retry.pause(e).await?,
            other => return other.map_err(Failed::into_error),
        }
    }
}

async fn changed_once(db: &Db, since: u64) -> Result<(u64, Vec<Record>), Failed> {
    let what = "read what changed";
    let mut session = db.snapshot(what).await?;
    let now = revision(db, what, &mut session).await?;
    if now == since {
        return Ok((now, Vec::new()));
    }
    let lines = db.step(what, Box::pin(lines_since(db, since, &mut session))).await?;
    let complete = now.checked_sub(since) == u64::try_from(lines.len()).ok();
    let of = complete.then(|| lines.into_iter().filter_map(super::audit::StoredEntry::into_entity).collect());
    Ok((now, found(db, what, of, &mut session).await?))
}

async fn revision(db: &Db, what: &str, session: &mut ClientSession) -> Result<u64, Failed> {
    let revisions = db.collection::<Revision>("revision");
    // Said again for each read: the database's own read concern would win over the session's.
    let find = revisions.find_one(doc! {"_id": REVISION_ID}).read_concern(ReadConcern::snapshot());
    Ok(db.step(what, find.session(session)).await?.map_or(0, |r| r.value.cast_unsigned()))
}

/// Entities, the oldest first: those named, or all.
async fn found(
    db: &Db,
    what: &str,
    of: Option<Vec<(Kind, String)>>,
    session: &mut ClientSession,
) -> Result<Vec<Record>, Failed> {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let filter = match &of {
            None => doc! {},
            Some(of) => {
                let ids: Vec<&String> = of.iter().filter(|(k, _)| *k == kind).map(|(_, id)| id).collect();
                if ids.is_empty() {
                    continue;
                }
                doc! {"_id": {"$in": ids}}
            }
        };
        for stored in db.step(what, Box::pin(all_of(db, kind, filter, session))).await? {
            found.push((stored.seq, stored.record(kind)));
        }
    }
    found.sort_by_key(|(seq, _)| *seq);
    Ok(found.into_iter().map(|(_, record)| record).collect())
}

/// All entities as a transaction sees them, the oldest first, each with the number that created it.
pub(super) async fn stand(
    db: &Db,
    what: &str,
    session: &mut ClientSession,
) -> Result<Vec<(i64, Record)>, Failed> {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let read = async {
            let mut cursor =
                db.collection::<Document>(kind.plural()).find(doc! {}).session(&mut *session).await?;
            cursor.stream(&mut *session).try_collect::<Vec<Document>>().await
        };
        let stored = readable(kind, db.step(what, Box::pin(read)).await?);
        found.extend(stored.into_iter().map(|stored| (stored.seq, stored.record(kind))));
    }
    found.sort_by_key(|(seq, _)| *seq);
    Ok(found)
}

async fn lines_since(
    db: &Db,
    since: u64,
    session: &mut ClientSession,
) -> mongodb::error::Result<Vec<super::audit::StoredEntry>> {
    let log = db.collection::<super::audit::StoredEntry>("audit");
    let find =
        log.find(doc! {"revision": {"$gt": since.cast_signed()}}).read_concern(ReadConcern::snapshot());
    let mut cursor = find.session(&mut *session).await?;
    cursor.stream(session).try_collect().await
}

async fn all_of(
    db: &Db,
    kind: Kind,
    filter: Document,
    session: &mut ClientSession,
) -> mongodb::error::Result<Vec<StoredRecord>> {
    let all = db.collection::<Document>(kind.plural());
    let mut cursor = all.find(filter).read_concern(ReadConcern::snapshot()).session(&mut *session).await?;
    let found: Vec<Document> = cursor.stream(session).try_collect().await?;
    Ok(readable(kind, found))
}
