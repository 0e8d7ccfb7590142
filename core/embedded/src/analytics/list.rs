//! Clicks and postbacks as they went in, newest first. What is asked for is looked for in the columns, as reports do; of
//! clicks only the bodies of a page are read.

use super::{
    caller::CallerWatch,
    report::{
        calendar::Calendar,
        column::{self, Cells},
        filter::Filter,
    },
};
use crate::{
    error::OrStoreError,
    events::{
        facts::{Facts, NOT_ROUTED},
        id_bytes, id_ms, id_of,
        packed::unpack,
        result_code,
        texts::{Names, number_of},
    },
    paging::{cursor, limit, page},
    time::ceil_ms,
};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde::de::DeserializeOwned;
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, PostbackDirection, PostbackField, PostbackFilter, PostbackLogEvent, PostbackResult},
    id::ClickId,
};
use tfx_ports::{
    StoreError,
    analytics::{ClickQuery, PostbackQuery, time_zone},
    page::{Page, PageRequest},
};

const WHAT: &str = "read events";

pub(super) fn click(conn: &Connection, id: ClickId) -> Result<Option<ClickEvent>, StoreError> {
    let number: Option<i64> = conn
        .prepare_cached("SELECT body FROM clicks WHERE id = ?1")
        .and_then(|mut s| s.query_row([id_bytes(id)], |r| r.get(0)).optional())
        .or_store_error("read a click")?;
    number.map(|number| event(id, body(conn, number)?)).transpose()
}

/// The key is the id: each is a look-up.
pub(super) fn clicks_by_id(conn: &Connection, ids: &[ClickId]) -> Result<Vec<ClickEvent>, StoreError> {
    ids.iter().filter_map(|id| click(conn, *id).transpose()).collect()
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

pub(super) fn clicks(
    conn: &Connection,
    query: &ClickQuery,
    mut caller: CallerWatch,
) -> Result<Page<ClickEvent>, StoreError> {
    let mut calendar = Calendar::new(time_zone(&query.conditions.timezone)?);
    let Some((since, until)) = bounds(query.since, query.until, &query.page)? else {
        return Ok(Page::default());
    };
    let Some(campaign) = number(conn, query.campaign.as_ref().map(tfx_domain::id::CampaignId::as_str))?
    else {
        return Ok(Page::default());
    };
    let limit = limit(&query.page);
    let mut filters: Vec<Filter> = query.conditions.filters.iter().map(Filter::new).collect();
    let mut names = Names::new(conn)?;
    let (columns, places) = column::stored(filters.iter().map(|f| &f.column), 3);
    let sql = format!(
        "SELECT id, body, facts{columns} FROM clicks
        WHERE id >= :since AND id < :until
          AND (:campaign IS NULL OR campaign = :campaign)
          AND (:visitor IS NULL OR visitor = :visitor)
          AND (:unrouted IS NULL OR (facts & :not_routed <> 0) = :unrouted)
          AND (:test IS NULL OR (facts & 2048 <> 0) = :test)
        ORDER BY id DESC"
    );
    let params = named_params! {
        ":since": since,
        ":until": until,
        ":campaign": campaign,
        ":visitor": query.visitor.map(|v| v.0.to_be_bytes()),
        ":unrouted": query.unrouted,
        ":not_routed": NOT_ROUTED,
        ":test": query.test.wanted(),
    };
    let mut statement = conn.prepare_cached(&sql).or_store_error(WHAT)?;
    let mut rows = statement.query(params).or_store_error(WHAT)?;
    let mut found = Vec::new();
    'rows: while let Some(row) = rows.next().or_store_error(WHAT)? {
        caller.still_there()?;
        let id = place(row)?;
        let facts = Facts(row.get(2).or_store_error(WHAT)?);
        let cells = Cells { row, places: &places, at_ms: id_ms(id), facts, status: 0 };
        for filter in &mut filters {
            if !filter.passes(&cells, &mut names, &mut calendar)? {
                continue 'rows;
            }
        }
        found.push((id, row.get::<_, i64>(1).or_store_error(WHAT)?));
        if found.len() > limit {
            break;
        }
    }
    let found = found.into_iter().map(|(id, body)| (id, (id, body))).collect();
    let found = page(found, limit, ClickId::to_string);
    Ok(found.try_map(|(id, number)| Ok::<_, StoreError>(event(id, body(conn, number)?)))?.readable())
}

pub(super) fn postbacks(
    conn: &Connection,
    query: &PostbackQuery,
    mut caller: CallerWatch,
) -> Result<Page<PostbackLogEvent>, StoreError> {
    let Some((since, until)) = bounds(query.since, query.until, &query.page)? else {
        return Ok(Page::default());
    };
    let Some(network) = number(conn, query.network.as_deref())? else { return Ok(Page::default()) };
    let limit = limit(&query.page);
    let wanted = "id >= :since AND id < :until
          AND (:network IS NULL OR coalesce(network, 0) = :network)
          AND (:result IS NULL OR result = :result)
          AND (:out IS NULL OR (result >= :first_out) = :out)
          AND (:test IS NULL OR test = :test)";
    let from = "SELECT id, body FROM postbacks WHERE";
    let click = one_click(&query.filters);
    let sql = if click.is_some() {
        // Of rows of before it is not known which click they name.
        format!(
            "{from} click = :click AND {wanted} UNION ALL {from} click IS NULL AND {wanted} ORDER BY id DESC"
        )
    } else {
        format!("{from} :click IS NULL AND {wanted} ORDER BY id DESC")
    };
    let params = named_params! {
        ":since": since,
        ":until": until,
        ":network": network,
        ":result": query.result.map(result_code),
        ":out": query.direction.map(|d| d == PostbackDirection::Out),
        // Every word is of one direction, and those of what goes out came last.
        ":first_out": result_code(PostbackResult::Sent),
        ":test": query.test.wanted(),
        ":click": click.map(id_bytes),
    };
    let mut statement = conn.prepare_cached(&sql).or_store_error(WHAT)?;
    let mut rows = statement.query(params).or_store_error(WHAT)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().or_store_error(WHAT)? {
        caller.still_there()?;
        let id = place(row)?;
        let read = event::<PostbackLogEvent>(id, body(conn, row.get(1).or_store_error(WHAT)?)?);
        if read.as_ref().map_or(true, |postback| query.filters.iter().all(|f| f.takes(postback))) {
            found.push((id, read));
        }
        if found.len() > limit {
            break;
        }
    }
    Ok(page(found, limit, ClickId::to_string).readable())
}

/// The click that all rows must name.
fn one_click(filters: &[PostbackFilter]) -> Option<ClickId> {
    filters.iter().filter(|f| f.field == PostbackField::Click && !f.negate).find_map(|f| {
        match f.values.as_slice() {
            [one] => one.to_uppercase().parse().ok(),
            _ => None,
        }
    })
}

fn place(row: &Row<'_>) -> Result<ClickId, StoreError> {
    id_of(row.get_ref(0).or_store_error(WHAT)?.as_blob().unwrap_or_default())
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

fn body(conn: &Connection, number: i64) -> Result<Option<Vec<u8>>, StoreError> {
    conn.prepare_cached("SELECT json FROM bodies WHERE id = ?1")
        .and_then(|mut s| s.query_row([number], |r| r.get(0)).optional())
        .or_store_error(WHAT)
}

/// The event that a body holds.
fn event<T: DeserializeOwned>(id: ClickId, body: Option<Vec<u8>>) -> Result<T, StoreError> {
    let body = body
        .ok_or_else(|| StoreError::Broken { what: format!("stored event {id} has no body"), source: None })?;
    let broken = || format!("stored event {id}");
    let json = unpack(&body).map_err(|e| StoreError::broken(broken(), e))?;
    serde_json::from_slice(&json).map_err(|e| StoreError::broken(broken(), e))
}
