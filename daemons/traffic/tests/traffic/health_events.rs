//! Changes of health are published, also those that the journal refused at first: later, and once.

use crate::{
    health::{FAST, Offers, check},
    world::Testbed,
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use tfx_ports::{
    StoreError,
    sink::{Envelope, EventSink, Refused},
};
use tfx_service::testing::until;

/// A sink that may be away, and notes what changes of health came.
struct Noting {
    sink: Arc<dyn EventSink>,
    away: AtomicBool,
    came: Mutex<Vec<Value>>,
}

impl Noting {
    fn check(&self) -> Result<(), StoreError> {
        let what = "the sink of the test is away".to_owned();
        if self.away.load(SeqCst) { Err(StoreError::Unavailable { what, source: None }) } else { Ok(()) }
    }

    /// From what to what, in order.
    fn turns(&self) -> Vec<String> {
        let came = self.came.lock().expect("no panic");
        came.iter().map(|e| format!("{} {}", e["from"], e["to"]).replace('"', "")).collect()
    }
}

#[async_trait::async_trait]
impl EventSink for Noting {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        self.check()?;
        let refused = self.sink.deliver(batch).await?;
        let of_health = batch.iter().filter(|e| e.topic == tfx_domain::event::Topic::DestinationHealthEvents);
        let read = of_health.map(|e| serde_json::from_slice(&e.payload).expect("JSON"));
        self.came.lock().expect("no panic").extend(read);
        Ok(refused)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check()?;
        self.sink.ping().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_the_journal_refused_is_published_later_and_once() {
    let offers = Offers::default();
    let at = offers.start().await;
    let small = [("EVENT_WRITE_FAILURE_POLICY", "fail_closed"), ("EVENT_JOURNAL_MAX_BYTES", "1048576")];
    let mut testbed = Testbed::new(&[FAST, &small].concat());
    let noting = Arc::new(Noting {
        sink: Arc::clone(&testbed.stores.sink),
        away: AtomicBool::new(false),
        came: Mutex::default(),
    });
    testbed.stores.sink = noting.clone();
    let campaign = testbed.campaign("summer", json!({})).await;
    let watched = testbed.destination("watched", check(at, "watched")).await;
    let offer = testbed.destination("offer", json!({})).await;
    testbed.stream_to(&campaign, &offer, json!({})).await;
    let world = testbed.start().await;
    until("the first change came", async || noting.turns() == ["unknown up"]).await;

    // Clicks fill the journal to its last byte.
    noting.away.store(true, SeqCst);
    for size in [60_000, 1_000, 0] {
        let path = format!(
            "/c/summer?{}",
            (0..=size / 1_000).map(|i| format!("&p{i}={}", "x".repeat(size.min(1_000)))).collect::<String>()
        );
        let mut person = 0;
        while world.get_as(person, &path).await.status == 302 {
            person += 1;
            assert!(person < 50_000, "it takes all");
        }
    }
    offers.answer("watched", 503);
    let unpublished = async || world.testbed.stores.health.unpublished(9).await.expect("read");
    until("the change is recorded", async || unpublished().await.len() == 1).await;
    // Longer than two looks at what is to be published.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!((unpublished().await[0].destination_id == watched.id, noting.turns().len()), (true, 1));

    noting.away.store(false, SeqCst);
    until("it is published", async || unpublished().await.is_empty()).await;
    until("it came", async || noting.turns().len() >= 2).await;
    // What comes next comes behind it, and nothing between them.
    offers.answer("watched", 200);
    until("the next came", async || noting.turns().last().is_some_and(|turn| turn == "down up")).await;
    assert_eq!(noting.turns(), ["unknown up", "up down", "down up"]);
    world.stop().await;
}
