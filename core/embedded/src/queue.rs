//! [`Queue`] on `config.db`. Every change is in a transaction that holds the write lock: what is read in it stays true
//! until it ends. The clock is SQLite's.

mod claim;
mod overview;

use crate::{
    conversions::source_postback,
    db::Database,
    error::OrStoreError,
    paging::{cursor, limit, page, sql_limit},
};
use async_trait::async_trait;
use claim::{bring_forward, claim, due, put_off_anew};
use rusqlite::{Connection, OptionalExtension, params};
use std::{sync::Arc, time::Duration};
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    left_out::LeftOut,
    page::{Page, PageRequest},
    queue::{
        ClockWatch, Counts, DeadJob, Group, Hurried, Job, JobKind, LONGEST_WAIT, NewJob, Queue, Share,
        WaitingJob, group_lane, own_lane, spread_over,
    },
};

/// A lane that has no job is none.
const EMPTY: &str = "DELETE FROM job_lanes WHERE kind = ?1 AND lane = ?2 AND NOT EXISTS
    (SELECT 1 FROM jobs WHERE kind = ?1 AND lane = ?2 AND died_ms IS NULL)";

/// Jobs on SQLite.
pub(crate) struct Jobs {
    db: Arc<Database<()>>,
    left_out: Arc<LeftOut>,
    clock: ClockWatch,
}

impl Jobs {
    pub(crate) fn new(db: Arc<Database<()>>) -> Self {
        Self { db, left_out: Arc::default(), clock: ClockWatch::default() }
    }

    /// Lets go of a claim and does the rest if it held.
    async fn end(
        &self,
        what: &'static str,
        job: &Job,
        rest: impl FnOnce(&Connection, &Job, i64) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let job = job.clone();
        let end = move |conn: &Connection, (): &mut ()| {
            let now = now(conn, what)?;
            let free =
                "UPDATE job_lanes SET held = 0, due_ms = ?4, since_ms = ?4, wanted_ms = NULL, tries = 0
                WHERE kind = ?1 AND lane = ?2 AND fence = ?3 AND held AND due_ms BETWEEN ?4 + 1 AND ?5";
            let held = changed(
                conn,
                what,
                free,
                params![job.kind.as_str(), job.lane, fence(&job), now, never(now)],
            )?;
            if held > 0 {
                rest(conn, &job, now)?;
                changed(conn, what, EMPTY, params![job.kind.as_str(), job.lane])?;
            }
            Ok(held > 0)
        };
        self.db.write(what, end).await
    }

    /// Changes how long a claim holds, or lets go of it; `forgive` takes a try off.
    async fn keep(
        &self,
        what: &'static str,
        job: &Job,
        (held, forgive): (bool, u32),
        time: Duration,
    ) -> Result<bool, StoreError> {
        let job = job.clone();
        let keep = move |conn: &Connection, (): &mut ()| {
            let now = now(conn, what)?;
            let update = "UPDATE job_lanes SET held = ?6, since_ms = ?4,
                    due_ms = CASE WHEN ?6 THEN ?7 ELSE min(?7, coalesce(wanted_ms, ?7)) END,
                    wanted_ms = CASE WHEN ?6 THEN wanted_ms END, tries = max(tries - ?8, 0)
                WHERE kind = ?1 AND lane = ?2 AND fence = ?3 AND held AND due_ms BETWEEN ?4 + 1 AND ?5";
            let until = now + millis(time);
            let kind = job.kind.as_str();
            let values = params![kind, job.lane, fence(&job), now, never(now), held, until, forgive];
            changed(conn, what, update, values)
        };
        self.db.write(what, keep).await.map(|changed| changed > 0)
    }
}

/// SQLite's clock, in milliseconds.
pub(crate) fn now(conn: &Connection, what: &str) -> Result<i64, StoreError> {
    conn.prepare_cached("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)")
        .and_then(|mut s| s.query_row([], |r| r.get(0)))
        .or_store_error(what)
}

/// Later than anything that was put off by this clock.
pub(crate) fn never(now: i64) -> i64 {
    now.saturating_add(millis(LONGEST_WAIT))
}

pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.min(LONGEST_WAIT).as_millis()).unwrap_or(i64::MAX)
}

fn fence(job: &Job) -> i64 {
    job.fence.cast_signed()
}

fn changed(
    conn: &Connection,
    what: &str,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    conn.prepare_cached(sql).and_then(|mut s| s.execute(values)).or_store_error(what)
}

/// Puts a job in, in the transaction of what causes it.
pub(crate) fn enqueue(conn: &Connection, job: &NewJob, after: Duration) -> Result<(), StoreError> {
    let what = "put a job in";
    let insert = "INSERT INTO jobs (kind, key, lane, came_ms, payload) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET lane = excluded.lane, came_ms = excluded.came_ms, payload = excluded.payload,
            died_ms = NULL, why = NULL, revived = 0
        WHERE died_ms IS NOT NULL";
    let lane = job.lane();
    let values = params![job.kind.as_str(), job.key, lane, job.came.as_millisecond(), job.payload];
    if changed(conn, what, insert, values)? > 0 {
        wake(conn, what, job.kind, &lane, (now(conn, what)?, millis(after)), 0)?;
    }
    Ok(())
}

/// Makes a lane due so long after now, in its turn if it is held.
fn wake(
    conn: &Connection,
    what: &str,
    kind: JobKind,
    lane: &str,
    (now, after): (i64, i64),
    tries: u32,
) -> Result<(), StoreError> {
    let wake = "INSERT INTO job_lanes (kind, lane, due_ms, tries, since_ms) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET
            since_ms = CASE WHEN held OR due_ms <= excluded.due_ms THEN since_ms ELSE excluded.since_ms END,
            due_ms = CASE WHEN held THEN due_ms ELSE min(due_ms, excluded.due_ms) END,
            wanted_ms = CASE WHEN held THEN min(excluded.due_ms, coalesce(wanted_ms, excluded.due_ms)) END";
    changed(conn, what, wake, params![kind.as_str(), lane, now + after, tries, now]).map(|_| ())
}

/// What whoever was to be told of it took.
fn give_back(conn: &Connection, job: &Job, forget: bool) -> Result<(), StoreError> {
    match job.kind {
        JobKind::SourcePostback => source_postback::give_back(conn, &job.payload, forget),
        JobKind::ParkedPostback | JobKind::Probe | JobKind::Alert => Ok(()),
    }
}

#[async_trait]
impl Queue for Jobs {
    async fn enqueue(&self, job: &NewJob, after: Duration) -> Result<(), StoreError> {
        let job = job.clone();
        self.db.write("put a job in", move |conn, ()| enqueue(conn, &job, after)).await
    }

    async fn group(&self, kind: JobKind, group: &str) -> Result<Group, StoreError> {
        let (lane, what) = (group_lane(group), "look for jobs");
        let read = move |conn: &Connection| {
            let alive = "SELECT count(*) FROM jobs WHERE kind = ?1 AND lane = ?2 AND died_ms IS NULL";
            let waiting: i64 = conn
                .prepare_cached(alive)
                .and_then(|mut s| s.query_row(params![kind.as_str(), lane], |r| r.get(0)))
                .or_store_error(what)?;
            let dead = "SELECT key, coalesce(why, '') FROM jobs
                WHERE kind = ?1 AND lane = ?2 AND died_ms IS NOT NULL LIMIT ?3";
            let dead = conn
                .prepare_cached(dead)
                .and_then(|mut s| {
                    let most = sql_limit(Group::MOST_DEAD);
                    let row = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, r.get(1)?));
                    s.query_map(params![kind.as_str(), lane, most], row)?.collect()
                })
                .or_store_error(what)?;
            Ok(Group { waiting: waiting.unsigned_abs(), dead })
        };
        self.db.read(what, read).await
    }

    async fn claim_but(
        &self,
        kind: JobKind,
        limit: usize,
        lease: Duration,
        owners: &[String],
    ) -> Result<Vec<Job>, StoreError> {
        let what = "claim jobs";
        let but = serde_json::to_string(owners).map_err(|e| StoreError::broken(what, e))?;
        // Most looks find nothing: they need not write.
        let asked = but.clone();
        let look = move |conn: &Connection| {
            let now = now(conn, what)?;
            Ok((now, !due(conn, kind, 1, now, &asked)?.is_empty()))
        };
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (now, some_are_due) = self.db.read(what, look).await?;
        if self.clock.went_back(now) {
            self.db.write(what, |conn, ()| put_off_anew(conn)).await?;
        }
        if !some_are_due {
            return Ok(Vec::new());
        }
        let left_out = Arc::clone(&self.left_out);
        self.db.write(what, move |conn, ()| claim(conn, kind, limit, lease, &but, &left_out)).await
    }

    async fn renew(&self, job: &Job, lease: Duration) -> Result<bool, StoreError> {
        self.keep("hold a job", job, (true, 0), lease).await
    }

    async fn done(&self, job: &Job) -> Result<bool, StoreError> {
        let what = "take off a job";
        self.end(what, job, move |conn, job, _| {
            let done = "DELETE FROM jobs WHERE kind = ?1 AND key = ?2";
            changed(conn, what, done, params![job.kind.as_str(), job.key]).map(|_| ())
        })
        .await
    }

    async fn left(&self, job: &Job) -> Result<bool, StoreError> {
        let what = "take off a job";
        self.end(what, job, move |conn, job, _| {
            let gone = "DELETE FROM jobs WHERE kind = ?1 AND key = ?2";
            changed(conn, what, gone, params![job.kind.as_str(), job.key])?;
            give_back(conn, job, true)
        })
        .await
    }

    async fn again(&self, job: &Job, after: Duration) -> Result<bool, StoreError> {
        self.keep("put off a job", job, (false, 0), after).await
    }

    async fn postpone(&self, job: &Job, after: Duration) -> Result<bool, StoreError> {
        self.keep("put off a job", job, (false, 1), after).await
    }

    async fn aside(&self, job: &Job, after: Duration) -> Result<bool, StoreError> {
        let what = "put a job aside";
        self.end(what, job, move |conn, job, now| {
            let own = own_lane(&job.key);
            let aside = "UPDATE jobs SET lane = ?3 WHERE kind = ?1 AND key = ?2";
            changed(conn, what, aside, params![job.kind.as_str(), job.key, own])?;
            // It may be there already.
            let gone = "DELETE FROM job_lanes WHERE kind = ?1 AND lane = ?2";
            changed(conn, what, gone, params![job.kind.as_str(), own])?;
            wake(conn, what, job.kind, &own, (now, millis(after)), job.tries + 1)
        })
        .await
    }

    async fn dead(&self, job: &Job, why: &str) -> Result<bool, StoreError> {
        let (what, why) = ("give up a job", why.to_owned());
        self.end(what, job, move |conn, job, now| {
            let die = "UPDATE jobs SET died_ms = ?3, why = ?4 WHERE kind = ?1 AND key = ?2";
            changed(conn, what, die, params![job.kind.as_str(), job.key, now, why])?;
            give_back(conn, job, false)
        })
        .await
    }

    async fn dead_jobs(&self, kind: JobKind, request: &PageRequest) -> Result<Page<DeadJob>, StoreError> {
        let (request, left_out) = (request.clone(), Arc::clone(&self.left_out));
        let read = move |conn: &Connection| dead_jobs(conn, kind, &request, &left_out);
        self.db.scan("read dead jobs", read).await
    }

    async fn revive(&self, kind: JobKind, keys: &[String], spread: Duration) -> Result<u64, StoreError> {
        let (what, keys) = ("revive jobs", keys.to_vec());
        let revive = move |conn: &Connection, (): &mut ()| {
            let now = now(conn, what)?;
            let (mut revived, all) = (0, keys.len());
            for (place, key) in keys.into_iter().enumerate() {
                let live = "UPDATE jobs SET died_ms = NULL, why = NULL, revived = 1,
                        came_ms = CASE WHEN ?3 THEN ?4 ELSE came_ms END
                    WHERE kind = ?1 AND key = ?2 AND died_ms IS NOT NULL RETURNING lane";
                let lane: Option<String> = conn
                    .prepare_cached(live)
                    .and_then(|mut s| {
                        let values = params![kind.as_str(), key, kind.is_ordered_by_key(), now];
                        s.query_row(values, |r| r.get(0)).optional()
                    })
                    .or_store_error(what)?;
                if let Some(lane) = lane {
                    let after = millis(spread_over(spread, place, all));
                    wake(conn, what, kind, &lane, (now, after), 0)?;
                    revived += 1;
                }
            }
            Ok(revived)
        };
        self.db.write(what, revive).await
    }

    async fn bring_forward(&self, kind: JobKind, most: Duration) -> Result<(), StoreError> {
        self.db.write("bring jobs forward", move |conn, ()| bring_forward(conn, kind, most)).await
    }

    async fn hurry(&self, kind: JobKind, key: &str) -> Result<Hurried, StoreError> {
        let (what, key) = ("hurry a job", key.to_owned());
        let hurry = move |conn: &Connection, (): &mut ()| {
            let now = now(conn, what)?;
            let waits = "SELECT lane FROM jobs WHERE kind = ?1 AND key = ?2 AND died_ms IS NULL";
            let lane: Option<String> = conn
                .prepare_cached(waits)
                .and_then(|mut s| s.query_row(params![kind.as_str(), key], |r| r.get(0)).optional())
                .or_store_error(what)?;
            let Some(lane) = lane else { return Ok(Hurried::Gone) };
            let due = "UPDATE job_lanes SET due_ms = min(due_ms, ?3), since_ms = ?3
                WHERE kind = ?1 AND lane = ?2 AND NOT (held AND due_ms BETWEEN ?3 + 1 AND ?4)";
            let changed = changed(conn, what, due, params![kind.as_str(), lane, now, never(now)])?;
            Ok(if changed > 0 { Hurried::Due } else { Hurried::Held })
        };
        self.db.write(what, hurry).await
    }

    async fn remove(&self, kind: JobKind, keys: &[String]) -> Result<u64, StoreError> {
        let (what, keys) = ("remove jobs", keys.to_vec());
        let remove = move |conn: &Connection, (): &mut ()| {
            let mut removed = 0;
            for key in keys {
                let gone = "DELETE FROM jobs WHERE kind = ?1 AND key = ?2 RETURNING lane";
                let lane: Option<String> = conn
                    .prepare_cached(gone)
                    .and_then(|mut s| s.query_row(params![kind.as_str(), key], |r| r.get(0)).optional())
                    .or_store_error(what)?;
                if let Some(lane) = lane {
                    changed(conn, what, EMPTY, params![kind.as_str(), lane])?;
                    removed += 1;
                }
            }
            Ok(removed)
        };
        self.db.write(what, remove).await
    }

    async fn forget(&self, kind: JobKind, older: Duration) -> Result<u64, StoreError> {
        let what = "forget dead jobs";
        let forget = move |conn: &Connection, (): &mut ()| {
            let older = i64::try_from(older.as_millis()).unwrap_or(i64::MAX);
            let before = now(conn, what)?.saturating_sub(older);
            let old = "DELETE FROM jobs WHERE kind = ?1 AND died_ms < ?2";
            changed(conn, what, old, params![kind.as_str(), before]).map(|n| n as u64)
        };
        self.db.write(what, forget).await
    }

    async fn waiting(
        &self,
        kind: JobKind,
        prefix: &str,
        request: &PageRequest,
    ) -> Result<Page<WaitingJob>, StoreError> {
        let (request, prefix) = (request.clone(), prefix.to_owned());
        let left_out = Arc::clone(&self.left_out);
        let read = move |conn: &Connection| overview::waiting(conn, kind, &prefix, &request, &left_out);
        self.db.scan("read waiting jobs", read).await
    }

    async fn shares(&self, kind: JobKind) -> Result<Vec<Share>, StoreError> {
        self.db.scan("count jobs", move |conn| overview::shares(conn, kind)).await
    }

    async fn counts(&self, kind: JobKind) -> Result<Counts, StoreError> {
        self.db.read("count jobs", move |conn| overview::counts(conn, kind)).await
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.told()
    }
}

fn dead_jobs(
    conn: &Connection,
    kind: JobKind,
    request: &PageRequest,
    left_out: &LeftOut,
) -> Result<Page<DeadJob>, StoreError> {
    let what = "read dead jobs";
    let after = cursor(request, |c| {
        let (ms, key) = c.split_once('.')?;
        Some((ms.parse::<i64>().ok()?, key.to_owned()))
    })?;
    let (after_ms, after_key) = after.unwrap_or((i64::MIN, String::new()));
    let limit = limit(request);
    let sql = "SELECT died_ms, key, payload, why FROM jobs
        WHERE kind = ?1 AND died_ms IS NOT NULL AND (died_ms, key) > (?2, ?3) ORDER BY died_ms, key LIMIT ?4";
    let mut statement = conn.prepare_cached(sql).or_store_error(what)?;
    let mut rows = statement
        .query(params![kind.as_str(), after_ms, after_key, sql_limit(limit + 1)])
        .or_store_error(what)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().or_store_error(what)? {
        let place: (i64, String) = (row.get(0).or_store_error(what)?, row.get(1).or_store_error(what)?);
        let died = Timestamp::from_millisecond(place.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let read = || Ok(DeadJob { key: row.get(1)?, payload: row.get(2)?, why: row.get(3)?, died });
        let read: rusqlite::Result<DeadJob> = read();
        let read = left_out.noted(&place.1, read.or_store_error(what));
        items.push((place, read));
    }
    Ok(page(items, limit, |(ms, key)| format!("{ms}.{key}")).readable())
}
