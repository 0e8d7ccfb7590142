//! Clicks and postbacks as they went in, newest first.

use crate::{
    error::OrStoreError,
    events::{facts::NOT_ROUTED, id_bytes, id_of, packed::unpack, result_code, texts::number_of},
    paging::{cursor, limit, page, sql_limit},
    time::ceil_ms,
};
use rusqlite::{Connection, OptionalExtension, named_params};
use serde::de::DeserializeOwned;
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, PostbackLogEvent},
    id::ClickId,
};
use tfx_ports::{
    StoreError,
    analytics::{ClickQuery, PostbackQuery},
    page::{Page, PageRequest},
};

pub(super) fn click(conn: &Connection, id: ClickId) -> Result<Option<ClickEvent>, StoreError> {
    let sql = "SELECT json FROM clicks CROSS JOIN bodies ON bodies.id = clicks.body WHERE clicks.id = ?1";
    let json: Option<Vec<u8>> = conn
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([id_bytes(id)], |r| r.get(0)).optional())
        .or_store_error("read a click")?;
    json.map(|json| decode(id, &json)).transpose()
}

/// The key is the id: each is a look-up.
pub(super) fn clicks_there(conn: &Connection, ids: &[ClickId]) -> Result<Vec<ClickId>, StoreError> {
    let what = "look for clicks";
    let mut statement = conn.prepare_cached("SELECT 1 FROM clicks WHERE id = ?1").or_store_error(what)?;
    let mut there = Vec::new();
    for id in ids {
        if statement.exists([id_bytes(*id)]).or_store_error(what)? {
            there.push(*id);
        }
    }
    Ok(there)
}

pub(super) fn clicks(conn: &Connection, query: &ClickQuery) -> Result<Page<ClickEvent>, StoreError> {
    let Some((since, until)) = bounds(query.since, query.until, &query.page)? else { return Ok(empty()) };
    let Some(campaign) = number(conn, query.campaign.as_ref().map(tfx_domain::id::CampaignId::as_str))?
    else {
        return Ok(empty());
    };
    let limit = limit(&query.page);
    let sql = "SELECT clicks.id, json FROM clicks CROSS JOIN bodies ON bodies.id = clicks.body
        WHERE clicks.id >= :since AND clicks.id < :until
          AND (:campaign IS NULL OR campaign = :campaign)
          AND (:visitor IS NULL OR visitor = :visitor)
          AND (:unrouted IS NULL OR (facts & :not_routed <> 0) = :unrouted)
          AND (:test IS NULL OR (facts & 2048 <> 0) = :test)
        ORDER BY clicks.id DESC LIMIT :limit";
    let params = named_params! {
        ":since": since,
        ":until": until,
        ":campaign": campaign,
        ":visitor": query.visitor.map(|v| v.0.to_be_bytes()),
        ":unrouted": query.unrouted,
        ":not_routed": NOT_ROUTED,
        ":test": query.test.wanted(),
        ":limit": sql_limit(limit + 1),
    };
    Ok(page(bodies(conn, sql, params)?, limit, ClickId::to_string))
}

pub(super) fn postbacks(
    conn: &Connection,
    query: &PostbackQuery,
) -> Result<Page<PostbackLogEvent>, StoreError> {
    let Some((since, until)) = bounds(query.since, query.until, &query.page)? else { return Ok(empty()) };
    let Some(network) = number(conn, query.network.as_deref())? else { return Ok(empty()) };
    let limit = limit(&query.page);
    let sql = "SELECT postbacks.id, json FROM postbacks CROSS JOIN bodies ON bodies.id = postbacks.body
        WHERE postbacks.id >= :since AND postbacks.id < :until
          AND (:network IS NULL OR coalesce(network, 0) = :network)
          AND (:result IS NULL OR result = :result)
          AND (:test IS NULL OR test = :test)
        ORDER BY postbacks.id DESC LIMIT :limit";
    let params = named_params! {
        ":since": since,
        ":until": until,
        ":network": network,
        ":result": query.result.map(result_code),
        ":test": query.test.wanted(),
        ":limit": sql_limit(limit + 1),
    };
    Ok(page(bodies(conn, sql, params)?, limit, ClickId::to_string))
}

fn empty<T>() -> Page<T> {
    Page { items: Vec::new(), next: None }
}

/// The ids between which a page is: from, inclusive, to, exclusive.
type Bounds = ([u8; 16], [u8; 16]);

/// Where the page is; none if nothing can be there. The cursor is the last id seen.
fn bounds(
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    request: &PageRequest,
) -> Result<Option<Bounds>, StoreError> {
    let floor = |at| ClickId::floor(Timestamp::from_millisecond(ceil_ms(at)).unwrap_or(Timestamp::MAX));
    let since = since.map_or(ClickId::from_bits(0), floor);
    let until = until.map_or(ClickId::from_bits(u128::MAX), floor);
    let until = cursor(request, |c| c.parse::<ClickId>().ok())?.map_or(until, |c| c.min(until));
    Ok((since < until).then(|| (id_bytes(since), id_bytes(until))))
}

/// The number of a text to filter by, 0 for the empty one; the outer none if nothing has that text.
fn number(conn: &Connection, text: Option<&str>) -> Result<Option<Option<i64>>, StoreError> {
    match text {
        None => Ok(Some(None)),
        Some("") => Ok(Some(Some(0))),
        Some(text) => Ok(number_of(conn, text)?.map(Some)),
    }
}

fn bodies<T: DeserializeOwned>(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<(ClickId, T)>, StoreError> {
    let what = "read events";
    let mut statement = conn.prepare_cached(sql).or_store_error(what)?;
    let mut rows = statement.query(params).or_store_error(what)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().or_store_error(what)? {
        let id: Vec<u8> = row.get(0).or_store_error(what)?;
        let json: Vec<u8> = row.get(1).or_store_error(what)?;
        let id = id_of(&id)?;
        items.push((id, decode(id, &json)?));
    }
    Ok(items)
}

fn decode<T: DeserializeOwned>(id: ClickId, json: &[u8]) -> Result<T, StoreError> {
    let broken = || format!("stored event {id}");
    let json = unpack(json).map_err(|e| StoreError::broken(broken(), e))?;
    serde_json::from_slice(&json).map_err(|e| StoreError::broken(broken(), e))
}
