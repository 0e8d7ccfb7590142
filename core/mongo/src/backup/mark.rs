//! The mark of a restore that goes on: a document that is there from before the first change until after the last. A restore
//! that was killed leaves it, and no backup is taken of what is half there.

use super::PATIENCE;
use crate::{db::Db, time::date};
use mongodb::{
    Database,
    bson::{Document, doc},
};
use tfx_ports::{StoreError, clock};

/// The collection that it stands in; it is in no backup.
pub(super) const MARK: &str = "tfx_restoring";
const WHAT: &str = "mark that a restore goes on";

/// Before the first change of a database.
pub(super) async fn set(db: &Db, database: &Database, parts: usize) -> Result<(), StoreError> {
    let parts = i64::try_from(parts).unwrap_or(i64::MAX);
    let begun = doc! {"$set": {"begun": date(clock::now()), "parts": parts}};
    let marks = database.collection::<Document>(MARK);
    let set = marks.update_one(doc! {"_id": "restore"}, begun).upsert(true);
    db.call_within(WHAT, PATIENCE, set).await.map(|_| ())
}

/// After the last one.
pub(super) async fn clear(db: &Db, database: &Database) -> Result<(), StoreError> {
    db.call_within(WHAT, PATIENCE, database.collection::<Document>(MARK).drop()).await
}

/// What is wrong with a database whose restore has not ended, and what to do.
pub(super) async fn half_restored(db: &Db) -> Result<Option<String>, StoreError> {
    let name = db.database().name();
    let Some(mark) = db.call(WHAT, db.collection::<Document>(MARK).find_one(doc! {})).await? else {
        return Ok(None);
    };
    let begun =
        mark.get_datetime("begun").ok().and_then(|at| at.try_to_rfc3339_string().ok()).unwrap_or_default();
    Ok(Some(format!(
        "a restore into {name} that began at {begun} goes on or did not come to its end: wait for it, or run it again with \
         --drop; if {name} is whole all the same, drop its collection {MARK}"
    )))
}
