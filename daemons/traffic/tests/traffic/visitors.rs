//! Who a visitor is, what he is bound to, where he is new; and who is nobody.

use crate::world::{BOT, DESKTOP, Testbed, World, cookie};
use serde_json::json;
use tfx_domain::{
    event::{ClickEvent, Event},
    id::{ClickId, VisitorId},
    routing::RequestKind,
};
use tfx_service::testing::until;

#[tokio::test]
async fn a_browser_gets_a_cookie_once_and_is_known_by_it() {
    let testbed = Testbed::new(&[]);
    testbed.summer().await;
    let world = testbed.start().await;
    let (first, event) = world.click("/c/summer", &[]).await;
    let text = first.headers["set-cookie"].to_str().expect("text");
    assert!(text.ends_with("; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"), "{text}");
    let id = first.new_cookie().expect("a cookie");
    assert_eq!(id, event.visitor_id.to_string());
    // Known by the cookie, wherever and with whatever he comes.
    let given = format!("a=b; tfx_v={id}; c=d");
    let (again, event) = world.click("/c/summer", &[("cookie", &given), ("user-agent", "Other/1.0")]).await;
    assert_eq!((again.new_cookie(), event.visitor_id.to_string()), (None, id.clone()));
    assert!(!event.unique_campaign);
    // Without one, by address and user agent.
    let (third, event) = world.click("/c/summer", &[]).await;
    assert_eq!((third.new_cookie(), event.visitor_id.to_string()), (Some(id.clone()), id.clone()));
    // What is not a cookie of ours is replaced.
    for forged in ["tfx_v=", "tfx_v=1", "tfx_v=zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "tfx_v=\u{1f4a9}", ";;=;"] {
        let (answer, event) = world.click("/c/summer", &[("cookie", forged)]).await;
        assert_eq!(answer.new_cookie().as_deref(), Some(id.as_str()), "{forged}");
        assert_eq!(event.visitor_id.to_string(), id, "{forged}");
    }
    // One that somebody made up makes him somebody else, and nothing more.
    let (answer, event) = world.click_as(7, "/c/summer").await;
    assert_eq!((answer.new_cookie(), event.visitor_id.0, event.unique_campaign), (None, 7, true));
    world.stop().await;
}

#[tokio::test]
async fn head_prefetch_and_bots_are_redirected_but_use_up_nothing() {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("summer", json!({ "cost": { "per_click": "1" } })).await;
    let offer = testbed.destination("offer", json!({ "caps": { "clicks_total": 1 } })).await;
    let limit = json!([{ "field": "click_limit", "is": ["day:1"] }]);
    testbed.stream_to(&campaign, &offer, json!({ "bind": "destination", "filters": limit })).await;
    let world = testbed.start().await;
    let me = cookie(5);
    let nobodies: [(&str, &[(&str, &str)], RequestKind, bool); 5] = [
        ("HEAD", &[], RequestKind::Head, false),
        ("GET", &[("sec-purpose", "prefetch;prerender")], RequestKind::Prefetch, false),
        ("GET", &[("purpose", "preview")], RequestKind::Prefetch, false),
        ("GET", &[("x-moz", "prefetch")], RequestKind::Prefetch, false),
        ("GET", &[("user-agent", BOT)], RequestKind::Visit, true),
    ];
    for (method, headers, kind, bot) in nobodies {
        for who in [Some(("cookie", me.as_str())), None] {
            let headers: Vec<_> = headers.iter().copied().chain(who).collect();
            let answer = world.send(method, "/c/summer", &headers).await;
            assert_eq!(
                (answer.status, answer.to(), answer.new_cookie()),
                (302, "offer", None),
                "{headers:?}"
            );
            let event = world.left_by(&answer).await;
            assert_eq!((event.request, event.dims.is_bot), (kind, bot), "{headers:?}");
            assert_eq!(event.bot_reason.is_empty(), !bot);
            assert!(!event.unique_campaign && !event.unique_stream && !event.unique_destination);
            assert_eq!((event.cost.is_some(), event.bot_cost.is_some()), (false, bot), "{headers:?}");
        }
    }
    // The store counts them neither: what it says is read after each of these.
    let failed = world.metric("tfx_cap_refresh_failures_total").await;
    let (answer, event) = world.click_as(5, "/c/summer").await;
    assert_eq!(answer.to(), "offer");
    assert!(event.unique_campaign && event.unique_stream && event.unique_destination && !event.bound);
    let (answer, event) = world.click_as(5, "/c/summer").await;
    assert_eq!(answer.status, 404, "now the cap is used up");
    assert_eq!(event.passed.len(), 1);
    assert_eq!(world.metric("tfx_cap_refresh_failures_total").await, failed);
    world.stop().await;
}

/// A campaign `bound` with two streams of three destinations, all by weight.
async fn ground_of_six(bind: &str) -> Testbed {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("bound", json!({ "rotation": "weight" })).await;
    for half in ["a", "b"] {
        let mut list = Vec::new();
        for part in ["1", "2", "3"] {
            let destination = testbed.destination(&format!("{half}{part}"), json!({})).await;
            list.push(json!({ "destination": destination.id }));
        }
        testbed.stream(&campaign, half, json!({ "bind": bind, "destinations": list })).await;
    }
    testbed
}

async fn where_to(world: &World, people: u128) -> Vec<String> {
    let mut all = Vec::new();
    for person in 1..=people {
        all.push(world.get_as(person, "/c/bound").await.to().to_owned());
    }
    all
}

#[tokio::test]
async fn a_bound_person_keeps_stream_and_destination_also_over_a_restart() {
    let world = ground_of_six("destination").await.start().await;
    let first = where_to(&world, 24).await;
    assert!(first.iter().any(|d| d != &first[0]), "everybody at {}", first[0]);
    assert_eq!(where_to(&world, 24).await, first);
    // At once, and while the store is away.
    let testbed = world.stop().await;
    testbed.faults.analytics_away.on();
    let world = testbed.start().await;
    assert_eq!(where_to(&world, 24).await, first);
    world.testbed.faults.analytics_away.off();
    // From the store alone, as on a disk that was lost.
    let testbed = world.stop().await;
    std::fs::remove_file(testbed.path().join("visitors.seen")).expect("it was kept");
    let world = testbed.start().await;
    world.restored(24).await;
    assert_eq!(where_to(&world, 24).await, first);
    world.settle().await;
    let (answer, event) = world.click_as(3, "/c/bound").await;
    assert_eq!(answer.to(), first[2]);
    assert!(event.bound && !event.unique_campaign && !event.unique_stream, "{event:#?}");
    world.stop().await;
}

#[tokio::test]
async fn a_stream_binds_its_visitors_and_lets_them_go_when_it_is_paused() {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("bound", json!({ "rotation": "weight" })).await;
    let mut streams = Vec::new();
    for slug in ["a", "b"] {
        let destination = testbed.destination(slug, json!({})).await;
        streams.push(testbed.stream_to(&campaign, &destination, json!({ "bind": "stream" })).await);
    }
    let world = testbed.start().await;
    let first = where_to(&world, 16).await;
    for _ in 0..3 {
        assert_eq!(where_to(&world, 16).await, first);
    }
    world.testbed.update(&mut streams[0], |s| s["status"] = json!("paused")).await;
    until("everybody is at b", async || where_to(&world, 16).await.iter().all(|d| d == "b")).await;
    world.testbed.update(&mut streams[0], |s| s["status"] = json!("active")).await;
    let mut person = 1000;
    until("somebody new is at a", async || {
        person += 1;
        world.get_as(person, "/c/bound").await.to() == "a"
    })
    .await;
    assert!(where_to(&world, 16).await.iter().all(|d| d == "b"), "they are bound to b now");
    world.stop().await;
}

#[tokio::test]
async fn uniqueness_and_anti_repeat_over_requests_and_a_restart() {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("new", json!({})).await;
    let once = testbed.destination("once", json!({ "anti_repeat_s": 3600 })).await;
    let fresh = testbed.destination("fresh", json!({})).await;
    let rest = testbed.destination("rest", json!({})).await;
    testbed
        .stream_to(
            &campaign,
            &once,
            json!({ "position": 1, "filters": [{ "field": "sub1", "is": ["once"] }] }),
        )
        .await;
    testbed
        .stream_to(
            &campaign,
            &fresh,
            json!({ "position": 2, "filters": [{ "field": "unique", "is": ["campaign"] }] }),
        )
        .await;
    testbed.stream_to(&campaign, &rest, json!({ "position": 3 })).await;
    let world = testbed.start().await;
    let flags = |e: &ClickEvent| (e.unique_campaign, e.unique_stream, e.unique_destination);
    let (answer, event) = world.click_as(1, "/c/new").await;
    assert_eq!((answer.to(), flags(&event)), ("fresh", (true, true, true)));
    let (answer, event) = world.click_as(1, "/c/new").await;
    assert_eq!((answer.to(), flags(&event)), ("rest", (false, true, true)));
    let (answer, event) = world.click_as(1, "/c/new?sub1=once").await;
    assert_eq!((answer.to(), flags(&event)), ("once", (false, true, true)));
    let (answer, event) = world.click_as(1, "/c/new?sub1=once").await;
    assert_eq!((answer.to(), flags(&event)), ("rest", (false, false, false)));
    assert!(event.passed[0].reason.contains("=repeat"), "{:?}", event.passed);
    let testbed = world.stop().await;
    testbed.faults.analytics_away.on();
    let world = testbed.start().await;
    let (answer, event) = world.click_as(1, "/c/new?sub1=once").await;
    assert_eq!((answer.to(), flags(&event)), ("rest", (false, false, false)));
    let (answer, _) = world.click_as(2, "/c/new").await;
    assert_eq!(answer.to(), "fresh");
    let (answer, _) = world.click_as(2, "/c/new").await;
    assert_eq!(answer.to(), "rest");
    world.stop().await;
}

/// Links `first` and `second`; `first` hands over to `between`, and that to `second`, but for whoever is to stay. What is
/// new in `between` or by the stream there stands in `sub2`.
async fn handing_over(testbed: &Testbed) {
    let [first, between, second] = [
        testbed.campaign("first", json!({ "unique_window_s": 3600 })).await,
        testbed.campaign("between", json!({})).await,
        testbed.campaign("second", json!({ "unique_window_s": 86400 })).await,
    ];
    for (campaign, stays, goes_to) in
        [(&first, "stays", Some(&between)), (&between, "waits", Some(&second)), (&second, "goes", None)]
    {
        let stays = testbed.destination(stays, json!({})).await;
        let when = |filter| json!({ "kind": "forced", "position": 1, "filters": [filter] });
        if let Some(to) = goes_to {
            let stay = when(json!({ "field": "sub1", "is": [campaign.spec.slug] }));
            testbed.stream_to(campaign, &stays, stay).await;
            let again = testbed.destination(&format!("again-{}", campaign.spec.slug), json!({})).await;
            let filters =
                json!([{ "field": "sub2", "is": ["old"] }, { "field": "unique", "is_not": ["campaign"] }]);
            let again_when = json!({ "kind": "forced", "position": 2, "filters": filters });
            testbed.stream_to(campaign, &again, again_when).await;
            testbed
                .stream(campaign, "over", json!({ "action": { "type": "campaign", "campaign": to.id } }))
                .await;
        } else {
            testbed.stream_to(campaign, &stays, json!({})).await;
        }
    }
}

#[tokio::test]
async fn the_link_tells_who_is_new_and_whoever_decides_remembers_too_also_after_a_restart() {
    // What a restart loses: nothing, the file of visitors, so that the store tells, or the store too.
    for lost in ["no restart", "nothing", "the file"] {
        let testbed = Testbed::new(&[]);
        handing_over(&testbed).await;
        let mut world = testbed.start().await;
        let (answer, event) = world.click_as(1, "/c/first?sub1=first").await;
        assert_eq!((answer.to(), event.unique_campaign), ("stays", true));
        let (answer, event) = world.click_as(1, "/c/first").await;
        assert_eq!(answer.to(), "goes");
        assert_eq!(event.campaign_slug, "first", "the link's campaign bears the click");
        assert!(!event.unique_campaign, "known there, whoever decides: {event:#?}");
        assert!(event.unique_stream && event.unique_destination, "{event:#?}");
        let (answer, event) = world.click_as(2, "/c/first").await;
        assert_eq!((answer.to(), event.unique_campaign, event.unique_stream), ("goes", true, true));
        if lost != "no restart" {
            let testbed = world.stop().await;
            if lost == "the file" {
                std::fs::remove_file(testbed.path().join("visitors.seen")).expect("it was kept");
            }
            world = testbed.start().await;
            world.restored(3).await;
        }
        // Both know both, and so does whoever only handed over.
        for person in [1, 2] {
            for (link, want) in [
                ("first", ("goes", false, false)),
                ("second", ("goes", false, false)),
                ("first?sub2=old", ("again-first", false, true)),
                ("between?sub2=old", ("again-between", false, true)),
            ] {
                let (answer, event) = world.click_as(person, &format!("/c/{link}")).await;
                let is = (answer.to(), event.unique_campaign, event.unique_stream);
                assert_eq!(is, want, "{person} on {link}, lost: {lost}");
            }
        }
        let (_, event) = world.click_as(3, "/c/second").await;
        assert!(event.unique_campaign && event.unique_stream);
        let (_, event) = world.click_as(3, "/c/first").await;
        assert!(event.unique_campaign && !event.unique_stream, "new to the link alone: {event:#?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn whom_nobody_takes_after_a_hand_over_was_nowhere() {
    let testbed = Testbed::new(&[]);
    let (first, second) =
        (testbed.campaign("first", json!({})).await, testbed.campaign("second", json!({})).await);
    let goes = testbed.destination("goes", json!({})).await;
    testbed.stream(&first, "over", json!({ "action": { "type": "campaign", "campaign": second.id } })).await;
    let only = json!({ "filters": [{ "field": "sub1", "is": ["taken"] }] });
    testbed.stream_to(&second, &goes, only).await;
    let world = testbed.start().await;
    let (answer, event) = world.click_as(1, "/c/first").await;
    assert_eq!((answer.status, event.unique_campaign), (404, false));
    let (answer, event) = world.click_as(1, "/c/first?sub1=taken").await;
    assert_eq!((answer.to(), event.unique_campaign, event.unique_stream), ("goes", true, true));
    world.stop().await;
}

#[tokio::test]
async fn a_memory_that_is_too_small_keeps_the_latest() {
    let testbed = Testbed::new(&[("VISITOR_MEMORY", "1000")]);
    testbed.summer().await;
    let world = testbed.start().await;
    let (_, sample) = world.click_as(1, "/c/summer").await;
    let testbed = world.stop().await;
    // 1,500 people, one every second until now.
    let events = (1..=1500_u32).map(|n| {
        let mut click = sample.clone();
        click.at = sample.at - std::time::Duration::from_secs(u64::from(1500 - n));
        click.click_id = ClickId::generate(click.at, u128::from(n));
        click.visitor_id = VisitorId(u128::from(n));
        Event::Click(Box::new(click))
    });
    testbed.deliver(&events.collect::<Vec<_>>()).await;
    let world = testbed.start().await;
    world.restored(1000).await;
    world.settle().await;
    let mut known = 0;
    for person in 1401..=1500 {
        known += u32::from(!explained_as_new(&world, person).await);
    }
    assert_eq!(known, 100, "of the latest hundred");
    assert!(explained_as_new(&world, 2).await, "the oldest is forgotten");
    world.stop().await;
}

async fn explained_as_new(world: &World, person: u128) -> bool {
    let question = json!({ "slug": "summer", "visitor": VisitorId(person), "user_agent": DESKTOP });
    world.explain(&question).await.json()["unique_campaign"] == true
}
