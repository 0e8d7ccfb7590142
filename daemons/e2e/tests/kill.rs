//! A redirect, or a 200 to a postback, means that the event will be in the reports, once: whatever is killed when.
//!
//! `KILL_ROUNDS=50 cargo test -p tfx-e2e --test kill -- --nocapture` runs the long form and prints the figures.

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
use tfx_domain::Timestamp;
use tfx_e2e::{Browser, Up};

fn rounds() -> u32 {
    std::env::var("KILL_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(4)
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_loses_nothing_and_counts_nothing_twice() {
    for policy in ["fail_open", "fail_closed"] {
        let dir = tempfile::tempdir().expect("dir");
        let settings = [("EVENT_WRITE_FAILURE_POLICY", policy)];
        let browser = Browser::default();
        // Not random: the moments wander over a second in steps that share no factor with it.
        let moments = (0..rounds()).map(|n| Duration::from_millis(u64::from(150 + n * 137 % 1000)));
        for moment in moments {
            let up = Up::start(dir.path(), &settings);
            let before = browser.clicks().len();
            let mut people = browser.go(&up, 8);
            while browser.clicks().len() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(moment).await;
            up.kill();
            while let Some(person) = people.join_next().await {
                person.expect("every answer was as it should be");
            }
        }
        let up = Up::start(dir.path(), &settings);
        let (clicks, sales) = (browser.clicks(), browser.sales());
        assert!(clicks.len() > 100 && sales.len() > 10, "{} clicks, {} sales", clicks.len(), sales.len());
        let seen = reconcile(&up.api(), &browser).await;
        println!(
            "{policy}: {} kills, {} redirects and {} sales answered; stored {} clicks and {} conversions; 0 missing, 0 double",
            rounds(),
            clicks.len(),
            sales.len(),
            seen.0,
            seen.1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_drains_within_its_grace_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let browser = Browser::default();
    let up = Up::start(dir.path(), &[]);
    let mut people = browser.go(&up, 8);
    while browser.sales().len() < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (code, took) = tokio::task::spawn_blocking(|| up.terminate()).await.expect("ended");
    browser.stop();
    while let Some(person) = people.join_next().await {
        person.expect("every answer was as it should be");
    }
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    let up = Up::start(dir.path(), &[]);
    reconcile(&up.api(), &browser).await;
}

/// Waits until everything that was answered is stored, then holds each against each: how many of both there are.
async fn reconcile(api: &Client, browser: &Browser) -> (usize, usize) {
    let (clicks, sales) = (browser.clicks(), browser.sales());
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
    let mut stored = HashMap::new();
    let mut query = ClickQuery { limit: Some(1000), ..ClickQuery::default() };
    loop {
        let page = api.clicks(&query).await.expect("clicks");
        for click in page.items {
            *stored.entry(click.click_id).or_insert(0) += 1;
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    let mut converted = HashMap::new();
    let mut query = ConversionQuery { limit: Some(1000), ..ConversionQuery::default() };
    loop {
        let page = api.conversions(&query).await.expect("conversions");
        for conversion in page.items {
            *converted.entry(conversion.click_id).or_insert(0) += 1;
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    let missing: Vec<_> = clicks.iter().filter(|id| stored.get(id) != Some(&1)).collect();
    assert!(missing.is_empty(), "answered, but not stored once: {missing:?}");
    let missing: Vec<_> = sales.iter().filter(|id| converted.get(id) != Some(&1)).collect();
    assert!(missing.is_empty(), "answered, but not recorded once: {missing:?}");
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

/// Hits and conversions in the report.
async fn totals(api: &Client) -> (usize, usize) {
    let request = ReportRequest {
        since: Some(Timestamp::UNIX_EPOCH),
        metrics: vec![Metric::Hits, Metric::Conversions],
        ..ReportRequest::default()
    };
    let answer = api.report(&request).await.expect("report");
    let of = |m| answer.totals.get(&m).and_then(|v| usize::try_from(*v).ok()).unwrap_or(0);
    (of(Metric::Hits), of(Metric::Conversions))
}
