//! The stores on MongoDB pass the suite that every adapter must pass.

use crate::support::Fresh;
use mongodb::bson::{Document, doc};
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

#[tokio::test]
async fn rows_that_cannot_be_read_are_left_out() {
    let fresh = Fresh::new();
    let (one, two) = (fresh.open().await, fresh.open().await);
    let raw = fresh.raw().await;
    let stores = Pair { one: one.conversions(), two: two.conversions(), keep: Box::new(fresh) };
    let spoil = async |collection: &'static str, id: String| {
        let all = raw.collection::<Document>(collection);
        // Of another type, and no JSON: as damage leaves it, or a newer program.
        let change = if collection == "parked" {
            doc! {"params": 7}
        } else {
            doc! {"body": "{"}
        };
        let done = all.update_one(doc! {"_id": id}, doc! {"$set": change}).await.expect("spoiled");
        assert_eq!(done.modified_count, 1);
    };
    tfx_ports::conformance::conversions::rows_that_cannot_be_read_are_left_out(stores, spoil).await;
}

tfx_ports::conformance!(config_store: fresh_config);
tfx_ports::conformance!(conversion_store: fresh_conversions);
