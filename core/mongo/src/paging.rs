//! Pages: one item more than asked for is read, which tells whether there is a next page.

use tfx_ports::{
    StoreError,
    page::{Page, PageRequest},
};

/// How many items a page may have.
pub(crate) fn limit(request: &PageRequest) -> usize {
    request.limit.clamp(1, 1_000)
}

/// For a query's limit. Zero would mean no limit to MongoDB, a negative one a single batch.
pub(crate) fn query_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).max(1)
}

/// The place that the cursor stands for; none without a cursor.
pub(crate) fn after<P>(
    request: &PageRequest,
    parse: impl FnOnce(&str) -> Option<P>,
) -> Result<Option<P>, StoreError> {
    request.cursor.as_deref().map(|text| parse(text).ok_or(StoreError::BadCursor)).transpose()
}

/// A page of the first `limit` of `items`; `place` makes the cursor of the last one.
pub(crate) fn page<T>(mut items: Vec<T>, limit: usize, place: impl FnOnce(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(place);
    Page { items, next, left_out: Vec::new() }
}
