//! [`Queue`]. The jobs of a lane are done one after the other: those of a group, or a single one. A lane is one document,
//! which is claimed by one update under the condition that it is as it was read; it is there as long as it has jobs that
//! are not dead, and whoever adds one or ends one writes it, so that the two conflict. The clock is the server's.

mod claim;
mod overview;
mod parked;
pub(crate) mod steps;
mod stored;

use crate::{
    conversions::source_postback,
    db::Db,
    error::Failed,
    paging::{after, limit, page, query_limit},
};
use async_trait::async_trait;
use mongodb::{
    ClientSession, Collection,
    bson::{DateTime, Document, doc},
};
use std::{sync::Arc, time::Duration};
use steps::Change;
use stored::{JobDocument, id, lane_id};
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    left_out::LeftOut,
    page::{Page, PageRequest},
    queue::{
        ClockWatch, Counts, DeadJob, Group, Hurried, Job, JobKind, LONGEST_WAIT, NewJob, Queue, Share,
        WaitingJob, group_lane, spread_over,
    },
};

/// Jobs on MongoDB.
pub(crate) struct Jobs {
    db: Arc<Db>,
    left_out: LeftOut,
    locked: claim::LockedLanes,
    clock: ClockWatch,
}

/// How a claim ends, beside letting go of its lane.
enum End<'w> {
    Done,
    Left,
    Aside(Duration),
    Dead(&'w str),
}

fn jobs(db: &Db) -> Collection<Document> {
    db.collection("jobs")
}

fn lanes(db: &Db) -> Collection<Document> {
    db.collection("job_lanes")
}

/// Milliseconds, at most the longest wait.
pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.min(LONGEST_WAIT).as_millis()).unwrap_or(i64::MAX)
}

/// What is true of a lane whose claim is not over.
fn still_held() -> [Document; 2] {
    [doc! {"$gt": ["$due", "$$NOW"]}, doc! {"$lte": ["$due", {"$add": ["$$NOW", millis(LONGEST_WAIT)]}]}]
}

/// The server's clock.
async fn now(db: &Db, what: &str) -> Result<DateTime, StoreError> {
    let hello = db.call(what, db.database().run_command(doc! {"hello": 1})).await?;
    hello.get_datetime("localTime").copied().map_err(|e| StoreError::broken("the server's clock", e))
}

impl Jobs {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        let (left_out, locked) = (LeftOut::default(), claim::LockedLanes::default());
        Self { db, left_out, locked, clock: ClockWatch::default() }
    }

    /// The lane of a claim that still holds.
    fn held(job: &Job) -> Document {
        let until = still_held();
        let (lane, fence) = (lane_id(job.kind, &job.lane), job.fence.cast_signed());
        doc! {"_id": lane, "fence": fence, "held": true, "$expr": {"$and": until.to_vec()}}
    }

    /// Ends a claim in a transaction, if it holds.
    async fn end(&self, what: &str, job: &Job, end: End<'_>) -> Result<bool, StoreError> {
        let mut retry = self.db.retry();
        loop {
            match self.try_end(what, job, &end).await {
                Ok(held) => return Ok(held),
                Err(Failed::Conflict(e) | Failed::Taken(e)) => retry.pause(e).await?,
                Err(e) => return Err(e.into_error()),
            }
        }
    }

    async fn try_end(&self, what: &str, job: &Job, end: &End<'_>) -> Result<bool, Failed> {
        let mut session = self.db.begin(what).await?;
        let steps = self.end_steps(what, job, end, &mut session).await;
        self.db.end(what, session, steps).await
    }

    async fn end_steps(
        &self,
        what: &str,
        job: &Job,
        end: &End<'_>,
        session: &mut ClientSession,
    ) -> Result<bool, Failed> {
        let free = vec![
            doc! {"$set": {"held": false, "due": "$$NOW", "since": "$$NOW", "tries": 0_i64}},
            doc! {"$unset": ["wanted", "claim"]},
        ];
        let (all, all_lanes) = (jobs(&self.db), lanes(&self.db));
        let free = all_lanes.update_one(Self::held(job), free).session(&mut *session);
        if self.db.step(what, free).await?.matched_count == 0 {
            return Ok(false);
        }
        let this = doc! {"_id": id(job.kind, &job.key)};
        match end {
            End::Done | End::Left => {
                self.db.step(what, all.delete_one(this).session(&mut *session)).await?;
            }
            End::Aside(after) => steps::aside(&self.db, what, job, *after, session).await?,
            End::Dead(why) => {
                let die = vec![doc! {"$set": {"died": "$$NOW", "why": {"$literal": *why}}}];
                self.db.step(what, all.update_one(this, die).session(&mut *session)).await?;
            }
        }
        if job.kind == JobKind::SourcePostback && matches!(end, End::Left | End::Dead(_)) {
            let forget = matches!(end, End::Left);
            source_postback::give_back(&self.db, session, &job.payload, forget).await?;
        }
        let lane = lane_id(job.kind, &job.lane);
        let more = all.find_one(doc! {"lane": &lane, "died": null}).session(&mut *session);
        if self.db.step(what, more).await?.is_none() {
            let empty = all_lanes.delete_one(doc! {"_id": lane}).session(&mut *session);
            self.db.step(what, empty).await?;
        }
        Ok(true)
    }
}

#[async_trait]
impl Queue for Jobs {
    async fn enqueue(&self, job: &NewJob, after: Duration) -> Result<(), StoreError> {
        self.db.ready().await?;
        steps::alone(&self.db, "put a job in", &Change::Enqueue(job, after)).await.map(|_| ())
    }

    async fn group(&self, kind: JobKind, group: &str) -> Result<Group, StoreError> {
        let (all, what) = (jobs(&self.db), "look for jobs");
        let lane = lane_id(kind, &group_lane(group));
        let alive = all.count_documents(doc! {"lane": &lane, "died": null});
        let given_up = all
            .find(doc! {"lane": &lane, "died": {"$gt": DateTime::MIN}})
            .projection(doc! {"key": 1, "why": 1})
            .limit(query_limit(Group::MOST_DEAD));
        let (waiting, dead) = tokio::join!(self.db.call(what, alive), self.db.rows(what, given_up));
        let text = |d: &Document, field| d.get_str(field).unwrap_or_default().to_owned();
        let dead = dead?.iter().map(|d| (text(d, "key"), text(d, "why"))).collect();
        Ok(Group { waiting: waiting?, dead })
    }

    async fn claim_but(
        &self,
        kind: JobKind,
        limit: usize,
        lease: Duration,
        owners: &[String],
    ) -> Result<Vec<Job>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.db.whole().await?;
        parked::take_over(&self.db, kind).await?;
        claim::claim(&self.db, kind, (limit, owners), lease, (&self.left_out, &self.locked, &self.clock))
            .await
    }

    async fn renew(&self, job: &Job, lease: Duration) -> Result<bool, StoreError> {
        let hold = vec![doc! {"$set": {"due": {"$add": ["$$NOW", millis(lease)]}, "since": "$$NOW"}}];
        let done = self.db.call("hold a job", lanes(&self.db).update_one(Self::held(job), hold)).await?;
        Ok(done.matched_count > 0)
    }

    async fn done(&self, job: &Job) -> Result<bool, StoreError> {
        self.end("take off a job", job, End::Done).await
    }

    async fn left(&self, job: &Job) -> Result<bool, StoreError> {
        self.end("take off a job", job, End::Left).await
    }

    async fn again(&self, job: &Job, after: Duration) -> Result<bool, StoreError> {
        // What is absent is passed over by $min.
        let due = doc! {"$min": [{"$add": ["$$NOW", millis(after)]}, "$wanted"]};
        let free = vec![
            doc! {"$set": {"held": false, "due": due, "since": "$$NOW"}},
            doc! {"$unset": ["wanted", "claim"]},
        ];
        let done = self.db.write("put off a job", lanes(&self.db).update_one(Self::held(job), free)).await;
        done.map(|done| done.matched_count > 0).map_err(Failed::into_error)
    }

    async fn postpone(&self, job: &Job, after: Duration) -> Result<bool, StoreError> {
        let due = doc! {"$min": [{"$add": ["$$NOW", millis(after)]}, "$wanted"]};
        let tries = doc! {"$max": [{"$subtract": ["$tries", 1_i64]}, 0_i64]};
        let free = vec![
            doc! {"$set": {"held": false, "due": due, "since": "$$NOW", "tries": tries}},
            doc! {"$unset": ["wanted", "claim"]},
        ];
        let done = self.db.write("put off a job", lanes(&self.db).update_one(Self::held(job), free)).await;
        done.map(|done| done.matched_count > 0).map_err(Failed::into_error)
    }

    async fn aside(&self, job: &Job, after: Duration) -> Result<bool, StoreError> {
        self.end("put a job aside", job, End::Aside(after)).await
    }

    async fn dead(&self, job: &Job, why: &str) -> Result<bool, StoreError> {
        self.end("give up a job", job, End::Dead(why)).await
    }

    async fn dead_jobs(&self, kind: JobKind, request: &PageRequest) -> Result<Page<DeadJob>, StoreError> {
        let limit = limit(request);
        let mut dead = vec![doc! {"kind": kind.as_str(), "died": {"$gt": DateTime::MIN}}];
        if let Some((died, id)) = after(request, parse_place)? {
            dead.push(doc! {"died": {"$gte": died}});
            dead.push(doc! {"$or": [{"died": {"$gt": died}}, {"_id": {"$gt": id}}]});
        }
        let all = jobs(&self.db);
        let find = all.find(doc! {"$and": dead}).sort(doc! {"died": 1, "_id": 1});
        let stored = self.db.rows("read dead jobs", find.limit(query_limit(limit + 1))).await?;
        Ok(page(stored, limit, place)
            .map(|d| JobDocument::read(d, &self.left_out).map(JobDocument::dead))
            .readable())
    }

    async fn revive(&self, kind: JobKind, keys: &[String], spread: Duration) -> Result<u64, StoreError> {
        let mut revived = 0;
        for (place, key) in keys.iter().enumerate() {
            let revive = Change::Revive(kind, key, spread_over(spread, place, keys.len()));
            revived += u64::from(steps::alone(&self.db, "revive a job", &revive).await?);
        }
        Ok(revived)
    }

    async fn bring_forward(&self, kind: JobKind, most: Duration) -> Result<(), StoreError> {
        let (what, most) = ("bring jobs forward", millis(most).max(1));
        let now = now(&self.db, what).await?;
        let late = DateTime::from_millis(now.timestamp_millis().saturating_add(most));
        let late = doc! {"kind": kind.as_str(), "held": {"$ne": true}, "due": {"$gt": late}};
        let rest = doc! {"$mod": [{"$subtract": ["$due", now]}, most]};
        let forward = vec![doc! {"$set": {"due": {"$add": [now, rest]}, "since": now}}];
        let done = self.db.write(what, lanes(&self.db).update_many(late, forward)).await;
        done.map(|_| ()).map_err(Failed::into_error)
    }

    async fn hurry(&self, kind: JobKind, key: &str) -> Result<Hurried, StoreError> {
        let what = "hurry a job";
        let all = jobs(&self.db);
        let waits = all.find_one(doc! {"_id": id(kind, key), "died": null});
        let Some(job) = self.db.call(what, waits).await? else { return Ok(Hurried::Gone) };
        let lane = job.get_str("lane").unwrap_or_default();
        let held = doc! {"$and": [{"$eq": ["$held", true]}, {"$and": still_held().to_vec()}]};
        let free = doc! {"_id": lane, "$expr": {"$not": [held]}};
        let due = vec![doc! {"$set": {"due": {"$min": ["$due", "$$NOW"]}, "since": "$$NOW"}}];
        let all = lanes(&self.db);
        let done = self.db.write(what, all.update_one(free, due)).await.map_err(Failed::into_error)?;
        Ok(if done.matched_count > 0 { Hurried::Due } else { Hurried::Held })
    }

    async fn remove(&self, kind: JobKind, keys: &[String]) -> Result<u64, StoreError> {
        parked::take_over(&self.db, kind).await?;
        let mut removed = 0;
        for key in keys {
            removed += u64::from(steps::alone(&self.db, "remove a job", &Change::Remove(kind, key)).await?);
        }
        Ok(removed)
    }

    async fn forget(&self, kind: JobKind, older: Duration) -> Result<u64, StoreError> {
        let what = "forget dead jobs";
        let older = i64::try_from(older.as_millis()).unwrap_or(i64::MAX);
        let before = now(&self.db, what).await?.timestamp_millis().saturating_sub(older);
        let old = doc! {"kind": kind.as_str(), "died": {"$lt": DateTime::from_millis(before)}};
        let done = self.db.call(what, jobs(&self.db).delete_many(old)).await?;
        Ok(done.deleted_count)
    }

    async fn waiting(
        &self,
        kind: JobKind,
        prefix: &str,
        request: &PageRequest,
    ) -> Result<Page<WaitingJob>, StoreError> {
        overview::waiting(&self.db, kind, prefix, request, &self.left_out).await
    }

    async fn shares(&self, kind: JobKind) -> Result<Vec<Share>, StoreError> {
        overview::shares(&self.db, kind).await
    }

    async fn counts(&self, kind: JobKind) -> Result<Counts, StoreError> {
        let (all, what) = (jobs(&self.db), "count jobs");
        let alive = all.count_documents(doc! {"kind": kind.as_str(), "died": null});
        let dead = all.count_documents(doc! {"kind": kind.as_str(), "died": {"$gt": DateTime::MIN}});
        let oldest = all.find_one(doc! {"kind": kind.as_str(), "died": null}).sort(doc! {"came": 1});
        let oldest = oldest.projection(doc! {"came": 1});
        let last = all
            .find_one(doc! {"kind": kind.as_str(), "died": {"$gt": DateTime::MIN}})
            .sort(doc! {"died": -1});
        let last = last.projection(doc! {"died": 1});
        let (alive, dead, oldest, last) = tokio::join!(
            self.db.call(what, alive),
            self.db.call(what, dead),
            self.db.call(what, oldest),
            self.db.call(what, last)
        );
        let waiting = alive? + parked::count(&self.db, kind).await?;
        let time = |job: Option<Document>, field: &str| {
            let at = job.and_then(|job| job.get_datetime(field).ok().copied())?;
            Timestamp::from_millisecond(at.timestamp_millis()).ok()
        };
        Ok(Counts { waiting, dead: dead?, oldest: time(oldest?, "came"), last_died: time(last?, "died") })
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.told()
    }
}

/// `MILLISECONDS.ID`
fn place(last: &Document) -> String {
    let died = last.get_datetime("died").map_or(0, |at| at.timestamp_millis());
    format!("{died}.{}", last.get_str("_id").unwrap_or_default())
}

fn parse_place(cursor: &str) -> Option<(DateTime, String)> {
    let (ms, id) = cursor.split_once('.')?;
    Some((DateTime::from_millis(ms.parse().ok()?), id.to_owned()))
}
