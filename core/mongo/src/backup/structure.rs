//! Makes and drops what documents stand in: collections, time series, views, indexes, with the options that the archive has.

use super::PATIENCE;
use crate::{
    archive::Metadata,
    db::Db,
    error::{code, describe, store_error, timed_out},
};
use mongodb::{
    Database,
    bson::{Bson, Document, doc},
    error::Error as DriverError,
};
use tfx_ports::StoreError;
use tokio::time::timeout;

const MAKE: &str = "make a collection";
const NAMESPACE_EXISTS: i32 = 48;
/// What the server lists of a collection and does not take when one is made.
const NOT_TAKEN: &[&str] = &["autoIndexId", "flags", "idIndex", "temp"];

/// Makes it; false if it was there, and stays as it is.
pub(super) async fn make(
    db: &Db,
    database: &Database,
    collection: &str,
    metadata: &Metadata,
) -> Result<bool, StoreError> {
    let mut command = doc! {"create": collection};
    command
        .extend(metadata.options.clone().into_iter().filter(|(name, _)| !NOT_TAKEN.contains(&name.as_str())));
    command.insert("writeConcern", durable());
    match timeout(PATIENCE, database.run_command(command).into_future()).await {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(e)) if code(&e) == Some(NAMESPACE_EXISTS) => Ok(false),
        Ok(Err(e)) => Err(store_error(&format!("{MAKE} {collection}"), e)),
        Err(_) => Err(timed_out(&format!("{MAKE} {collection}"), db.operation_timeout().max(PATIENCE))),
    }
}

/// Drops it, if it is there.
pub(super) async fn remove(db: &Db, database: &Database, collection: &str) -> Result<(), StoreError> {
    let all = database.collection::<Document>(collection);
    db.call_within(&format!("drop {collection}"), PATIENCE, all.drop()).await
}

/// Makes its indexes, which takes as long as it takes; tells how many were made and what the server said of others.
pub(super) async fn index(
    database: &Database,
    collection: &str,
    metadata: &Metadata,
) -> Result<(usize, Vec<String>), StoreError> {
    let wanted: Vec<Document> =
        metadata.indexes.iter().filter(|i| !comes_by_itself(i)).map(as_taken).collect();
    if wanted.is_empty() {
        return Ok((0, Vec::new()));
    }
    // All in one pass over the documents; one after the other only to learn which one is refused.
    if create(database, collection, &wanted).await.is_ok() {
        return Ok((wanted.len(), Vec::new()));
    }
    let (mut made, mut refused) = (0, Vec::new());
    for index in wanted {
        let name = index.get_str("name").unwrap_or_default().to_owned();
        match create(database, collection, &[index]).await {
            Ok(()) => made += 1,
            Err(e) if code(&e).is_some() => refused.push(format!("index {name}: {}", describe(&e))),
            Err(e) => return Err(store_error(&format!("make the index {name} of {collection}"), e)),
        }
    }
    Ok((made, refused))
}

async fn create(database: &Database, collection: &str, indexes: &[Document]) -> Result<(), DriverError> {
    let command = doc! {"createIndexes": collection, "indexes": indexes, "writeConcern": durable()};
    database.run_command(command).await.map(|_| ())
}

/// The server makes the index of `_id` with the collection.
pub(super) fn comes_by_itself(index: &Document) -> bool {
    let of_id = index.get_document("key").is_ok_and(|key| key.len() == 1 && key.contains_key("_id"));
    let is_hashed =
        index.get_document("key").is_ok_and(|key| matches!(key.get("_id"), Some(Bson::String(_))));
    (of_id && !is_hashed) || index.contains_key("clustered")
}

/// Older servers listed what newer ones refuse.
fn as_taken(index: &Document) -> Document {
    index.clone().into_iter().filter(|(name, _)| !matches!(name.as_str(), "ns" | "originalSpec")).collect()
}

fn durable() -> Document {
    doc! {"w": "majority", "j": true}
}
