//! What a redirect promises when events cannot go their way: the sink away, the journal full.

use crate::world::{DESKTOP, Testbed, World};
use serde_json::{Value, json};
use std::collections::HashSet;
use tfx_domain::id::ClickId;
use tfx_service::testing::until;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

/// Parameters that make an event of some 60 KB, so that a small journal is soon full.
fn bulky() -> String {
    (0..60).map(|i| format!("&p{i}={}", "x".repeat(1000))).collect()
}

/// The id in the URL of a redirect to `offer`.
fn click_id(location: &str) -> ClickId {
    let id = location.split("c=").nth(1).expect("a click id");
    id.parse().expect("a click id")
}

/// A campaign `summer` under the smallest journal; `offer` takes clicks up to its cap and binds.
async fn tight(policy: &str, cap: u64) -> World {
    let testbed = Testbed::new(&[
        ("EVENT_WRITE_FAILURE_POLICY", policy),
        ("EVENT_JOURNAL_MAX_BYTES", "1048576"),
        ("DESTINATION_CAP_CACHE_TTL_MS", "3600000"),
    ]);
    let campaign = testbed.campaign("summer", json!({})).await;
    let offer = testbed.destination("offer", json!({ "caps": { "clicks_total": cap } })).await;
    let limit = json!([{ "field": "click_limit", "is": [format!("total:{cap}")] }]);
    let entry = json!({ "bind": "destination", "filters": limit, "position": 1 });
    testbed.stream_to(&campaign, &offer, entry).await;
    let world = testbed.start().await;
    let refreshes = async || world.metric("tfx_cap_refreshes_total").await;
    until("cap and limit were read", async || refreshes().await >= 1.0).await;
    world
}

/// Clicks of new people until one is answered otherwise than with a redirect, or `most` were: the ids given.
async fn fill(world: &World, most: u32) -> HashSet<ClickId> {
    let (mut given, path) = (HashSet::new(), format!("/c/summer?{}", bulky()));
    for person in 1..=most {
        let answer = world.get_as(u128::from(person), &path).await;
        match answer.location {
            Some(location) => assert!(given.insert(click_id(&location))),
            None => {
                assert_eq!(answer.status, 503, "{answer:?}");
                return given;
            }
        }
    }
    given
}

async fn stored(world: &World) -> HashSet<ClickId> {
    let events = world.testbed.events().await;
    let ids: HashSet<ClickId> = events.iter().map(|e| e.click_id).collect();
    assert_eq!(ids.len(), events.len());
    ids
}

#[tokio::test]
async fn while_the_sink_is_away_redirects_go_on_and_each_event_comes_once_and_in_order() {
    for policy in ["fail_open", "fail_closed"] {
        let settings = [("EVENT_WRITE_FAILURE_POLICY", policy), ("SHUTDOWN_GRACE_MS", "300")];
        let testbed = Testbed::new(&settings);
        testbed.summer().await;
        let world = testbed.start().await;
        world.testbed.faults.sink_away.on();
        let mut given = Vec::new();
        for person in 1..=40 {
            let answer = world.get_as(person, "/c/summer").await;
            given.push(click_id(answer.location.as_deref().expect("a redirect")));
        }
        until("it is told", async || world.ready("events").await.1["state"] == "degraded").await;
        let waiting = async || world.ready("events").await.1["detail"].to_string().contains("40 events wait");
        until("the number is told", waiting).await;
        assert_eq!(world.ready("events").await.0, 200);
        let stats = world.stats().await;
        assert_eq!(
            (&stats["outbox_depth_events"], &stats["dropped_total"]),
            (&json!(40), &json!(0)),
            "{stats}"
        );
        assert!(
            stats["write_retry_total"].as_u64() > Some(0) && stats["write_failure_total"].as_u64() > Some(0)
        );
        // Over a restart too.
        let world = world.restart().await;
        for person in 41..=50 {
            let answer = world.get_as(person, "/c/summer").await;
            given.push(click_id(answer.location.as_deref().expect("a redirect")));
        }
        assert!(stored(&world).await.is_empty());
        world.testbed.faults.sink_away.off();
        until("all are stored", async || stored(&world).await.len() >= given.len()).await;
        assert_eq!(stored(&world).await, given.iter().copied().collect());
        until("it is well again", async || world.ready("events").await.1["state"] == "ok").await;
        world.stop().await;
    }
}

#[tokio::test]
async fn fail_closed_with_a_full_journal_answers_503_uses_up_nothing_and_recovers() {
    let world = tight("fail_closed", 1000).await;
    world.testbed.faults.sink_away.on();
    let mut given = fill(&world, 200).await;
    assert!((5..100).contains(&given.len()), "{} clicks filled it", given.len());
    let path = format!("/c/summer?{}", bulky());
    for _ in 0..3 {
        let answer = world.get_as(999, &path).await;
        assert_eq!((answer.status, answer.location.as_ref()), (503, None));
        assert!(answer.headers["retry-after"].to_str().expect("text").parse::<u32>().is_ok());
    }
    let refused = world.metric("tfx_clicks_refused_total").await;
    assert_eq!(refused, 4.0);
    let recorded = world.metric("tfx_clicks_total{outcome=\"routed\"}").await;
    assert_eq!(recorded, given.len() as f64);
    let told =
        async || world.ready("events").await.1["detail"].to_string().contains("EVENT_JOURNAL_MAX_BYTES");
    until("the setting to raise is named", told).await;
    let (status, events) = world.ready("events").await;
    assert_eq!((status, &events["state"]), (503, &json!("failed")), "{events}");

    world.testbed.faults.sink_away.off();
    until("what was answered is stored", async || stored(&world).await == given).await;
    // Who was refused was not here: he is new, and unbound.
    until("it is ready without a click", async || world.ready("events").await.0 == 200).await;
    let mut answer = world.get_as(999, "/c/summer").await;
    until("it takes clicks again", async || {
        answer = world.get_as(999, "/c/summer").await;
        answer.status == 302
    })
    .await;
    given.insert(click_id(answer.location.as_deref().expect("a redirect")));
    world.stop().await;
}

#[tokio::test]
async fn a_refused_click_leaves_bindings_uniqueness_and_caps_as_they_were() {
    let world = tight("fail_closed", 40).await;
    world.testbed.faults.sink_away.on();
    let path = format!("/c/summer?{}", bulky());
    let given = fill(&world, 35).await.len();
    assert!(given < 35, "the journal takes {given}");
    for person in 500..560 {
        assert_eq!(world.get_as(person, &path).await.status, 503);
    }
    let explain = async |person: u128| {
        let answer = world
            .explain(&json!({ "slug": "summer", "visitor": format!("{person:032x}"), "user_agent": DESKTOP }))
            .await;
        let event = answer.json();
        let unique = ["unique_campaign", "unique_stream", "unique_destination"].map(|f| event[f] == true);
        (event["status"].clone(), event["bound"].clone(), unique)
    };
    // Sixty refused clicks would be far over the cap and the limit of 40.
    assert_eq!(explain(500).await, (json!(302), json!(false), [true; 3]));
    // Who was here before is so still after a click that was refused.
    assert_eq!(explain(1).await, (json!(302), json!(true), [false; 3]));
    assert_eq!(world.get_as(1, &path).await.status, 503);
    assert_eq!(explain(1).await, (json!(302), json!(true), [false; 3]));
    world.testbed.faults.sink_away.off();
    until("the journal is empty", async || world.stats().await["outbox_depth_events"] == 0).await;
    let mut taken = given;
    for person in 1000..1050 {
        taken += usize::from(world.get_as(person, "/c/summer").await.status == 302);
    }
    assert_eq!(taken, 40, "exactly the cap");
    world.stop().await;
}

#[tokio::test]
async fn fail_open_with_a_full_journal_redirects_and_counts_each_drop() {
    let world = tight("fail_open", 1000).await;
    world.testbed.faults.sink_away.on();
    let given = fill(&world, 30).await;
    assert_eq!(given.len(), 30, "nobody waits for the journal");
    let dropped = |stats: &Value| stats["dropped_total"].as_u64().expect("a count") as usize;
    let stats = world.stats().await;
    assert!((1..30).contains(&dropped(&stats)), "{stats}");
    assert_eq!(world.metric("tfx_events_dropped_total{service=\"traffic\"}").await, dropped(&stats) as f64);
    let recorded = world.metric("tfx_clicks_total{outcome=\"routed\"}").await;
    assert_eq!(recorded as usize + dropped(&stats), 30, "accepted = recorded + dropped");
    assert_eq!(world.metric("tfx_clicks_refused_total").await, 0.0);
    until("it is told", async || world.ready("events").await.1["state"] == "degraded").await;
    assert_eq!(world.ready("events").await.0, 200);

    world.testbed.faults.sink_away.off();
    until("the journal is empty", async || world.stats().await["outbox_depth_events"] == 0).await;
    let stored = stored(&world).await;
    assert!(stored.is_subset(&given));
    assert_eq!(stored.len() + dropped(&world.stats().await), 30, "stored = accepted - dropped");
    world.settle().await;
    let (answer, _) = world.click("/c/summer", &[]).await;
    assert_eq!(answer.status, 302);
    until("it is well again", async || world.ready("events").await.1["state"] == "ok").await;
    world.stop().await;
}

#[tokio::test]
async fn a_click_whose_visitor_goes_away_meanwhile_is_counted_as_it_is_stored() {
    let testbed = Testbed::new(&[("EVENT_WRITE_FAILURE_POLICY", "fail_closed")]);
    testbed.summer().await;
    let world = testbed.start().await;
    world.get("/c/summer").await; // the user agent is known from now on
    let request = format!("GET /c/summer HTTP/1.1\r\nHost: x\r\nUser-Agent: {DESKTOP}\r\n\r\n");
    for _ in 0..100 {
        let mut stream = TcpStream::connect(world.addr).await.expect("connect");
        stream.set_zero_linger().expect("left in one step");
        stream.write_all(request.as_bytes()).await.expect("write");
        drop(stream);
    }
    let count = async |name: &str| world.stats().await[name].as_u64().expect("a count");
    until("some went away while their click was written", async || count("context_cancel_total").await > 10)
        .await;
    // Some were gone before they were even heard.
    world.settle().await;
    let all = stored(&world).await.len();
    assert_eq!(count("write_calls_total").await, all as u64);
    assert_eq!(world.metric("tfx_clicks_total{outcome=\"routed\"}").await, all as f64);
    world.stop().await;
}
