//! A file of the data folder that was lost beside a full one is not made anew in silence.

use serde_json::json;
use std::{fs, path::Path};
use tfx_domain::{Timestamp, event::Event};
use tfx_embedded::Embedded;
use tfx_ports::{
    audit::{AuditEntry, Caller},
    config::Record,
    conformance::sample::Sample,
    sink::Envelope,
};

fn record_at() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn source() -> (Record, AuditEntry) {
    let record: Record = serde_json::from_value(json!({
        "kind": "source", "id": "src_0000000000000000001", "parent": "", "slug": "push", "status": "active",
        "version": 1, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        "spec": { "slug": "push", "name": "Push" },
    }))
    .expect("a record");
    let audit = AuditEntry {
        at: record.created_at,
        caller: Caller::named("anna"),
        action: "create".to_owned(),
        kind: record.kind.noun().to_owned(),
        id: record.id.clone(),
        version: 1,
        changes: json!({}),
    };
    (record, audit)
}

fn refused(folder: &Path) -> String {
    Embedded::open(folder).err().map(|e| e.to_string()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_beside_a_full_one_is_refused_with_advice() {
    let there = tempfile::tempdir().expect("a folder");
    let stores = Embedded::open(there.path()).expect("open");
    let (record, audit) = source();
    stores.config().create(record, audit).await.expect("create");
    let click = Sample::new(1).click(record_at());
    let event = Event::Click(Box::new(click));
    let payload = event.to_json().expect("JSON").into();
    let click = Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload };
    assert_eq!(stores.sink().deliver(&[click]).await.expect("deliver"), []);
    drop(stores);
    for (lost, full) in [("config.db", "events.db"), ("events.db", "config.db")] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::copy(there.path().join(full), folder.path().join(full)).expect("copy");
        for (state, leave) in [("missing", false), ("empty", true)] {
            if leave {
                fs::write(folder.path().join(lost), "").expect("write");
            }
            let why = refused(folder.path());
            assert!(
                why.contains(lost) && why.contains(state) && why.contains("backup"),
                "{lost} {state}: {why}"
            );
        }
        let length = fs::metadata(folder.path().join(lost)).expect("file").len();
        assert_eq!(length, 0, "it is left as it was found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_broke_off_is_taken_up_again() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(Embedded::open(folder.path()).expect("open"));
    for file in ["events.db", "config.db"] {
        fs::write(folder.path().join(file), "").expect("write");
        drop(Embedded::open(folder.path()).expect(file));
    }
}
