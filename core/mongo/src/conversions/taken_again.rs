//! Lines of the postback log that were taken again: a name each among those that are taken once, for good. No conversion's id
//! begins like them.

use crate::{db::Db, error::Failed};
use mongodb::{
    Collection,
    bson::{Document, doc},
};
use tfx_domain::id::ClickId;
use tfx_ports::StoreError;

const WHAT: &str = "take a postback again";

/// Whether it is the first time.
pub(super) async fn is_first(db: &Db, later: ClickId) -> Result<bool, StoreError> {
    let whose = doc! {"$setOnInsert": {"conversion": ""}};
    let all = told(db);
    match db.write(WHAT, all.update_one(name(later), whose).upsert(true)).await {
        Ok(done) => Ok(done.upserted_id.is_some()),
        // Somebody else was first.
        Err(Failed::Taken(_)) => Ok(false),
        Err(e) => Err(e.into_error()),
    }
}

/// It was not.
pub(super) async fn give_back(db: &Db, later: ClickId) -> Result<(), StoreError> {
    let all = told(db);
    db.write(WHAT, all.delete_one(name(later))).await.map(|_| ()).map_err(Failed::into_error)
}

fn told(db: &Db) -> Collection<Document> {
    db.collection("told")
}

fn name(later: ClickId) -> Document {
    doc! {"_id": format!("again/{later}")}
}
