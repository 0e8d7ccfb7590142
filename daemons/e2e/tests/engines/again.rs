//! The topics read once more from the beginning change no report, and a table that lost a column loses nothing.

use crate::{
    journal::until_empty,
    ledger::reconcile,
    load::Load,
    testbed::{Testbed, until},
};
use std::{fmt::Write as _, time::Instant};
use tfx_api::{
    clicks::ClickQuery,
    postbacks::PostbackQuery,
    report::{Dimension, Metric, ReportRequest},
};
use tfx_domain::Timestamp;
use tokio::task::block_in_place;

/// Everything there is to see of the time before `until`, as bytes.
async fn view(testbed: &Testbed, before: Timestamp) -> String {
    let (api, mut all) = (testbed.api(), String::new());
    let mut add = |what: String| writeln!(all, "{what}").expect("a text");
    let since = Some(Timestamp::UNIX_EPOCH);
    for dimension in [Dimension::Campaign, Dimension::Hour, Dimension::Status, Dimension::Browser] {
        let request = ReportRequest {
            since,
            until: Some(before),
            dimensions: vec![dimension],
            metrics: Metric::ALL.to_vec(),
            ..ReportRequest::default()
        };
        add(serde_json::to_string(&api.report(&request).await.expect("a report")).expect("JSON"));
    }
    let mut clicks = ClickQuery { since, until: Some(before), limit: Some(1000), ..ClickQuery::default() };
    loop {
        let page = api.clicks(&clicks).await.expect("clicks");
        add(serde_json::to_string(&page.items).expect("JSON"));
        clicks.cursor = page.next;
        if clicks.cursor.is_none() {
            break;
        }
    }
    let mut log = PostbackQuery { since, until: Some(before), limit: Some(1000), ..PostbackQuery::default() };
    loop {
        let page = api.postbacks(&log).await.expect("the postback log");
        add(serde_json::to_string(&page.items).expect("JSON"));
        log.cursor = page.next;
        if log.cursor.is_none() {
            break;
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_read_again_from_the_beginning_give_the_same_report_byte_for_byte() {
    let mut testbed = Testbed::new(&[]).await;
    let mut load = Load::start(&testbed, 100, false);
    load.more(300).await;
    let first = load.end().await;
    reconcile(&testbed, &first, true).await;
    // The last outcomes of what was parked may still be on their way.
    until_empty(&testbed).await;
    testbed.until_ingested().await;
    let end = testbed.sql("SELECT toString(max(at) + INTERVAL 1 MILLISECOND) FROM click_events").await;
    let end: Timestamp = format!("{}Z", end.replace(' ', "T")).parse().expect("a time");
    let before = view(&testbed, end).await;

    // As on a volume of an early build. Conversions wait in their topic; nothing is passed over.
    testbed.sql("ALTER TABLE conversion_events DROP COLUMN source_id").await;
    let status = block_in_place(|| testbed.said(&["migrate", "status", "clickhouse"]));
    assert!(status.contains("differs"), "{status}");
    let mut load = Load::start(&testbed, 100, false);
    load.more(200).await;
    let mut ledger = load.end().await;

    let begun = Instant::now();
    let groups = testbed.read_anew().await;
    until("everything is read again", async || {
        let lag = testbed.api().ingestion_lag().await.map_err(|e| e.to_string())?;
        let done = lag.messages == 0 && lag.groups == groups;
        done.then_some(()).ok_or_else(|| format!("{} messages wait for {}", lag.messages, lag.groups))
    })
    .await;
    let took = begun.elapsed();
    ledger.clicks.extend(first.clicks);
    ledger.postbacks.extend(first.postbacks);
    let stored = reconcile(&testbed, &ledger, true).await;
    let after = view(&testbed, end).await;
    assert!(after == before, "read again, the report differs:\n{before}\n{after}");
    println!(
        "topics read again by other consumer groups in {:.1} s, after a lost column was mended by tfx migrate up: {} bytes of reports and \
         lists, the same; answered {} redirects and {} sales, {stored}; 0 missing, 0 double",
        took.as_secs_f64(),
        before.len(),
        ledger.clicks.len(),
        ledger.sales().len(),
    );
}
