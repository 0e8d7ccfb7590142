//! Health checks: destinations that do not answer get no clicks, everybody knows it soon, and nobody is probed twice.

use crate::world::{Testbed, World};
use axum::{Router, extract::Path, routing::any};
use http::StatusCode;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    alert::{AlertState, Phase, state::Known},
    entity::DestinationSpec,
    event::HealthEvent,
    health::DestinationHealth,
    id::{AlertId, ClickId, DestinationId},
    routing::Health,
};
use tfx_ports::{
    StoreError,
    alerts::Looked,
    health::{HealthQuery, HealthStore, Probed},
    page::{Page, PageRequest},
};
use tfx_service::testing::until;
use tokio::net::TcpListener;

/// Servers of others: one for each path, each of which answers as it is told.
#[derive(Clone, Default)]
pub(crate) struct Offers(Arc<Mutex<HashMap<String, (u16, usize)>>>);

impl Offers {
    pub(crate) async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let addr = listener.local_addr().expect("address");
        let offers = self.clone();
        let answer = move |Path(name): Path<String>| {
            let mut all = offers.0.lock().expect("no panic");
            let (status, asked) = all.entry(name).or_insert((200, 0));
            *asked += 1;
            let status = StatusCode::from_u16(*status).expect("a status");
            async move { status }
        };
        let router = Router::new().route("/{name}", any(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        addr
    }

    pub(crate) fn answer(&self, name: &str, status: u16) {
        self.0.lock().expect("no panic").entry(name.to_owned()).or_insert((200, 0)).0 = status;
    }

    fn asked(&self, name: &str) -> usize {
        self.0.lock().expect("no panic").get(name).map_or(0, |(_, asked)| *asked)
    }
}

pub(crate) const FAST: &[(&str, &str)] =
    &[("OUTBOUND_ALLOW_PRIVATE", "true"), ("DESTINATION_HEALTHCHECK_INTERVAL_MS", "1000")];

/// A check that one probe decides.
pub(crate) fn check(at: SocketAddr, name: &str) -> Value {
    json!({ "health_check": { "url": format!("http://{at}/{name}"), "failures": 1, "successes": 1 } })
}

/// A campaign whose stream takes `first` as long as that is up, then `second`.
async fn two_offers(testbed: &Testbed, at: SocketAddr) {
    let campaign = testbed.campaign("summer", json!({})).await;
    let first = testbed.destination("first", check(at, "first")).await;
    let second = testbed.destination("second", json!({})).await;
    let destinations = json!([{ "destination": first.id }, { "destination": second.id }]);
    testbed.stream(&campaign, "both", json!({ "select": "position", "destinations": destinations })).await;
}

pub(crate) async fn known(world: &World) -> Vec<DestinationHealth> {
    world.testbed.stores.health.all().await.expect("all")
}

async fn becomes(world: &World, destination: &str) {
    until(destination, async || world.get("/c/summer").await.to() == destination).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_does_not_answer_gets_no_clicks_until_it_does() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(FAST);
    two_offers(&testbed, at).await;
    let world = testbed.start().await;
    until("it is probed", async || known(&world).await.len() == 1).await;
    assert_eq!(world.get("/c/summer").await.to(), "first");

    offers.answer("first", 503);
    becomes(&world, "second").await;
    let down = known(&world).await.remove(0);
    assert_eq!(
        (down.state, down.probe.status, down.probe.reason.as_str()),
        (Health::Down, Some(503), "it answers 503")
    );
    until("it is told", async || {
        world.ready("destinations").await.1["detail"].to_string().contains("1 of 1 destinations are down")
    })
    .await;
    assert!((world.metric("tfx_destinations_down").await - 1.0).abs() < f64::EPSILON);

    offers.answer("first", 204);
    becomes(&world, "first").await;
    let query = HealthQuery { destination: None, since: None, until: None, page: PageRequest::first(10) };
    let history = world.testbed.stores.health.history(&query).await.expect("history").items;
    let turns: Vec<_> = history.iter().map(|e| (e.from, e.to)).collect();
    assert_eq!(
        turns,
        [(Health::Down, Health::Up), (Health::Up, Health::Down), (Health::Unknown, Health::Up)]
    );
    until("the changes are published", async || {
        world.testbed.stores.health.unpublished(10).await.expect("unpublished").is_empty()
    })
    .await;
    world.stop().await;
}

/// A store that takes its time to say what is down, or never says it.
struct Slow(Arc<dyn HealthStore>, Option<Duration>);

#[async_trait::async_trait]
impl HealthStore for Slow {
    async fn save(&self, probed: &[Probed]) -> Result<(), StoreError> {
        self.0.save(probed).await
    }

    async fn all(&self) -> Result<Vec<DestinationHealth>, StoreError> {
        self.0.all().await
    }

    async fn of(&self, destinations: &[DestinationId]) -> Result<Vec<DestinationHealth>, StoreError> {
        self.0.of(destinations).await
    }

    async fn down(&self) -> Result<Vec<DestinationId>, StoreError> {
        let what = "which are down".to_owned();
        let time = self.1.ok_or(StoreError::Unavailable { what, source: None })?;
        tokio::time::sleep(time).await;
        self.0.down().await
    }

    async fn history(&self, query: &HealthQuery) -> Result<Page<HealthEvent>, StoreError> {
        self.0.history(query).await
    }

    async fn unpublished(&self, limit: usize) -> Result<Vec<HealthEvent>, StoreError> {
        self.0.unpublished(limit).await
    }

    async fn mark_published(&self, changes: &[ClickId]) -> Result<(), StoreError> {
        self.0.mark_published(changes).await
    }

    async fn forget(&self, destinations: &[DestinationId]) -> Result<(), StoreError> {
        self.0.forget(destinations).await
    }

    fn left_out(&self) -> Vec<String> {
        self.0.left_out()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_down_is_down_from_the_first_click_after_a_restart() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(FAST);
    two_offers(&testbed, at).await;
    offers.answer("first", 500);
    let world = testbed.start().await;
    becomes(&world, "second").await;
    let mut testbed = world.stop().await;
    // The store takes its time, and clicks wait for it.
    testbed.stores.health =
        Arc::new(Slow(Arc::clone(&testbed.stores.health), Some(Duration::from_millis(500))));
    let world = testbed.start().await;
    assert_eq!(world.get("/c/summer").await.to(), "second");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_down_is_down_from_the_first_click_while_the_store_is_away() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(FAST);
    two_offers(&testbed, at).await;
    offers.answer("first", 500);
    let world = testbed.start().await;
    becomes(&world, "second").await;
    until("it is on disk", async || {
        let kept = std::fs::read_to_string(world.testbed.path().join("health.json"));
        kept.is_ok_and(|text| text.contains("dst_"))
    })
    .await;
    let mut testbed = world.stop().await;
    let health = Arc::clone(&testbed.stores.health);
    testbed.stores.health = Arc::new(Slow(Arc::clone(&health), None));
    let world = testbed.start().await;
    assert_eq!(world.get("/c/summer").await.to(), "second");
    let told = world.ready("destinations").await.1.to_string();
    assert!(told.contains("as was known last, 1 of 1 destinations are down"), "{told}");
    let mut testbed = world.stop().await;
    // What the store says when it is back counts.
    testbed.stores.health = health;
    offers.answer("first", 200);
    let world = testbed.start().await;
    becomes(&world, "first").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shorter_interval_holds_from_the_start() {
    let offers = Offers::default();
    let at = offers.start().await;
    let interval = "DESTINATION_HEALTHCHECK_INTERVAL_MS";
    let testbed = Testbed::new(&[("OUTBOUND_ALLOW_PRIVATE", "true"), (interval, "3600000")]);
    testbed.destination("offer", check(at, "offer")).await;
    let world = testbed.start().await;
    until("it is probed", async || offers.asked("offer") == 1).await;
    let mut testbed = world.stop().await;
    testbed.set(interval, "1000");
    let world = testbed.start().await;
    until("it is probed again and again", async || offers.asked("offer") >= 4).await;
    world.stop().await;
}

/// What a probe by hand saw while nobody watches counts no more when somebody does again, and what was known before it was
/// paused does not either, however long its interval is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paused_and_resumed_counts_as_healthy() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(&[
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("DESTINATION_HEALTHCHECK_INTERVAL_MS", "3600000"),
    ]);
    let mut offer = testbed.destination("offer", check(at, "offer")).await;
    let world = testbed.start().await;
    until("it is probed", async || known(&world).await.len() == 1).await;
    offers.answer("offer", 500);
    let path = format!("/internal/probe/{}", offer.id);
    assert_eq!(world.ask("POST", &path).await.json()["state"], "down");
    assert_eq!(known(&world).await.len(), 1);
    world.testbed.update(&mut offer, |d| d["status"] = json!("paused")).await;
    until("what was known is forgotten", async || known(&world).await.is_empty()).await;
    until("it is told how it is", async || {
        let answer = world.ask("POST", &path).await;
        answer.status == 200 && answer.json()["state"] == "down"
    })
    .await;
    assert_eq!(known(&world).await, [], "it is told alone");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_services_probe_a_destination_once_and_all_of_them_know() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(FAST);
    let campaign = testbed.campaign("summer", json!({})).await;
    for n in 0..20 {
        let name = format!("offer-{n}");
        let offer = testbed.destination(&name, check(at, &name)).await;
        testbed.stream_to(&campaign, &offer, json!({ "position": n })).await;
    }
    let beside = testbed.beside();
    let (one, two) = (testbed.start().await, beside.start().await);
    until("all are probed", async || known(&one).await.len() == 20).await;
    let before: Vec<usize> = (0..20).map(|n| offers.asked(&format!("offer-{n}"))).collect();
    let began = Instant::now();
    until("all are probed again", async || {
        (0..20).all(|n| offers.asked(&format!("offer-{n}")) >= before[n] + 3)
    })
    .await;
    // One more than intervals have begun since, whoever probed.
    let most = usize::try_from(began.elapsed().as_millis() / 1000).expect("small") + 2;
    let after: Vec<usize> = (0..20).map(|n| offers.asked(&format!("offer-{n}")) - before[n]).collect();
    assert!(after.iter().all(|n| *n <= most), "{after:?} in {:?}", began.elapsed());
    for n in 0..20 {
        offers.answer(&format!("offer-{n}"), 500);
    }
    for world in [&one, &two] {
        until("it knows", async || world.metric("tfx_destinations_down").await > 19.5).await;
    }
    two.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_by_hand_is_told_what_came_of_it() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(&[
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("DESTINATION_HEALTHCHECK_INTERVAL_MS", "3600000"),
    ]);
    let offer = testbed.destination("offer", check(at, "offer")).await;
    let plain = testbed.destination("plain", json!({})).await;
    let world = testbed.start().await;
    offers.answer("offer", 404);
    let path = format!("/internal/probe/{}", offer.id);
    let answer = world.ask("POST", &path).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("down")), "{}", answer.json());
    offers.answer("offer", 200);
    assert_eq!(world.ask("POST", &path).await.json()["state"], "up");
    for unknown in [plain.id.to_string(), "dst_0000000000000000009".to_owned(), "x".to_owned()] {
        assert_eq!(world.ask("POST", &format!("/internal/probe/{unknown}")).await.status, 404, "{unknown}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_by_hand_too_often_is_told_when_to_come_again() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(&[
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("DESTINATION_HEALTHCHECK_INTERVAL_MS", "3600000"),
    ]);
    let offer = testbed.destination("offer", check(at, "offer")).await;
    let other = testbed.destination("other", check(at, "other")).await;
    let world = testbed.start().await;
    let path = format!("/internal/probe/{}", offer.id);
    let began = Instant::now();
    let mut refused = None;
    // However slow this machine is, more than one every two seconds is too much.
    while refused.is_none() && began.elapsed() < Duration::from_secs(60) {
        let answer = world.ask("POST", &path).await;
        refused = (answer.status != 200).then_some(answer);
    }
    let refused = refused.expect("an end");
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("too_many_probes")));
    let wait: u64 = refused.retry_after().expect("when to come again");
    assert!((1..=2).contains(&wait), "{wait} s");
    assert_eq!(world.ask("POST", &format!("/internal/probe/{}", other.id)).await.status, 200);
    until("it may come again", async || world.ask("POST", &path).await.status == 200).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_watched_any_more_counts_as_healthy() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(FAST);
    let campaign = testbed.campaign("summer", json!({})).await;
    let mut first: tfx_domain::entity::Entity<DestinationSpec> =
        testbed.destination("first", check(at, "first")).await;
    let second = testbed.destination("second", json!({})).await;
    let destinations = json!([{ "destination": first.id }, { "destination": second.id }]);
    testbed.stream(&campaign, "both", json!({ "select": "position", "destinations": destinations })).await;
    offers.answer("first", 500);
    let world = testbed.start().await;
    becomes(&world, "second").await;
    world
        .testbed
        .update(&mut first, |d| {
            d.as_object_mut().expect("an object").remove("health_check");
        })
        .await;
    becomes(&world, "first").await;
    until("it is forgotten", async || known(&world).await.is_empty()).await;
    let asked = offers.asked("first");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(offers.asked("first"), asked, "nobody probes it any more");
    world.stop().await;
}

/// How a rule stands of a destination, after so many looks.
fn alert(destination: &DestinationId, phase: Phase, version: u64, over: bool) -> Looked {
    let at = Timestamp::UNIX_EPOCH;
    let state = AlertState {
        alert: AlertId::generate(at, 1),
        group: vec![format!("destination={destination}")],
        version,
        phase,
        since: at,
        fired: Some(at),
        clearing: None,
        no_data: None,
        values: String::new(),
        evaluated_at: at,
        told: Known::Firing,
        untold: None,
        acted: None,
    };
    Looked { state, over, log: Vec::new(), jobs: Vec::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paused_is_probed_as_long_as_an_alert_fires_for_it() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(FAST);
    let mut first: tfx_domain::entity::Entity<DestinationSpec> =
        testbed.destination("first", check(at, "first")).await;
    offers.answer("first", 500);
    let world = testbed.start().await;
    until("it is down", async || known(&world).await.first().is_some_and(|h| h.state == Health::Down)).await;
    let alerts = Arc::clone(&world.testbed.stores.alerts);
    alerts.save(&[alert(&first.id, Phase::Firing, 1, false)]).await.expect("saved");
    world.testbed.update(&mut first, |d| d["status"] = json!("paused")).await;
    until("it is not watched", async || world.metric("tfx_destinations_watched").await < 0.5).await;
    // It outlives the time after which what is not watched is taken off.
    let asked = offers.asked("first");
    until("it is probed on", async || offers.asked("first") >= asked + 8).await;
    offers.answer("first", 200);
    until("it is up", async || known(&world).await.first().is_some_and(|h| h.state == Health::Up)).await;
    // It is over: nobody probes what is paused.
    alerts.save(&[alert(&first.id, Phase::Ok, 2, true)]).await.expect("saved");
    until("it is forgotten", async || known(&world).await.is_empty()).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_address_is_not_probed_and_the_reason_is_told() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(&[("DESTINATION_HEALTHCHECK_INTERVAL_MS", "1000")]);
    testbed.destination("offer", check(at, "offer")).await;
    let world = testbed.start().await;
    until("it is down", async || known(&world).await.first().is_some_and(|h| h.state == Health::Down)).await;
    let down = known(&world).await.remove(0);
    assert_eq!(down.probe.failure, "refused_address");
    assert!(down.probe.reason.contains("OUTBOUND_ALLOW_PRIVATE"), "{}", down.probe.reason);
    assert_eq!(offers.asked("offer"), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_that_ignores_health_sends_clicks_to_what_is_down_rather_than_back() {
    let offers = Offers::default();
    let at = offers.start().await;
    let testbed = Testbed::new(FAST);
    for (slug, spec) in [("heeds", json!({})), ("ignores", json!({ "all_down": "ignore_health" }))] {
        let campaign = testbed.campaign(slug, spec).await;
        let offer = testbed.destination(&format!("{slug}-offer"), check(at, "offer")).await;
        testbed.stream_to(&campaign, &offer, json!({})).await;
    }
    offers.answer("offer", 503);
    let world = testbed.start().await;
    until("both are down", async || world.metric("tfx_destinations_down").await > 1.5).await;
    assert_eq!(world.click_as(1, "/c/heeds").await.0.status, 404);
    let (answer, event) = world.click_as(1, "/c/ignores").await;
    assert_eq!((answer.to(), event.health_ignored, event.passed.len()), ("ignores-offer", true, 1));
    let explained =
        world.explain(&json!({ "slug": "ignores", "user_agent": "Mozilla/5.0 (iPhone)" })).await.json();
    assert_eq!(
        (&explained["health_ignored"], &explained["passed"].as_array().map(Vec::len)),
        (&json!(true), &Some(1))
    );
    offers.answer("offer", 200);
    until("both are up", async || world.metric("tfx_destinations_down").await < 0.5).await;
    assert!(!world.click_as(2, "/c/ignores").await.1.health_ignored);
    world.stop().await;
}
