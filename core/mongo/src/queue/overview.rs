//! What waits in the queue, as people see it.

use super::{
    jobs,
    stored::{JobDocument, id},
};
use crate::{
    db::Db,
    paging::{after, limit, page, query_limit},
};
use futures_util::TryStreamExt;
use mongodb::bson::{Document, deserialize_from_document, doc};
use serde::Deserialize;
use std::collections::HashMap;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    left_out::LeftOut,
    page::{Page, PageRequest},
    queue::{JobKind, Share, WaitingJob},
};

pub(super) async fn waiting(
    db: &Db,
    kind: JobKind,
    prefix: &str,
    request: &PageRequest,
    left_out: &LeftOut,
) -> Result<Page<WaitingJob>, StoreError> {
    let what = "read waiting jobs";
    let limit = limit(request);
    let from = id(kind, prefix);
    let mut within = doc! {"$gte": &from, "$lt": format!("{from}{}", char::MAX)};
    if let Some(id) = after(request, |id| Some(id.to_owned()))? {
        within.insert("$gt", id);
    }
    let alive = doc! {"kind": kind.as_str(), "died": null, "_id": within};
    let all = jobs(db);
    let find = all.find(alive).sort(doc! {"_id": 1}).limit(query_limit(limit + 1));
    let found = db.rows(what, find).await?;
    let lanes: Vec<&str> = found.iter().filter_map(|d| d.get_str("lane").ok()).collect();
    let lanes = db.rows(what, super::lanes(db).find(doc! {"_id": {"$in": lanes}})).await?;
    let lanes: HashMap<&str, &Document> =
        lanes.iter().filter_map(|lane| Some((lane.get_str("_id").ok()?, lane))).collect();
    let place = |d: &Document| d.get_str("_id").unwrap_or_default().to_owned();
    let read = |d: Document| {
        let lane = d.get_str("lane").ok().and_then(|lane| lanes.get(lane));
        let due = lane.and_then(|l| l.get_datetime("due").ok()).map(|at| at.timestamp_millis());
        let held = lane.is_some_and(|l| l.get_bool("held").unwrap_or_default());
        let tries = lane.and_then(|l| u32::try_from(l.get_i64("tries").ok()?).ok()).unwrap_or_default();
        JobDocument::read(d, left_out).map(|stored| stored.waiting(due, held, tries))
    };
    Ok(page(found, limit, place).map(read).readable())
}

#[derive(Deserialize)]
struct Counted {
    #[serde(rename = "_id")]
    of: String,
    waiting: i64,
    dead: i64,
    oldest: Option<mongodb::bson::DateTime>,
    next: Option<mongodb::bson::DateTime>,
}

pub(super) async fn shares(db: &Db, kind: JobKind) -> Result<Vec<Share>, StoreError> {
    let what = "count jobs";
    // `kind/g:owner/…` or `kind/k:owner/…`.
    let rest = doc! {"$substrBytes": ["$lane", i32::try_from(kind.as_str().len() + 3).unwrap_or(0), -1]};
    let owner = doc! {"$arrayElemAt": [{"$split": [rest, "/"]}, 0]};
    let alive = doc! {"$eq": [{"$type": "$died"}, "missing"]};
    let if_alive = |value: &str| doc! {"$cond": [&alive, value, "$$REMOVE"]};
    let one = |then: i64, other: i64| doc! {"$sum": {"$cond": [&alive, then, other]}};
    let pipeline = [
        doc! {"$match": {"kind": kind.as_str()}},
        // A lane has many jobs: each is looked up once.
        doc! {"$group": {
            "_id": "$lane", "owner": {"$first": owner}, "waiting": one(1, 0), "dead": one(0, 1),
            "oldest": {"$min": if_alive("$came")},
        }},
        doc! {"$lookup": {"from": "job_lanes", "localField": "_id", "foreignField": "_id", "as": "of"}},
        doc! {"$group": {
            "_id": "$owner", "waiting": {"$sum": "$waiting"}, "dead": {"$sum": "$dead"},
            "oldest": {"$min": "$oldest"}, "next": {"$min": {"$first": "$of.due"}},
        }},
        doc! {"$sort": {"_id": 1}},
    ];
    let all = jobs(db);
    let read = async { all.aggregate(pipeline).await?.try_collect::<Vec<Document>>().await };
    let time = |at: Option<mongodb::bson::DateTime>| {
        at.and_then(|at| Timestamp::from_millisecond(at.timestamp_millis()).ok())
    };
    let share = |counted: Document| {
        let counted: Counted = deserialize_from_document(counted).map_err(|e| StoreError::broken(what, e))?;
        Ok(Share {
            of: counted.of,
            waiting: counted.waiting.unsigned_abs(),
            dead: counted.dead.unsigned_abs(),
            oldest: time(counted.oldest),
            next: time(counted.next),
        })
    };
    db.call(what, Box::pin(read)).await?.into_iter().map(share).collect()
}
