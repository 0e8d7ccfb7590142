//! The audit log of before is read, and goes on.

use rusqlite::Connection;
use serde_json::json;
use tfx_embedded::Embedded;
use tfx_ports::{
    audit::{AuditEntry, Caller},
    page::PageRequest,
};

fn entry(action: &str, caller: Caller) -> AuditEntry {
    AuditEntry {
        at: "2026-01-01T00:00:00Z".parse().expect("a time"),
        caller,
        action: action.to_owned(),
        kind: "events".to_owned(),
        id: String::new(),
        version: 0,
        changes: json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_before_have_neither_address_nor_request() {
    let dir = tempfile::tempdir().expect("dir");
    let first = entry("prune", Caller::named("admin token"));
    let store = Embedded::open(dir.path()).expect("store");
    store.config().append(first.clone()).await.expect("append");
    drop(store);
    let conn = Connection::open(dir.path().join("config.db")).expect("file");
    conn.execute_batch(
        "DROP INDEX audit_revision; ALTER TABLE audit DROP COLUMN revision;
         ALTER TABLE audit DROP COLUMN asked_from; ALTER TABLE audit DROP COLUMN request_id;
         ALTER TABLE audit DROP COLUMN token; DROP TABLE accounts; DROP TABLE told;
         DROP TABLE destination_health; DROP TABLE destination_health_history; DROP TABLE keys;
         DROP TABLE ledger_instances; DROP TABLE ledger_pages; DROP TABLE kept_revisions; DROP TABLE kept_versions;
         DROP TABLE alert_states; DROP TABLE alert_log; DROP TABLE erased; DROP TABLE rates;
         ALTER TABLE job_lanes DROP COLUMN since_ms; ALTER TABLE leases DROP COLUMN since_ms;
         PRAGMA user_version = 4;",
    )
    .expect("as it was");
    drop(conn);
    let store = Embedded::open(dir.path()).expect("brought along");
    let caller =
        Caller { from: "192.0.2.1".to_owned(), request_id: "r1".to_owned(), ..Caller::named("anna") };
    let second = entry("token", caller);
    store.config().append(second.clone()).await.expect("append");
    let log = store.config().audit(None, &PageRequest::first(10)).await.expect("audit");
    assert_eq!(log.items, [second, first]);
}
