//! Reading conversions.

use crate::{
    error::OrStoreError,
    paging::{before, cursor, limit, page, sql_limit},
    time::ceil_ms,
};
use rusqlite::{Connection, OptionalExtension, named_params};
use tfx_domain::{
    id::{CampaignId, ConversionId, NetworkId},
    postback::{Conversion, ConversionStatus},
};
use tfx_ports::{
    StoreError,
    analytics::time_zone,
    conversions::ConversionQuery,
    left_out::LeftOut,
    page::{Page, PageRequest},
};

/// The conversion as it is stored.
pub(super) fn body(c: &Conversion) -> rusqlite::Result<String> {
    serde_json::to_string(c).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

pub(super) fn read_body(id: &str, text: &str) -> Result<Conversion, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::broken(format!("stored conversion {id}"), e))
}

pub(super) fn get(conn: &Connection, id: &ConversionId) -> Result<Option<Conversion>, StoreError> {
    let text: Option<String> = conn
        .prepare_cached("SELECT body FROM conversions WHERE id = ?1")
        .and_then(|mut s| s.query_row([id.as_str()], |r| r.get(0)).optional())
        .or_store_error("read a conversion")?;
    text.map(|t| read_body(id.as_str(), &t)).transpose()
}

/// Those that are not there.
pub(super) fn absent(conn: &Connection, mut ids: Vec<ConversionId>) -> Result<Vec<ConversionId>, StoreError> {
    let what = "look for conversions";
    let mut find = conn.prepare_cached("SELECT 1 FROM conversions WHERE id = ?1").or_store_error(what)?;
    let mut failed = None;
    ids.retain(|id| match find.exists([id.as_str()]) {
        Ok(there) => !there,
        Err(error) => {
            failed.get_or_insert(error);
            false
        }
    });
    failed.map_or(Ok(ids), Err).or_store_error(what)
}

/// Newest first: by the time of the first report, then by id.
pub(super) fn list(
    conn: &Connection,
    query: &ConversionQuery,
    left_out: &LeftOut,
) -> Result<Page<Conversion>, StoreError> {
    let (before_ms, before_id) = before::<ConversionId>(&query.page)?;
    let limit = limit(&query.page);
    let (filters, zone) = (&query.conditions.filters, time_zone(&query.conditions.timezone)?);
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
        // None where it takes looking to know which are asked for.
        ":limit": if filters.is_empty() { sql_limit(limit + 1) } else { -1 },
    };
    let takes = |c: &Conversion| filters.iter().all(|f| f.takes_conversion(c, &zone));
    let items = read(conn, sql, params, limit + 1, left_out, takes)?;
    Ok(page(items, limit, |(ms, id)| format!("{ms}.{id}")).readable())
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
    let items = read(conn, sql, params, limit + 1, left_out, |_| true)?;
    Ok(page(items, limit, |(number, _)| number.to_string()).readable())
}

/// A row's place in its list (a number and its id), and what it says.
type Placed = ((i64, String), Result<Conversion, StoreError>);

/// The first `most` that `takes` takes, and those that cannot be read, which are noted and stop nothing.
fn read(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    most: usize,
    left_out: &LeftOut,
    takes: impl Fn(&Conversion) -> bool,
) -> Result<Vec<Placed>, StoreError> {
    let what = "read conversions";
    let mut statement = conn.prepare_cached(sql).or_store_error(what)?;
    let mut rows = statement.query(params).or_store_error(what)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().or_store_error(what)? {
        let place =
            (row.get::<_, i64>(0).or_store_error(what)?, row.get::<_, String>(1).or_store_error(what)?);
        let text = row.get::<_, String>(2).or_store_error(what);
        let read = left_out.noted(&place.1, text.and_then(|text| read_body(&place.1, &text)));
        if read.as_ref().map_or(true, &takes) {
            items.push((place, read));
        }
        if items.len() >= most {
            break;
        }
    }
    Ok(items)
}
