//! What was lost or changed after the migration, by hand or by a backup that was half restored: it is told, and
//! migrating again mends what it can without losing a row.

use crate::kit::{Database, click};
use std::{collections::BTreeMap, sync::Mutex};
use tfx_clickhouse::PipelineConfig;
use tfx_domain::event::Topic;
use tfx_ports::migrate::{Migrations, Remedy, Step, StepState};

const TABLES: &str = "003_mvp_event_tables";
const PIPELINE: &str = "004_kafka_ingestion";

/// What differs, by step.
fn differing(steps: &[Step]) -> BTreeMap<&str, Vec<(&str, Remedy)>> {
    let differing = steps.iter().filter(|s| !s.differs.is_empty());
    differing
        .map(|s| (s.id.as_str(), s.differs.iter().map(|d| (d.what.as_str(), d.remedy)).collect()))
        .collect()
}

/// Brings it up; the steps that were applied.
async fn up(migrations: &dyn Migrations) -> Vec<String> {
    let told = Mutex::new(Vec::new());
    let steps =
        migrations.up(&|s: &Step| told.lock().expect("unpoisoned").push(s.id.clone())).await.expect("up");
    assert!(steps.iter().all(|s| s.state == StepState::Applied && s.differs.is_empty()), "{steps:#?}");
    told.into_inner().expect("unpoisoned")
}

/// Where no broker is: the pipeline stands and reads nothing.
fn nowhere(ttl_days: Option<u32>) -> PipelineConfig {
    PipelineConfig { ttl_days, ..PipelineConfig::new("127.0.0.1:1") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_is_told_by_name_and_made_again() {
    let database = Database::unmade();
    let name = database.config.database.clone();
    let migrations = database.store().migrations(&nowhere(Some(30))).expect("migrations");
    assert_eq!(up(&*migrations).await.len(), 6);
    assert_eq!(differing(&migrations.status().await.expect("status")), BTreeMap::new());
    assert!(up(&*migrations).await.is_empty(), "nothing differs, nothing is done");

    for lose in [
        "DROP TABLE clicks",
        "DROP TABLE destination_health_events",
        "DROP VIEW click_errors_mv",
        "DROP VIEW conversion_events_mv",
        "DROP TABLE click_events_queue",
        "ALTER TABLE click_events DROP COLUMN keyword",
        "ALTER TABLE click_events DROP COLUMN referrer",
        "ALTER TABLE click_events REMOVE TTL",
        "DROP TABLE closed_days",
        "DROP VIEW conversion_use_mv",
        "ALTER TABLE conversion_events MODIFY TTL created_at + INTERVAL 7 DAY",
    ] {
        database.execute(lose).await;
    }
    let steps = migrations.status().await.expect("status");
    let mended = |what: &[&'static str]| what.iter().map(|w| (*w, Remedy::Up)).collect::<Vec<_>>();
    let (clicks, health, days) = (
        format!("table {name}.clicks is missing"),
        format!("table {name}.destination_health_events is missing"),
        format!("table {name}.closed_days is missing"),
    );
    let mut expected = BTreeMap::from([
        (
            PIPELINE,
            mended(&[
                "click_errors_mv is missing",
                "click_events_queue is missing",
                "conversion_events_mv is missing",
            ]),
        ),
        (
            "005_retention",
            mended(&[
                "table click_events keeps its rows for ever instead of until at + toIntervalDay(30)",
                "table conversion_events keeps its rows until created_at + toIntervalDay(7) instead of until created_at + toIntervalDay(30)",
            ]),
        ),
    ]);
    expected.insert("002_early_tables", vec![(&clicks, Remedy::Up)]);
    let caps = vec![("conversion_use_mv is missing", Remedy::Up), (days.as_str(), Remedy::Up)];
    expected.insert("007_use_of_caps", caps);
    let mut tables =
        mended(&["column click_events.keyword is missing", "column click_events.referrer is missing"]);
    tables.push((&health, Remedy::Up));
    expected.insert(TABLES, tables);
    let found: BTreeMap<_, _> = differing(&steps)
        .into_iter()
        .map(|(step, mut differs)| {
            differs.sort_by_key(|d| d.0);
            (step, differs)
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(steps[0].state, StepState::Applied);
    assert!(steps[1..].iter().all(|s| s.state == StepState::Differs && s.is_due()), "{steps:#?}");

    assert_eq!(
        up(&*migrations).await,
        ["002_early_tables", TABLES, PIPELINE, "005_retention", "007_use_of_caps"]
    );
    // The table that was made again has the retention, and the columns are where they were.
    let columns =
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'click_events'
                   ORDER BY position";
    let columns = database.column::<String>(columns).await;
    let before = |column: &str| columns[columns.iter().position(|c| c == column).expect("it") - 1].as_str();
    assert_eq!((before("keyword"), before("referrer")), ("referrer_host", "user_agent"));
    let limited = "SELECT count() FROM system.tables WHERE database = currentDatabase()
                   AND engine_full LIKE '%TTL % + toIntervalDay(30) %'";
    assert_eq!(database.column::<u64>(limited).await, [6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_wrote_over_is_told_and_made_anew() {
    let database = Database::unmade();
    let migrations = database.store().migrations(&nowhere(None)).expect("migrations");
    up(&*migrations).await;
    for change in [
        "DROP VIEW click_rows_mv",
        "CREATE VIEW click_rows_mv AS SELECT 1 AS one",
        "DROP VIEW click_errors_mv",
        // The right rows into the wrong table.
        "CREATE MATERIALIZED VIEW click_errors_mv TO event_messages AS SELECT problem AS error FROM click_rows WHERE problem != ''",
        "DROP TABLE conversion_events_queue",
        "CREATE TABLE conversion_events_queue (raw String) ENGINE = Kafka SETTINGS
            kafka_broker_list = '127.0.0.1:2', kafka_topic_list = 'traffoflex.conversion_events',
            kafka_group_name = 'other', kafka_format = 'RawBLOB', kafka_handle_error_mode = 'stream',
            kafka_max_block_size = 20000, kafka_flush_interval_ms = 1000",
        "DROP TABLE event_objects",
        "CREATE TABLE event_objects (raw String) ENGINE = Null",
    ] {
        database.execute(change).await;
    }
    let steps = migrations.status().await.expect("status");
    let differs = differing(&steps);
    assert_eq!(differs.keys().copied().collect::<Vec<_>>(), [PIPELINE]);
    let other = "is not as this build makes it";
    let queue =
        format!("conversion_events_queue {other}: it has broker_list = '127.0.0.1:2', group_name = 'other'");
    let (objects, rows, errors) = (
        format!("event_objects {other}"),
        format!("click_rows_mv {other}"),
        format!("click_errors_mv {other}"),
    );
    let expected = [&objects, &rows, &errors, &queue].map(|what| (what.as_str(), Remedy::Up));
    assert_eq!(differs[PIPELINE], expected);
    assert_eq!(up(&*migrations).await, [PIPELINE]);
}

/// Rows that are there are never converted: the rest is mended, then a person is told what is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_of_another_type_is_left_to_a_person() {
    let database = Database::without_queues().await;
    let name = database.config.database.clone();
    let migrations = database.store().migrations(&nowhere(None)).expect("migrations");
    up(&*migrations).await;
    let payload = serde_json::to_vec(&click(1)).expect("JSON");
    database.insert(&[(Topic::ClickEvents, &payload)]).await.expect("insert");
    database.execute("ALTER TABLE click_events MODIFY COLUMN status String").await;
    database.execute("ALTER TABLE click_events MODIFY COLUMN country String").await;
    database.execute("ALTER TABLE click_events DROP COLUMN keyword").await;
    let steps = migrations.status().await.expect("status");
    assert_eq!(
        differing(&steps)[TABLES],
        [
            ("column click_events.country is String instead of LowCardinality(String)", Remedy::Kept),
            ("column click_events.keyword is missing", Remedy::Up),
            ("column click_events.status is String instead of UInt16", Remedy::ByHand),
        ]
    );
    for _ in 0..2 {
        let e = migrations.up(&|_| ()).await.expect_err("the status is left");
        assert!(!e.is_retryable());
        let says = e.to_string();
        assert!(says.contains("column click_events.status is String instead of UInt16"), "{says}");
        assert!(!says.contains("keyword") && !says.contains("country"), "{says}");
        let steps = migrations.status().await.expect("status");
        assert_eq!((steps[2].state, steps[2].is_due()), (StepState::Differs, false), "{steps:#?}");
    }
    assert_eq!(database.column::<String>("SELECT status FROM click_events").await, ["302"]);
    // What it says to do is what does it.
    let steps = migrations.status().await.expect("status");
    let todo = &steps[2].differs.iter().find(|d| d.remedy == Remedy::ByHand).expect("it").todo;
    let statement = &todo[todo.find("ALTER TABLE").expect("a statement")..];
    assert!(statement.starts_with(&format!("ALTER TABLE {name}.click_events ")), "{statement}");
    database.execute(statement).await;
    let steps = migrations.status().await.expect("status");
    assert_eq!(steps[2].state, StepState::Applied, "{steps:#?}");
    assert_eq!(database.column::<u16>("SELECT status FROM click_events").await, [302]);
}

/// Settings that were changed without a migration: services write where nobody reads, and are not ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_reads_other_topics_than_services_write_is_not_ready() {
    let database = Database::unmade();
    let (store, made) = (database.store(), nowhere(None));
    up(&*store.migrations(&made).expect("migrations")).await;
    let says = async |pipeline: &PipelineConfig| match store.analytics_of(pipeline, None).ping().await {
        Ok(()) => "ready".to_owned(),
        Err(e) => {
            assert!(!e.is_retryable(), "{e}");
            e.to_string()
        }
    };
    assert_eq!(says(&made).await, "ready");

    let topics = made.topics.clone().map(|topic| topic.replace("traffoflex.click", "shop.'click"));
    let changed = PipelineConfig { topics, groups: "shop's".to_owned(), ..made.clone() };
    let told = says(&changed).await;
    for part in [
        "ClickHouse reads traffoflex.click_events, not shop.'click_events (CLICK_EVENTS_TOPIC)",
        "ClickHouse reads with the consumer group traffoflex-clickhouse.",
        ", not shop's.",
        "(CLICKHOUSE_CONSUMER_GROUP), and 3 more; run: tfx migrate up clickhouse",
    ] {
        assert!(told.contains(part), "{told}: no {part}");
    }
    // As it says; then it is those of before that are not served.
    up(&*store.migrations(&changed).expect("migrations")).await;
    assert_eq!(says(&changed).await, "ready");
    assert!(says(&made).await.contains("reads shop.\\'click_events, not traffoflex.click_events"));

    let name = &database.config.database;
    database.execute("DROP VIEW click_events_mv").await;
    database.execute("DROP TABLE conversion_events_queue").await;
    let told = says(&changed).await;
    let unread = "nothing reads shop.'click_events, traffoflex.conversion_events into the database";
    assert_eq!(told, format!("{unread} {name}; run: tfx migrate up clickhouse"));
    store.analytics().ping().await.expect("whoever only reads tables has them");
    up(&*store.migrations(&changed).expect("migrations")).await;
    assert_eq!(says(&changed).await, "ready");
}
