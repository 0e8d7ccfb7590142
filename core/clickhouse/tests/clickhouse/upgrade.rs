//! Migrations of volumes that are there: an early one with its pipeline at work, one in which a migration died, and
//! two migrations at once.

use crate::{
    broker::Broker,
    kit::{Database, click, report, sale, statements, until},
};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tfx_clickhouse::PipelineConfig;
use tfx_domain::event::Topic;
use tfx_ports::migrate::StepState;

const TABLES: &str = include_str!("../../../../deploy/clickhouse/init/003_mvp_event_tables.sql");
const PIPELINE: &str = include_str!("../../../../deploy/clickhouse/init/004_kafka_ingestion.sql");

/// The statements of the files for this pipeline.
fn filled_in(file: &str, database: &str, pipeline: &PipelineConfig) -> Vec<String> {
    let mut text = file.replace("redpanda-0:9092,redpanda-1:9092,redpanda-2:9092", &pipeline.brokers);
    text = text.replace("traffoflex-clickhouse", &pipeline.groups);
    text = text.replace("'traffoflex'", &format!("'{database}'"));
    for (topic, name) in Topic::ALL.iter().zip(&pipeline.topics) {
        text = text.replace(&format!("'traffoflex.{}'", topic.as_str()), &format!("'{name}'"));
    }
    statements(&text)
}

/// As early volumes are: conversions without their source, and a queue of columns with a view straight into the table.
async fn make_early(database: &Database, broker: &Broker) {
    database.outside(&format!("CREATE DATABASE {}", database.config.database)).await;
    let table = TABLES.split("\n\n").find(|s| s.contains("EXISTS conversion_events\n")).expect("the table");
    let early: String =
        table.lines().filter(|l| !l.contains("source_id")).map(|l| format!("{l}\n")).collect();
    for statement in statements(&early) {
        database.execute(&statement).await;
    }
    let pipeline = &broker.pipeline;
    database
        .execute(&format!(
            "CREATE TABLE conversion_events_queue
             (conversion_id String, version UInt64, click_id String, click_at String, created_at String,
              updated_at String, conversion_status String, destination_id String,
              revenue Tuple(amount String, currency String))
             ENGINE = Kafka SETTINGS kafka_broker_list = '{}', kafka_topic_list = '{}', kafka_group_name = '{}',
             kafka_format = 'JSONEachRow', kafka_handle_error_mode = 'stream', kafka_flush_interval_ms = 500",
            pipeline.brokers,
            broker.topic(Topic::ConversionEvents),
            pipeline.groups
        ))
        .await;
    database
        .execute(
            "CREATE MATERIALIZED VIEW conversion_events_mv TO conversion_events AS
             SELECT conversion_id, version, click_id, parseDateTime64BestEffort(click_at, 3, 'UTC') AS click_at,
                    parseDateTime64BestEffort(created_at, 3, 'UTC') AS created_at,
                    parseDateTime64BestEffort(updated_at, 3, 'UTC') AS updated_at, conversion_status AS status,
                    toDecimal64(revenue.amount, 6) AS revenue, revenue.currency AS currency, destination_id
             FROM conversion_events_queue",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_volume_is_migrated_while_messages_arrive() {
    let broker = Broker::new().await;
    let database = Database::unmade();
    let store = database.store();
    make_early(&database, &broker).await;
    let written = AtomicU32::new(0);
    let write = async || {
        let n = written.fetch_add(1, Ordering::Relaxed);
        let payload = serde_json::to_vec(&sale(n)).expect("JSON");
        broker.write(Topic::ConversionEvents, &n.to_string(), &payload).await;
    };
    for _ in 0..50 {
        write().await;
    }
    until("the early pipeline has stored what there is", async || {
        let rows = database.column::<u64>("SELECT count() FROM conversion_events FINAL").await;
        (rows[0] == 50).then_some(())
    })
    .await;

    let migrations = store.migrations(&broker.pipeline).expect("migrations");
    let up = async {
        let steps = migrations.up(&|_| ()).await.expect("up");
        assert!(steps.iter().all(|s| s.state == StepState::Applied));
    };
    // Before, all through and after.
    let arriving = async {
        loop {
            write().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! { () = up => {}, () = arriving => {} }
    for _ in 0..50 {
        write().await;
    }
    broker.taken_by(&broker.pipeline.groups).await;
    let all = written.load(Ordering::Relaxed);
    assert!(all > 100, "messages arrived meanwhile");
    let by_source = report(&store, &["source"]).await;
    let sales: u64 = by_source.iter().map(|r| r.sales).sum();
    // The message that was being written when the migration was through is there, or was never sent.
    assert!(sales == u64::from(all) || sales == u64::from(all) - 1, "{sales} of {all}");
    let distinct = database.column::<u64>("SELECT uniqExact(conversion_id) FROM conversion_events").await;
    assert_eq!(distinct, [sales], "none lost, none doubled");
    // What the early pipeline left out is there: the new queues read the topics from their beginning.
    assert!(by_source.len() == 1 && !by_source[0].key[0].is_empty(), "{by_source:?}");
    let columns = database
        .column::<String>(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'conversion_events'
             ORDER BY position",
        )
        .await;
    let at = columns.iter().position(|c| c == "source_id").expect("the source");
    assert_eq!(columns[at - 1], "destination_id");
    let errors = database.column::<u64>("SELECT count() FROM kafka_ingestion_errors").await;
    assert_eq!(errors, [0]);
}

/// Tables of before there was `connection_type`, with a click that the pipeline of then stored: afterwards they are
/// as a new server's, and the row says what its event says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_before_become_as_new_ones_and_their_rows_say_what_their_events_say() {
    let broker = Broker::new().await;
    let database = Database::unmade();
    database.outside(&format!("CREATE DATABASE {}", database.config.database)).await;
    for statement in statements(include_str!("before/003_mvp_event_tables.sql")) {
        database.execute(&statement).await;
    }
    let mut event = click(1);
    event["connection_type"] = "cable/dsl".into();
    database
        .execute(&format!(
            "INSERT INTO click_events (click_id, at, kind, outcome, request, device_type, event)
             VALUES ('{}', '2026-11-20 10:00:00', 'click', 'routed', 'visit', 'mobile', '{event}')",
            event["click_id"].as_str().expect("an id"),
        ))
        .await;
    let store = database.store();
    let steps = store.migrations(&broker.pipeline).expect("migrations").up(&|_| ()).await.expect("up");
    assert!(steps.iter().all(|s| s.state == StepState::Applied), "{steps:?}");
    let columns = "SELECT concat(table, '.', name, ' ', type, ' ', default_kind, ' ', default_expression, ' ', \
                   compression_codec) FROM system.columns WHERE database = currentDatabase() AND table LIKE '%events' \
                   ORDER BY table, position";
    let new = Database::without_queues().await;
    assert_eq!(database.column::<String>(columns).await, new.column::<String>(columns).await);
    let rows = report(&store, &["connection_type"]).await;
    let rows: Vec<_> = rows.iter().map(|r| (r.key[0].as_str(), r.clicks)).collect();
    assert_eq!(rows, [("cable/dsl", 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_died_in_the_middle_is_finished_by_the_next() {
    let broker = Broker::new().await;
    let database = Database::unmade();
    let store = database.store();
    store.migrations(&broker.pipeline).expect("migrations").up(&|_| ()).await.expect("up");
    let whole = database
        .column::<String>("SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name")
        .await;
    let script = filled_in(PIPELINE, &database.config.database, &broker.pipeline);
    let drops = script.iter().filter(|s| s.starts_with("DROP")).count();
    for died_after in [3, drops, drops + 2, drops + 9, script.len() - 1] {
        for statement in &script[..died_after] {
            database.execute(statement).await;
        }
        // Nobody recorded it: as if it had been another text.
        database
            .execute("INSERT INTO tfx_migrations SELECT '004_kafka_ingestion', 'another', now64(3)")
            .await;
        let steps = store.migrations(&broker.pipeline).expect("migrations").up(&|_| ()).await.expect("up");
        assert!(steps.iter().all(|s| s.state == StepState::Applied));
        let now = database
            .column::<String>(
                "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name",
            )
            .await;
        assert_eq!(now, whole, "after {died_after} statements");
    }
}

/// As when a server starts and a queue is at work before the views that its rows go through: nothing is taken from
/// the topic that would get lost on the way. `up` finds out which, and messages go on where they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_missing_holds_messages_back() {
    let broker = Broker::new().await;
    let database = Database::unmade();
    let store = database.store();
    let migrations = store.migrations(&broker.pipeline).expect("migrations");
    migrations.up(&|_| ()).await.expect("up");
    let write = async |n: u32| {
        let payload = serde_json::to_vec(&sale(n)).expect("JSON");
        broker.write(Topic::ConversionEvents, &n.to_string(), &payload).await;
    };
    let sales = async |wanted: u64| {
        until("sales", async || (report(&store, &[]).await[0].sales == wanted).then_some(())).await;
    };
    write(0).await;
    sales(1).await;
    database.execute("DROP VIEW conversion_events_store_mv").await;
    let refused = "SELECT sum(value) FROM system.errors WHERE last_error_message LIKE '%a view of the pipeline is missing%'";
    let before = database.column::<u64>(refused).await[0];
    for n in 1..20 {
        write(n).await;
    }
    until("blocks are refused", async || (database.column::<u64>(refused).await[0] > before).then_some(()))
        .await;
    assert_eq!(report(&store, &[]).await[0].sales, 1);
    let mended = Mutex::new(Vec::new());
    migrations.up(&|step| mended.lock().expect("unpoisoned").push(step.id.clone())).await.expect("up");
    assert_eq!(mended.into_inner().expect("unpoisoned"), ["004_kafka_ingestion"]);
    sales(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_do_no_harm() {
    let broker = Broker::new().await;
    let database = Database::unmade();
    let (one, two) = (database.store(), database.store());
    let (one, two) =
        (one.migrations(&broker.pipeline).expect("one"), two.migrations(&broker.pipeline).expect("two"));
    let applied = AtomicU32::new(0);
    let count = |_: &tfx_ports::migrate::Step| {
        applied.fetch_add(1, Ordering::Relaxed);
    };
    let (one, two) = tokio::join!(one.up(&count), two.up(&count));
    for steps in [one.expect("one"), two.expect("two")] {
        assert!(steps.iter().all(|s| s.state == StepState::Applied), "{steps:?}");
    }
    assert_eq!(applied.into_inner(), 6, "each step once");
    let locks = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE '%lock%'";
    assert_eq!(database.column::<u64>(locks).await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_somebody_else_is_named_before_anything_reads() {
    let broker = Broker::new().await;
    let database = Database::unmade();
    database.outside(&format!("CREATE DATABASE {}", database.config.database)).await;
    database
        .execute("CREATE TABLE click_events (click_id String) ENGINE = MergeTree ORDER BY click_id")
        .await;
    let migrations = database.store().migrations(&broker.pipeline).expect("migrations");
    let e = migrations.up(&|_| ()).await.expect_err("not ours");
    assert!(!e.is_retryable());
    assert!(e.to_string().contains("RENAME TABLE click_events TO click_events_old"), "{e}");
    let queues = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND engine = 'Kafka'";
    assert_eq!(database.column::<u64>(queues).await, [0]);
    let states: Vec<_> = migrations.status().await.expect("status").iter().map(|s| s.state).collect();
    assert_eq!(states[3], StepState::Pending);
}
