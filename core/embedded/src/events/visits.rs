//! Visits of people by stream and by destination, counted in the transaction that stores the clicks: caps and
//! click limits are asked for again and again, and must not be counted anew each time.

use crate::{
    error::OrStoreError,
    events::{facts::NOT_A_CLICK, id_bytes},
    time::ceil_ms,
};
use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;
use tfx_domain::{Timestamp, id::ClickId};
use tfx_ports::StoreError;

const WHAT: &str = "count visits";
const MINUTE_MS: i64 = 60_000;

/// Visits to be counted: by entity and minute.
#[derive(Default)]
pub(super) struct Visits(FxHashMap<(i64, i64), i64>);

impl Visits {
    /// One more at `entity` (a number of `texts`).
    pub(super) fn add(&mut self, entity: Option<i64>, at_ms: i64) {
        if let Some(entity) = entity {
            *self.0.entry((entity, at_ms.div_euclid(MINUTE_MS))).or_default() += 1;
        }
    }

    /// Adds them up in the database.
    pub(super) fn save(self, conn: &Connection) -> Result<(), StoreError> {
        let by_minute = "INSERT INTO visits_by_minute VALUES (?1, ?2, ?3)
                         ON CONFLICT DO UPDATE SET visits = visits + excluded.visits";
        let ever = "INSERT INTO visits_ever VALUES (?1, ?2)
                    ON CONFLICT DO UPDATE SET visits = visits + excluded.visits";
        let mut by_minute = conn.prepare_cached(by_minute).or_store_error(WHAT)?;
        let mut ever = conn.prepare_cached(ever).or_store_error(WHAT)?;
        for ((entity, minute), visits) in self.0 {
            by_minute.execute(params![entity, minute, visits]).or_store_error(WHAT)?;
            ever.execute(params![entity, visits]).or_store_error(WHAT)?;
        }
        Ok(())
    }
}

/// The column of `clicks` in which an entity stands.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// Streams.
    Stream,
    /// Destinations.
    Destination,
}

/// Visits ever.
pub(crate) fn ever(conn: &Connection, entity: i64) -> Result<u64, StoreError> {
    let visits: Option<i64> = conn
        .prepare_cached("SELECT visits FROM visits_ever WHERE entity = ?1")
        .and_then(|mut s| s.query_row([entity], |r| r.get(0)).optional())
        .or_store_error(WHAT)?;
    Ok(visits.unwrap_or(0).unsigned_abs())
}

/// Visits since `since`: whole minutes from their counts, the part of the first minute from the clicks.
pub(crate) fn since(conn: &Connection, entity: i64, at: At, since: Timestamp) -> Result<u64, StoreError> {
    let from = ceil_ms(since);
    let minute = from.div_euclid(MINUTE_MS) + i64::from(from.rem_euclid(MINUTE_MS) != 0);
    let whole: i64 = conn
        .prepare_cached(
            "SELECT coalesce(sum(visits), 0) FROM visits_by_minute WHERE entity = ?1 AND minute >= ?2",
        )
        .and_then(|mut s| s.query_row([entity, minute], |r| r.get(0)))
        .or_store_error(WHAT)?;
    let until = minute * MINUTE_MS;
    if from == until {
        return Ok(whole.unsigned_abs());
    }
    let sql = match at {
        At::Stream => {
            "SELECT count(*) FROM clicks WHERE id >= ?1 AND id < ?2 AND facts & ?3 = 0 AND stream = ?4"
        }
        At::Destination => {
            "SELECT count(*) FROM clicks WHERE id >= ?1 AND id < ?2 AND facts & ?3 = 0 AND destination = ?4"
        }
    };
    let floor = |ms| id_bytes(ClickId::floor(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)));
    let part: i64 = conn
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row(params![floor(from), floor(until), NOT_A_CLICK, entity], |r| r.get(0)))
        .or_store_error(WHAT)?;
    Ok((whole + part).unsigned_abs())
}
