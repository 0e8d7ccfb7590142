//! Both files are copied as they were at one moment, however much is written to them meanwhile.

use rusqlite::Connection;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};
use tfx_embedded::{
    Embedded,
    backup::{CopyError, FILES, Moment, look},
};

fn open(folder: &Path, file: &str) -> Connection {
    let conn = Connection::open(folder.join(file)).expect("open");
    conn.busy_timeout(Duration::from_secs(10)).expect("patient");
    conn.execute_batch("PRAGMA synchronous = OFF").expect("quick");
    conn
}

fn last(conn: &Connection) -> u64 {
    let n: i64 = conn.query_row("SELECT coalesce(max(n), 0) FROM pairs", [], |r| r.get(0)).expect("a number");
    n.unsigned_abs()
}

#[test]
fn both_files_show_one_moment_while_both_are_written_to() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("data");
    let _open = Embedded::open(&folder).expect("open");
    for file in FILES {
        open(&folder, file).execute_batch("CREATE TABLE pairs (n INTEGER) STRICT").expect("a table");
    }
    let (end, written, longest) = (Arc::default(), Arc::default(), Arc::default());
    let writer = {
        let (folder, end, written, longest): (_, Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>) =
            (folder.clone(), Arc::clone(&end), Arc::clone(&written), Arc::clone(&longest));
        thread::spawn(move || {
            let files = FILES.map(|file| open(&folder, file));
            let mut n = 0_i64;
            while !end.load(SeqCst) {
                n += 1;
                // First the one, then the other: a moment shows both, or the first one alone.
                for conn in &files {
                    let begun = Instant::now();
                    conn.execute("INSERT INTO pairs VALUES (?1)", [n]).expect("written");
                    longest.fetch_max(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), SeqCst);
                }
                written.store(n.unsigned_abs(), SeqCst);
            }
        })
    };
    while written.load(SeqCst) < 100 {
        thread::yield_now();
    }
    let mut held = Duration::ZERO;
    for round in 0..40 {
        let before = written.load(SeqCst);
        let (moment, at_it) =
            Moment::take(&folder, || Ok::<_, CopyError>(written.load(SeqCst))).expect("a moment");
        held = held.max(moment.held);
        // Much comes in before it is copied.
        while written.load(SeqCst) < at_it + 20 {
            thread::yield_now();
        }
        let copies = dir.path().join(format!("copies{round}"));
        std::fs::create_dir(&copies).expect("a folder");
        for snapshot in &moment.snapshots {
            snapshot.copy(&copies.join(snapshot.file), &|_, _| true).expect("copied");
        }
        let [config, events] = FILES.map(|file| {
            let tables = look(&copies.join(file), file).expect("whole");
            let last = last(&open(&copies, file));
            assert_eq!(tables.rows["pairs"], last, "{file}");
            last
        });
        assert!(config == events || config == events + 1, "round {round}: {config} and {events}");
        assert!(events >= before && events <= at_it + 1, "round {round}: {before}, {events}, {at_it}");
    }
    end.store(true, SeqCst);
    writer.join().expect("its end");
    println!("nobody could write for {held:?} at most; a write took {} µs at most", longest.load(SeqCst));
}

#[test]
fn what_cannot_be_copied_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let take = || Moment::take(dir.path(), || Ok::<_, CopyError>(())).map(|_| ()).map_err(|e| e.to_string());
    assert!(take().expect_err("none").contains("config.db is not there"), "nothing is made");
    drop(Embedded::open(dir.path()).expect("open"));
    take().expect("a moment");
    let events = dir.path().join("events.db");
    let whole = std::fs::read(&events).expect("read");
    open(dir.path(), "events.db").execute_batch("PRAGMA user_version = 999").expect("set");
    assert!(take().expect_err("newer").contains("schema 999"));
    // A page in the middle is no page: the copy is one of it, and says so.
    let mut damaged = whole.clone();
    for byte in &mut damaged[8192 * 2..8192 * 3] {
        *byte = 0x55;
    }
    for name in ["events.db-wal", "events.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    std::fs::write(&events, damaged).expect("written");
    let (moment, ()) = Moment::take(dir.path(), || Ok::<_, CopyError>(())).expect("a moment");
    let copy = dir.path().join("copy");
    let found = moment.snapshots[1].copy(&copy, &|_, _| true).and_then(|_| look(&copy, "events.db"));
    let why = found.expect_err("damaged").to_string();
    assert!(why.contains("is damaged"), "{why}");
}
