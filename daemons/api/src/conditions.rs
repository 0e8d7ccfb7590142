//! `where=FIELD=VALUE` of lists: reading the conditions, and looking through a list for what they take.
//!
//! Which items a condition takes is decided in `tfx-domain`, alike for all stores. A store hands its list over in its own
//! order; an answer looks at so many rows and then ends, with a `next` that goes on behind the last of them.

use crate::{app::App, failure::Failure, input::Query, report::checked_filter};
use std::str::FromStr;
use tfx_domain::report::ReportFilter;
use tfx_ports::{
    StoreError,
    page::{Page, PageRequest},
};

/// The most conditions of a list.
const MAX_CONDITIONS: usize = 50;
/// The most rows that one answer looks at.
const MOST_LOOKED_AT: usize = 20_000;
/// Rows read at once.
const STEP: usize = 1_000;

/// Every `where` of a query with its path; what cannot be read is among its problems.
pub(crate) fn parsed<F: FromStr<Err = String>>(query: &mut Query) -> Vec<(String, F)> {
    let texts = query.repeated("where");
    let most = format!("must be given at most {MAX_CONDITIONS} times");
    query.problems.require(texts.len() <= MAX_CONDITIONS, "where", &most);
    let mut conditions = Vec::new();
    for (i, text) in texts.iter().take(MAX_CONDITIONS).enumerate() {
        let path = format!("where[{i}]");
        match text.parse() {
            Ok(condition) => conditions.push((path, condition)),
            Err(message) => query.problems.add(path, message),
        }
    }
    conditions
}

/// Those on dimensions, slugs turned into ids.
///
/// # Errors
/// The store's; what is wrong is among the query's problems.
pub(crate) async fn of_dimensions(query: &mut Query, app: &App) -> Result<Vec<ReportFilter>, Failure> {
    let mut filters = Vec::new();
    for (path, filter) in parsed::<ReportFilter>(query) {
        let config = app.stores.config.as_ref();
        filters.push(checked_filter(config, &filter, &path, &mut query.problems).await?);
    }
    Ok(filters)
}

/// A page of what is taken. A short one is not the end of the list: that is where there is no `next`.
///
/// # Errors
/// The store's.
pub(crate) async fn taken<T, R>(
    request: PageRequest,
    all: bool,
    takes: impl Fn(&T) -> bool,
    read: impl Fn(PageRequest) -> R,
) -> Result<Page<T>, StoreError>
where
    R: Future<Output = Result<Page<T>, StoreError>>,
{
    if all {
        return read(request).await;
    }
    let mut found: Vec<T> = Vec::new();
    let mut cursor = request.cursor;
    let mut looked_at = 0;
    loop {
        let room = request.limit - found.len();
        let mut limit = STEP;
        let page = loop {
            let page = read(PageRequest { cursor: cursor.clone(), limit }).await?;
            let mut places = page.items.iter().enumerate().filter(|(_, item)| takes(item)).map(|(i, _)| i);
            let last = places.nth(room.saturating_sub(1));
            match (last, places.next()) {
                // More than there is room for: once more, only as far as the last that has some, because a cursor stands
                // at the end of a page. Each time it is less.
                (Some(last), Some(_)) => limit = last + 1,
                _ => break page,
            }
        };
        looked_at += limit;
        found.extend(page.items.into_iter().filter(&takes));
        cursor = page.next;
        if cursor.is_none() || found.len() >= request.limit || looked_at >= MOST_LOOKED_AT {
            return Ok(Page { items: found, next: cursor });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A list of the numbers below `of`, downwards.
    async fn pages(of: usize, limit: usize, takes: fn(&usize) -> bool) -> (Vec<usize>, usize) {
        let read = |request: PageRequest| {
            let before = request.cursor.map_or(of, |c| c.parse().expect("a number"));
            let end = before.saturating_sub(request.limit);
            let next = (end > 0).then(|| end.to_string());
            std::future::ready(Ok(Page { items: (end..before).rev().collect(), next }))
        };
        let (mut all, mut answers, mut cursor) = (Vec::new(), 0, None);
        loop {
            let reads = Cell::new(0);
            let counted = |request| {
                reads.set(reads.get() + 1);
                read(request)
            };
            let page = taken(PageRequest { cursor, limit }, false, takes, counted).await.expect("a page");
            assert!(page.items.len() <= limit && reads.get() <= 2 + MOST_LOOKED_AT / STEP);
            all.extend(page.items);
            answers += 1;
            cursor = page.next;
            if cursor.is_none() {
                return (all, answers);
            }
        }
    }

    #[tokio::test]
    async fn pages_have_everything_that_is_taken_once_in_order() {
        for takes in
            [|n: &usize| n.is_multiple_of(7), |_: &usize| true, |n: &usize| *n == 3, |_: &usize| false]
        {
            for limit in [1, 2, 99, 1_000] {
                let want: Vec<usize> = (0..2_345).rev().filter(takes).collect();
                assert_eq!(pages(2_345, limit, takes).await.0, want, "{limit}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_looks_at_so_many_rows_and_the_next_goes_on() {
        let (found, answers) = pages(50_000, 10, |n| *n == 17).await;
        assert_eq!((found, answers), (vec![17], 3));
    }
}
