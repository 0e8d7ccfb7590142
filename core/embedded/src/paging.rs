//! Pages: one item more than asked for is read, to know whether there is a next page.

use std::str::FromStr;
use tfx_ports::{
    StoreError,
    page::{Page, PageRequest},
};

/// How many items a page may have.
pub(crate) fn limit(request: &PageRequest) -> usize {
    request.limit.clamp(1, 1_000)
}

/// The cursor as what it was made of.
pub(crate) fn cursor<T>(
    request: &PageRequest,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    match &request.cursor {
        None => Ok(None),
        Some(text) => parse(text).map(Some).ok_or(StoreError::BadCursor),
    }
}

/// Where a page of a list that tells the newest first begins, by the time in milliseconds and the id of the one before; without
/// a cursor behind everything. The place of an item is `MS.ID`.
pub(crate) fn before<I: FromStr + ToString>(request: &PageRequest) -> Result<(i64, String), StoreError> {
    let before = cursor(request, |c| {
        let (ms, id) = c.split_once('.')?;
        Some((ms.parse::<i64>().ok()?, id.parse::<I>().ok()?.to_string()))
    })?;
    Ok(before.unwrap_or((i64::MAX, String::new())))
}

/// A page of at most `limit` of `items`, of which there is one more if the list goes on; `place` makes the cursor
/// of an item, after which the next page begins.
pub(crate) fn page<P, T>(mut items: Vec<(P, T)>, limit: usize, place: impl FnOnce(&P) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(|(p, _)| place(p)) } else { None };
    Page { items: items.into_iter().map(|(_, item)| item).collect(), next, left_out: Vec::new() }
}

/// For SQL's LIMIT.
pub(crate) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
