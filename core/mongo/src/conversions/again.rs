//! Marking states as not published, so that they are published once more: some at a time, so that no command is long.

use super::{documents, write::STATEMENTS};
use crate::{db::Db, sequence, time::date_from};
use mongodb::bson::{Document, doc};
use tfx_domain::Timestamp;
use tfx_ports::StoreError;

const WHAT: &str = "mark conversions as not published";

/// How many were marked, or would be.
pub(super) async fn publish(
    db: &Db,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    dry_run: bool,
) -> Result<u64, StoreError> {
    let mut when = Document::new();
    if let Some(since) = since {
        when.insert("$gte", date_from(since));
    }
    if let Some(until) = until {
        when.insert("$lt", date_from(until));
    }
    let mut published = doc! {"unpublished": {"$exists": false}};
    if !when.is_empty() {
        published.insert("created", when);
    }
    let (all, mut marked, mut after) = (documents(db), 0, String::new());
    loop {
        let next = doc! {"$and": [published.clone(), {"_id": {"$gt": &after}}]};
        let find = all.find(next).sort(doc! {"_id": 1_i32}).projection(doc! {"_id": 1_i32});
        let limit = i64::try_from(STATEMENTS).unwrap_or(i64::MAX);
        let found = db.rows(WHAT, find.limit(limit)).await?;
        let ids: Vec<&str> = found.iter().filter_map(|stored| stored.get_str("_id").ok()).collect();
        let Some(last) = ids.last() else { return Ok(marked) };
        marked += ids.len() as u64;
        if !dry_run {
            // One that has changed meanwhile waits already.
            let mark = |id: &&str| {
                let this = doc! {"_id": *id, "unpublished": {"$exists": false}};
                doc! {"q": this, "u": {"$set": {"unpublished": sequence::next()}}}
            };
            let marks = ids.iter().map(mark).collect();
            db.updates(WHAT, all.name(), marks, db.operation_timeout()).await?;
        }
        after = (*last).to_owned();
    }
}
