//! `select: roi`: whoever brought most gets most, by what the analytics store says.

use crate::world::{Testbed, World, sale};
use serde_json::json;
use tfx_domain::event::Event;
use tfx_service::testing::until;

/// Of 200 new people, how many went to `first`: 100 when both rank alike, 190 when it is the best, 10 when it is not.
/// The bounds asked for are seven standard deviations wide.
async fn to_first(world: &World, from: u128) -> usize {
    let mut first = 0;
    for person in from..from + 200 {
        first += usize::from(world.get_as(person, "/c/ranked").await.to() == "first");
    }
    first
}

/// Waits for two more reads: the second of them began after now.
async fn read_again(world: &World) {
    world.settle().await;
    let reads = async || world.metric("tfx_roi_refreshes_total").await;
    let before = reads().await;
    until("returns are read again", async || reads().await >= before + 2.0).await;
}

#[tokio::test]
async fn who_brought_most_gets_most_also_after_a_restart_and_while_the_store_is_away() {
    let testbed = Testbed::new(&[("DESTINATION_ROI_WINDOW_S", "3600")]);
    let cost = json!({ "per_click": "0.01", "currency": "USD" });
    let campaign = testbed.campaign("ranked", json!({ "cost": cost })).await;
    let (first, second) =
        (testbed.destination("first", json!({})).await, testbed.destination("second", json!({})).await);
    let both = json!([{ "destination": first.id }, { "destination": second.id }]);
    testbed.stream(&campaign, "all", json!({ "select": "roi", "destinations": both })).await;
    let world = testbed.start().await;
    let alike = to_first(&world, 1).await;
    assert!((50..=150).contains(&alike), "{alike} of 200 while nothing is known");

    // Every click to the second brings a dollar.
    world.settle().await;
    let clicks = world.testbed.events().await;
    let sales = clicks.iter().filter(|c| c.dims.destination_id == Some(second.id.clone()));
    let sales: Vec<_> = sales.map(|c| Event::Conversion(Box::new(sale(c, "1")))).collect();
    world.testbed.deliver(&sales).await;
    read_again(&world).await;
    let worse = to_first(&world, 1_000).await;
    assert!((0..=32).contains(&worse), "{worse} of 200, though the second is better");

    // More than that comes to the first, later; and the store goes away.
    let sales: Vec<_> = clicks
        .iter()
        .filter(|c| c.dims.destination_id == Some(first.id.clone()))
        .map(|c| Event::Conversion(Box::new(sale(c, "100"))))
        .collect();
    world.testbed.deliver(&sales).await;
    read_again(&world).await;
    let world = world.restart().await;
    read_again(&world).await;
    let better = to_first(&world, 2_000).await;
    assert!((168..=200).contains(&better), "{better} of 200, though the first is better");
    world.testbed.faults.analytics_away.on();
    let failed = async || world.metric("tfx_roi_refresh_failures_total").await;
    until("a read has failed", async || failed().await >= 1.0).await;
    let still = to_first(&world, 3_000).await;
    assert!((168..=200).contains(&still), "{still} of 200 by the last values");
    world.stop().await;
}

#[tokio::test]
async fn nothing_is_read_while_nothing_is_ranked_and_what_becomes_ranked_is_read_at_once() {
    let testbed = Testbed::new(&[("DESTINATION_CAP_CACHE_TTL_MS", "3600000")]);
    let campaign = testbed.campaign("ranked", json!({})).await;
    let (first, second) =
        (testbed.destination("first", json!({})).await, testbed.destination("second", json!({})).await);
    let both = json!([{ "destination": first.id }, { "destination": second.id }]);
    let mut stream = testbed.stream(&campaign, "all", json!({ "destinations": both })).await;
    let world = testbed.start().await;
    to_first(&world, 1).await;
    assert_eq!(world.metric("tfx_roi_refreshes_total").await, 0.0);
    world.testbed.update(&mut stream, |s| s["select"] = json!("roi")).await;
    until("returns are read", async || world.metric("tfx_roi_refreshes_total").await >= 1.0).await;
    assert_eq!(world.metric("tfx_roi_refresh_failures_total").await, 0.0);
    world.stop().await;
}
