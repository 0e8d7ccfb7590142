//! What was answered held against what is stored: click by click, conversion by conversion.

use crate::Browser;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tfx_api::{
    Client,
    clicks::ClickQuery,
    conversions::ConversionQuery,
    report::{Metric, ReportRequest},
};
use tfx_domain::{Timestamp, event::ClickEvent, id::ClickId};

impl Browser {
    /// Waits until everything that was answered is stored, then holds each against each: how many clicks and how many
    /// conversions there are.
    ///
    /// # Panics
    /// Something that was answered is missing or is stored twice, or the report counts something else.
    pub async fn reconcile(&self, api: &Client) -> (usize, usize) {
        let (clicks, sales) = (self.clicks(), self.sales());
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let (hits, conversions) = totals(api).await;
            if hits >= clicks.len() && conversions >= sales.len() {
                break;
            }
            assert!(
                Instant::now() < limit,
                "answered {} clicks and {} sales, the report counts {hits} and {conversions}",
                clicks.len(),
                sales.len()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // What was stored without an answer (killed in between) counts too, so the number alone says little.
        let (stored, converted) = loop {
            let (stored, converted) = (stored(api).await, converted(api).await);
            let not_once = |all: &HashMap<ClickId, u32>, ids: &[ClickId]| {
                ids.iter().copied().filter(|id| all.get(id) != Some(&1)).collect::<Vec<_>>()
            };
            let missing = (not_once(&stored, &clicks), not_once(&converted, &sales));
            if missing.0.is_empty() && missing.1.is_empty() {
                break (stored, converted);
            }
            assert!(Instant::now() < limit, "answered, but not stored once: clicks and sales of {missing:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!(stored.values().chain(converted.values()).all(|n| *n == 1), "something is stored twice");
        // The report counts what the lists hold, neither more nor less.
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let seen = totals(api).await;
            if seen == (stored.len(), converted.len()) {
                return seen;
            }
            assert!(
                Instant::now() < limit,
                "the report counts {seen:?}, the lists {} and {}",
                stored.len(),
                converted.len()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn stored(api: &Client) -> HashMap<ClickId, u32> {
    let mut found = HashMap::new();
    every_click(api, |click| *found.entry(click.click_id).or_default() += 1).await;
    found
}

async fn converted(api: &Client) -> HashMap<ClickId, u32> {
    let mut found = HashMap::new();
    let mut query = ConversionQuery { limit: Some(1000), ..ConversionQuery::default() };
    loop {
        let page = api.conversions(&query).await.expect("conversions");
        page.items.iter().for_each(|c| *found.entry(c.click_id).or_default() += 1);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return found;
        }
    }
}

/// Calls `each` with every stored click.
///
/// # Panics
/// The API does not list them.
pub async fn every_click(api: &Client, mut each: impl FnMut(ClickEvent)) {
    let mut query = ClickQuery { limit: Some(1000), ..ClickQuery::default() };
    loop {
        let page = api.clicks(&query).await.expect("clicks");
        page.items.into_iter().for_each(&mut each);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return;
        }
    }
}

/// Hits and conversions in the report.
///
/// # Panics
/// There is no report.
pub async fn totals(api: &Client) -> (usize, usize) {
    let request = ReportRequest {
        since: Some(Timestamp::UNIX_EPOCH),
        metrics: vec![Metric::Hits, Metric::Conversions],
        ..ReportRequest::default()
    };
    let answer = api.report(&request).await.expect("report");
    let of = |m| answer.totals.get(&m).and_then(|v| usize::try_from(*v).ok()).unwrap_or(0);
    (of(Metric::Hits), of(Metric::Conversions))
}
