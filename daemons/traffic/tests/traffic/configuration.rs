//! The configuration: changes are served at once, and what is known is served when its store is away.

use crate::world::{Testbed, World};
use serde_json::json;
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_domain::entity::Status;
use tfx_service::testing::{self, save_as_newer, until};

#[tokio::test]
async fn a_change_is_served_within_two_seconds_also_one_of_another_process() {
    let testbed = Testbed::new(&[]);
    let (mut campaign, _, mut offer) = testbed.summer().await;
    let world = testbed.start().await;
    assert_eq!(world.get("/c/summer").await.to(), "offer");
    let begun = Instant::now();
    world.testbed.update(&mut offer, |d| d["url"] = json!("https://changed.example/")).await;
    until("it is served", async || world.get("/c/summer").await.to() == "changed").await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // As another process writes it: over a store of its own on the same files.
    let another = world.testbed.open_again();
    let begun = Instant::now();
    testing::update(&*another.config, &mut campaign, |c| c["status"] = json!("paused")).await;
    until("it is served", async || world.get("/c/summer").await.status == 404).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let revision = world.ready("config").await.1["detail"].to_string();
    let (_, event) = {
        world.settle().await;
        world.click("/c/summer", &[]).await
    };
    assert_eq!(revision, format!("\"revision {}\"", event.config_revision));
    world.stop().await;
}

#[tokio::test]
async fn while_the_store_is_away_the_last_configuration_is_served_also_after_a_restart() {
    let testbed = Testbed::new(&[]);
    let (mut campaign, ..) = testbed.summer().await;
    let world = testbed.start().await;
    assert_eq!(world.get("/c/summer").await.to(), "offer");
    world.testbed.faults.config_away.on();
    until("it is told", async || world.ready("config").await.1["state"] == "degraded").await;
    assert_eq!(world.get("/c/summer").await.to(), "offer");

    let testbed = world.stop().await;
    let file = fs::read_to_string(testbed.path().join("snapshot.json")).expect("snapshot");
    assert!(file.contains("summer"));
    let world = testbed.start().await;
    let (answer, event) = world.click("/c/summer", &[]).await;
    assert_eq!((answer.to(), event.dims.campaign_id.as_ref()), ("offer", Some(&campaign.id)));
    let (status, config) = world.ready("config").await;
    assert_eq!((status, &config["state"]), (200, &json!("degraded")), "{config}");
    assert!(
        config["detail"].as_str().expect("text").starts_with("the last one known, from disk"),
        "{config}"
    );

    world.testbed.update(&mut campaign, |c| c["status"] = json!("paused")).await;
    world.testbed.faults.config_away.off();
    until("the store is followed again", async || world.get("/c/summer").await.status == 404).await;
    assert_eq!(world.ready("config").await.1["state"], "ok");
    world.stop().await;
}

#[tokio::test]
async fn without_any_configuration_it_answers_503_and_not_404() {
    for broken in [None, Some("{\"format\":1,"), Some("")] {
        let testbed = Testbed::new(&[("TRAFFICBACK_URL", "https://all.example/")]);
        testbed.summer().await;
        if let Some(text) = broken {
            fs::write(testbed.path().join("snapshot.json"), text).expect("write");
        }
        testbed.faults.config_away.on();
        let world = testbed.start().await;
        for path in ["/c/summer", "/c/unknown"] {
            let answer = world.get(path).await;
            assert_eq!((answer.status, answer.new_cookie()), (503, None), "{answer:?}");
            assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        }
        let (status, config) = world.ready("config").await;
        assert_eq!((status, &config["state"]), (503, &json!("failed")), "{config}");
        assert_eq!(world.metric("tfx_clicks_refused_total").await, 2.0);
        let explained = world.explain(&json!({ "slug": "summer" })).await;
        assert_eq!(explained.status, 503, "{explained:?}");
        world.testbed.faults.config_away.off();
        until("it routes", async || world.get("/c/summer").await.status == 302).await;
        assert_eq!(world.ready("config").await.0, 200);
        world.stop().await;
    }
}

/// A record that is damaged, or of a newer program during a rolling upgrade. What it says is used as it was last read,
/// also after a restart.
#[tokio::test]
async fn what_cannot_be_read_is_used_as_it_was_last_read() {
    let testbed = Testbed::new(&[("TRAFFICBACK_URL", "https://all.example/")]);
    let mut source = testbed
        .source(
            "bought",
            json!({ "params": { "subs": { "sub1": "zone" }, "cost": "price" }, "currency": "EUR" }),
        )
        .await;
    let mut campaign =
        testbed.campaign("autumn", json!({ "source": source.id, "cost": { "per_click": "9" } })).await;
    let mut offer = testbed.destination("offer", json!({})).await;
    let mut stream = testbed.stream_to(&campaign, &offer, json!({})).await;
    let config = Arc::clone(&testbed.stores.config);
    let world = testbed.start().await;
    let path = "/c/autumn?zone=77&price=0.25";
    let (_, before) = world.click(path, &[]).await;
    save_as_newer(&*config, &mut source).await;
    save_as_newer(&*config, &mut stream).await;
    save_as_newer(&*config, &mut offer).await;
    save_as_newer(&*config, &mut campaign).await;
    let ids =
        [source.id.as_str(), stream.id.as_str(), offer.id.as_str(), campaign.id.as_str()].map(str::to_owned);
    // The first three are named.
    let told = async |world: &World| {
        let config = world.ready("config").await.1;
        let detail = config["detail"].as_str().unwrap_or_default().to_owned();
        let of = |id: &&String| detail.contains(id.as_str());
        config["state"] == "degraded"
            && detail.contains("cannot read 4")
            && ids.iter().filter(of).count() == 3
    };
    until("it is told", async || told(&world).await).await;
    let same = async |world: &World| {
        let (answer, event) = world.click(path, &[]).await;
        assert_eq!(answer.to(), "offer");
        assert_eq!(
            (event.cost, &event.dims.subs, &event.dims.source_id),
            (before.cost, &before.dims.subs, &before.dims.source_id)
        );
        assert!(event.dims.subs.iter().any(|sub| sub == "77"), "{event:?}");
    };
    same(&world).await;
    let world = world.stop().await.start().await;
    until("it is told", async || told(&world).await).await;
    same(&world).await;
    // What can be read of it holds: whoever pauses a campaign has it paused.
    campaign.spec.status = Status::Paused;
    save_as_newer(&*config, &mut campaign).await;
    until("it is paused", async || world.get(path).await.to() == "all").await;
    world.stop().await;
}

/// Where it was never read, nothing is recorded that would be wrong for good, and nobody is sent elsewhere.
#[tokio::test]
async fn clicks_that_need_what_was_never_read_are_503() {
    let testbed = Testbed::new(&[("TRAFFICBACK_URL", "https://all.example/")]);
    testbed.summer().await;
    let mut source = testbed.source("bought", json!({})).await;
    let offer = testbed.destination("autumn-offer", json!({})).await;
    let campaign =
        testbed.campaign("autumn", json!({ "source": source.id, "cost": { "per_click": "9" } })).await;
    testbed.stream_to(&campaign, &offer, json!({})).await;
    let mut torn = testbed.campaign("torn", json!({ "aliases": ["before"] })).await;
    let config = Arc::clone(&testbed.stores.config);
    save_as_newer(&*config, &mut source).await;
    save_as_newer(&*config, &mut torn).await;
    let world = testbed.start().await;
    until("the configuration is read", async || world.get("/c/summer").await.status == 302).await;
    for slug in ["autumn", "torn", "TORN", "before"] {
        let answer = world.get(&format!("/c/{slug}")).await;
        assert_eq!(
            (answer.status, answer.headers.contains_key("retry-after")),
            (503, true),
            "{slug}: {answer:?}"
        );
        assert_eq!(world.explain(&json!({ "slug": slug })).await.status, 503);
    }
    assert_eq!(world.get("/c/nobody").await.to(), "all", "what is not there is unknown");
    assert_eq!(world.metric("tfx_clicks_refused_total").await, 4.0);
    let told = world.ready("config").await.1["detail"].to_string();
    assert!(told.contains(source.id.as_str()) && told.contains("answered 503"), "{told}");
    testing::update(&*config, &mut source, |_| {}).await;
    testing::update(&*config, &mut torn, |_| {}).await;
    until("it is served", async || world.get("/c/autumn").await.to() == "autumn-offer").await;
    until("it has no streams", async || world.get("/c/torn").await.to() == "all").await;
    world.stop().await;
}
