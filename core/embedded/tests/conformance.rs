//! The embedded stores pass the suite that every adapter must pass.

use tfx_embedded::Embedded;
use tfx_ports::{
    config::ConfigStore,
    conformance::{Pair, events::EventStore},
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

tfx_ports::conformance!(config_store: fresh_config);
tfx_ports::conformance!(conversion_store: fresh_conversions);
tfx_ports::conformance!(event_store: fresh_events);
