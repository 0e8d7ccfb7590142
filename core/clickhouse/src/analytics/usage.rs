//! The past that routing needs: caps, click limits, where visitors were.

use crate::{
    client::Client,
    sql::{Sql, ceil_ms},
};
use clickhouse::Row;
use serde::Deserialize;
use std::collections::HashMap;
use tfx_domain::{
    Timestamp,
    id::{DestinationId, StreamId},
    routing::CapUse,
};
use tfx_ports::{StoreError, analytics::LastVisit};

/// Where the days that are counted in `closed_days` end. The rest is counted from the clicks, which hardly overlap
/// between parts in time order, so FINAL costs little there (see `benches/report.rs`).
const REST: &str =
    "WITH (SELECT if(count() = 0, toDateTime64(0, 3, 'UTC'), toDateTime64(max(day) + 1, 3, 'UTC'))
    FROM closed_days WHERE entity = '') AS rest";

/// One question for all of them.
pub(super) async fn cap_use(
    client: &Client,
    of: &[DestinationId],
    day_start: Timestamp,
) -> Result<Vec<CapUse>, StoreError> {
    let ids: Vec<String> = of.iter().map(|d| d.as_str().to_owned()).collect();
    let mut sql = Sql::new(REST);
    sql.push(", fromUnixTimestamp64Milli(toInt64(?), 'UTC') AS day_start").number(ceil_ms(day_start));
    sql.push(
        " SELECT 0 AS which, id, sum(daily), sum(total) FROM (
            SELECT toString(destination_id) AS id, countIf(at >= day_start) AS daily, countIf(at >= rest) AS total
            FROM click_events FINAL
            WHERE kind = 'click' AND at >= least(rest, day_start) AND destination_id IN ? GROUP BY id
            UNION ALL
            SELECT entity AS id, 0 AS daily, sum(clicks) AS total FROM closed_days FINAL
            WHERE entity IN ? GROUP BY id) GROUP BY id
        UNION ALL
        SELECT 1 AS which, destination_id AS id, countIf(created_at >= day_start), count() FROM conversion_use FINAL
        WHERE status != 'rejected' AND destination_id IN ? GROUP BY id",
    );
    sql.texts(ids.clone()).texts(ids.clone()).texts(ids);
    let rows: Vec<(u8, String, u64, u64)> = client.all("read the use of caps", sql).await?;
    let mut used = HashMap::<String, CapUse>::new();
    for (which, id, daily, total) in rows {
        let used = used.entry(id).or_default();
        match which {
            0 => (used.clicks_daily, used.clicks_total) = (daily, total),
            _ => (used.conversions_daily, used.conversions_total) = (daily, total),
        }
    }
    Ok(of.iter().map(|d| used.get(d.as_str()).copied().unwrap_or_default()).collect())
}

pub(super) async fn stream_clicks(
    client: &Client,
    of: &[StreamId],
    since: Option<Timestamp>,
) -> Result<Vec<u64>, StoreError> {
    let ids: Vec<String> = of.iter().map(|s| s.as_str().to_owned()).collect();
    let from_clicks = "SELECT toString(stream_id) AS id, count() AS clicks FROM click_events FINAL
        WHERE kind = 'click' AND stream_id IN ?";
    let sql = match since {
        Some(since) => {
            let mut sql = Sql::new(from_clicks);
            sql.texts(ids).at("at", ">=", ceil_ms(since)).push(" GROUP BY id");
            sql
        }
        None => {
            let mut sql = Sql::new(REST);
            sql.push(" SELECT id, sum(clicks) FROM (").push(from_clicks).push(" AND at >= rest GROUP BY id");
            sql.push(
                " UNION ALL SELECT entity AS id, sum(clicks) AS clicks FROM closed_days FINAL
                WHERE entity IN ? GROUP BY id) GROUP BY id",
            );
            sql.texts(ids.clone()).texts(ids);
            sql
        }
    };
    let rows: Vec<(String, u64)> = client.all("count clicks of streams", sql).await?;
    let clicks: HashMap<String, u64> = rows.into_iter().collect();
    Ok(of.iter().map(|s| clicks.get(s.as_str()).copied().unwrap_or(0)).collect())
}

/// The campaign that decided, the streams that handed over, and which clicks those are: of links that decided
/// themselves, and of others.
const WAYS: [(&str, &str, &str); 2] = [
    (
        "campaign_id",
        "emptyArrayString()",
        "(deciding_campaign_id = '' OR deciding_campaign_id = campaign_id)",
    ),
    (
        "deciding_campaign_id",
        "arrayMap(p -> p.1, arrayFilter(p -> p.2 = 'handed_over',
            JSONExtract(event, 'passed', 'Array(Tuple(stream_id String, reason String))')))",
        "(deciding_campaign_id != '' AND deciding_campaign_id != campaign_id)",
    ),
];

#[derive(Row, Deserialize)]
struct Place {
    visitor_id: String,
    campaign_id: String,
    handed: Vec<String>,
    decided_by: String,
    stream_id: String,
    destination_id: String,
    ms: i64,
}

pub(super) async fn seen_since(
    client: &Client,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<LastVisit>, StoreError> {
    let mut sql = Sql::new("SELECT * FROM (");
    // Who handed a click over stands in its event alone, which is read for nothing else.
    for (n, (decided_by, handed, handed_over)) in WAYS.into_iter().enumerate() {
        sql.push(if n == 0 { "" } else { " UNION ALL " });
        sql.push("SELECT visitor_id, toString(campaign_id) AS campaign_id, ");
        sql.push(handed).push(" AS handed, toString(").push(decided_by);
        sql.push(
            ") AS decided_by, toString(stream_id) AS stream_id, toString(destination_id) AS destination_id,
                toUnixTimestamp64Milli(max(at)) AS ms
             FROM click_events WHERE kind = 'click' AND campaign_id != '' AND stream_id != '' AND ",
        );
        sql.push(handed_over).at("at", ">=", ceil_ms(since));
        sql.push(" GROUP BY visitor_id, campaign_id, handed, decided_by, stream_id, destination_id");
    }
    sql.push(") ORDER BY ms DESC LIMIT ?");
    sql.number(i64::try_from(limit).unwrap_or(i64::MAX));
    let places: Vec<Place> = client.all("read where visitors were", sql).await?;
    places.into_iter().map(seen).collect()
}

fn seen(place: Place) -> Result<LastVisit, StoreError> {
    let broken = |e| StoreError::broken("stored click", e);
    let destination = Some(place.destination_id).filter(|d| !d.is_empty());
    Ok(LastVisit {
        visitor: place.visitor_id.parse().map_err(broken)?,
        campaign: place.campaign_id.parse().map_err(broken)?,
        handed_over: place.handed.iter().filter_map(|s| s.parse().ok()).collect(),
        decided_by: place.decided_by.parse().map_err(broken)?,
        stream: place.stream_id.parse().map_err(broken)?,
        destination: destination.map(|d| d.parse()).transpose().map_err(broken)?,
        at: Timestamp::from_millisecond(place.ms).unwrap_or(Timestamp::MAX),
    })
}
