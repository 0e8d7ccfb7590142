//! Caps and click limits: reached at once by own clicks, spent for good over restarts, whatever the store does.

use crate::world::{Testbed, World, sale};
use serde_json::json;
use tfx_domain::{
    entity::{CampaignSpec, DestinationSpec, Entity},
    event::Event,
    postback::ConversionStatus,
};
use tfx_service::testing::until;

/// A campaign `capped` that sends to `first` while its caps allow it, then to `second`.
async fn capped(caps: serde_json::Value) -> (Testbed, Entity<CampaignSpec>, Entity<DestinationSpec>) {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("capped", json!({})).await;
    let first = testbed.destination("first", json!({ "caps": caps })).await;
    let second = testbed.destination("second", json!({})).await;
    testbed.stream_to(&campaign, &first, json!({ "position": 1 })).await;
    testbed.stream_to(&campaign, &second, json!({ "position": 2 })).await;
    (testbed, campaign, first)
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
    let (testbed, _, mut first) = capped(json!({ "clicks_daily": 3, "clicks_total": 5 })).await;
    let world = testbed.start().await;
    assert_eq!(where_to(&world, 5).await, "fffss");
    read_again(&world).await;
    assert_eq!(where_to(&world, 2).await, "ss", "the store says the same");
    // The store stays away: what is spent is spent all the same, from the first click on.
    let world = restart_alone(world).await;
    assert_eq!(where_to(&world, 3).await, "sss");
    let world = restart_alone(world).await;
    assert_eq!(where_to(&world, 3).await, "sss", "over any number of restarts");
    world.testbed.faults.analytics_away.off();
    read_again(&world).await;
    assert_eq!(where_to(&world, 3).await, "sss");
    world
        .testbed
        .update(&mut first, |d| d["caps"] = json!({ "clicks_daily": 100, "clicks_total": 1000 }))
        .await;
    until("it is open", async || where_to(&world, 1).await == "f").await;
    world.stop().await;
}

/// Restarts while the analytics store is away, and does not let it come back.
async fn restart_alone(world: World) -> World {
    let testbed = world.stop().await;
    testbed.faults.analytics_away.on();
    testbed.start().await
}

#[tokio::test]
async fn own_clicks_of_before_a_restart_count_whether_they_were_stored_or_not() {
    let (testbed, ..) = capped(json!({ "clicks_daily": 6, "clicks_total": 7 })).await;
    let world = testbed.start().await;
    assert_eq!(where_to(&world, 2).await, "ff");
    read_again(&world).await;
    world.testbed.faults.analytics_away.on();
    assert_eq!(where_to(&world, 1).await, "f", "delivered, and not read");
    world.settle().await;
    world.testbed.faults.sink_away.on();
    assert_eq!(where_to(&world, 1).await, "f", "in the journal only");
    let world = restart_alone(world).await;
    assert_eq!(where_to(&world, 4).await, "ffss", "four of before and two");
    world.testbed.faults.sink_away.off();
    world.testbed.faults.analytics_away.off();
    read_again(&world).await;
    assert_eq!(where_to(&world, 1).await, "s");
    world.stop().await;
}

#[tokio::test]
async fn a_cap_that_is_spent_stays_spent_after_kill_9() {
    for sink_away in [false, true] {
        let (testbed, ..) = capped(json!({ "clicks_daily": 5 })).await;
        let world = testbed.start().await;
        until("the caps were read", async || world.metric("tfx_cap_refreshes_total").await >= 1.0).await;
        world.testbed.faults.analytics_away.on();
        for clicks in 1..=6 {
            if clicks == 3 && sink_away {
                world.testbed.faults.sink_away.on();
            }
            assert_eq!(where_to(&world, 1).await, if clicks == 6 { "s" } else { "f" });
            if !sink_away {
                // So that the file of the store is whole when it is copied.
                world.settle().await;
            }
            let after = world.testbed.as_if_killed();
            after.faults.analytics_away.on();
            let after = after.start().await;
            let left = 5 - usize::min(clicks, 5);
            let want: String = "f".repeat(left) + "s";
            assert_eq!(where_to(&after, want.len() as u128).await, want, "killed after {clicks} clicks");
            after.stop().await;
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn while_the_analytics_store_is_away_own_clicks_count_on() {
    let (testbed, ..) = capped(json!({ "clicks_daily": 6 })).await;
    let world = testbed.start().await;
    assert_eq!(where_to(&world, 2).await, "ff");
    read_again(&world).await;
    world.testbed.faults.analytics_away.on();
    let failed = async || world.metric("tfx_cap_refresh_failures_total").await;
    let before = failed().await;
    until("a refresh has failed", async || failed().await > before + 1.0).await;
    assert_eq!(where_to(&world, 6).await, "ffffss", "the last value and own clicks since");
    let (status, analytics) = world.ready("analytics").await;
    assert_eq!((status, &analytics["state"], &analytics["required"]), (200, &json!("failed"), &json!(false)));
    world.testbed.faults.analytics_away.off();
    read_again(&world).await;
    assert_eq!(where_to(&world, 1).await, "s");
    world.stop().await;
}

#[tokio::test]
async fn a_conversion_cap_closes_by_a_report_and_opens_when_it_is_rejected() {
    let (testbed, ..) = capped(json!({ "conversions_total": 1 })).await;
    let world = testbed.start().await;
    let (answer, click) = world.click_as(1, "/c/capped").await;
    assert_eq!(answer.to(), "first");
    let mut sale = sale(&click, "0");
    world.testbed.deliver(&[Event::Conversion(Box::new(sale.clone()))]).await;
    until("it is closed", async || where_to(&world, 1).await == "s").await;
    let world = restart_alone(world).await;
    assert_eq!(where_to(&world, 2).await, "ss", "as it was known last");
    world.testbed.faults.analytics_away.off();
    read_again(&world).await;
    assert_eq!(where_to(&world, 2).await, "ss");
    (sale.version, sale.conversion_status) = (2, ConversionStatus::Rejected);
    world.testbed.deliver(&[Event::Conversion(Box::new(sale))]).await;
    until("it is open again", async || where_to(&world, 1).await == "f").await;
    world.stop().await;
}

#[tokio::test]
async fn a_click_limit_closes_its_stream_also_for_one_that_hands_over() {
    let testbed = Testbed::new(&[]);
    let other = testbed.campaign("other", json!({})).await;
    let (first, second) =
        (testbed.destination("first", json!({})).await, testbed.destination("second", json!({})).await);
    testbed.stream_to(&other, &first, json!({})).await;
    let campaign = testbed.campaign("capped", json!({})).await;
    let limit = |text: &str| json!([{ "field": "click_limit", "is": [text] }]);
    let over = json!({ "position": 1, "filters": limit("total:2"), "action": { "type": "campaign", "campaign": other.id } });
    testbed.stream(&campaign, "over", over).await;
    let third = testbed.destination("third", json!({})).await;
    testbed.stream_to(&campaign, &third, json!({ "position": 2, "filters": limit("day:3") })).await;
    testbed.stream_to(&campaign, &second, json!({ "position": 3 })).await;
    let world = testbed.start().await;
    assert_eq!(where_to(&world, 7).await, "fftttss");
    read_again(&world).await;
    assert_eq!(where_to(&world, 2).await, "ss", "read from the store");
    let killed = world.testbed.as_if_killed();
    killed.faults.analytics_away.on();
    let killed = killed.start().await;
    assert_eq!(where_to(&killed, 2).await, "ss", "also after kill -9 while the store is away");
    killed.stop().await;
    let world = restart_alone(world).await;
    assert_eq!(where_to(&world, 2).await, "ss", "and after a restart");
    world.stop().await;
}

#[tokio::test]
async fn a_new_machine_knows_what_was_used_before_its_first_click() {
    for limit in ["hour:3", "day:3 Asia/Kolkata", "total:3"] {
        let mut testbed = Testbed::new(&[]);
        let campaign = testbed.campaign("capped", json!({})).await;
        let first = testbed.destination("first", json!({})).await;
        let second = testbed.destination("second", json!({ "caps": { "clicks_daily": 2 } })).await;
        let third = testbed.destination("third", json!({})).await;
        let filters = json!([{ "field": "click_limit", "is": [limit] }]);
        testbed.stream_to(&campaign, &first, json!({ "position": 1, "filters": filters })).await;
        testbed.stream_to(&campaign, &second, json!({ "position": 2 })).await;
        testbed.stream_to(&campaign, &third, json!({ "position": 3 })).await;
        // Only what is read at the start helps.
        testbed.set("DESTINATION_CAP_CACHE_TTL_MS", "3600000");
        let world = testbed.start().await;
        assert_eq!(where_to(&world, 6).await, "fffsst");
        world.settle().await;
        let another = world.testbed.beside().start().await;
        let refreshed = async || another.metric("tfx_cap_refreshes_total").await >= 1.0;
        until("it was read", refreshed).await;
        assert_eq!(where_to(&another, 2).await, "tt", "{limit}");
        another.stop().await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_overshoot_by_no_more_than_are_decided_at_once() {
    let (mut testbed, ..) = capped(json!({ "clicks_total": 40 })).await;
    testbed.set("DESTINATION_CAP_CACHE_TTL_MS", "3600000");
    let world = std::sync::Arc::new(testbed.start().await);
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
