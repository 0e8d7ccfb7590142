//! Revisions that were, over what else becomes of their file: a program of before, a backup.

use rusqlite::Connection;
use serde_json::json;
use std::path::Path;
use tfx_domain::{
    Timestamp,
    entity::{Kind, Status},
};
use tfx_embedded::{
    Embedded,
    backup::{CopyError, Moment},
};
use tfx_ports::{
    audit::{AuditEntry, Caller},
    config::{Change, Record},
    page::PageRequest,
};

fn record(n: usize, version: u64) -> Record {
    let slug = format!("s{n}");
    Record {
        kind: Kind::Source,
        id: format!("src_{n:019}"),
        parent: String::new(),
        slug: slug.clone(),
        status: Status::Active,
        version,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
        spec: json!({ "slug": slug, "name": "x".repeat(300), "n": version }),
    }
}

fn line(record: &Record) -> AuditEntry {
    AuditEntry {
        at: record.updated_at,
        caller: Caller::named("ann"),
        action: "create".to_owned(),
        kind: "source".to_owned(),
        id: record.id.clone(),
        version: record.version,
        changes: json!({}),
    }
}

async fn make(store: &Embedded, records: impl IntoIterator<Item = Record>) -> u64 {
    let change = |record: Record| {
        let line = line(&record);
        if record.version == 1 { Change::create(record, line) } else { Change::update(record, line) }
    };
    store.config().apply(records.into_iter().map(change).collect(), None).await.expect("apply")
}

fn file(folder: &Path) -> Connection {
    Connection::open(folder.join("config.db")).expect("file")
}

#[tokio::test]
async fn what_stood_there_before_revisions_were_kept_is_the_first_of_them() {
    let dir = tempfile::tempdir().expect("dir");
    let store = Embedded::open(dir.path()).expect("store");
    make(&store, [record(1, 1), record(2, 1)]).await;
    make(&store, [record(1, 2)]).await;
    let (revision, stood) = store.config().load().await.expect("load");
    drop(store);
    let before = "DROP TABLE kept_revisions; DROP TABLE kept_versions; PRAGMA user_version = 18;";
    file(dir.path()).execute_batch(before).expect("as it was");
    let store = Embedded::open(dir.path()).expect("brought along");
    let config = store.config();
    assert_eq!((revision, config.at_revision(3).await.expect("kept")), (3, stood.clone()));
    let first = config.revision(3).await.expect("kept");
    assert_eq!((first.0.by.as_str(), first.0.sums, first.1), ("", Vec::new(), Vec::new()));
    let none = config.at_revision(2).await.expect_err("it was before").to_string();
    assert_eq!(none, "revision 2 is not kept: those from 3 to 3 are");
    make(&store, [record(3, 1), record(2, 2)]).await;
    assert_eq!(config.at_revision(3).await.expect("kept"), stood);
    assert_eq!(config.at_revision(5).await.expect("kept"), [record(1, 2), record(2, 2), record(3, 1)]);
    assert_eq!(config.revisions(&PageRequest::first(9)).await.expect("listed").items.len(), 2);
}

#[tokio::test]
async fn revisions_come_back_with_a_copy_of_the_folder() {
    let dir = tempfile::tempdir().expect("dir");
    let (folder, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let store = Embedded::open(&folder).expect("store");
    make(&store, [record(1, 1)]).await;
    make(&store, [record(1, 2), record(2, 1)]).await;
    let (moment, ()) = Moment::take(&folder, || Ok::<_, CopyError>(())).expect("a moment");
    std::fs::create_dir(&copy).expect("a folder");
    for snapshot in &moment.snapshots {
        snapshot.copy(&copy.join(snapshot.file), &|_, _| true).expect("copied");
    }
    make(&store, [record(3, 1)]).await;
    let back = Embedded::open(&copy).expect("store").config();
    assert_eq!(back.at_revision(1).await.expect("kept"), [record(1, 1)]);
    assert_eq!(back.at_revision(3).await.expect("kept"), [record(1, 2), record(2, 1)]);
    assert!(back.at_revision(4).await.is_err());
    assert_eq!(store.config().at_revision(4).await.expect("kept").len(), 3);
}
