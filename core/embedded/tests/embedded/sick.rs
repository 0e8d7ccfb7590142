//! A store that is sick is no event's fault: nothing is refused, the caller may come again, and the ping says so.

use rusqlite::Connection;
use std::{fs, os::unix::fs::FileExt, path::Path, time::Duration};
use tfx_domain::{Timestamp, event::Event};
use tfx_embedded::Embedded;
use tfx_ports::{
    conformance::sample::Sample,
    queue::{JobKind, NewJob},
    sink::Envelope,
};

fn envelope(event: &Event) -> Envelope {
    Envelope {
        topic: event.topic(),
        id: event.id(),
        key: event.key(),
        payload: event.to_json().expect("json").into(),
    }
}

fn clicks(seed: u64, count: i64) -> Vec<Envelope> {
    let mut sample = Sample::new(seed);
    let at = |n| Timestamp::from_millisecond(1_790_000_000_000 + n).expect("in range");
    (0..count).map(|n| envelope(&Event::Click(Box::new(sample.click(at(n)))))).collect()
}

/// A folder with some events, closed.
async fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Embedded::open(folder.path()).expect("open");
    assert_eq!(store.sink().deliver(&clicks(1, 50)).await.expect("well"), []);
    drop(store);
    folder
}

fn with(path: &Path, sql: &str) {
    Connection::open(path).and_then(|c| c.execute_batch(sql)).expect("runs");
}

/// 64 bytes of 0 at the beginning of a table's root page.
fn zero_root(path: &Path, table: &str) {
    let conn = Connection::open(path).expect("open");
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("checkpoint");
    let root: u32 = conn
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |r| r.get(0))
        .expect("a table");
    let size: u32 = conn.query_row("PRAGMA page_size", [], |r| r.get(0)).expect("a size");
    drop(conn);
    let file = fs::OpenOptions::new().write(true).open(path).expect("open");
    file.write_all_at(&[0; 64], u64::from(root - 1) * u64::from(size)).expect("write");
}

#[tokio::test]
async fn a_sick_store_refuses_no_event() {
    let damages: [(&str, fn(&Path)); 8] = [
        ("the root of clicks", |p| zero_root(p, "clicks")),
        ("the root of bodies", |p| zero_root(p, "bodies")),
        ("the root of texts", |p| zero_root(p, "texts")),
        ("the root of visits", |p| zero_root(p, "visits_ever")),
        ("a missing table", |p| with(p, "DROP TABLE clicks")),
        ("a missing table of bodies", |p| with(p, "DROP TABLE bodies")),
        ("a missing column", |p| with(p, "ALTER TABLE clicks RENAME COLUMN country TO land")),
        ("a missing counter", |p| with(p, "DROP TABLE visits_by_minute")),
    ];
    for (what, damage) in damages {
        let folder = folder().await;
        damage(&folder.path().join("events.db"));
        let store = Embedded::open(folder.path()).expect("it opens all the same");
        for batch in [clicks(2, 20), clicks(3, 1)] {
            let e = store.sink().deliver(&batch).await.expect_err(what);
            assert!(e.is_retryable(), "{what}: {e}");
        }
        if what != "a missing column" {
            let e = store.sink().ping().await.expect_err(what);
            assert!(e.is_retryable(), "{what}: {e}");
        }
    }
}

#[tokio::test]
async fn a_file_that_became_something_else_under_us_refuses_no_event() {
    let folder = folder().await;
    let store = Embedded::open(folder.path()).expect("open");
    let path = folder.path().join("events.db");
    with(&path, "DROP TABLE clicks");
    let e = store.sink().deliver(&clicks(2, 20)).await.expect_err("no table");
    assert!(e.is_retryable() && e.to_string().contains("restore it from a backup"), "{e}");
    store.sink().ping().await.expect_err("a ping looks into the tables");
    store.analytics().ping().await.expect_err("also of those who only read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_damaged_under_us_takes_no_event_though_all_its_pages_are_remembered() {
    for table in ["clicks", "bodies", "texts", "visits_ever", "postbacks", "conversions"] {
        let folder = folder().await;
        let store = Embedded::open(folder.path()).expect("open");
        // The same again: every text is known, every page read.
        assert_eq!(store.sink().deliver(&clicks(1, 50)).await.expect("well"), []);
        store.sink().ping().await.expect("well");
        zero_root(&folder.path().join("events.db"), table);
        let e = store.sink().deliver(&clicks(1, 50)).await.expect_err(table);
        assert!(e.is_retryable() && e.to_string().contains("restore it from a backup"), "{table}: {e}");
        store.sink().ping().await.expect_err("it says so");
        store.analytics().ping().await.expect_err("also to those who only read");
    }
}

#[tokio::test]
async fn a_ping_writes() {
    let folder = folder().await;
    let store = Embedded::open(folder.path()).expect("open");
    for db in ["events.db", "config.db"] {
        let holder = Connection::open(folder.path().join(db)).expect("open");
        holder.execute_batch("BEGIN IMMEDIATE").expect("holds the file");
        let (sink, config, conversions) = (store.sink(), store.config(), store.conversions());
        match db {
            "events.db" => drop(sink.ping().await.expect_err("cannot be written")),
            _ => {
                config.ping().await.expect_err("cannot be written");
                conversions.ping().await.expect_err("cannot be written");
            }
        }
        drop(holder);
        sink.ping().await.expect("well");
        config.ping().await.expect("well");
        conversions.ping().await.expect("well");
    }
}

#[tokio::test]
async fn a_value_that_fits_nowhere_is_refused_and_the_others_are_in() {
    let folder = folder().await;
    with(
        &folder.path().join("events.db"),
        "CREATE TRIGGER picky BEFORE INSERT ON clicks WHEN new.cost = 77 BEGIN
           INSERT INTO visits_ever VALUES (1000000, 'no number'); END",
    );
    let store = Embedded::open(folder.path()).expect("open");
    let mut batch = clicks(2, 20);
    for n in [3, 11] {
        let mut event: serde_json::Value = serde_json::from_slice(&batch[n].payload).expect("json");
        event["cost"] = serde_json::json!({ "amount": "0.000077", "currency": "USD" });
        batch[n].payload = serde_json::to_vec(&event).expect("json").into();
    }
    batch[7].payload = "{".into();
    let refused = store.sink().deliver(&batch).await.expect("the store is well");
    assert_eq!(refused.iter().map(|r| r.index).collect::<Vec<_>>(), [3, 7, 11], "{refused:?}");
    let stored: i64 = Connection::open(folder.path().join("events.db"))
        .and_then(|c| c.query_row("SELECT count(*) FROM clicks", [], |r| r.get(0)))
        .expect("counted");
    assert_eq!(stored, 50 + 17);
}

/// What is answered as kept while the file is sick would be gone when it is restored from a backup.
#[tokio::test]
async fn nothing_is_taken_into_a_sick_file_of_conversions() {
    let tables = [
        "revision",
        "records",
        "kept_revisions",
        "kept_versions",
        "aliases",
        "audit",
        "conversions",
        "jobs",
        "job_lanes",
        "leases",
        "ledger_instances",
        "ledger_pages",
        "keys",
        "destination_health",
        "destination_health_history",
        "alert_states",
        "alert_log",
    ];
    for table in tables {
        let folder = folder().await;
        let store = Embedded::open(folder.path()).expect("open");
        let job = NewJob {
            kind: JobKind::ParkedPostback,
            key: "one".to_owned(),
            group: None,
            came: Timestamp::UNIX_EPOCH,
            payload: "{}".to_owned(),
        };
        store.queue().enqueue(&job, Duration::ZERO).await.expect("well");
        // Whatever pages its connections remember.
        zero_root(&folder.path().join("config.db"), table);
        let another = NewJob { key: "two".to_owned(), ..job };
        let e = store.queue().enqueue(&another, Duration::ZERO).await.expect_err(table);
        assert!(e.is_retryable() && e.to_string().contains("restore it from a backup"), "{table}: {e}");
        assert!(store.config().ping().await.is_err() && store.conversions().ping().await.is_err(), "{table}");
    }
}
