//! [`ConversionStore`] on `config.db`.

mod again;
mod erase;
mod list;
mod record;
pub(crate) mod source_postback;
mod taken_again;

use crate::db::Database;
use async_trait::async_trait;
use std::sync::Arc;
use tfx_domain::{
    Timestamp,
    id::{ClickId, ConversionId, NetworkId},
    postback::{Conversion, Incoming, Standing as _},
    source_postback::SourcePostback,
};
use tfx_ports::{
    StoreError,
    conversions::{ConversionQuery, ConversionStore, Recorded},
    left_out::LeftOut,
    page::{Page, PageRequest},
};

/// Conversions on SQLite.
pub(crate) struct Conversions {
    db: Arc<Database<()>>,
    left_out: Arc<LeftOut>,
}

impl Conversions {
    pub(crate) fn new(db: Arc<Database<()>>) -> Self {
        Self { db, left_out: Arc::default() }
    }
}

#[async_trait]
impl ConversionStore for Conversions {
    async fn record(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        let reports = reports.to_vec();
        let work = move |conn: &_, (): &mut ()| reports.iter().map(|r| record::record(conn, r)).collect();
        self.db.write("record conversions", work).await
    }

    async fn foresee(&self, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
        let reports = reports.to_vec();
        let work = move |conn: &_, (): &mut ()| record::foresee(conn, &reports);
        self.db.write("foresee conversions", work).await
    }

    async fn is_first_told(&self, tell: &SourcePostback) -> Result<bool, StoreError> {
        let tell = tell.clone();
        self.db
            .write("tell a source of a conversion", move |conn, ()| source_postback::is_first(conn, &tell))
            .await
    }

    async fn is_later_told(&self, tell: &SourcePostback) -> Result<bool, StoreError> {
        let tell = tell.clone();
        self.db
            .write("tell a source of a conversion", move |conn, ()| {
                source_postback::is_later_told(conn, &tell)
            })
            .await
    }

    async fn is_first_taken(&self, later: ClickId) -> Result<bool, StoreError> {
        let take = move |conn: &_, (): &mut ()| taken_again::is_first(conn, later);
        self.db.write("take a postback again", take).await
    }

    async fn not_taken(&self, later: ClickId) -> Result<(), StoreError> {
        let give_back = move |conn: &_, (): &mut ()| taken_again::give_back(conn, later);
        self.db.write("take a postback again", give_back).await
    }

    async fn get(&self, id: &ConversionId) -> Result<Option<Conversion>, StoreError> {
        let id = id.clone();
        self.db.read("read a conversion", move |conn| list::get(conn, &id)).await
    }

    async fn absent(&self, ids: &[ConversionId]) -> Result<Vec<ConversionId>, StoreError> {
        let ids = ids.to_vec();
        self.db.scan("look for conversions", move |conn| list::absent(conn, ids)).await
    }

    async fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, StoreError> {
        let (network, key) = (network.clone(), key.to_owned());
        self.db
            .read("read a conversion", move |conn| record::StoredConversions(conn).by_key(&network, &key))
            .await
    }

    async fn list(&self, query: &ConversionQuery) -> Result<Page<Conversion>, StoreError> {
        let (query, left_out) = (query.clone(), Arc::clone(&self.left_out));
        self.db.scan("list conversions", move |conn| list::list(conn, &query, &left_out)).await
    }

    async fn unpublished(&self, page: &PageRequest) -> Result<Page<Conversion>, StoreError> {
        let (request, left_out) = (page.clone(), Arc::clone(&self.left_out));
        let read = move |conn: &_| list::unpublished(conn, &request, &left_out);
        self.db.read("read unpublished conversions", read).await
    }

    async fn mark_published(&self, states: &[(ConversionId, u64)]) -> Result<(), StoreError> {
        if states.is_empty() {
            return Ok(());
        }
        let states = states.to_vec();
        self.db
            .write("mark conversions published", move |conn, ()| record::mark_published(conn, &states))
            .await
    }

    async fn publish_again(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        dry_run: bool,
    ) -> Result<u64, StoreError> {
        let (mut marked, mut after) = (0, again::Place::before(since));
        loop {
            let work = move |conn: &_, (): &mut ()| again::mark(conn, &after, until, dry_run);
            let step = self.db.write(again::WHAT, work).await?;
            marked += step.marked;
            match step.next {
                Some(next) => after = next,
                None => return Ok(marked),
            }
        }
    }

    async fn erase(
        &self,
        clicks: &[ClickId],
        dry_run: bool,
    ) -> Result<Vec<(ConversionId, bool)>, StoreError> {
        let clicks = clicks.to_vec();
        self.db
            .write("erase a person from conversions", move |conn, ()| erase::erase(conn, &clicks, dry_run))
            .await
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.told()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.db.ping_writes().await
    }
}
