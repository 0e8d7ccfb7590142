//! Every instance of an installation tells visitors by the same key, which is the configuration store's.

use crate::world::{DESKTOP, Testbed, World};
use async_trait::async_trait;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};
use tfx_ports::{StoreError, keys::Keys};
use tfx_service::testing::until;
use tfx_settings::IpPrivacy;
use tfx_visitor::Identity;

const OWN: &str = "a-key-of-the-version-before-this-one";

/// Keys that are away at times.
struct AtTimes {
    keys: Arc<dyn Keys>,
    away: AtomicBool,
}

impl AtTimes {
    /// In place of the testbed's.
    fn of(testbed: &mut Testbed, away: bool) -> Arc<Self> {
        let keys = Arc::new(Self { keys: Arc::clone(&testbed.stores.keys), away: AtomicBool::new(away) });
        testbed.stores.keys = keys.clone();
        keys
    }

    fn there(&self) -> Result<&dyn Keys, StoreError> {
        let what = "switched off by the test".to_owned();
        let away = self.away.load(SeqCst);
        if away { Err(StoreError::Unavailable { what, source: None }) } else { Ok(&*self.keys) }
    }
}

#[async_trait]
impl Keys for AtTimes {
    async fn key(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.there()?.key(name).await
    }

    async fn agree(&self, name: &str, proposed: &str) -> Result<String, StoreError> {
        self.there()?.agree(name, proposed).await
    }
}

/// The id that somebody without a cookie gets.
async fn id(world: &World) -> String {
    world.get("/c/summer").await.new_cookie().expect("a cookie")
}

/// The id that a key gives.
fn id_by(key: &str) -> String {
    let key = key.as_bytes()[..32].try_into().expect("32 bytes");
    let id =
        Identity::new(&key, IpPrivacy::Full).visitor(IpAddr::V4(Ipv4Addr::LOCALHOST), DESKTOP.as_bytes());
    id.to_string()
}

fn key_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("visitor.key")).expect("kept").trim().to_owned()
}

#[tokio::test]
async fn two_instances_know_the_same_people() {
    let testbed = Testbed::new(&[]);
    testbed.summer().await;
    let beside = testbed.beside();
    let (one, two) = tokio::join!(testbed.start(), beside.start());
    let ids = [id(&one).await, id(&two).await];
    let secret = key_of(one.testbed.path());
    assert_eq!(ids, [id_by(&secret), id_by(&secret)]);
    two.stop().await;
    one.stop().await;
}

#[tokio::test]
async fn the_key_of_a_file_goes_into_the_store_and_the_stores_goes_before_a_files() {
    let testbed = Testbed::new(&[]);
    testbed.summer().await;
    fs::write(testbed.path().join("visitor.key"), OWN).expect("write");
    let beside = testbed.beside();
    let one = testbed.start().await;
    assert_eq!(id(&one).await, id_by(OWN), "people of before are known");
    fs::write(beside.path().join("visitor.key"), "a-key-that-somebody-made-elsewhere-once").expect("write");
    let two = beside.start().await;
    assert_eq!(id(&two).await, id_by(OWN));
    assert_eq!(key_of(two.testbed.path()), OWN);
    two.stop().await;
    one.stop().await;
}

#[tokio::test]
async fn while_the_store_is_away_the_key_that_was_kept_serves() {
    let testbed = Testbed::new(&[]);
    testbed.summer().await;
    let world = testbed.start().await;
    id(&world).await;
    let mut testbed = world.stop().await;
    let secret = key_of(testbed.path());
    AtTimes::of(&mut testbed, true);
    testbed.faults.config_away.on();
    let world = testbed.start().await;
    assert_eq!(id(&world).await, id_by(&secret));
    world.stop().await;
}

#[tokio::test]
async fn without_any_key_nobody_is_taken_until_the_store_tells_it() {
    let mut testbed = Testbed::new(&[]);
    testbed.summer().await;
    testbed.stores.keys.agree("visitors", OWN).await.expect("another instance was here");
    let keys = AtTimes::of(&mut testbed, true);
    let world = testbed.start().await;
    assert_eq!(world.get("/c/summer").await.status, 503);
    let (status, config) = world.ready("config").await;
    assert!(
        status == 503 && config["detail"].as_str().is_some_and(|d| d.contains("key of visitors")),
        "{config}"
    );
    keys.away.store(false, SeqCst);
    until("it routes", async || world.get("/c/summer").await.status == 302).await;
    assert_eq!((id(&world).await, key_of(world.testbed.path())), (id_by(OWN), OWN.to_owned()));
    world.stop().await;
}
