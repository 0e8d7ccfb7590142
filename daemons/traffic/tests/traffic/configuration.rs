//! The configuration: changes are served at once, and what is known is served when its store is away.

use crate::world::Testbed;
use serde_json::json;
use std::{
    fs,
    time::{Duration, Instant},
};
use tfx_service::testing::{self, until};

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
