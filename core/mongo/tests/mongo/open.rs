//! What a person is told when MongoDB cannot be used: what is wrong, which setting is meant, what to do.

use crate::support::Fresh;
use std::time::{Duration, Instant};
use tfx_mongo::{Mongo, MongoConfig, OpenError};
use tfx_ports::StoreError;
use tokio::net::TcpListener;

async fn open(uri: &str) -> Mongo {
    let mut config = MongoConfig::new(uri, "tfx_test_open");
    config.server_selection_timeout = Duration::from_millis(700);
    config.connect_timeout = Duration::from_millis(500);
    config.operation_timeout = Duration::from_secs(2);
    Mongo::new(&config).await.expect("settings")
}

async fn refused(uri: &str) -> OpenError {
    let e = open(uri).await.check().await.expect_err("is refused");
    assert!(e.to_string().contains("MONGO_URI"), "{e}");
    e
}

#[tokio::test]
async fn the_real_one_is_fit() {
    let fresh = Fresh::new();
    fresh.open().await.check().await.expect("fit");
    open(&format!("mongodb://{}/?directConnection=true", Fresh::new().host()))
        .await
        .check()
        .await
        .expect("fit");
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_said_so_soon() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address");
    let began = Instant::now();
    let e = refused(&format!("mongodb://{closed}/?replicaSet=rs0")).await;
    assert!(matches!(&e, OpenError::Unreachable { why, .. } if why.contains("refused")), "{e}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(matches!(StoreError::from(e), StoreError::Unavailable { .. }), "it may come");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unreachable() {
    let e = refused("mongodb://no-such-host.invalid:27017/?replicaSet=rs0").await;
    assert!(matches!(e, OpenError::Unreachable { .. }), "{e}");
}

#[tokio::test]
async fn something_that_is_not_mongodb_is_told_from_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let e = refused(&format!("mongodb://{}/", silent.local_addr().expect("its address"))).await;
    assert!(e.to_string().contains("is not MongoDB"), "{e}");
}

#[tokio::test]
async fn another_replica_set_is_named() {
    let e = refused(&format!("mongodb://{}/?replicaSet=elsewhere", Fresh::new().host())).await;
    assert!(
        matches!(&e, OpenError::OtherSet { found, wanted, .. } if found == "rs0" && wanted == "elsewhere"),
        "{e}"
    );
}

#[tokio::test]
async fn wrong_credentials_are_said_so_and_not_repeated() {
    let e = refused(&format!("mongodb://nobody:canary7@{}/?replicaSet=rs0", Fresh::new().host())).await;
    assert!(matches!(e, OpenError::Credentials { .. }), "{e}");
    let store = open(&format!("mongodb://nobody:canary7@{}/?replicaSet=rs0", Fresh::new().host())).await;
    for _ in 0..3 {
        let e = store.check().await.expect_err("each time");
        assert!(matches!(e, OpenError::Credentials { .. }), "{e}");
    }
    let store = open(&format!("mongodb://nobody:canary7@{}/?replicaSet=rs0", Fresh::new().host())).await;
    let read = store.config().load().await.expect_err("no entry");
    assert!(!read.is_retryable(), "{read}");
    assert!(!format!("{e} {e:?} {read} {read:?}").contains("canary7"), "{e:?} {read:?}");
}

#[tokio::test]
async fn tls_where_there_is_none_is_told() {
    let e = refused(&format!("mongodb://{}/?replicaSet=rs0&tls=true", Fresh::new().host())).await;
    assert!(e.to_string().contains("tls=true"), "{e}");
}

/// The stores can be made while the server is away, and say so each time until it is there.
#[tokio::test]
async fn the_stores_need_no_server_to_be_made() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address");
    let store = open(&format!("mongodb://{closed}/?replicaSet=rs0")).await;
    for e in [
        store.config().ping().await.expect_err("away"),
        store.config().load().await.map(|_| ()).expect_err("away"),
        store.conversions().ping().await.expect_err("away"),
        store.migrations().status().await.map(|_| ()).expect_err("away"),
    ] {
        assert!(e.is_retryable(), "{e}");
    }
}
