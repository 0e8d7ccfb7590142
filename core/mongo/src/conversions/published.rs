//! States that wait to be published, and marking them as published.

use super::{conversions, documents, gather::Work, stored::ConversionDocument, write::STATEMENTS};
use crate::{
    db::Db,
    paging::{after, limit, page, query_limit},
};
use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use std::sync::Arc;
use tfx_domain::{id::ConversionId, postback::Conversion};
use tfx_ports::{
    StoreError,
    left_out::LeftOut,
    page::{Page, PageRequest},
};

pub(super) const WHAT: &str = "mark conversions published";

/// Oldest change first.
pub(super) async fn unpublished(
    db: &Db,
    request: &PageRequest,
    left_out: &LeftOut,
) -> Result<Page<Conversion>, StoreError> {
    let limit = limit(request);
    let mut waiting = vec![doc! {"unpublished": {"$exists": true}}];
    if let Some((number, id)) = after(request, parse_place)? {
        // Numbers are unique in a process: what shares the last one's may not have been on its page.
        waiting.push(doc! {"unpublished": {"$gte": number}, "_id": {"$ne": id}});
    }
    let all = documents(db);
    let find = all.find(doc! {"$and": waiting}).sort(doc! {"unpublished": 1});
    let stored = db.rows("read unpublished conversions", find.limit(query_limit(limit + 1))).await?;
    Ok(page(stored, limit, place).map(|s| ConversionDocument::read(s, left_out)).readable())
}

/// `NUMBER.ID`
fn place(last: &Document) -> String {
    let number = last.get_i64("unpublished").unwrap_or_default();
    format!("{number}.{}", last.get_str("_id").unwrap_or_default())
}

fn parse_place(cursor: &str) -> Option<(i64, String)> {
    let (number, id) = cursor.split_once('.')?;
    Some((number.parse().ok()?, id.to_owned()))
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
            let all = conversions(&self.0);
            self.0.updates(WHAT, all.name(), statements, self.0.operation_timeout()).await?;
        }
        Ok(vec![(); states.len()])
    }
}

/// Unless it has moved on.
fn statement((id, version): &(ConversionId, u64)) -> Document {
    let this = doc! {"_id": id.as_str(), "version": version.cast_signed()};
    doc! {"q": this, "u": {"$unset": {"unpublished": ""}}}
}
