//! Claiming: the lanes that are due are read, claimed in one command under the condition that they are as they were, and
//! those that were won are told by a mark. A lane that somebody's transaction holds is passed over for a while: whoever died
//! in one keeps it locked for a minute.

use super::{
    jobs, lanes, millis, now,
    stored::{JobDocument, lane_id},
};
use crate::{db::Db, error::Failed, paging::query_limit};
use futures_util::future::try_join_all;
use mongodb::bson::{Bson, DateTime, Document, doc};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tfx_ports::{
    StoreError, entropy,
    left_out::LeftOut,
    queue::{ClockWatch, Job, JobKind, LONGEST_WAIT, group_lane},
};

const WHAT: &str = "claim jobs";
/// A command waits no longer for a lane that is locked.
const LOCKED: Duration = Duration::from_secs(1);
/// For so long such a lane is passed over.
const PASSED_OVER: Duration = Duration::from_secs(10);

/// Lanes that are passed over, and until when.
#[derive(Debug, Default)]
pub(super) struct LockedLanes(Mutex<Vec<(String, Instant)>>);

impl LockedLanes {
    fn add(&self, lane: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((lane.to_owned(), Instant::now() + PASSED_OVER));
    }

    fn ids(&self) -> Vec<String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|(_, until)| *until > now);
        all.iter().map(|(lane, _)| lane.clone()).collect()
    }
}

pub(super) async fn claim(
    db: &Db,
    kind: JobKind,
    (limit, but): (usize, &[String]),
    lease: Duration,
    (left_out, locked, clock): (&LeftOut, &LockedLanes, &ClockWatch),
) -> Result<Vec<Job>, StoreError> {
    let now = now(db, WHAT).await?;
    if clock.went_back(now.timestamp_millis()) {
        put_off_anew(db, now).await?;
    }
    let due = due(db, kind, limit, now, (but, &locked.ids())).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let mark = format!("{:032x}", entropy::random_u128());
    let set = doc! {
        "held": true,
        "due": {"$add": ["$$NOW", millis(lease)]},
        "since": "$$NOW",
        // It grows also when the lane was empty in between, and is made anew.
        "fence": {"$max": [{"$add": ["$fence", 1_i64]}, {"$toLong": "$$NOW"}]},
        "tries": {"$add": ["$tries", 1_i64]},
        "claim": &mark,
    };
    let statement = |lane: &Document| {
        let is = |field| lane.get(field).cloned().unwrap_or(Bson::Null);
        let as_read = doc! {"_id": is("_id"), "fence": is("fence"), "due": is("due")};
        doc! {"q": as_read, "u": [{"$set": &set}, {"$unset": "wanted"}]}
    };
    let (began, statements) = (Instant::now(), due.iter().map(statement).collect());
    let done = db.updates(WHAT, lanes(db).name(), statements, LOCKED).await;
    // Only who waited in vain met a lane that is locked.
    let locked_by = match done {
        Err(error) if began.elapsed() < LOCKED => return Err(error),
        done => done.err(),
    };
    let ids: Vec<&str> = due.iter().filter_map(|lane| lane.get_str("_id").ok()).collect();
    let won = db.rows(WHAT, lanes(db).find(doc! {"_id": {"$in": &ids}, "claim": &mark})).await?;
    if let Some(error) = locked_by {
        // One after the other, so that the first which was not won is the one that it waited for.
        let is_won = |id: &str| won.iter().any(|lane| lane.get_str("_id").is_ok_and(|won| won == id));
        let Some(stuck) = ids.iter().find(|id| !is_won(id)) else { return Err(error) };
        tracing::warn!(%error, lane = stuck, "a lane of the queue is locked and passed over for a while");
        locked.add(stuck);
    }
    let first = won.iter().map(|lane| first(db, kind, lane, left_out));
    Ok(try_join_all(first).await?.into_iter().flatten().collect())
}

/// What was put off by a clock that was ahead is put off by as much from now on.
async fn put_off_anew(db: &Db, now: DateTime) -> Result<(), StoreError> {
    let by = doc! {"$subtract": ["$due", "$since"]};
    let anew = vec![doc! {"$set": {"due": {"$add": ["$$NOW", by]}, "since": "$$NOW"}}];
    let ahead = doc! {"since": {"$gt": now}};
    let done = db.write(WHAT, lanes(db).update_many(ahead, anew)).await.map_err(Failed::into_error)?;
    if done.modified_count > 0 {
        let lanes = done.modified_count;
        tracing::warn!(lanes, "the clock was set back; jobs wait anew from now on");
    }
    Ok(())
}

/// Lanes that wait longest first, but of groups of owners.
async fn due(
    db: &Db,
    kind: JobKind,
    limit: usize,
    now: DateTime,
    (but, locked): (&[String], &[String]),
) -> Result<Vec<Document>, StoreError> {
    let never = DateTime::from_millis(now.timestamp_millis().saturating_add(millis(LONGEST_WAIT)));
    let mut due = doc! {"kind": kind.as_str(), "$or": [{"due": {"$lte": now}}, {"due": {"$gt": never}}]};
    if !but.is_empty() {
        // `0` comes behind `/`.
        let of = |owner: &String| {
            let lane = |end| lane_id(kind, &group_lane(&format!("{owner}{end}")));
            doc! {"_id": {"$gte": lane('/'), "$lt": lane('0')}}
        };
        due.insert("$nor", but.iter().map(of).collect::<Vec<_>>());
    }
    if !locked.is_empty() {
        due.insert("_id", doc! {"$nin": locked});
    }
    let all = lanes(db);
    db.rows(WHAT, all.find(due).sort(doc! {"due": 1}).limit(query_limit(limit))).await
}

/// The first job of a lane that was won. One that cannot be read holds up nobody.
async fn first(
    db: &Db,
    kind: JobKind,
    lane: &Document,
    left_out: &LeftOut,
) -> Result<Option<Job>, StoreError> {
    let id = lane.get_str("_id").unwrap_or_default();
    let all = jobs(db);
    let order = if kind.is_ordered_by_key() {
        doc! {"_id": 1}
    } else {
        doc! {"came": 1, "_id": 1}
    };
    let alive = || all.find(doc! {"lane": id, "died": null}).sort(order.clone());
    let mut found = db.rows(WHAT, alive().limit(1)).await?;
    if found.is_empty() {
        // Unless one is being put in just now.
        let empty = doc! {"_id": id, "claim": lane.get_str("claim").unwrap_or_default(), "wanted": null};
        db.call(WHAT, lanes(db).delete_one(empty)).await?;
        return Ok(None);
    }
    let mut stored = found.pop().and_then(|d| JobDocument::read(d, left_out).ok());
    if stored.is_none() {
        let more = db.rows(WHAT, alive().limit(query_limit(LeftOut::room() + 1))).await?;
        stored = more.into_iter().find_map(|d| JobDocument::read(d, left_out).ok());
    }
    let number = |field| lane.get_i64(field).unwrap_or_default();
    let tries = u32::try_from(number("tries") - 1).unwrap_or_default();
    let name = id.strip_prefix(kind.as_str()).and_then(|n| n.strip_prefix('/')).unwrap_or(id).to_owned();
    Ok(stored.map(|s| s.job(kind, name, tries, number("fence").cast_unsigned())))
}
