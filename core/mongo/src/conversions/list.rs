//! Reading conversions.

use super::{documents, stored::ConversionDocument};
use crate::{
    db::Db,
    paging::{after, limit, page, query_limit},
    time::date_from,
};
use mongodb::bson::{DateTime, Document, doc};
use std::time::{Duration, Instant};
use tfx_domain::{event::TestTraffic, id::ConversionId, postback::Conversion};
use tfx_ports::{
    StoreError, analytics::time_zone, conversions::ConversionQuery, left_out::LeftOut, page::Page,
};

/// Documents read at once to look through.
const STEP: usize = 2_000;
/// After so long of looking through a list the page ends.
const LOOKING: Duration = Duration::from_secs(15);

/// Newest first: by the time of the first report, then by id.
pub(super) async fn page_of(
    db: &Db,
    query: &ConversionQuery,
    left_out: &LeftOut,
) -> Result<Page<Conversion>, StoreError> {
    let limit = limit(&query.page);
    let (filters, zone) = (&query.conditions.filters, time_zone(&query.conditions.timezone)?);
    if filters.is_empty() {
        let stored = stored(db, query, limit + 1).await?;
        return Ok(page(stored, limit, place).map(|s| ConversionDocument::read(s, left_out)).readable());
    }
    let began = Instant::now();
    let mut query = query.clone();
    let mut found = Page::default();
    loop {
        let part = page(stored(db, &query, STEP + 1).await?, STEP, place);
        for document in part.items {
            let here = place(&document);
            match ConversionDocument::read(document, left_out) {
                Ok(c) if filters.iter().all(|f| f.takes_conversion(&c, &zone)) => found.items.push(Ok(c)),
                Ok(_) => continue,
                Err(why) => found.items.push(Err(why)),
            }
            if found.items.len() == limit {
                found.next = Some(here);
                return Ok(found.readable());
            }
        }
        query.page.cursor.clone_from(&part.next);
        if part.next.is_none() || began.elapsed() > LOOKING {
            found.next = part.next;
            return Ok(found.readable());
        }
    }
}

async fn stored(db: &Db, query: &ConversionQuery, limit: usize) -> Result<Vec<Document>, StoreError> {
    let all = documents(db);
    let newest_first = doc! {"created": -1, "_id": -1};
    let find = all.find(filter(query)?).sort(newest_first).limit(query_limit(limit));
    db.rows("list conversions", find).await
}

/// `MILLISECONDS.ID`: the next page begins after it.
fn place(last: &Document) -> String {
    let created = last.get_datetime("created").map_or(0, |at| at.timestamp_millis());
    format!("{created}.{}", last.get_str("_id").unwrap_or_default())
}

fn parse_place(cursor: &str) -> Option<(DateTime, String)> {
    let (ms, id) = cursor.split_once('.')?;
    Some((DateTime::from_millis(ms.parse().ok()?), id.parse::<ConversionId>().ok()?.to_string()))
}

/// Every text is a value here, never an operator.
fn filter(query: &ConversionQuery) -> Result<Document, StoreError> {
    let mut all = Vec::new();
    if let Some((at, id)) = after(&query.page, parse_place)? {
        // The first condition bounds the walk along the index, the second is exact.
        all.push(doc! {"created": {"$lte": at}});
        all.push(doc! {"$or": [{"created": {"$lt": at}}, {"_id": {"$lt": id}}]});
    }
    let mut created = Document::new();
    if let Some(since) = query.since {
        created.insert("$gte", date_from(since));
    }
    if let Some(until) = query.until {
        created.insert("$lt", date_from(until));
    }
    if !created.is_empty() {
        all.push(doc! {"created": created});
    }
    let fields = [
        ("campaign", query.campaign.as_ref().map(ToString::to_string)),
        ("network", query.network.as_ref().map(ToString::to_string)),
        ("status", query.status.as_ref().map(ToString::to_string)),
        ("click", query.click.map(|c| c.to_string())),
    ];
    for (field, value) in fields {
        if let Some(value) = value {
            all.push(doc! {field: value});
        }
    }
    match query.test {
        TestTraffic::Exclude => all.push(doc! {"test": {"$ne": true}}),
        TestTraffic::Include => {}
        TestTraffic::Only => all.push(doc! {"test": true}),
    }
    Ok(if all.is_empty() {
        Document::new()
    } else {
        doc! {"$and": all}
    })
}
