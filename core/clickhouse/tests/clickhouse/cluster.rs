//! `CLICKHOUSE_CLUSTER`: what is spread over shards counts as on one server. The local engine is the only server of its
//! cluster, without Keeper: what `ON CLUSTER` hands to others, and what replicas share, is not seen here. The whole suite runs
//! on it with `TFX_TEST_CLUSTER=1 cargo test -p tfx-clickhouse conformance`, which takes minutes.

use crate::{
    conformance::events_of,
    kit::{Database, click, report},
};
use std::sync::Arc;
use tfx_clickhouse::{ClickHouseConfig, PipelineConfig};
use tfx_domain::event::Topic;
use tfx_ports::{
    conformance::events,
    migrate::{Remedy, Step, StepState},
};

const CLUSTER: &str = "tfx_local";

/// Where no broker is: the pipeline stands and reads nothing.
fn nowhere(ttl_days: Option<u32>) -> PipelineConfig {
    PipelineConfig { ttl_days, ..PipelineConfig::new("127.0.0.1:1") }
}

/// Nothing is made yet.
fn unmade() -> Database {
    let mut database = Database::unmade();
    database.config = ClickHouseConfig { cluster: Some(CLUSTER.to_owned()), ..database.config.clone() };
    database
}

async fn up(database: &Database, ttl_days: Option<u32>) -> Vec<Step> {
    let migrations = database.store().migrations(&nowhere(ttl_days)).expect("migrations");
    let steps = migrations.up(&|_| ()).await.expect("up");
    assert!(steps.iter().all(|s| s.state == StepState::Applied && s.differs.is_empty()), "{steps:#?}");
    steps
}

/// With every table and view but the queues.
pub(crate) async fn made() -> Arc<Database> {
    let database = unmade();
    up(&database, None).await;
    // They would ask for their broker for ever.
    for topic in Topic::ALL {
        database.execute(&format!("DROP VIEW {}_mv", topic.as_str())).await;
        database.execute(&format!("DROP TABLE {}_queue", topic.as_str())).await;
    }
    Arc::new(database)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_twice_counts_once_and_the_highest_version_counts() {
    events::what_is_delivered_twice_counts_once(events_of(&made().await)).await;
    events::the_highest_version_of_a_conversion_counts(events_of(&made().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_lie_with_their_shard_and_what_is_lost_is_made_again_on_both_tables() {
    let database = unmade();
    up(&database, Some(36_500)).await;
    let engines =
        "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name LIKE 'click_events%'
                   AND name NOT LIKE '%mv' AND name NOT LIKE '%queue' ORDER BY name";
    assert_eq!(database.column::<String>(engines).await, ["Distributed", "ReplacingMergeTree"]);
    let ttl = "SELECT name FROM system.tables WHERE database = currentDatabase()
               AND match(create_table_query, 'TTL [a-z_]+ [+] toIntervalDay') ORDER BY name";
    let kept = database.column::<String>(ttl).await;
    assert!(kept.len() == 6 && kept.iter().all(|name| name.ends_with("_local")), "{kept:?}");
    let message = serde_json::to_vec(&click(1)).expect("JSON");
    for _ in 0..2 {
        database.insert(&[(Topic::ClickEvents, &message)]).await.expect("insert");
    }
    assert_eq!(database.column::<u64>("SELECT count() FROM click_events_local").await, [2]);
    assert_eq!(report(&database.store(), &[]).await[0].clicks, 1, "it counts once");

    for lose in [
        "ALTER TABLE click_events_local DROP COLUMN keyword",
        "ALTER TABLE click_events DROP COLUMN keyword",
        "DROP TABLE postback_log_events",
        "DROP TABLE closed_days_local",
        "DROP VIEW conversion_use_mv",
    ] {
        database.execute(lose).await;
    }
    let migrations = database.store().migrations(&nowhere(Some(36_500))).expect("migrations");
    let differs = migrations.status().await.expect("status").into_iter().flat_map(|s| s.differs);
    let mut told: Vec<_> =
        differs.map(|d| (d.what.replace(&database.config.database, "D"), d.remedy)).collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    let of = |what: &str| (what.to_owned(), Remedy::Up);
    assert_eq!(
        told,
        [
            of("column click_events.keyword is missing"),
            of("column click_events_local.keyword is missing"),
            of("conversion_use_mv is missing"),
            of("table D.closed_days_local is missing"),
            of("table D.postback_log_events is missing"),
        ]
    );
    up(&database, Some(36_500)).await;
    assert_eq!(report(&database.store(), &[]).await[0].clicks, 1, "no row was lost");
}

/// Whoever had one server has tables of the same names, with all his events in them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_one_server_are_left_as_they_are_and_said_how_to_bring_over() {
    let database = Database::without_queues().await;
    let message = serde_json::to_vec(&click(1)).expect("JSON");
    database.insert(&[(Topic::ClickEvents, &message)]).await.expect("insert");
    let spread = ClickHouseConfig { cluster: Some(CLUSTER.to_owned()), ..database.config.clone() };
    let store = tfx_clickhouse::ClickHouse::new(&spread).expect("a client");
    let migrations = store.migrations(&nowhere(None)).expect("migrations");
    let says = migrations.up(&|_| ()).await.expect_err("they are of one server").to_string();
    for table in ["click_events", "conversion_events", "kafka_ingestion_errors"] {
        let what =
            format!("table {}.{table} is not one of this product: its engine is", database.config.database);
        let todo = format!("RENAME TABLE {table} TO {table}_old");
        assert!(says.contains(&what) && says.contains(&todo), "{says}");
    }
    let there = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE 'click_events_local'";
    assert_eq!(database.column::<u64>(there).await, [0], "nothing was made");
    assert_eq!(report(&database.store(), &[]).await[0].clicks, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_one_of_many_is_refused_with_what_does_it() {
    let database = made().await;
    let says = database.store().backup().catalogue().await.expect_err("of many").to_string();
    let statement = format!("BACKUP DATABASE {} ON CLUSTER '{CLUSTER}'", database.config.database);
    assert!(says.contains(&statement), "{says}");
}
