//! Clicks and postbacks as they went in, newest first.
//!
//! An event that was read twice stands twice until the server has merged it away; copies are alike and stand side by
//! side, so they are dropped here. Asking the server to (FINAL) would read all of the time asked for, not a page.

use super::report::{ReportTable, filter::condition, local::LocalTime};
use crate::{
    client::Client,
    sql::{Sql, ceil_ms, tests},
};
use clickhouse::Row;
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::HashSet;
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, PostbackField, PostbackFilter, PostbackLogEvent},
    id::{CampaignId, ClickId},
    report::Conditions,
};
use tfx_ports::{
    StoreError,
    analytics::{ClickQuery, PostbackQuery, time_zone},
    page::{Page, PageRequest},
};

const CLICKS: [&str; 2] = ["click_events", "trafficback_events"];

/// An event as it came.
#[derive(Row, Deserialize)]
struct EventRow {
    id: String,
    /// Bytes: what is damaged may be no text.
    #[serde(with = "serde_bytes")]
    event: Vec<u8>,
}

/// The id of an event that is there.
#[derive(Row, Deserialize)]
struct Id {
    id: String,
}

pub(super) async fn click(client: &Client, id: ClickId) -> Result<Option<ClickEvent>, StoreError> {
    let mut sql = Sql::default();
    for (n, table) in CLICKS.iter().enumerate() {
        sql.push(if n == 0 { "" } else { " UNION ALL " });
        sql.push("SELECT click_id AS id, event FROM ").push(table);
        sql.push(" WHERE event != '' AND click_id = ?")
            .text(id.to_string())
            .at("at", "=", ms(id))
            .push(" LIMIT 1");
    }
    let rows: Vec<EventRow> = client.all("read a click", sql).await?;
    rows.first().map(|row| decode(client, row)).transpose()
}

pub(super) async fn clicks_by_id(client: &Client, ids: &[ClickId]) -> Result<Vec<ClickEvent>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<EventRow> = client.all("read clicks", by_id("click_id AS id, event", ids)).await?;
    // What was read twice may stand twice.
    let mut met = HashSet::new();
    let rows = rows.iter().filter(|row| met.insert(row.id.as_str()));
    rows.map(|row| decode(client, row)).collect()
}

pub(super) async fn clicks_there(client: &Client, ids: &[ClickId]) -> Result<Vec<ClickId>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Id> = client.all("look for clicks", by_id("click_id AS id", ids)).await?;
    Ok(rows.iter().filter_map(|row| row.id.parse().ok()).collect())
}

/// These columns of clicks. The times of the ids lead to the few granules that may hold them.
fn by_id(columns: &str, ids: &[ClickId]) -> Sql {
    let mut sql = Sql::default();
    for (n, table) in CLICKS.iter().enumerate() {
        sql.push(if n == 0 { "SELECT " } else { " UNION DISTINCT SELECT " });
        sql.push(columns).push(" FROM ").push(table);
        sql.push(" WHERE event != '' AND click_id IN ?").texts(ids.iter().map(ToString::to_string).collect());
        sql.push(" AND at IN (");
        for (n, id) in ids.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            sql.push(comma).push("fromUnixTimestamp64Milli(toInt64(?), 'UTC')").number(ms(*id));
        }
        sql.push(")");
    }
    sql
}

pub(super) async fn clicks(client: &Client, query: &ClickQuery) -> Result<Page<ClickEvent>, StoreError> {
    let Conditions { filters, timezone } = &query.conditions;
    let (since, until) = (query.since.unwrap_or(Timestamp::MIN), query.until.unwrap_or(Timestamp::MAX));
    let local = LocalTime::new(&time_zone(timezone)?, since, until);
    let mut conditions = Sql::default();
    if let Some(since) = query.since {
        conditions.at("at", ">=", ceil_ms(since));
    }
    if let Some(until) = query.until {
        conditions.at("at", "<", ceil_ms(until));
    }
    if let Some(campaign) = query.campaign.as_ref().map(CampaignId::as_str) {
        conditions.push(" AND campaign_id = ?").text(campaign);
    }
    if let Some(visitor) = query.visitor {
        conditions.push(" AND visitor_id = ?").text(visitor.to_string());
    }
    conditions.push(tests(query.test));
    for filter in filters {
        condition(&mut conditions, filter, ReportTable::clicks(CLICKS[0]));
    }
    let tables = match query.unrouted {
        Some(false) => &CLICKS[..1],
        Some(true) => &CLICKS[1..],
        None => &CLICKS[..],
    };
    let timed = filters.iter().any(|f| f.dimension.is_time());
    let with = if timed { format!("WITH {} AS local_ ", local.of("at")) } else { String::new() };
    let of = Listed { tables, id: "click_id", with, conditions };
    page(client, "list clicks", &of, &query.page).await
}

pub(super) async fn postbacks(
    client: &Client,
    query: &PostbackQuery,
) -> Result<Page<PostbackLogEvent>, StoreError> {
    let mut conditions = Sql::default();
    if let Some(since) = query.since {
        conditions.at("at", ">=", ceil_ms(since));
    }
    if let Some(until) = query.until {
        conditions.at("at", "<", ceil_ms(until));
    }
    if let Some(network) = &query.network {
        conditions.push(" AND network = ?").text(network);
    }
    if let Some(result) = query.result {
        conditions.push(" AND result = ?").text(result.as_str());
    }
    if let Some(direction) = query.direction {
        conditions.push(" AND direction = ?").text(direction.as_str());
    }
    conditions.push(tests(query.test));
    for filter in &query.filters {
        postback_condition(&mut conditions, filter);
    }
    let of = Listed { tables: &["postback_log_events"], id: "id", with: String::new(), conditions };
    page(client, "list postbacks", &of, &query.page).await
}

/// Adds ` AND …`: compared in lower case, as [`PostbackFilter::takes`] does.
fn postback_condition(sql: &mut Sql, filter: &PostbackFilter) {
    let values: Vec<String> = filter.values.iter().map(|v| v.to_lowercase()).collect();
    sql.push(if filter.negate { " AND NOT " } else { " AND " });
    let column = match &filter.field {
        _ if values.is_empty() => {
            sql.push("0");
            return;
        }
        PostbackField::Network => "network",
        PostbackField::Template => "template",
        PostbackField::Result => "result",
        PostbackField::Status => "toString(status)",
        PostbackField::Click => "click_id",
        PostbackField::Conversion => "conversion_id",
        PostbackField::Ip => "remote_ip",
        PostbackField::Test => "if(test, 'true', 'false')",
        PostbackField::Direction => "direction",
        PostbackField::Source => "source",
        PostbackField::Job => "job",
        PostbackField::Param(name) => {
            // One of the values said is enough; not said at all is the empty text.
            let unsaid = values.iter().any(String::is_empty);
            sql.push("(arrayExists(p -> p.1 = ?")
                .text(name)
                .push(" AND has(?, lowerUTF8(p.2)), ")
                .texts(values);
            sql.push(SAID).push(")");
            if unsaid {
                sql.push(" OR NOT arrayExists(p -> p.1 = ?, ").text(name).push(SAID).push(")");
            }
            sql.push(")");
            return;
        }
    };
    sql.push("(lowerUTF8(").push(column).push(") IN ?)").texts(values);
}

/// The parameters of a postback: names and values.
const SAID: &str = "JSONExtract(event, 'params', 'Array(Tuple(String, String))')";

/// What a list is of.
struct Listed<'t> {
    tables: &'t [&'t str],
    /// The column of the id.
    id: &'t str,
    /// What stands before SELECT.
    with: String,
    conditions: Sql,
}

/// A page of the events of tables in one order: by time and id, which is the order of the ids. The cursor is the
/// last id seen.
async fn page<T: DeserializeOwned>(
    client: &Client,
    what: &str,
    of: &Listed<'_>,
    request: &PageRequest,
) -> Result<Page<T>, StoreError> {
    let limit = request.limit.clamp(1, 1_000);
    let cursor = |text: &String| text.parse::<ClickId>().map_err(|_| StoreError::BadCursor);
    let mut before = request.cursor.as_ref().map(cursor).transpose()?;
    let mut rows: Vec<EventRow> = Vec::new();
    loop {
        let wanted = limit + 1 - rows.len();
        let part: Vec<EventRow> = client.all(what, select(of, before, wanted)).await?;
        let whole = part.len() < wanted;
        rows.extend(part);
        rows.dedup_by(|a, b| a.id == b.id);
        if whole || rows.len() > limit {
            break;
        }
        before = rows.last().map(|row| row.id.parse()).transpose().map_err(|e| broken(client, &rows, e))?;
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(|row| row.id.clone()) } else { None };
    let items: Vec<_> = rows.iter().map(|row| decode(client, row)).collect();
    Ok(Page { items, next, left_out: Vec::new() }.readable())
}

/// The first `limit` rows before an id, newest first.
fn select(of: &Listed<'_>, before: Option<ClickId>, limit: usize) -> Sql {
    let Listed { tables, id, with, conditions } = of;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut sql = Sql::new("SELECT id, event FROM (");
    for (n, table) in tables.iter().enumerate() {
        sql.push(if n == 0 { "" } else { " UNION ALL " });
        sql.push("SELECT * FROM (")
            .push(with)
            .push("SELECT ")
            .push(id)
            .push(" AS id, at, event FROM ")
            .push(table);
        sql.push(" WHERE event != ''").then(conditions.clone());
        if let Some(before) = before {
            sql.at("at", "<=", ms(before));
            sql.push(" AND (at, ").push(id).push(") < (fromUnixTimestamp64Milli(toInt64(?), 'UTC'), ?)");
            sql.number(ms(before)).text(before.to_string());
        }
        sql.push(" ORDER BY at DESC, ").push(id).push(" DESC LIMIT ?)").number(limit);
    }
    sql.push(") ORDER BY at DESC, id DESC LIMIT ?").number(limit);
    sql
}

fn ms(id: ClickId) -> i64 {
    i64::try_from(id.to_bits() >> 80).unwrap_or(i64::MAX)
}

fn decode<T: DeserializeOwned>(client: &Client, row: &EventRow) -> Result<T, StoreError> {
    serde_json::from_slice(&row.event)
        .map_err(|e| StoreError::broken(format!("stored event {} in {}", row.id, client.database), e))
}

fn broken(
    client: &Client,
    rows: &[EventRow],
    e: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    let id = rows.last().map_or("", |row| &row.id);
    StoreError::broken(format!("stored id {id} in {}", client.database), e)
}
