//! The embedded stores pass the suite that every adapter must pass.

use tfx_embedded::Embedded;
use tfx_ports::{
    config::ConfigStore,
    conformance::{Pair, events::EventStore, retention::RetainedStore},
    conversions::ConversionStore,
};

/// A new data folder, opened twice.
fn two() -> (tempfile::TempDir, Embedded, Embedded) {
    let folder = tempfile::tempdir().expect("a folder");
    let one = Embedded::open(folder.path()).expect("open");
    let two = Embedded::open(folder.path()).expect("open again");
    (folder, one, two)
}

async fn fresh_config() -> Pair<dyn ConfigStore> {
    let (folder, one, two) = two();
    Pair { one: one.config(), two: two.config(), keep: Box::new(folder) }
}

async fn fresh_conversions() -> Pair<dyn ConversionStore> {
    let (folder, one, two) = two();
    Pair { one: one.conversions(), two: two.conversions(), keep: Box::new(folder) }
}

async fn fresh_events() -> EventStore {
    let (folder, one, two) = two();
    EventStore { sink: one.sink(), analytics: two.analytics(), keep: Box::new(folder) }
}

async fn fresh_retained() -> RetainedStore {
    let (folder, one, two) = two();
    let events = EventStore { sink: one.sink(), analytics: two.analytics(), keep: Box::new(folder) };
    RetainedStore { events, retention: two.retention(), close_days: Box::new(|| Box::pin(async {})) }
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_left_out() {
    let (folder, one, two) = two();
    let file = folder.path().join("config.db");
    let stores = Pair { one: one.conversions(), two: two.conversions(), keep: Box::new(folder) };
    let spoil = async |table: &'static str, id: String| {
        let column = if table == "parked" { "params" } else { "body" };
        let conn = rusqlite::Connection::open(&file).expect("open");
        let spoiled = conn.execute(&format!("UPDATE {table} SET {column} = '{{' WHERE id = ?1"), [id]);
        assert_eq!(spoiled.expect("spoiled"), 1);
    };
    tfx_ports::conformance::conversions::rows_that_cannot_be_read_are_left_out(stores, spoil).await;
}

tfx_ports::conformance!(config_store: fresh_config);
tfx_ports::conformance!(conversion_store: fresh_conversions);
tfx_ports::conformance!(event_store: fresh_events);
tfx_ports::conformance!(retention: fresh_retained);
