//! Which stream takes a click: forced, regular, default, by position or by weight.

use crate::world::{PHONE, Testbed};
use serde_json::{Value, json};
use std::collections::HashMap;

fn only(sub1: &str) -> Value {
    json!([{ "field": "sub1", "is": [sub1] }])
}

#[tokio::test]
async fn forced_then_regular_then_default_each_by_position() {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("order", json!({ "trafficback_url": "https://back.example/" })).await;
    let streams = [
        (
            "default-b",
            json!({ "kind": "default", "position": 2, "filters": [{ "field": "sub2", "is_not": ["none"] }] }),
        ),
        ("default-a", json!({ "kind": "default", "position": 1, "filters": only("da") })),
        ("regular-b", json!({ "position": 2, "filters": [{ "field": "device_type", "is": ["mobile"] }] })),
        ("regular-a", json!({ "position": 1, "filters": only("ra") })),
        ("forced-b", json!({ "kind": "forced", "position": 2, "filters": only("f") })),
        ("forced-a", json!({ "kind": "forced", "position": 0, "filters": only("f") })),
        ("forced-off", json!({ "kind": "forced", "position": 1, "status": "paused", "filters": only("f") })),
    ];
    let mut ids = HashMap::new();
    for (slug, more) in streams {
        let destination = testbed.destination(slug, json!({})).await;
        let stream = testbed.stream_to(&campaign, &destination, more).await;
        ids.insert(stream.id, slug);
    }
    let world = testbed.start().await;
    let phone: &[(&str, &str)] = &[("user-agent", PHONE)];
    let asked = ["forced-a", "forced-off", "forced-b", "regular-a", "regular-b", "default-a", "default-b"];
    // The query, the headers, who takes it, how many were asked before.
    let table: [(&str, &[(&str, &str)], &str, usize); 8] = [
        ("sub1=f", &[], "forced-a", 0),
        ("sub1=ra", &[], "regular-a", 3),
        ("sub1=ra", phone, "regular-a", 3),
        ("sub1=x", phone, "regular-b", 4),
        ("sub1=da", &[], "default-a", 5),
        ("", &[], "default-b", 6),
        ("sub2=none", phone, "regular-b", 4),
        ("sub2=none", &[], "back", 7),
    ];
    for (query, headers, want, before) in table {
        let (answer, event) = world.click(&format!("/c/order?{query}"), headers).await;
        assert_eq!(answer.to(), want, "{query}");
        let passed: Vec<&str> = event.passed.iter().map(|p| ids[&p.stream_id]).collect();
        assert_eq!(passed, asked[..before], "{query}");
    }
    let reasons = |event: &tfx_domain::event::ClickEvent| {
        event.passed.iter().map(|p| p.reason.to_string()).collect::<Vec<_>>()
    };
    let (_, event) = world.click("/c/order?sub1=da", &[]).await;
    let filter = "filter[0] sub1";
    assert_eq!(reasons(&event), [filter, "inactive", filter, filter, "filter[0] device_type"]);
    world.stop().await;
}

#[tokio::test]
async fn weights_share_the_clicks_out_and_zero_takes_none() {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("weighed", json!({ "rotation": "weight" })).await;
    for (slug, weight) in [("three", 300), ("one", 100), ("never", 0)] {
        let destination = testbed.destination(slug, json!({})).await;
        testbed.stream_to(&campaign, &destination, json!({ "weight": weight })).await;
    }
    let world = testbed.start().await;
    let mut count: HashMap<String, u32> = HashMap::new();
    for person in 1..=400 {
        *count.entry(world.get_as(person, "/c/weighed").await.to().to_owned()).or_default() += 1;
    }
    // Seven standard deviations.
    assert!((240..=360).contains(&count["three"]), "{count:?}");
    assert_eq!(count["three"] + count["one"], 400, "{count:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_destination_that_cannot_take_the_click_is_passed_over_with_its_reason() {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("choice", json!({})).await;
    let off = testbed.destination("off", json!({ "status": "paused" })).await;
    let closed = testbed.destination("closed", json!({ "caps": { "clicks_total": 0 } })).await;
    let open = testbed.destination("open", json!({})).await;
    let list = |ids: &[&tfx_domain::entity::Entity<tfx_domain::entity::DestinationSpec>]| {
        Value::from_iter(ids.iter().map(|d| json!({ "destination": d.id })))
    };
    let entry = json!({ "select": "position", "destinations": list(&[&off, &closed]), "position": 1 });
    testbed.stream(&campaign, "dead", entry).await;
    let entry = json!({ "select": "position", "destinations": list(&[&off, &open]), "position": 2 });
    testbed.stream(&campaign, "alive", entry).await;
    let world = testbed.start().await;
    let (answer, event) = world.click("/c/choice", &[]).await;
    assert_eq!(answer.to(), "open");
    let want = format!("no_candidate {}=inactive {}=capped", off.id, closed.id);
    assert_eq!(event.passed.iter().map(|p| p.reason.as_str()).collect::<Vec<_>>(), [want.as_str()]);
    world.stop().await;
}
