//! [`ErasedList`]: one document for each person that was erased, by a keyed hash.

use crate::{db::Db, error::Failed, time::date};
use async_trait::async_trait;
use mongodb::{
    Collection,
    bson::{Document, doc},
};
use std::sync::Arc;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    erasure::{ErasedEntry, ErasedList},
};

const WHAT: &str = "keep the list of what was erased";

/// The list on MongoDB.
pub(crate) struct Erased(pub(crate) Arc<Db>);

impl Erased {
    fn all(&self) -> Collection<Document> {
        self.0.collection("erased")
    }
}

#[async_trait]
impl ErasedList for Erased {
    async fn keep(&self, entry: &ErasedEntry) -> Result<(), StoreError> {
        self.0.whole().await?;
        let body = serde_json::to_string(entry).map_err(|e| StoreError::broken(WHAT, e))?;
        let mut document = doc! {"_id": &entry.id, "body": body};
        if let Some(until) = entry.until {
            document.insert("until", date(until));
        }
        let all = self.all();
        let keep = all.replace_one(doc! {"_id": &entry.id}, document).upsert(true);
        self.0.write(WHAT, keep).await.map(|_| ()).map_err(Failed::into_error)
    }

    async fn entries(&self) -> Result<Vec<ErasedEntry>, StoreError> {
        let all = self.all();
        let rows = self.0.rows(WHAT, all.find(doc! {}).sort(doc! {"_id": 1})).await?;
        let read = |row: &Document| {
            let body = row.get_str("body").map_err(|e| StoreError::broken(WHAT, e))?;
            serde_json::from_str(body).map_err(|e| StoreError::broken(WHAT, e))
        };
        rows.iter().map(read).collect()
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        let all = self.all();
        let over = all.delete_many(doc! {"until": {"$lte": date(now)}});
        let done = self.0.write(WHAT, over).await.map_err(Failed::into_error)?;
        Ok(done.deleted_count)
    }

    /// Room of deleted documents is the server's, which uses it again.
    async fn wipe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
