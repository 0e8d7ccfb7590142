//! A store that is damaged under load is no event's fault: nothing is refused, clicks are answered and wait in the journal,
//! `/readyz` says why, and once the file is restored every click is there, once.

use serde_json::Value;
use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};
use tfx_e2e::{Browser, Up};

/// 64 bytes of 0 at the beginning of a table's root page, behind the back of who holds the file. Gives the file as it was
/// at that moment, as a backup has it.
fn damage(file: &Path, table: &str) -> Vec<u8> {
    let conn = rusqlite::Connection::open(file).expect("open");
    conn.busy_timeout(Duration::from_secs(10)).expect("patience");
    let beside = file.with_extension("db-wal");
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        // What lies beside the file would hide it, and nobody writes while we hold the lock.
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("checkpoint");
        conn.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        if fs::metadata(&beside).map_or(0, |m| m.len()) == 0 {
            break;
        }
        conn.execute_batch("ROLLBACK").expect("given back");
        assert!(Instant::now() < limit, "somebody writes all the time");
    }
    let backup = fs::read(file).expect("the file");
    let root: u32 = conn
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |r| r.get(0))
        .expect("a table");
    let size: u32 = conn.query_row("PRAGMA page_size", [], |r| r.get(0)).expect("a size");
    let bytes = fs::OpenOptions::new().write(true).open(file).expect("open");
    bytes.write_all_at(&[0; 64], u64::from(root - 1) * u64::from(size)).expect("write");
    conn.execute_batch("ROLLBACK").expect("given back");
    backup
}

/// Puts the backup in place of the file; nobody holds it.
fn restore(file: &Path, backup: &[u8]) {
    for beside in ["db-wal", "db-shm"] {
        let _ = fs::remove_file(file.with_extension(beside));
    }
    fs::write(file, backup).expect("restored");
}

/// What `/readyz` of a service says, once it says what is wanted.
async fn until_ready(url: &str, what: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
    let (http, limit) = (reqwest::Client::new(), Instant::now() + Duration::from_secs(60));
    loop {
        let answer = http.get(format!("{url}/readyz")).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let report: Value = answer.json().await.expect("JSON");
        if wanted(status, &report) {
            return report;
        }
        assert!(Instant::now() < limit, "{what}: {status} {report}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn says(report: &Value, words: &str) -> bool {
    let all = report["dependencies"].as_array().into_iter().flatten();
    all.filter(|d| d["state"] != "ok").any(|d| d["detail"].as_str().is_some_and(|d| d.contains(words)))
}

fn refused(folder: &Path) -> usize {
    ["traffic", "postback"]
        .into_iter()
        .filter_map(|service| {
            fs::read_to_string(folder.join("journal").join(service).join("refused.jsonl")).ok()
        })
        .map(|text| text.lines().count())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_outlive_a_damaged_file_of_events() {
    for (table, policy) in [("clicks", "fail_open"), ("bodies", "fail_closed"), ("texts", "fail_open")] {
        let dir = tempfile::tempdir().expect("dir");
        let settings = [
            ("EVENT_WRITE_FAILURE_POLICY", policy),
            ("EVENT_WRITE_MAX_ATTEMPTS", "2"),
            ("EVENT_WRITE_RETRY_BACKOFF_MS", "50"),
            // What waits cannot be delivered before it ends, however long it tries.
            ("SHUTDOWN_GRACE_MS", "2000"),
        ];
        let browser = Browser::default();
        let up = Up::start(dir.path(), &settings);
        let mut people = browser.go(&up, 4);
        while browser.sales().len() < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Under load the file is damaged.
        let events = dir.path().join("events.db");
        let backup = tokio::task::block_in_place(|| damage(&events, table));
        let traffic = up.get("tracking_links").split("/c/").next().expect("a URL").to_owned();
        let report = until_ready(&traffic, table, |_, report| {
            report["status"] == "degraded" && says(report, "restore it from a backup")
        })
        .await;
        let sick = browser.clicks().len();
        // It goes on: redirects are answered, by either policy, since the journal takes the events.
        while browser.clicks().len() < sick + 50 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(!people.is_empty(), "everybody gave up");
        }
        browser.stop();
        while let Some(person) = people.join_next().await {
            person.expect("every answer was as it should be");
        }
        let ready = until_ready(&traffic, table, |status, _| status == 200).await;
        assert_eq!(ready["status"], "degraded", "{report}");
        assert_eq!(refused(dir.path()), 0, "{table}");
        assert_eq!(up.terminate().0, Some(0));
        assert_eq!(refused(dir.path()), 0, "{table}");

        // The file is restored from the copy, and the rest comes from the journals.
        restore(&events, &backup);
        let up = Up::start(dir.path(), &settings);
        let (clicks, _) = browser.reconcile(&up.api()).await;
        println!("{table}, {policy}: {clicks} clicks, each once; {sick} when it was sick; 0 refused");
        assert_eq!(up.terminate().0, Some(0));
    }
}
