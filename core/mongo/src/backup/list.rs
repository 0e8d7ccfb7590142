//! What a database holds: collections, views and time series with their options and indexes, as the server says them.

use super::{PATIENCE, mark::MARK};
use crate::{
    archive::{Kind, Metadata, Namespace},
    db::Db,
    error::{code, store_error},
};
use futures_util::TryStreamExt;
use mongodb::{
    Database,
    bson::{Bson, Document, doc},
};
use tfx_ports::StoreError;

const WHAT: &str = "list what is in the database";
const NAMESPACE_NOT_FOUND: i32 = 26;

/// Everything of a database, by name.
pub(super) async fn namespaces(db: &Db, database: &Database) -> Result<Vec<Namespace>, StoreError> {
    let mut all = Vec::new();
    for found in cursor(db, database, doc! {"listCollections": 1_i32}).await? {
        let Ok(name) = found.get_str("name") else { continue };
        let word = found.get_str("type").unwrap_or("collection");
        if is_the_servers(name) || name == MARK {
            continue;
        }
        let unknown = || StoreError::Broken {
            what: format!("{WHAT}: {name} is a {word}, which is not known"),
            source: None,
        };
        let kind = Kind::of(word).ok_or_else(unknown)?;
        let options = found.get_document("options").cloned().unwrap_or_default();
        let uuid = found.get_document("info").ok().and_then(|info| uuid(info.get("uuid")?));
        let indexes = match kind {
            Kind::View => Vec::new(),
            Kind::Collection | Kind::TimeSeries => indexes(db, database, name).await?,
        };
        all.push(Namespace {
            database: database.name().to_owned(),
            collection: name.to_owned(),
            metadata: Metadata { options, indexes, uuid: uuid.filter(|_| kind == Kind::Collection), kind },
        });
    }
    all.sort_by(|a, b| a.collection.cmp(&b.collection));
    Ok(all)
}

/// What the server makes by itself, or keeps the rest in; the code of users is theirs.
fn is_the_servers(collection: &str) -> bool {
    collection.starts_with("system.") && collection != "system.js"
}

async fn indexes(db: &Db, database: &Database, collection: &str) -> Result<Vec<Document>, StoreError> {
    cursor(db, database, doc! {"listIndexes": collection}).await
}

async fn cursor(db: &Db, database: &Database, command: Document) -> Result<Vec<Document>, StoreError> {
    let read = async { database.run_cursor_command(command).await?.try_collect().await };
    match tokio::time::timeout(PATIENCE, Box::pin(read)).await {
        Ok(Ok(rows)) => Ok(rows),
        // Gone since it was listed: the list is read again.
        Ok(Err(e)) if code(&e) == Some(NAMESPACE_NOT_FOUND) => Ok(Vec::new()),
        Ok(Err(e)) => Err(store_error(WHAT, e)),
        Err(_) => Err(crate::error::timed_out(WHAT, db.operation_timeout().max(PATIENCE))),
    }
}

fn uuid(value: &Bson) -> Option<String> {
    let Bson::Binary(binary) = value else { return None };
    Some(binary.bytes.iter().map(|b| format!("{b:02x}")).collect())
}
