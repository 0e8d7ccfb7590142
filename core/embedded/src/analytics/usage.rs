//! The past that routing needs: caps, click limits, where visitors were.

use crate::{
    error::OrStoreError,
    events::{
        facts::NOT_A_CLICK,
        id_bytes, id_of,
        packed::unpack,
        texts::{Names, number_of},
        visits::{self, At},
    },
    time::ceil_ms,
};
use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashSet;
use serde::Deserialize;
use tfx_domain::{
    Timestamp,
    event::PassedStream,
    id::{ClickId, DestinationId, StreamId, VisitorId},
    postback::ConversionStatus,
    routing::CapUse,
};
use tfx_ports::{StoreError, analytics::LastVisit};

/// Conversions count at the time they were first reported.
pub(super) fn cap_use(
    conn: &Connection,
    destination: &DestinationId,
    day_start: Timestamp,
) -> Result<CapUse, StoreError> {
    let Some(number) = number_of(conn, destination.as_str())? else { return Ok(CapUse::default()) };
    let rejected = number_of(conn, ConversionStatus::Rejected.as_str())?.unwrap_or(0);
    let daily =
        "SELECT count(*) FROM conversions WHERE destination = ?1 AND created_ms >= ?2 AND status <> ?3";
    let daily: i64 = conn
        .prepare_cached(daily)
        .and_then(|mut s| s.query_row(params![number, ceil_ms(day_start), rejected], |r| r.get(0)))
        .or_store_error("count conversions")?;
    let left = "SELECT count(*) FROM conversions_left WHERE destination = ?1 AND created_ms >= ?2";
    let left: i64 = conn
        .prepare_cached(left)
        .and_then(|mut s| s.query_row(params![number, ceil_ms(day_start)], |r| r.get(0)))
        .or_store_error("count conversions")?;
    let ever: Option<i64> = conn
        .prepare_cached("SELECT conversions FROM conversions_ever WHERE destination = ?1")
        .and_then(|mut s| s.query_row([number], |r| r.get(0)).optional())
        .or_store_error("count conversions")?;
    Ok(CapUse {
        clicks_daily: visits::since(conn, number, At::Destination, day_start)?,
        clicks_total: visits::ever(conn, number)?,
        conversions_daily: (daily + left).unsigned_abs(),
        conversions_total: ever.unwrap_or(0).unsigned_abs(),
    })
}

/// Visits of people only, as in reports.
pub(super) fn stream_clicks(
    conn: &Connection,
    stream: &StreamId,
    since: Option<Timestamp>,
) -> Result<u64, StoreError> {
    match (number_of(conn, stream.as_str())?, since) {
        (None, _) => Ok(0),
        (Some(number), None) => visits::ever(conn, number),
        (Some(number), Some(since)) => visits::since(conn, number, At::Stream, since),
    }
}

/// The streams that handed a click over, out of its event.
fn handed_over(json: &[u8]) -> Vec<StreamId> {
    #[derive(Deserialize)]
    struct PassedStreams {
        #[serde(default)]
        passed: Vec<PassedStream>,
    }
    // What cannot be read hides nothing else of the click.
    let json = unpack(json).unwrap_or_default();
    let passed = serde_json::from_slice::<PassedStreams>(&json).map(|told| told.passed).unwrap_or_default();
    passed.into_iter().filter(PassedStream::handed_over).map(|p| p.stream_id).collect()
}

pub(super) fn seen_since(
    conn: &Connection,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<LastVisit>, StoreError> {
    let what = "read where visitors were";
    let mut names = Names::new(conn)?;
    let mut known = FxHashSet::default();
    let mut seen = Vec::new();
    let sql = "SELECT clicks.id, visitor, campaign, coalesce(deciding, campaign), stream, coalesce(destination, 0), json
        FROM clicks LEFT JOIN bodies ON deciding <> campaign AND bodies.id = clicks.body
        WHERE clicks.id >= ?1 AND facts & ?2 = 0 AND campaign IS NOT NULL AND stream IS NOT NULL
        ORDER BY clicks.id DESC";
    let mut statement = conn.prepare_cached(sql).or_store_error(what)?;
    let from = ClickId::floor(Timestamp::from_millisecond(ceil_ms(since)).unwrap_or(Timestamp::MAX));
    let mut rows = statement.query(params![id_bytes(from), NOT_A_CLICK]).or_store_error(what)?;
    while seen.len() < limit
        && let Some(row) = rows.next().or_store_error(what)?
    {
        let visitor: [u8; 16] = row.get(1).or_store_error(what)?;
        let way @ [campaign, decided_by, stream, destination] =
            [2, 3, 4, 5].map(|i| row.get::<_, i64>(i).unwrap_or(0));
        let body: Option<Vec<u8>> = row.get(6).or_store_error(what)?;
        let handed_over = body.map(|json| handed_over(&json)).unwrap_or_default();
        // The first met is the latest; the earlier ones of the same way say nothing new.
        if !known.insert((visitor, way, handed_over.clone())) {
            continue;
        }
        let broken = |e| StoreError::broken("stored click", e);
        let destination = names.name(destination)?;
        let id: [u8; 16] = row.get(0).or_store_error(what)?;
        seen.push(LastVisit {
            visitor: VisitorId(u128::from_be_bytes(visitor)),
            campaign: names.name(campaign)?.parse().map_err(broken)?,
            handed_over,
            decided_by: names.name(decided_by)?.parse().map_err(broken)?,
            stream: names.name(stream)?.parse().map_err(broken)?,
            destination: if destination.is_empty() {
                None
            } else {
                Some(destination.parse().map_err(broken)?)
            },
            at: id_of(&id)?.timestamp(),
        });
    }
    Ok(seen)
}
