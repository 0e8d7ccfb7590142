//! States that wait to be published, and marking them as published.

use super::{
    conversions, documents,
    gather::Work,
    stored::Stored,
    write::{STATEMENTS, refused},
};
use crate::{db::Db, error::Failed, paging::query_limit};
use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use std::sync::Arc;
use tfx_domain::{id::ConversionId, postback::Conversion};
use tfx_ports::{StoreError, left_out::LeftOut};

pub(super) const WHAT: &str = "mark conversions published";

/// Oldest change first.
pub(super) async fn unpublished(
    db: &Db,
    limit: usize,
    left_out: &LeftOut,
) -> Result<Vec<Conversion>, StoreError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let all = documents(db);
    let waiting = all.find(doc! {"unpublished": {"$exists": true}});
    let find =
        waiting.sort(doc! {"unpublished": 1}).limit(query_limit(limit.saturating_add(LeftOut::room())));
    let stored = db.rows("read unpublished conversions", find).await?;
    Ok(stored.into_iter().filter_map(|s| Stored::read(s, left_out)).take(limit).collect())
}

/// Marks states, each by itself: one that stays unmarked is only published once more.
pub(super) struct Marking(pub(super) Arc<Db>);

#[async_trait]
impl Work for Marking {
    type Item = (ConversionId, u64);
    type Answer = ();

    async fn run(&self, states: &[Self::Item]) -> Result<Vec<()>, StoreError> {
        for some in states.chunks(STATEMENTS) {
            let statements: Vec<Document> = some.iter().map(statement).collect();
            let command = doc! {
                "update": conversions(&self.0).name(),
                "updates": statements,
                "ordered": false,
                "writeConcern": {"w": "majority", "j": true},
            };
            let done = self.0.call(WHAT, self.0.database().run_command(command)).await?;
            refused(WHAT, &done).map_err(Failed::into_error)?;
        }
        Ok(vec![(); states.len()])
    }
}

/// Unless it has moved on.
fn statement((id, version): &(ConversionId, u64)) -> Document {
    let this = doc! {"_id": id.as_str(), "version": version.cast_signed()};
    doc! {"q": this, "u": {"$unset": {"unpublished": ""}}}
}
