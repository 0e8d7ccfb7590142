//! [`Leases`]: one document for each name, by the server's clock.

use crate::{db::Db, error::Failed, queue::millis};
use async_trait::async_trait;
use mongodb::{
    Collection,
    bson::{DateTime, Document, doc},
    options::ReturnDocument,
};
use std::{sync::Arc, time::Duration};
use tfx_ports::{
    StoreError,
    leases::{Lease, Leases},
    queue::LONGEST_WAIT,
};

const WHAT: &str = "take a lease";

/// Leases on MongoDB.
pub(crate) struct LeaseTable(pub(crate) Arc<Db>);

impl LeaseTable {
    fn all(&self) -> Collection<Document> {
        self.0.collection("leases")
    }

    /// Sets until when a lease is held that is held now.
    async fn set(&self, what: &str, lease: &Lease, time: Duration) -> Result<bool, StoreError> {
        let fence = lease.fence.cast_signed();
        let held = doc! {"_id": &lease.name, "fence": fence, "$expr": {"$not": [is_free()]}};
        let set = vec![doc! {"$set": {"until": {"$add": ["$$NOW", millis(time)]}, "since": "$$NOW"}}];
        let done = self.0.write(what, self.all().update_one(held, set)).await.map_err(Failed::into_error)?;
        Ok(done.matched_count > 0)
    }
}

impl LeaseTable {
    /// Takes it if it was held before and is free.
    async fn try_take(&self, name: &str, time: Duration) -> Result<Option<Lease>, StoreError> {
        let free = doc! {"_id": name, "$expr": is_free()};
        let until = doc! {"$add": ["$$NOW", millis(time)]};
        let set = doc! {"fence": {"$add": ["$fence", 1_i64]}, "until": until, "since": "$$NOW"};
        let all = self.all();
        let take = all.find_one_and_update(free, vec![doc! {"$set": set}]);
        let lease = self.0.write(WHAT, take.return_document(ReturnDocument::After)).await;
        let fence = lease.map_err(Failed::into_error)?.and_then(|l| l.get_i64("fence").ok());
        Ok(fence.map(|fence| Lease { name: name.to_owned(), fence: fence.cast_unsigned() }))
    }

    /// What is held since a moment that is yet to come is held by as much from now on: the clock was set back.
    async fn hold_anew(&self, name: &str) -> Result<(), StoreError> {
        let ahead = doc! {"_id": name, "$expr": {"$gt": ["$since", "$$NOW"]}};
        let until = doc! {"$add": ["$$NOW", {"$subtract": ["$until", "$since"]}]};
        let anew = vec![doc! {"$set": {"until": until, "since": "$$NOW"}}];
        let done = self.0.write(WHAT, self.all().update_one(ahead, anew)).await;
        done.map(|_| ()).map_err(Failed::into_error)
    }
}

/// Over, or held since before the clock was set back.
pub(crate) fn is_free() -> Document {
    let never = doc! {"$add": ["$$NOW", millis(LONGEST_WAIT)]};
    doc! {"$or": [{"$lte": ["$until", "$$NOW"]}, {"$gt": ["$until", never]}]}
}

#[async_trait]
impl Leases for LeaseTable {
    async fn take(&self, name: &str, time: Duration) -> Result<Option<Lease>, StoreError> {
        self.0.whole().await?;
        if let Some(lease) = self.try_take(name, time).await? {
            return Ok(Some(lease));
        }
        // Somebody has it, or nobody ever had it.
        let first = doc! {"$setOnInsert": {"fence": 0_i64, "until": DateTime::from_millis(0)}};
        let all = self.all();
        match self.0.write(WHAT, all.update_one(doc! {"_id": name}, first).upsert(true)).await {
            Ok(made) if made.upserted_id.is_none() => self.hold_anew(name).await.map(|()| None),
            Ok(_) | Err(Failed::Taken(_)) => self.try_take(name, time).await,
            Err(e) => Err(e.into_error()),
        }
    }

    async fn renew(&self, lease: &Lease, time: Duration) -> Result<bool, StoreError> {
        self.set("hold a lease", lease, time).await
    }

    async fn release(&self, lease: &Lease) -> Result<bool, StoreError> {
        self.set("give back a lease", lease, Duration::ZERO).await
    }
}
