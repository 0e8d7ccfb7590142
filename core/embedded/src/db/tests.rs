//! Nobody waits behind what he has nothing to do with, and nobody waits for ever.

use super::{Blueprint, Database};
use rusqlite::Connection;
use std::{
    sync::{Arc, Barrier, mpsc},
    time::{Duration, Instant},
};

const BLUEPRINT: Blueprint = Blueprint {
    file: "test.db",
    migrations: &["CREATE TABLE t (n INTEGER) STRICT;"],
    look: "SELECT EXISTS (SELECT 1 FROM t)",
    page_size: 4096,
    cache_kib: 1024,
    gives_back: false,
};

fn database() -> (tempfile::TempDir, Arc<Database<()>>) {
    let folder = tempfile::tempdir().expect("a folder");
    let db = Arc::new(Database::open(folder.path(), &BLUEPRINT).expect("open"));
    (folder, db)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_does_not_wait_behind_reports_and_too_many_reports_are_told_at_once() {
    let (_folder, db) = database();
    let gate = Arc::new(Barrier::new(3));
    let (begun, reports) = mpsc::channel();
    let mut running = Vec::new();
    // Two read, 32 wait.
    for n in 0..34 {
        let (db, gate, begun) = (Arc::clone(&db), Arc::clone(&gate), begun.clone());
        running.push(tokio::spawn(async move {
            db.scan("make a report", move |_| {
                let _ = begun.send(n);
                if n < 2 {
                    gate.wait();
                }
                Ok(())
            })
            .await
        }));
        if n < 2 {
            reports.recv().expect("it reads");
        } else {
            tokio::task::yield_now().await;
        }
    }
    for _ in 0..100 {
        db.read("read a click", |_| Ok(())).await.expect("a lane of its own");
    }
    // Those that wait have all come to their place when one more is refused.
    let refused = loop {
        match tokio::time::timeout(Duration::from_millis(20), db.scan("make a report", |_| Ok(()))).await {
            Ok(Err(e)) => break e,
            Ok(Ok(())) => panic!("both readers are taken"),
            Err(_) => {}
        }
    };
    assert!(refused.is_retryable() && refused.to_string().contains("too many reads wait"), "{refused}");
    gate.wait();
    for report in running {
        report.await.expect("ends").expect("everybody who waited was served");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_long_for_a_file_that_somebody_holds() {
    let (folder, db) = database();
    let holder = Connection::open(folder.path().join("test.db")).expect("open");
    holder.execute_batch("BEGIN IMMEDIATE").expect("holds it");
    let write = |db: Arc<Database<()>>| async move { db.write("write", |_, ()| Ok(())).await };
    let first: Vec<_> = (0..1000).map(|_| tokio::spawn(write(Arc::clone(&db)))).collect();
    for call in first {
        let e = call.await.expect("ends").expect_err("held");
        assert!(e.is_retryable(), "{e}");
    }
    let began = Instant::now();
    write(Arc::clone(&db)).await.expect_err("still held");
    assert!(began.elapsed() < Duration::from_secs(3), "known to be held: told at once");
    drop(holder);
    write(Arc::clone(&db)).await.expect("free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_stalled_writer_is_bounded() {
    let (_folder, db) = database();
    let (begun, stalled) = mpsc::channel();
    let (free, go_on) = mpsc::channel::<()>();
    let first = Arc::clone(&db);
    let held = tokio::spawn(async move {
        first
            .write("stall", move |_, ()| {
                let _ = begun.send(());
                let _ = go_on.recv();
                Ok(())
            })
            .await
    });
    stalled.recv().expect("it stalls");
    let mut waiting = Vec::new();
    let refused = loop {
        let mut call = Box::pin(db.write("write", |_, ()| Ok(())));
        match tokio::time::timeout(Duration::ZERO, call.as_mut()).await {
            Ok(answer) => break answer.expect_err("nothing is written"),
            Err(_) => waiting.push(call),
        }
    };
    assert_eq!(waiting.len(), 4095, "and the one that stalls");
    assert!(refused.is_retryable() && refused.to_string().contains("too many writes wait"), "{refused}");
    drop(free);
    held.await.expect("ends").expect("done");
    for call in waiting {
        call.await.expect("everybody who waited was served");
    }
}
