//! Retention, and what a person is told when the server is not as it should be.

use crate::kit::{Database, click, report, sale};
use serde_json::json;
use std::time::Duration;
use tfx_clickhouse::{ClickHouse, ClickHouseConfig, PipelineConfig};
use tfx_domain::{Timestamp, event::Topic, id::ClickId, routing::CapUse};
use tfx_ports::{StoreError, clock};

async fn filled() -> Database {
    let database = Database::without_queues().await;
    let clicks: Vec<_> = (0..20).map(|n| serde_json::to_vec(&click(n)).expect("JSON")).collect();
    let sales: Vec<_> = (0..5).map(|n| serde_json::to_vec(&sale(n)).expect("JSON")).collect();
    let mut messages: Vec<_> = clicks.iter().map(|m| (Topic::ClickEvents, &m[..])).collect();
    messages.extend(sales.iter().map(|m| (Topic::ConversionEvents, &m[..])));
    messages.push((Topic::ClickEvents, b"\xff\0broken"));
    // Twice, so that there is something to leave out.
    database.insert(&messages).await.expect("insert");
    database.insert(&messages).await.expect("insert");
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_follows_its_setting_also_back() {
    let database = filled().await;
    let ttl = "SELECT countIf(match(create_table_query, 'TTL [a-z_]+ [+] toIntervalDay')) FROM system.tables
               WHERE database = currentDatabase()";
    // Where no broker is: only what is kept is looked at.
    let pipeline = |ttl_days| PipelineConfig { ttl_days, ..PipelineConfig::new("127.0.0.1:1") };
    let up = async |days| {
        let migrations = database.store().migrations(&pipeline(days)).expect("migrations");
        migrations.up(&|_| ()).await.expect("up");
    };
    up(None).await;
    assert_eq!(database.column::<u64>(ttl).await, [0]);
    up(Some(36_500)).await;
    assert_eq!(database.column::<u64>(ttl).await, [6]);
    database.execute("OPTIMIZE TABLE click_events FINAL").await;
    assert_eq!(report(&database.store(), &[]).await[0].clicks, 20, "far from old enough");
    up(Some(1)).await;
    database.execute("OPTIMIZE TABLE click_events FINAL").await;
    assert_eq!(report(&database.store(), &[]).await[0].clicks, 0, "of a day long past");
    up(None).await;
    assert_eq!(database.column::<u64>(ttl).await, [0]);
}

async fn failure(config: &ClickHouseConfig) -> StoreError {
    let store = ClickHouse::new(config).expect("a client");
    let e = store.analytics().ping().await.expect_err("not as it should be");
    let text = format!("{e} {e:?}");
    if let Some(password) = config.password.as_ref().filter(|p| !p.is_empty()) {
        assert!(!text.contains(password.as_str()), "{text}");
    }
    e
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_learns_what_is_wrong_and_what_to_do() {
    let database = Database::without_queues().await;
    let good = &database.config;
    let says = |e: &StoreError, retryable, words: &[&str]| {
        assert_eq!(e.is_retryable(), retryable, "{e}");
        for word in words {
            assert!(e.to_string().contains(word), "{e}: no {word}");
        }
    };
    let away = ClickHouseConfig { url: "http://127.0.0.1:9/".to_owned(), ..good.clone() };
    says(&failure(&away).await, true, &["cannot reach", "http://127.0.0.1:9/", "CLICKHOUSE_HTTP_URL"]);
    let wrong = ClickHouseConfig { password: Some("canary-wrong".to_owned()), ..good.clone() };
    says(&failure(&wrong).await, false, &["refuses the user or the password", "CLICKHOUSE_PASSWORD"]);
    let nowhere = ClickHouseConfig { database: "tfx_test_nowhere".to_owned(), ..good.clone() };
    says(&failure(&nowhere).await, false, &["no database tfx_test_nowhere", "tfx migrate up clickhouse"]);
    let hurried = ClickHouseConfig { timeout: Duration::from_nanos(1), ..good.clone() };
    says(&failure(&hurried).await, true, &["did not answer in time"]);
    database.execute("DROP VIEW conversion_events_store_mv").await;
    database.execute("ALTER TABLE conversion_events DROP COLUMN source_id").await;
    says(&failure(good).await, false, &["source_id", "tfx migrate up clickhouse"]);
    database.execute("ALTER TABLE click_events DROP COLUMN keyword").await;
    says(&failure(good).await, false, &["column click_events.keyword, column conversion_events.source_id"]);
    database.execute("DROP TABLE conversion_events").await;
    says(&failure(good).await, false, &["conversion_events", "tfx migrate up clickhouse"]);
}

/// What has been used of the destination and taken by the stream of [`kit::click`](crate::kit::click), in all.
async fn used(database: &Database) -> (CapUse, u64) {
    let analytics = database.store().analytics();
    let today = Timestamp::from_second(clock::now().as_second().div_euclid(86_400) * 86_400).expect("a time");
    let destination = "dst_0000000000000000001".parse().expect("id");
    let caps = analytics.cap_use(&[destination], today).await.expect("use")[0];
    let stream = "str_0000000000000000001".parse().expect("id");
    (caps, analytics.stream_clicks(&[stream], None).await.expect("clicks")[0])
}

/// A click so many days ago, and a sale of it.
async fn insert_of_day(database: &Database, days: i64, n: u32, status: &str) {
    let at = clock::now() - Duration::from_secs(u64::try_from(days).expect("past") * 86_400);
    let id = ClickId::generate(at, u128::from(n));
    let (mut click, mut sale) = (click(n), sale(n));
    (click["click_id"], click["at"]) = (json!(id), json!(at));
    (sale["click_id"], sale["click_at"], sale["created_at"], sale["updated_at"]) =
        (json!(id), json!(at), json!(at), json!(at));
    (sale["version"], sale["conversion_status"]) =
        (json!(if status == "sale" { 1 } else { 2 }), json!(status));
    let (click, sale) = (click.to_string(), sale.to_string());
    let messages = [(Topic::ClickEvents, click.as_bytes()), (Topic::ConversionEvents, sale.as_bytes())];
    // Twice: what comes again counts once.
    database.insert(&messages).await.expect("insert");
    database.insert(&messages).await.expect("insert");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_used_of_caps_hangs_neither_on_retention_nor_on_closed_days() {
    let database = Database::without_queues().await;
    let close = async || {
        database.execute("SYSTEM REFRESH VIEW closed_days_mv").await;
        database.execute("SYSTEM WAIT VIEW closed_days_mv").await;
    };
    let days = [400, 40, 30, 10, 3, 2, 1, 0];
    for (n, days) in (1..).zip(days) {
        insert_of_day(&database, days, n, "sale").await;
    }
    let is = async |clicks, conversions, what: &str| {
        let (caps, stream) = used(&database).await;
        assert_eq!(
            (caps.clicks_total, stream, caps.conversions_total),
            (clicks, clicks, conversions),
            "{what}"
        );
        assert_eq!((caps.clicks_daily, caps.conversions_daily), (1, 1), "{what}");
    };
    is(8, 8, "before any day is closed").await;
    close().await;
    is(8, 8, "days are closed").await;
    close().await;
    is(8, 8, "days are closed again").await;
    assert_eq!(database.column::<u64>("SELECT count() FROM closed_days FINAL WHERE entity = ''").await, [6]);
    // Late ones of closed days count with the next closing; a rejection counts at once, whatever its day.
    insert_of_day(&database, 10, 20, "sale").await;
    close().await;
    is(9, 9, "one came late").await;
    insert_of_day(&database, 400, 1, "rejected").await;
    is(9, 8, "one was rejected").await;
    // What retention does.
    for (table, time) in [("click_events", "at"), ("conversion_events", "created_at")] {
        let leave = format!(
            "ALTER TABLE {table} DELETE WHERE {time} < now() - toIntervalDay(5) SETTINGS mutations_sync = 2"
        );
        database.execute(&leave).await;
    }
    is(9, 8, "the events have left").await;
    close().await;
    is(9, 8, "and days are closed once more").await;
    insert_of_day(&database, 0, 30, "rejected").await;
    let (caps, _) = used(&database).await;
    assert_eq!((caps.clicks_daily, caps.clicks_total, caps.conversions_total), (2, 10, 8));
}
