//! The past that routing needs: caps, click limits, where visitors were.

use crate::{
    client::Client,
    sql::{Sql, ceil_ms},
};
use clickhouse::Row;
use serde::Deserialize;
use tfx_domain::{
    Timestamp,
    id::{DestinationId, StreamId},
    routing::CapUse,
};
use tfx_ports::{StoreError, analytics::Seen};

/// Clicks in time order hardly overlap between parts, so FINAL costs little here (see `benches/report.rs`).
pub(super) async fn cap_use(
    client: &Client,
    destination: &DestinationId,
    day_start: Timestamp,
) -> Result<CapUse, StoreError> {
    let from = ceil_ms(day_start);
    let mut sql = Sql::default();
    let of_day = |sql: &mut Sql, column: &str| {
        sql.push("SELECT countIf(")
            .push(column)
            .push(" >= fromUnixTimestamp64Milli(toInt64(?), 'UTC')), count()");
        sql.number(from);
    };
    of_day(&mut sql, "at");
    sql.push(", 0 FROM click_events FINAL WHERE kind = 'click' AND destination_id = ?")
        .text(destination.as_str());
    sql.push(" UNION ALL ");
    of_day(&mut sql, "created_at");
    sql.push(", 1 FROM conversion_events FINAL WHERE status != 'rejected' AND destination_id = ?");
    sql.text(destination.as_str());
    let rows: Vec<(u64, u64, u8)> = client.all("read the use of a cap", sql).await?;
    let of = |which| rows.iter().find(|r| r.2 == which).map_or((0, 0), |r| (r.0, r.1));
    let ((clicks_daily, clicks_total), (conversions_daily, conversions_total)) = (of(0), of(1));
    Ok(CapUse { clicks_daily, clicks_total, conversions_daily, conversions_total })
}

pub(super) async fn stream_clicks(
    client: &Client,
    stream: &StreamId,
    since: Option<Timestamp>,
) -> Result<u64, StoreError> {
    let mut sql = Sql::new("SELECT count() FROM click_events FINAL WHERE kind = 'click' AND stream_id = ?");
    sql.text(stream.as_str());
    if let Some(since) = since {
        sql.at("at", ">=", ceil_ms(since));
    }
    let rows: Vec<u64> = client.all("count a stream's clicks", sql).await?;
    Ok(rows.first().copied().unwrap_or(0))
}

#[derive(Row, Deserialize)]
struct Place {
    visitor_id: String,
    campaign_id: String,
    stream_id: String,
    destination_id: String,
    ms: i64,
}

pub(super) async fn seen_since(
    client: &Client,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<Seen>, StoreError> {
    let mut sql = Sql::new(
        "SELECT visitor_id, toString(campaign_id) AS campaign_id, toString(stream_id) AS stream_id,
                toString(destination_id) AS destination_id, toUnixTimestamp64Milli(max(at)) AS ms
         FROM click_events WHERE kind = 'click' AND campaign_id != '' AND stream_id != ''",
    );
    sql.at("at", ">=", ceil_ms(since));
    sql.push(" GROUP BY visitor_id, campaign_id, stream_id, destination_id ORDER BY ms DESC LIMIT ?");
    sql.number(i64::try_from(limit).unwrap_or(i64::MAX));
    let places: Vec<Place> = client.all("read where visitors were", sql).await?;
    places.into_iter().map(seen).collect()
}

fn seen(place: Place) -> Result<Seen, StoreError> {
    let broken = |e| StoreError::broken("stored click", e);
    let destination = Some(place.destination_id).filter(|d| !d.is_empty());
    Ok(Seen {
        visitor: place.visitor_id.parse().map_err(broken)?,
        campaign: place.campaign_id.parse().map_err(broken)?,
        stream: place.stream_id.parse().map_err(broken)?,
        destination: destination.map(|d| d.parse()).transpose().map_err(broken)?,
        at: Timestamp::from_millisecond(place.ms).unwrap_or(Timestamp::MAX),
    })
}
