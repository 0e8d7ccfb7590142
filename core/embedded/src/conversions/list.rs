//! Reading conversions.

use crate::{
    error::OrStoreError,
    paging::{cursor, limit, page, sql_limit},
    time::ceil_ms,
};
use rusqlite::{Connection, OptionalExtension, named_params};
use tfx_domain::{
    id::{CampaignId, ConversionId, NetworkId},
    postback::{Conversion, ConversionStatus},
};
use tfx_ports::{
    StoreError,
    conversions::ConversionQuery,
    left_out::LeftOut,
    page::{Page, PageRequest},
};

/// The conversion as it is stored.
pub(super) fn body(c: &Conversion) -> rusqlite::Result<String> {
    serde_json::to_string(c).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

pub(super) fn read_body(text: &str) -> Result<Conversion, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::broken("stored conversion", e))
}

pub(super) fn get(conn: &Connection, id: &ConversionId) -> Result<Option<Conversion>, StoreError> {
    let text: Option<String> = conn
        .prepare_cached("SELECT body FROM conversions WHERE id = ?1")
        .and_then(|mut s| s.query_row([id.as_str()], |r| r.get(0)).optional())
        .or_store_error("read a conversion")?;
    text.map(|t| read_body(&t)).transpose()
}

/// Newest first: by the time of the first report, then by id.
pub(super) fn list(
    conn: &Connection,
    query: &ConversionQuery,
    left_out: &LeftOut,
) -> Result<Page<Conversion>, StoreError> {
    let before = cursor(&query.page, |c| {
        let (ms, id) = c.split_once('.')?;
        Some((ms.parse::<i64>().ok()?, id.parse::<ConversionId>().ok()?.to_string()))
    })?;
    let (before_ms, before_id) = before.unwrap_or((i64::MAX, String::new()));
    let limit = limit(&query.page);
    // A click has few conversions: by its index. Otherwise they are walked in order.
    let sql = match query.click {
        Some(_) => concat!(include_str!("list_of_click.sql"), include_str!("list_conditions.sql")),
        None => concat!(include_str!("list_in_order.sql"), include_str!("list_conditions.sql")),
    };
    let params = named_params! {
        ":click": query.click.map(|c| c.to_string()),
        ":campaign": query.campaign.as_ref().map(CampaignId::as_str),
        ":network": query.network.as_ref().map(NetworkId::as_str),
        ":status": query.status.as_ref().map(ConversionStatus::as_str),
        ":test": query.test.wanted(),
        ":since": query.since.map_or(i64::MIN, ceil_ms),
        ":until": query.until.map_or(i64::MAX, ceil_ms),
        ":before_ms": before_ms,
        ":before_id": before_id,
        ":limit": sql_limit(limit + 1),
    };
    let items = read(conn, sql, params, |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)), 2)?;
    let items = items.into_iter().map(|(place, read)| {
        let read = left_out.keep(&place.1, read);
        (place, read)
    });
    Ok(page(items.collect(), limit, |(ms, id)| format!("{ms}.{id}")).flatten())
}

pub(super) fn unpublished(
    conn: &Connection,
    request: &PageRequest,
    left_out: &LeftOut,
) -> Result<Page<Conversion>, StoreError> {
    let after = cursor(request, |c| c.parse::<i64>().ok())?.unwrap_or(i64::MIN);
    let limit = limit(request);
    let sql = "SELECT unpublished, id, body FROM conversions WHERE unpublished > :after
        ORDER BY unpublished LIMIT :limit";
    let params = named_params! { ":after": after, ":limit": sql_limit(limit + 1) };
    let items = read(conn, sql, params, |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)), 2)?;
    let items = items.into_iter().map(|(place, read)| {
        let read = left_out.keep(&place.1, read);
        (place, read)
    });
    Ok(page(items.collect(), limit, |(number, _)| number.to_string()).flatten())
}

/// Rows with their places; one that cannot be read does not stop the others.
fn read<P>(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    place: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<P>,
    body: usize,
) -> Result<Vec<(P, Result<Conversion, StoreError>)>, StoreError> {
    let what = "read conversions";
    let mut statement = conn.prepare_cached(sql).or_store_error(what)?;
    let mut rows = statement.query(params).or_store_error(what)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().or_store_error(what)? {
        let text = row.get::<_, String>(body).or_store_error(what);
        items.push((place(row).or_store_error(what)?, text.and_then(|text| read_body(&text))));
    }
    Ok(items)
}
