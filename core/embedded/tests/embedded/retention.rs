//! Events leave by age a little at a time, and the file becomes shorter, also one that an earlier program made.

use rusqlite::Connection;
use std::{fs, path::Path};
use tfx_domain::{Timestamp, event::Event};
use tfx_embedded::Embedded;
use tfx_ports::{
    conformance::sample::Sample,
    retention::{PruneStep, Retention},
    sink::Envelope,
};

const BEGIN_MS: i64 = 1_790_000_000_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGIN_MS + ms).expect("in range")
}

fn clicks(seed: u64, count: i64) -> Vec<Envelope> {
    let mut sample = Sample::new(seed);
    let envelope = |event: Event| Envelope {
        topic: event.topic(),
        id: event.id(),
        key: event.key(),
        payload: event.to_json().expect("json").into(),
    };
    (0..count).map(|n| envelope(Event::Click(Box::new(sample.click(at(n)))))).collect()
}

async fn fill(store: &Embedded, seed: u64, count: i64) {
    for batch in clicks(seed, count).chunks(2000) {
        assert_eq!(store.sink().deliver(batch).await.expect("deliver"), []);
    }
}

async fn prune(retention: &dyn Retention, before: Timestamp) -> (u64, PruneStep) {
    let mut all = PruneStep::default();
    for steps in 1.. {
        let step = retention.prune(before).await.expect("prune");
        all.deleted += step.deleted;
        all.bytes += step.bytes;
        if !step.more {
            return (steps, all);
        }
    }
    unreachable!("it ends")
}

fn length(folder: &Path) -> u64 {
    fs::metadata(folder.join("events.db")).expect("the file").len()
}

fn rows(folder: &Path, table: &str) -> i64 {
    Connection::open(folder.join("events.db"))
        .and_then(|c| c.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)))
        .expect("counted")
}

/// Writes everything into the file itself, which may lie beside it for a while.
fn settle(folder: &Path) {
    Connection::open(folder.join("events.db"))
        .and_then(|c| c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
        .expect("checkpoint");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_makes_the_file_shorter_step_by_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Embedded::open(folder.path()).expect("open");
    fill(&store, 1, 20_000).await;
    settle(folder.path());
    let before = length(folder.path());
    let (steps, all) = prune(store.retention().as_ref(), at(19_000)).await;
    assert!(steps > 5, "all at once in {steps} steps: others would wait for it");
    assert_eq!(all.deleted.clicks + all.deleted.trafficback, 19_000);
    for table in ["clicks", "bodies"] {
        assert_eq!(rows(folder.path(), table), 1000, "{table}");
    }
    settle(folder.path());
    let after = length(folder.path());
    assert_eq!(before - after, all.bytes);
    assert!(after < before / 5, "{before} bytes before, {after} after");
    // Counts by minute stay as long as a cap of a day may ask for them.
    assert!(rows(folder.path(), "visits_by_minute") > 0);
    prune(store.retention().as_ref(), at(10 * 86_400_000)).await;
    assert_eq!(rows(folder.path(), "visits_by_minute"), 0);
    assert!(rows(folder.path(), "visits_ever") > 0);
}

/// The file of events as earlier programs left it, with rows.
async fn early(folder: &Path) {
    let store = Embedded::open(folder).expect("open");
    fill(&store, 1, 3000).await;
    drop(store);
    let conn = Connection::open(folder.join("events.db")).expect("open");
    conn.execute_batch(
        "DROP INDEX postbacks_of_click; ALTER TABLE postbacks DROP COLUMN click;
         ALTER TABLE clicks DROP COLUMN connection; ALTER TABLE conversions DROP COLUMN connection;
         ALTER TABLE conversions DROP COLUMN cost; ALTER TABLE conversions DROP COLUMN cost_currency;
         DROP TABLE conversions_left; DROP TRIGGER conversion_leaves; PRAGMA user_version = 3;
         PRAGMA auto_vacuum = NONE; VACUUM;",
    )
    .expect("as it was");
}

fn mode(folder: &Path) -> i64 {
    Connection::open(folder.join("events.db"))
        .and_then(|c| c.pragma_query_value(None, "auto_vacuum", |r| r.get(0)))
        .expect("asked")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_file_of_before_is_brought_along_when_it_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    early(folder.path()).await;
    assert_eq!(mode(folder.path()), 0);
    let store = Embedded::open(folder.path()).expect("open");
    assert_eq!((mode(folder.path()), rows(folder.path(), "clicks")), (2, 3000));
    assert!(store.retention().size().await.expect("size").gives_back);
    let (_, all) = prune(store.retention().as_ref(), at(3000)).await;
    assert!(all.bytes > 0 && rows(folder.path(), "clicks") == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_become_shorter_does_not_grow_either_until_it_is_written_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Embedded::open(folder.path()).expect("open");
    // As a large one of before is left when it is opened.
    let conn = Connection::open(folder.path().join("events.db")).expect("open");
    conn.execute_batch("PRAGMA auto_vacuum = NONE; VACUUM;").expect("as it was");
    drop(conn);
    let retention = store.retention();
    fill(&store, 1, 3000).await;
    let full = retention.size().await.expect("size");
    assert!(!full.gives_back);
    let (_, all) = prune(retention.as_ref(), at(3000)).await;
    assert_eq!((all.bytes, all.deleted.total()), (0, 3000));
    let empty = retention.size().await.expect("size");
    assert!(empty.bytes == full.bytes && empty.free_bytes > full.bytes / 2, "{empty:?}");
    fill(&store, 1, 2500).await;
    assert_eq!(retention.size().await.expect("size").bytes, full.bytes, "what is free is used first");
    prune(retention.as_ref(), at(3000)).await;
    let short = retention.rewrite().await.expect("rewrite");
    assert!(short.gives_back && short.bytes < full.bytes / 2, "{short:?}");
    assert_eq!(length(folder.path()), short.bytes);
    fill(&store, 2, 10).await;
    assert_eq!(rows(folder.path(), "clicks"), 10, "and it goes on");
}
