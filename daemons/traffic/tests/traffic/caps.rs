//! Caps and click limits: reached at once by own clicks, known after a restart, reopened by what the store says.

use crate::world::{Ground, World, sale};
use serde_json::json;
use tfx_domain::{
    entity::{CampaignSpec, DestinationSpec, Entity},
    event::Event,
    postback::ConversionStatus,
};
use tfx_service::testing::until;

/// A campaign `capped` that sends to `first` while its caps allow it, then to `second`.
async fn capped(caps: serde_json::Value) -> (Ground, Entity<CampaignSpec>, Entity<DestinationSpec>) {
    let ground = Ground::new(&[]);
    let campaign = ground.campaign("capped", json!({})).await;
    let first = ground.destination("first", json!({ "caps": caps })).await;
    let second = ground.destination("second", json!({})).await;
    ground.stream_to(&campaign, &first, json!({ "position": 1 })).await;
    ground.stream_to(&campaign, &second, json!({ "position": 2 })).await;
    (ground, campaign, first)
}

async fn where_to(world: &World, clicks: u128) -> String {
    let mut all = String::new();
    for person in 0..clicks {
        all.push_str(&world.get_as(person + 1, "/c/capped").await.to()[..1]);
    }
    all
}

/// Waits for two more refreshes: the second of them began after now.
async fn read_again(world: &World) {
    world.settle().await;
    let refreshes = async || world.metric("tfx_cap_refreshes_total").await;
    let before = refreshes().await;
    until("the caps are read again", async || refreshes().await >= before + 2.0).await;
}

#[tokio::test]
async fn a_click_cap_closes_at_once_stays_closed_over_a_restart_and_opens_when_it_is_raised() {
    let (ground, _, mut first) = capped(json!({ "clicks_daily": 3, "clicks_total": 5 })).await;
    let world = ground.start().await;
    assert_eq!(where_to(&world, 5).await, "fffss");
    read_again(&world).await;
    assert_eq!(where_to(&world, 2).await, "ss", "the store says the same");
    let world = world.restart().await;
    until("the caps are known again", async || where_to(&world, 1).await == "s").await;
    world
        .ground
        .update(&mut first, |d| d["caps"] = json!({ "clicks_daily": 100, "clicks_total": 1000 }))
        .await;
    until("it is open", async || where_to(&world, 1).await == "f").await;
    world.stop().await;
}

#[tokio::test]
async fn while_the_analytics_store_is_away_own_clicks_count_on() {
    let (ground, ..) = capped(json!({ "clicks_daily": 6 })).await;
    let world = ground.start().await;
    assert_eq!(where_to(&world, 2).await, "ff");
    read_again(&world).await;
    world.ground.faults.analytics_away.on();
    let failed = async || world.metric("tfx_cap_refresh_failures_total").await;
    let before = failed().await;
    until("a refresh has failed", async || failed().await > before + 1.0).await;
    assert_eq!(where_to(&world, 6).await, "ffffss", "the last value and own clicks since");
    let (status, analytics) = world.ready("analytics").await;
    assert_eq!((status, &analytics["state"], &analytics["required"]), (200, &json!("failed"), &json!(false)));
    world.ground.faults.analytics_away.off();
    read_again(&world).await;
    assert_eq!(where_to(&world, 1).await, "s");
    world.stop().await;
}

#[tokio::test]
async fn a_conversion_cap_closes_by_a_report_and_opens_when_it_is_rejected() {
    let (ground, ..) = capped(json!({ "conversions_total": 1 })).await;
    let world = ground.start().await;
    let (answer, click) = world.click_as(1, "/c/capped").await;
    assert_eq!(answer.to(), "first");
    let mut sale = sale(&click, "0");
    world.ground.deliver(&[Event::Conversion(Box::new(sale.clone()))]).await;
    until("it is closed", async || where_to(&world, 1).await == "s").await;
    (sale.version, sale.conversion_status) = (2, ConversionStatus::Rejected);
    world.ground.deliver(&[Event::Conversion(Box::new(sale))]).await;
    until("it is open again", async || where_to(&world, 1).await == "f").await;
    world.stop().await;
}

#[tokio::test]
async fn a_click_limit_closes_its_stream_also_for_one_that_hands_over() {
    let ground = Ground::new(&[]);
    let other = ground.campaign("other", json!({})).await;
    let (first, second) =
        (ground.destination("first", json!({})).await, ground.destination("second", json!({})).await);
    ground.stream_to(&other, &first, json!({})).await;
    let campaign = ground.campaign("capped", json!({})).await;
    let limit = |text: &str| json!([{ "field": "click_limit", "is": [text] }]);
    let over = json!({ "position": 1, "filters": limit("total:2"), "action": { "type": "campaign", "campaign": other.id } });
    ground.stream(&campaign, "over", over).await;
    let third = ground.destination("third", json!({})).await;
    ground.stream_to(&campaign, &third, json!({ "position": 2, "filters": limit("day:3") })).await;
    ground.stream_to(&campaign, &second, json!({ "position": 3 })).await;
    let world = ground.start().await;
    assert_eq!(where_to(&world, 7).await, "fftttss");
    read_again(&world).await;
    assert_eq!(where_to(&world, 2).await, "ss", "read from the store");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_overshoot_by_no_more_than_are_decided_at_once() {
    let (mut ground, ..) = capped(json!({ "clicks_total": 40 })).await;
    ground.set("DESTINATION_CAP_CACHE_TTL_MS", "3600000");
    let world = std::sync::Arc::new(ground.start().await);
    until("the caps were read", async || world.metric("tfx_cap_refreshes_total").await >= 1.0).await;
    let mut running = tokio::task::JoinSet::new();
    for person in 1..=200 {
        let world = std::sync::Arc::clone(&world);
        running.spawn(async move { world.get_as(person, "/c/capped").await.to() == "first" });
    }
    let first = running.join_all().await.into_iter().filter(|first| *first).count();
    assert!((40..=41).contains(&first), "{first}");
    let world = std::sync::Arc::into_inner(world).expect("nobody else has it");
    world.stop().await;
}
