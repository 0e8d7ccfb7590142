//! [`ConversionStore`]. What reports do is decided in memory ([`plan`]) from what was read before, and written under
//! the condition that it is still so: by the unique indexes for what is new, by the version for what was there.
//! If it is not, it is read and decided anew. Reads and writes of a batch are one command each, however long it is,
//! and calls that come together make one batch ([`gather`]).

mod again;
mod erase;
mod gather;
mod known;
mod list;
mod plan;
mod published;
mod record;
pub(crate) mod source_postback;
mod stored;
mod taken_again;
mod write;

use crate::db::Db;
use async_trait::async_trait;
use gather::Gather;
use mongodb::{
    Collection,
    bson::{Document, doc},
};
use published::Marking;
use record::Recording;
use std::{collections::BTreeSet, sync::Arc};
use stored::ConversionDocument;
use tfx_domain::{
    Timestamp,
    id::{ClickId, ConversionId, NetworkId},
    postback::{Conversion, Incoming},
    source_postback::SourcePostback,
};
use tfx_ports::{
    StoreError,
    conversions::{ConversionQuery, ConversionStore, Recorded},
    left_out::LeftOut,
    page::{Page, PageRequest},
};
pub(crate) use write::refused;

/// Conversions on MongoDB.
pub(crate) struct Conversions {
    db: Arc<Db>,
    recording: Gather<Recording>,
    marking: Gather<Marking>,
    left_out: LeftOut,
}

impl Conversions {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        let recording = Gather::new(Recording(Arc::clone(&db)));
        let marking = Gather::new(Marking(Arc::clone(&db)));
        Self { db, recording, marking, left_out: LeftOut::default() }
    }
}

fn conversions(db: &Db) -> Collection<ConversionDocument> {
    db.collection("conversions")
}

/// The same, whatever the documents hold.
fn documents(db: &Db) -> Collection<Document> {
    db.collection("conversions")
}

#[async_trait]
impl ConversionStore for Conversions {
    async fn record(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        self.recording.ask(record::WHAT, reports).await
    }

    async fn foresee(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        self.db.ready().await?;
        record::foresee(&self.db, reports).await
    }

    async fn is_first_told(&self, tell: &SourcePostback) -> Result<bool, StoreError> {
        source_postback::is_first(&self.db, tell).await
    }

    async fn is_later_told(&self, tell: &SourcePostback) -> Result<bool, StoreError> {
        source_postback::is_later_told(&self.db, tell).await
    }

    async fn is_first_taken(&self, later: ClickId) -> Result<bool, StoreError> {
        self.db.ready().await?;
        taken_again::is_first(&self.db, later).await
    }

    async fn not_taken(&self, later: ClickId) -> Result<(), StoreError> {
        taken_again::give_back(&self.db, later).await
    }

    async fn get(&self, id: &ConversionId) -> Result<Option<Conversion>, StoreError> {
        let all = conversions(&self.db);
        let found = self.db.call("read a conversion", all.find_one(doc! {"_id": id.as_str()})).await?;
        found.map(|stored| stored.conversion()).transpose()
    }

    async fn absent(&self, ids: &[ConversionId]) -> Result<Vec<ConversionId>, StoreError> {
        let all = self.db.collection::<Document>("conversions");
        let mut absent: BTreeSet<ConversionId> = ids.iter().cloned().collect();
        for some in ids.chunks(1_000) {
            let some: Vec<&str> = some.iter().map(ConversionId::as_str).collect();
            let find = all.find(doc! {"_id": {"$in": some}}).projection(doc! {"_id": 1});
            let there: Vec<Document> = self.db.rows("look for conversions", find).await?;
            for id in there.iter().filter_map(|row| row.get_str("_id").ok()?.parse().ok()) {
                absent.remove::<ConversionId>(&id);
            }
        }
        Ok(absent.into_iter().collect())
    }

    async fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, StoreError> {
        let all = conversions(&self.db);
        let find = all.find_one(doc! {"network": network.as_str(), "key": key});
        let found = self.db.call("read a conversion", find).await?;
        found.map(|stored| stored.conversion()).transpose()
    }

    async fn list(&self, query: &ConversionQuery) -> Result<Page<Conversion>, StoreError> {
        list::page_of(&self.db, query, &self.left_out).await
    }

    async fn unpublished(&self, page: &PageRequest) -> Result<Page<Conversion>, StoreError> {
        published::unpublished(&self.db, page, &self.left_out).await
    }

    async fn mark_published(&self, states: &[(ConversionId, u64)]) -> Result<(), StoreError> {
        if states.is_empty() {
            return Ok(());
        }
        self.marking.ask(published::WHAT, states).await.map(|_| ())
    }

    async fn publish_again(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        dry_run: bool,
    ) -> Result<u64, StoreError> {
        self.db.ready().await?;
        again::publish(&self.db, since, until, dry_run).await
    }

    async fn erase(
        &self,
        clicks: &[ClickId],
        dry_run: bool,
    ) -> Result<Vec<(ConversionId, bool)>, StoreError> {
        self.db.ready().await?;
        erase::erase(&self.db, clicks, dry_run).await
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.told()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.db.ping_writes("conversions").await
    }
}
