//! The mark of a restore that goes on: a document that is there from before the first change until all that it names is there. A
//! restore that was killed leaves it with what it had not ended; only a restore of that takes it away. While it is there no
//! backup is taken, and services neither read the configuration nor write.

use super::PATIENCE;
use crate::{db::Db, time::date};
use mongodb::{
    Database,
    bson::{Bson, Document, doc},
};
use tfx_ports::{StoreError, backup::named, clock};

/// The collection that it stands in; it is in no backup.
pub(crate) const MARK: &str = "tfx_restoring";
const WHAT: &str = "mark that a restore goes on";
const LOOK: &str = "look for a restore that goes on";
/// So many of what is open are named.
const NAMED: usize = 5;

/// Before the first change of a database, with the collections that are restored into it.
pub(super) async fn set(db: &Db, database: &Database, collections: &[&str]) -> Result<(), StoreError> {
    let begun = doc! {
        "$set": {"begun": date(clock::now())},
        "$addToSet": {"open": {"$each": collections}},
    };
    let marks = database.collection::<Document>(MARK);
    let set = marks.update_one(doc! {"_id": "restore"}, begun).upsert(true);
    db.call_within(WHAT, PATIENCE, set).await.map(|_| ())
}

/// All of a collection is there.
pub(super) async fn done(db: &Db, database: &Database, collection: &str) -> Result<(), StoreError> {
    let marks = database.collection::<Document>(MARK);
    let there = marks.update_one(doc! {"_id": "restore"}, doc! {"$pull": {"open": collection}});
    db.call_within(WHAT, PATIENCE, there).await.map(|_| ())
}

/// After the last change: takes it away if nothing is open.
pub(super) async fn clear(db: &Db, database: &Database) -> Result<(), StoreError> {
    let marks = database.collection::<Document>(MARK);
    let none = marks.delete_one(doc! {"_id": "restore", "open": Vec::<String>::new()});
    db.call_within(WHAT, PATIENCE, none).await?;
    if db.call_within(WHAT, PATIENCE, marks.find_one(doc! {})).await?.is_none() {
        db.call_within(WHAT, PATIENCE, marks.drop()).await?;
    }
    Ok(())
}

/// What restores into a database have left open.
pub(super) async fn open(db: &Db, database: &Database) -> Result<Vec<String>, StoreError> {
    let mark = db.call(LOOK, database.collection::<Document>(MARK).find_one(doc! {})).await?;
    Ok(mark.as_ref().map(names).unwrap_or_default())
}

fn names(mark: &Document) -> Vec<String> {
    let open = mark.get_array("open").map(Vec::as_slice).unwrap_or_default();
    open.iter().filter_map(Bson::as_str).map(str::to_owned).collect()
}

/// What is wrong with a database whose restore has not ended, and what to do.
pub(crate) async fn half_restored(db: &Db) -> Result<Option<String>, StoreError> {
    let name = db.database().name();
    let Some(mark) = db.call(LOOK, db.collection::<Document>(MARK).find_one(doc! {})).await? else {
        return Ok(None);
    };
    let begun =
        mark.get_datetime("begun").ok().and_then(|at| at.try_to_rfc3339_string().ok()).unwrap_or_default();
    let open = named(&names(&mark), NAMED);
    Ok(Some(format!(
        "a restore into {name} that began at {begun} goes on or did not come to its end ({open}): wait for tfx restore mongo, or \
         run it again with --drop; if {name} is whole all the same, drop its collection {MARK}"
    )))
}
