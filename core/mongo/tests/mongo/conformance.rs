//! The stores on MongoDB pass the suite that every adapter must pass.

use crate::support::Fresh;
use tfx_ports::{config::ConfigStore, conformance::Pair, conversions::ConversionStore};

async fn fresh_config() -> Pair<dyn ConfigStore> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.config(), two: two.config(), keep: Box::new(fresh) }
}

async fn fresh_conversions() -> Pair<dyn ConversionStore> {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    Pair { one: one.conversions(), two: two.conversions(), keep: Box::new(fresh) }
}

tfx_ports::conformance!(config_store: fresh_config);
tfx_ports::conformance!(conversion_store: fresh_conversions);
