//! One migration at a time, also if a statement takes longer than the lease, a holder died, or the lock is taken away.

use crate::kit::{Database, until};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tfx_clickhouse::{ClickHouseConfig, PipelineConfig};
use tfx_ports::migrate::{Step, StepState};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// Half of it is more than any statement waits here, where the engine takes one at a time.
const LEASE: Duration = Duration::from_secs(30);
/// In the middle of the last script.
const SLOW: &str = "CREATE TABLE conversion_rows";

fn pipeline() -> PipelineConfig {
    PipelineConfig::new("127.0.0.1:1")
}

/// The server behind a way on which one statement stays until it is let through.
struct SlowWay {
    config: ClickHouseConfig,
    arrived: Arc<Semaphore>,
    through: Arc<Semaphore>,
}

impl SlowWay {
    async fn to(config: &ClickHouseConfig) -> Self {
        let server = config.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("its address"));
        let (arrived, through) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let way = Self {
            config: ClickHouseConfig { url, lease: LEASE, ..config.clone() },
            arrived: Arc::clone(&arrived),
            through: Arc::clone(&through),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server");
                tokio::spawn(pass(client, server, Arc::clone(&arrived), Arc::clone(&through)));
            }
        });
        way
    }
}

async fn pass(client: TcpStream, server: TcpStream, arrived: Arc<Semaphore>, through: Arc<Semaphore>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    let mut bytes = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from_client.read(&mut bytes).await {
        if String::from_utf8_lossy(&bytes[..n]).contains(SLOW) {
            arrived.add_permits(1);
            through.acquire().await.expect("open").forget();
        }
        if to_server.write_all(&bytes[..n]).await.is_err() {
            break;
        }
    }
}

/// How many seconds ago each lock gave its last sign of life.
async fn ages(database: &Database) -> Vec<(i64, String)> {
    let locks =
        "SELECT toInt64(dateDiff('second', metadata_modification_time, now())), name FROM system.tables
                 WHERE database = currentDatabase() AND name LIKE 'tfx_migration_lock_%'";
    database.column(locks).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_longer_than_the_lease_keeps_others_out() {
    let database = Database::unmade();
    let way = SlowWay::to(&database.config).await;
    let applied = Arc::new(AtomicU32::new(0));
    let slow = way.config.clone();
    let count = Arc::clone(&applied);
    let first = tokio::spawn(async move {
        let store = tfx_clickhouse::ClickHouse::new(&slow).expect("a client");
        let count = move |_: &Step| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        store.migrations(&pipeline()).expect("migrations").up(&count).await
    });
    way.arrived.acquire().await.expect("open").forget();
    let began = tokio::time::Instant::now();
    let eager = ClickHouseConfig { lease: LEASE, ..database.config.clone() };
    let second = tokio::spawn(async move {
        let store = tfx_clickhouse::ClickHouse::new(&eager).expect("a client");
        store.migrations(&pipeline()).expect("migrations").up(&|s| panic!("{s:?}: it was not done")).await
    });
    until("the statement has taken longer than the lease", async || {
        let ages = ages(&database).await;
        let [(age, name)] = ages.as_slice() else { panic!("one lock, not {ages:?}") };
        assert!(age.unsigned_abs() <= LEASE.as_secs() && name.ends_with("_1"), "{ages:?}");
        assert!(!first.is_finished() && !second.is_finished());
        (began.elapsed() > LEASE + Duration::from_secs(3)).then_some(())
    })
    .await;
    assert_eq!(applied.load(Ordering::Relaxed), 3);
    // Also for asking what that statement makes.
    way.through.add_permits(100);
    for steps in [first.await.expect("joined"), second.await.expect("joined")] {
        assert!(steps.expect("up").iter().all(|s| s.state == StepState::Applied));
    }
    assert_eq!((applied.load(Ordering::Relaxed), ages(&database).await), (6, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_died_is_finished_by_the_next() {
    let database = Database::unmade();
    database.outside(&format!("CREATE DATABASE {}", database.config.database)).await;
    database.execute("CREATE TABLE tfx_migration_lock_7 (held UInt8) ENGINE = Null").await;
    let config = ClickHouseConfig { lease: LEASE, ..database.config.clone() };
    let store = tfx_clickhouse::ClickHouse::new(&config).expect("a client");
    let steps = store.migrations(&pipeline()).expect("migrations").up(&|_| ()).await.expect("up");
    assert!(steps.iter().all(|s| s.state == StepState::Applied));
    assert_eq!(ages(&database).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_the_lock_leaves_his_work() {
    let database = Database::unmade();
    let way = SlowWay::to(&database.config).await;
    let config = way.config.clone();
    let held = tokio::spawn(async move {
        let store = tfx_clickhouse::ClickHouse::new(&config).expect("a client");
        store.migrations(&pipeline()).expect("migrations").up(&|_| ()).await
    });
    way.arrived.acquire().await.expect("open").forget();
    database.execute("DROP TABLE tfx_migration_lock_1").await;
    let e = held.await.expect("joined").expect_err("not alone any more");
    assert!(e.is_retryable() && e.to_string().contains("somebody dropped its lock; run it again"), "{e}");
    // And the same again goes on where it ended.
    let migrations = database.store().migrations(&pipeline()).expect("migrations");
    let steps = migrations.status().await.expect("status");
    assert_eq!(steps[3].state, StepState::Pending);
    let steps = migrations.up(&|_| ()).await.expect("up");
    assert!(steps.iter().all(|s| s.state == StepState::Applied));
}
