//! [`Retention`] on `events.db`: rows leave by the writer thread, a few milliseconds at a time, so that a batch of clicks
//! waits for no more than that; then the file gives its free pages back, as slowly.

use crate::{
    db::Database,
    error::OrStoreError,
    events::{facts::NOT_ROUTED, id_bytes, texts::Texts},
    time::ceil_ms,
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_domain::{Timestamp, event::EventCounts, id::ClickId};
use tfx_ports::{
    StoreError,
    retention::{PruneStep, Retention, StoreSize},
};

/// How long one step works; what waits for the writer meanwhile waits so much longer.
const BUDGET: Duration = Duration::from_millis(4);
/// Rows that are looked for at once.
const AT_ONCE: i64 = 64;
/// Pages that are given back between two looks at the clock.
const PAGES: i64 = 8;
/// How much longer than events the counts by minute stay from which caps of a day and limits of an hour are read:
/// longer than any day in any time zone.
const MINUTES_STAY: i64 = 3 * 24 * 60;

const WHAT: &str = "delete old events";

/// Deletes events by age.
pub(crate) struct Pruner {
    db: Arc<Database<Texts>>,
}

impl Pruner {
    pub(crate) const fn new(db: Arc<Database<Texts>>) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Retention for Pruner {
    async fn count(&self, before: Timestamp) -> Result<EventCounts, StoreError> {
        let line = Line::at(before);
        self.db.scan("count old events", move |conn| line.count(conn)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<PruneStep, StoreError> {
        let line = Line::at(before);
        let step = self.db.write(WHAT, move |conn, _| line.step(conn, Instant::now() + BUDGET)).await?;
        if !step.more {
            // The file itself becomes shorter when what was written is in it; what is busy does it later by itself.
            let written = |conn: &Connection| {
                conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).or_store_error(WHAT)
            };
            let _ = self.db.alone(WHAT, written).await;
        }
        Ok(step)
    }

    async fn size(&self) -> Result<StoreSize, StoreError> {
        self.db.read("read the size of the file", size).await
    }

    async fn rewrite(&self) -> Result<StoreSize, StoreError> {
        let what = "write the file anew";
        let rewrite = move |conn: &Connection| {
            conn.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;").or_store_error(what)?;
            // Else what was written anew stays beside the file until somebody writes more.
            let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            size(conn)
        };
        self.db.alone(what, rewrite).await
    }
}

fn pragma(conn: &Connection, name: &str) -> Result<i64, StoreError> {
    conn.pragma_query_value(None, name, |r| r.get(0)).or_store_error(WHAT)
}

fn size(conn: &Connection) -> Result<StoreSize, StoreError> {
    let page = pragma(conn, "page_size")?;
    Ok(StoreSize {
        bytes: (pragma(conn, "page_count")? * page).unsigned_abs(),
        free_bytes: (pragma(conn, "freelist_count")? * page).unsigned_abs(),
        gives_back: gives_back(conn)?,
    })
}

/// Whether the file was made so that it can become shorter page by page.
fn gives_back(conn: &Connection) -> Result<bool, StoreError> {
    Ok(pragma(conn, "auto_vacuum")? == 2)
}

/// What lies before it leaves.
#[derive(Clone, Copy)]
struct Line {
    /// Clicks and postbacks with smaller ids.
    id: ClickId,
    /// Conversions first reported earlier, milliseconds since 1970.
    ms: i64,
}

impl Line {
    fn at(before: Timestamp) -> Self {
        let ms = ceil_ms(before);
        Self { id: ClickId::floor(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)), ms }
    }

    fn count(self, conn: &Connection) -> Result<EventCounts, StoreError> {
        let what = "count old events";
        let id = id_bytes(self.id);
        let one = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
            conn.query_row(sql, params, |r| r.get(0)).map(i64::unsigned_abs).or_store_error(what)
        };
        let clicks = "SELECT count(*) FROM clicks WHERE id < ?1 AND (facts & ?2 = 0) = ?3";
        Ok(EventCounts {
            clicks: one(clicks, &[&id, &NOT_ROUTED, &true])?,
            trafficback: one(clicks, &[&id, &NOT_ROUTED, &false])?,
            conversions: one("SELECT count(*) FROM conversions WHERE created_ms < ?1", &[&self.ms])?,
            postbacks: one("SELECT count(*) FROM postbacks WHERE id < ?1", &[&id])?,
            other: one("SELECT count(*) FROM other_events WHERE id < ?1", &[&self.id.to_string()])?,
        })
    }

    /// Deletes until there is nothing left before the line, or it is too late; then gives pages back.
    fn step(self, conn: &Connection, until: Instant) -> Result<PruneStep, StoreError> {
        let mut step = PruneStep { more: true, ..PruneStep::default() };
        let pages = pragma(conn, "page_count")?;
        let done = self.clicks(conn, until, &mut step.deleted)?
            && self.postbacks(conn, until, &mut step.deleted)?
            && self.conversions(conn, until, &mut step.deleted)?
            && self.others(conn, until, &mut step.deleted)?
            && self.minutes(conn, until)?
            && give_back(conn, until)?;
        step.more = !done;
        let fewer = (pages - pragma(conn, "page_count")?).max(0);
        step.bytes = (fewer * pragma(conn, "page_size")?).unsigned_abs();
        Ok(step)
    }

    fn clicks(self, conn: &Connection, until: Instant, rows: &mut EventCounts) -> Result<bool, StoreError> {
        let find = "SELECT id, body, facts FROM clicks WHERE id < ?1 ORDER BY id LIMIT ?2";
        let delete = "DELETE FROM clicks WHERE id = ?1";
        with_bodies(conn, self.id, (find, delete), until, |facts| {
            if facts & NOT_ROUTED == 0 {
                rows.clicks += 1;
            } else {
                rows.trafficback += 1;
            }
        })
    }

    fn postbacks(
        self,
        conn: &Connection,
        until: Instant,
        rows: &mut EventCounts,
    ) -> Result<bool, StoreError> {
        let find = "SELECT id, body, result FROM postbacks WHERE id < ?1 ORDER BY id LIMIT ?2";
        let delete = "DELETE FROM postbacks WHERE id = ?1";
        with_bodies(conn, self.id, (find, delete), until, |_| rows.postbacks += 1)
    }

    /// A trigger keeps what is counted of each.
    fn conversions(
        self,
        conn: &Connection,
        until: Instant,
        rows: &mut EventCounts,
    ) -> Result<bool, StoreError> {
        let find = "SELECT id FROM conversions WHERE created_ms < ?1 ORDER BY created_ms LIMIT 1";
        let mut find = conn.prepare_cached(find).or_store_error(WHAT)?;
        let mut delete = conn.prepare_cached("DELETE FROM conversions WHERE id = ?1").or_store_error(WHAT)?;
        while Instant::now() < until {
            let id = find.query_row([self.ms], |r| r.get::<_, String>(0)).optional().or_store_error(WHAT)?;
            let Some(id) = id else { return Ok(true) };
            delete.execute([id]).or_store_error(WHAT)?;
            rows.conversions += 1;
        }
        Ok(false)
    }

    fn others(self, conn: &Connection, until: Instant, rows: &mut EventCounts) -> Result<bool, StoreError> {
        let delete = "DELETE FROM other_events WHERE (topic, id) IN
            (SELECT topic, id FROM other_events WHERE id < ?1 LIMIT ?2)";
        let mut delete = conn.prepare_cached(delete).or_store_error(WHAT)?;
        while Instant::now() < until {
            let gone = delete.execute(params![self.id.to_string(), AT_ONCE]).or_store_error(WHAT)?;
            rows.other += gone as u64;
            if gone == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Counts by minute of which no cap and no limit asks any more; those of all time stay.
    fn minutes(self, conn: &Connection, until: Instant) -> Result<bool, StoreError> {
        let first = self.ms.div_euclid(60_000) - MINUTES_STAY;
        // From one to the next that has any: the table is ordered by what is counted, then by minute.
        let next =
            "SELECT entity, minute FROM visits_by_minute WHERE entity >= ?1 ORDER BY entity, minute LIMIT 1";
        let mut next = conn.prepare_cached(next).or_store_error(WHAT)?;
        let delete = "DELETE FROM visits_by_minute WHERE entity = ?1 AND minute IN
            (SELECT minute FROM visits_by_minute WHERE entity = ?1 AND minute < ?2 LIMIT ?3)";
        let mut delete = conn.prepare_cached(delete).or_store_error(WHAT)?;
        let mut entity = 0;
        while Instant::now() < until {
            let found = next.query_row([entity], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?)));
            let Some((with, oldest)) = found.optional().or_store_error(WHAT)? else { return Ok(true) };
            if oldest < first {
                delete.execute(params![with, first, AT_ONCE]).or_store_error(WHAT)?;
                entity = with;
            } else {
                entity = with + 1;
            }
        }
        Ok(false)
    }
}

/// Deletes rows before an id, oldest first, each with its whole event; tells the third column of each. True if there are
/// no more.
fn with_bodies(
    conn: &Connection,
    before: ClickId,
    (find, delete): (&str, &str),
    until: Instant,
    mut tell: impl FnMut(i64),
) -> Result<bool, StoreError> {
    let mut find = conn.prepare_cached(find).or_store_error(WHAT)?;
    let mut delete = conn.prepare_cached(delete).or_store_error(WHAT)?;
    let mut body = conn.prepare_cached("DELETE FROM bodies WHERE id = ?1").or_store_error(WHAT)?;
    loop {
        let read =
            |r: &rusqlite::Row<'_>| Ok((r.get::<_, Vec<u8>>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?));
        let rows = find.query_map(params![id_bytes(before), AT_ONCE], read).or_store_error(WHAT)?;
        let rows: Vec<_> = rows.collect::<Result<_, _>>().or_store_error(WHAT)?;
        if rows.is_empty() {
            return Ok(true);
        }
        for (id, of, third) in rows {
            if Instant::now() >= until {
                return Ok(false);
            }
            delete.execute([id]).or_store_error(WHAT)?;
            body.execute([of]).or_store_error(WHAT)?;
            tell(third);
        }
    }
}

/// Gives free pages back; true if there are none, or the file cannot.
fn give_back(conn: &Connection, until: Instant) -> Result<bool, StoreError> {
    if !gives_back(conn)? {
        return Ok(true);
    }
    while pragma(conn, "freelist_count")? > 0 {
        if Instant::now() >= until {
            return Ok(false);
        }
        // It gives back a page for each time that it is asked on.
        let mut statement =
            conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES})")).or_store_error(WHAT)?;
        let mut pages = statement.query([]).or_store_error(WHAT)?;
        while pages.next().or_store_error(WHAT)?.is_some() {}
    }
    Ok(true)
}
