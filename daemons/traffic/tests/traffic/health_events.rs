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
use tfx_domain::routing::Health;
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

    /// Which destination, from what to what, in order.
    fn turns(&self) -> Vec<String> {
        let came = self.came.lock().expect("no panic");
        let turn = |e: &Value| format!("{} {} {}", e["destination_id"], e["from"], e["to"]).replace('"', "");
        came.iter().map(turn).collect()
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

/// As many as do not fit where no click does.
const WATCHED: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_the_journal_refused_are_published_later_and_once() {
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
    let names: Vec<String> = (0..WATCHED).map(|n| format!("watched-{n}")).collect();
    let mut ids = Vec::new();
    for name in &names {
        ids.push(testbed.destination(name, check(at, name)).await.id.to_string());
    }
    let offer = testbed.destination("offer", json!({})).await;
    testbed.stream_to(&campaign, &offer, json!({})).await;
    let world = testbed.start().await;
    until("the first changes came", async || noting.turns().len() == WATCHED).await;

    noting.away.store(true, SeqCst);
    // Clicks fill the journal until it takes not even a small one.
    for size in [60_000, 1_000, 0] {
        let path = format!(
            "/c/summer?{}",
            (0..=size / 1_000).map(|i| format!("&p{i}={}", "x".repeat(size.min(1_000)))).collect::<String>()
        );
        let mut people = 0;
        while world.get_as(people, &path).await.status == 302 {
            people += 1;
            assert!(people < 50_000, "it takes all");
        }
    }
    for name in &names {
        offers.answer(name, 503);
    }
    let store = Arc::clone(&world.testbed.stores.health);
    let down = async || store.all().await.expect("read").iter().filter(|h| h.state == Health::Down).count();
    until("all are down", async || down().await == WATCHED).await;
    let unpublished = async || store.unpublished(WATCHED).await.expect("read").len();
    // Longer than two looks at what is to be published: what stays was refused.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(unpublished().await > 0, "some did not fit");
    assert_eq!(noting.turns().len(), WATCHED, "the sink is away");

    noting.away.store(false, SeqCst);
    until("all are published", async || unpublished().await == 0).await;
    until("all came", async || noting.turns().len() >= 2 * WATCHED).await;
    // What comes next comes behind them, and nothing between.
    for name in &names {
        offers.answer(name, 200);
    }
    until("the next came", async || noting.turns().len() >= 3 * WATCHED).await;
    for id in &ids {
        let turns: Vec<String> =
            noting.turns().into_iter().filter_map(|t| t.strip_prefix(id).map(str::to_owned)).collect();
        assert_eq!(turns, [" unknown up", " up down", " down up"], "{id}");
    }
    world.stop().await;
}
