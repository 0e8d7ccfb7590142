//! What is done in a transaction: by itself, or in that of the state that causes a job.

use super::{
    jobs, lanes, millis,
    parked::parked,
    stored::{document, id, lane_id},
};
use crate::{conversions::refused, db::Db, error::Failed};
use mongodb::{
    ClientSession,
    bson::{Bson, Document, doc},
};
use std::time::Duration;
use tfx_ports::{
    StoreError,
    queue::{Job, JobKind, NewJob, group_lane, own_lane},
};

/// What is a transaction of its own, and may be repeated.
pub(super) enum Change<'c> {
    /// A job comes in, due after a time.
    Enqueue(&'c NewJob, Duration),
    /// A parked postback of a version before, by its `_id`, becomes a job that is due.
    TakeOver(&'c Bson, &'c NewJob),
    /// A job goes, whatever its state.
    Remove(JobKind, &'c str),
    /// A dead job is due again, after a time.
    Revive(JobKind, &'c str, Duration),
}

/// Makes a change; whether there was something to be changed.
pub(super) async fn alone(db: &Db, what: &str, change: &Change<'_>) -> Result<bool, StoreError> {
    let mut retry = db.retry();
    loop {
        match attempt(db, what, change).await {
            Ok(done) => return Ok(done),
            Err(Failed::Refused(e)) => return Err(e),
            Err(e) => retry.pause(e.into_error()).await?,
        }
    }
}

async fn attempt(db: &Db, what: &str, change: &Change<'_>) -> Result<bool, Failed> {
    let mut session = db.begin(what).await?;
    let steps = match change {
        Change::Enqueue(job, after) => enqueue(db, &mut session, job, *after).await.map(|()| true),
        Change::TakeOver(id, job) => take_over(db, &mut session, id, job).await.map(|()| true),
        Change::Remove(kind, key) => remove(db, &mut session, *kind, key).await,
        Change::Revive(kind, key, after) => revive(db, &mut session, *kind, key, *after).await,
    };
    db.end(what, session, steps).await
}

async fn take_over(db: &Db, session: &mut ClientSession, id: &Bson, job: &NewJob) -> Result<(), Failed> {
    enqueue(db, session, job, Duration::ZERO).await?;
    let all = parked(db);
    db.step("take over a parked postback", all.delete_one(doc! {"_id": id}).session(session))
        .await
        .map(|_| ())
}

/// Puts a job in, in the transaction of what causes it.
pub(super) async fn enqueue(
    db: &Db,
    session: &mut ClientSession,
    job: &NewJob,
    after: Duration,
) -> Result<(), Failed> {
    let what = "put a job in";
    let new = document(job);
    let (this, lane) = (doc! {"_id": new.get_str("_id").unwrap_or_default()}, lane_id(job.kind, &job.lane()));
    // One that is there and not dead stays as it is.
    let there = doc! {"$and": [
        {"$ne": [{"$type": "$payload"}, "missing"]},
        {"$eq": [{"$type": "$died"}, "missing"]},
    ]};
    let put = vec![doc! {"$replaceWith": {"$cond": [there, "$$ROOT", {"$literal": new}]}}];
    let done = db.step(what, jobs(db).update_one(this, put).upsert(true).session(&mut *session)).await?;
    if done.upserted_id.is_none() && done.modified_count == 0 {
        return Ok(());
    }
    let due = doc! {"$add": ["$$NOW", millis(after)]};
    wake(db, what, session, job.kind, lane, due.into(), 0).await
}

/// Puts jobs in that were never there, in the transaction of what causes them, with two commands.
pub(crate) async fn enqueue_new(
    db: &Db,
    session: &mut ClientSession,
    new: &[(NewJob, Duration)],
) -> Result<(), Failed> {
    let what = "put jobs in";
    let documents: Vec<Document> = new.iter().map(|(job, _)| document(job)).collect();
    db.step(what, jobs(db).insert_many(documents).session(&mut *session)).await?;
    let statements = new.iter().map(|(job, after)| {
        let due = doc! {"$add": ["$$NOW", millis(*after)]};
        let set = woken(job.kind, &due.into(), 0);
        doc! {"q": {"_id": lane_id(job.kind, &job.lane())}, "u": [{"$set": set}], "upsert": true}
    });
    let command = doc! {"update": lanes(db).name(), "updates": statements.collect::<Vec<_>>()};
    let done = db.step(what, db.database().run_command(command).session(session)).await?;
    refused(what, &done)
}

/// Puts jobs in, due at once, in the transaction of what causes them.
pub(crate) async fn enqueue_each(
    db: &Db,
    session: &mut ClientSession,
    jobs: &[NewJob],
) -> Result<(), Failed> {
    for job in jobs {
        enqueue(db, session, job, Duration::ZERO).await?;
    }
    Ok(())
}

/// Makes a lane due, in its turn if it is held.
async fn wake(
    db: &Db,
    what: &str,
    session: &mut ClientSession,
    kind: JobKind,
    lane: String,
    due: Bson,
    tries: i64,
) -> Result<(), Failed> {
    let all = lanes(db);
    let wake = all.update_one(doc! {"_id": lane}, vec![doc! {"$set": woken(kind, &due, tries)}]).upsert(true);
    db.step(what, wake.session(session)).await.map(|_| ())
}

/// The fields of a lane that is woken.
fn woken(kind: JobKind, due: &Bson, tries: i64) -> Document {
    let held = doc! {"$eq": ["$held", true]};
    let sooner = |field: &str| doc! {"$min": [due, field]};
    let stays = doc! {"$or": [&held, {"$lte": ["$due", due]}]};
    doc! {
        "kind": kind.as_str(),
        "held": {"$ifNull": ["$held", false]},
        "fence": {"$ifNull": ["$fence", 0_i64]},
        "tries": {"$ifNull": ["$tries", tries]},
        "since": {"$cond": [stays, {"$ifNull": ["$since", "$$NOW"]}, "$$NOW"]},
        "due": {"$cond": [&held, "$due", sooner("$due")]},
        "wanted": {"$cond": [&held, sooner("$wanted"), "$$REMOVE"]},
    }
}

/// Gives a job a lane of its own.
pub(super) async fn aside(
    db: &Db,
    what: &str,
    job: &Job,
    after: Duration,
    session: &mut ClientSession,
) -> Result<(), Failed> {
    let own = lane_id(job.kind, &own_lane(&job.key));
    let set = doc! {"$set": {"lane": &own}};
    let this = doc! {"_id": id(job.kind, &job.key)};
    db.step(what, jobs(db).update_one(this, set).session(&mut *session)).await?;
    // It may be there already.
    db.step(what, lanes(db).delete_one(doc! {"_id": &own}).session(&mut *session)).await?;
    let due = doc! {"$add": ["$$NOW", millis(after)]};
    wake(db, what, session, job.kind, own, due.into(), i64::from(job.tries) + 1).await
}

/// The keys of a group's jobs, and whether each waits.
pub(crate) async fn of_group(
    db: &Db,
    session: &mut ClientSession,
    kind: JobKind,
    group: &str,
) -> Result<Vec<(String, bool)>, Failed> {
    let what = "look for jobs";
    let of_it = doc! {"lane": lane_id(kind, &group_lane(group))};
    let find = doc! {
        "find": jobs(db).name(), "filter": of_it, "projection": {"key": 1, "died": 1}, "batchSize": 1000,
        "singleBatch": true,
    };
    let found = db.step(what, db.database().run_command(find).session(session)).await?;
    let found = found.get_document("cursor").and_then(|c| c.get_array("firstBatch"));
    let read = |one: &Bson| {
        let one = one.as_document()?;
        Some((one.get_str("key").ok()?.to_owned(), one.get("died").is_none_or(|d| *d == Bson::Null)))
    };
    Ok(found.map(|all| all.iter().filter_map(read).collect()).unwrap_or_default())
}

/// Takes a job off, and its lane where that was its last; whether it was there.
async fn remove(db: &Db, session: &mut ClientSession, kind: JobKind, key: &str) -> Result<bool, Failed> {
    let what = "remove a job";
    let all = jobs(db);
    let gone = all.find_one_and_delete(doc! {"_id": id(kind, key)}).session(&mut *session);
    let Some(gone) = db.step(what, gone).await? else { return Ok(false) };
    let lane = gone.get_str("lane").unwrap_or_default();
    let more = all.find_one(doc! {"lane": lane, "died": null}).session(&mut *session);
    if db.step(what, more).await?.is_none() {
        db.step(what, lanes(db).delete_one(doc! {"_id": lane}).session(session)).await?;
    }
    Ok(true)
}

/// Makes a dead job due; whether it was dead.
async fn revive(
    db: &Db,
    session: &mut ClientSession,
    kind: JobKind,
    key: &str,
    after: Duration,
) -> Result<bool, Failed> {
    let what = "revive a job";
    let this = doc! {"_id": id(kind, key), "died": {"$ne": null}};
    let mut live = doc! {"revived": true};
    if kind.is_ordered_by_key() {
        live.insert("came", "$$NOW");
    }
    let live = vec![doc! {"$set": live}, doc! {"$unset": ["died", "why"]}];
    let found: Option<Document> =
        db.step(what, jobs(db).find_one_and_update(this, live).session(&mut *session)).await?;
    let Some(found) = found else { return Ok(false) };
    let lane = found.get_str("lane").unwrap_or_default().to_owned();
    let due = doc! {"$add": ["$$NOW", millis(after)]};
    wake(db, what, session, kind, lane, due.into(), 0).await?;
    Ok(true)
}
