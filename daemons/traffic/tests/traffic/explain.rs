//! `/internal/explain` says what a click then does, and uses up nothing.

use crate::world::{BOT, DESKTOP, PHONE, Testbed, World, cookie};
use proptest::prelude::*;
use serde_json::{Value, json};
use tfx_domain::event::ClickEvent;

/// A campaign `puzzle` of many rules, none of them left to chance; some bind and some remember.
async fn puzzle() -> World {
    let testbed = Testbed::new(&[("TRUSTED_PROXY_CIDRS", "127.0.0.1/32")]);
    let campaign = testbed.campaign("puzzle", json!({})).await;
    let rules = [
        (
            "phones",
            json!([{ "field": "device_type", "is": ["mobile"] }, { "field": "sub1", "is": ["a", "b"] }]),
        ),
        ("bots", json!([{ "field": "bot", "is": ["true"] }])),
        (
            "net",
            json!([{ "field": "ip", "is": ["203.0.113.0/24"] }, { "field": "language", "is_not": ["de"] }]),
        ),
        ("search", json!([{ "field": "referrer", "is": ["host:search.example"] }])),
        (
            "word",
            json!([{ "field": "keyword", "is": ["glob:*shoe*"] }, { "field": "header:X-App", "is": ["empty"] }]),
        ),
        ("new", json!([{ "field": "unique", "is": ["campaign"] }, { "field": "sub1", "is_not": ["c"] }])),
    ];
    for (position, (slug, filters)) in rules.into_iter().enumerate() {
        let destination = testbed.destination(slug, json!({})).await;
        let entry = json!({ "position": position, "filters": filters, "select": "position" });
        testbed.stream_to(&campaign, &destination, entry).await;
    }
    let last = testbed.destination("last", json!({ "anti_repeat_s": 3600 })).await;
    let entry = json!({ "kind": "default", "filters": [{ "field": "sub2", "is_not": ["x"] }] });
    testbed.stream_to(&campaign, &last, entry).await;
    testbed.start().await
}

/// Everything by which a click and its explanation may differ taken out.
fn essence(event: &Value) -> Value {
    let mut event = event.clone();
    let id = event["click_id"].as_str().expect("id").to_owned();
    event["final_url"] = json!(event["final_url"].as_str().unwrap_or_default().replace(&id, "ID"));
    for own in ["click_id", "at"] {
        event.as_object_mut().expect("an event").remove(own);
    }
    event
}

#[derive(Debug, Clone)]
struct Request {
    person: u128,
    user_agent: &'static str,
    ip: &'static str,
    language: &'static str,
    referrer: &'static str,
    app: bool,
    params: Vec<(&'static str, &'static str)>,
}

fn requests() -> impl Strategy<Value = Request> {
    let params = proptest::sample::subsequence(
        vec![
            ("sub1", "a"),
            ("sub1", "c"),
            ("sub2", "x"),
            ("keyword", "red shoes"),
            ("keyword", "ä&="),
            ("n", ""),
        ],
        0..4,
    );
    let text = |all: &'static [&'static str]| proptest::sample::select(all);
    let who = (1..6u128, text(&[DESKTOP, PHONE, BOT]), text(&["203.0.113.7", "198.51.100.1", "2001:db8::7"]));
    let said = (
        text(&["", "de", "en-GB,de;q=0.5"]),
        text(&["", "https://www.search.example/?q=1", "x"]),
        any::<bool>(),
    );
    (who, said, params).prop_map(|((person, user_agent, ip), (language, referrer, app), params)| Request {
        person,
        user_agent,
        ip,
        language,
        referrer,
        app,
        params,
    })
}

async fn explained_then_clicked(world: &World, r: &Request) -> (Value, ClickEvent) {
    let mut headers = Vec::new();
    if r.app {
        headers.push(("X-App", "1"));
    }
    let question = json!({
        "slug": "puzzle", "visitor": format!("{:032x}", r.person), "user_agent": r.user_agent, "ip": r.ip,
        "language": r.language, "referrer": r.referrer, "params": r.params, "headers": headers,
    });
    let explained = world.explain(&question).await;
    assert_eq!(explained.status, 200, "{explained:?}");
    let cookie = cookie(r.person);
    headers.extend([("user-agent", r.user_agent), ("x-forwarded-for", r.ip), ("cookie", &cookie)]);
    headers.extend([("accept-language", r.language), ("referer", r.referrer)]);
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&r.params).finish();
    let (_, event) = world.click(&format!("/c/puzzle?{query}"), &headers).await;
    (explained.json(), event)
}

#[test]
fn a_click_does_what_was_explained() {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let world = runtime.block_on(puzzle());
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config {
        cases: 150,
        failure_persistence: None,
        ..Default::default()
    });
    let seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
    runner
        .run(&requests(), |request| {
            let (explained, event) = runtime.block_on(explained_then_clicked(&world, &request));
            let event = serde_json::to_value(&event).expect("JSON");
            prop_assert_eq!(essence(&explained), essence(&event));
            seen.borrow_mut().insert(event["stream_id"].to_string());
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(seen.borrow().len() > 4, "hardly anything was tried: {:?}", seen.borrow());
    runtime.block_on(world.stop());
}

#[tokio::test]
async fn a_seed_repeats_the_draw_and_explaining_uses_up_nothing() {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("drawn", json!({ "rotation": "weight" })).await;
    for slug in ["a", "b", "d"] {
        let destination = testbed.destination(slug, json!({ "caps": { "clicks_total": 3 } })).await;
        testbed.stream_to(&campaign, &destination, json!({ "bind": "stream" })).await;
    }
    let world = testbed.start().await;
    let mut taken = std::collections::BTreeSet::new();
    for seed in 0..24 {
        let question =
            json!({ "slug": "drawn", "user_agent": DESKTOP, "seed": seed, "visitor": "0".repeat(31) + "1" });
        let (one, two) = (world.explain(&question).await.json(), world.explain(&question).await.json());
        assert_eq!(essence(&one), essence(&two), "seed {seed}");
        assert!(one["bound"] == false && one["unique_campaign"] == true, "{one}");
        taken.insert(one["stream_id"].to_string());
    }
    assert_eq!(taken.len(), 3, "{taken:?}");
    world.left_nothing().await;
    assert_eq!(world.metric("tfx_visitor_memory_entries").await, 0.0);
    // What is supposed: caps used up, destinations down, somebody bound.
    let (_, event) = world.click_as(1, "/c/drawn").await;
    let id = event.dims.destination_id.expect("a destination");
    for seed in 0..8 {
        let me = json!({ "slug": "drawn", "user_agent": DESKTOP, "seed": seed, "visitor": event.visitor_id });
        let bound = world.explain(&me).await.json();
        assert_eq!((&bound["bound"], &bound["destination_id"]), (&json!(true), &json!(id)));
        for suppose in [json!({ "unhealthy": [id] }), json!({ "cap_used": { id.as_str(): 3 } })] {
            let mut question = me.clone();
            question.as_object_mut().expect("object").extend(suppose.as_object().expect("object").clone());
            let supposed = world.explain(&question).await.json();
            assert_ne!(supposed["destination_id"], json!(id), "{supposed}");
            assert_eq!(
                supposed["passed"][0]["reason"].as_str().map(|r| r.starts_with("no_candidate")),
                Some(true)
            );
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_is_told_what_is_wrong() {
    let testbed = Testbed::new(&[]);
    testbed.summer().await;
    let world = testbed.start().await;
    let table = [
        (json!({ "slug": "summer", "unknown": 1 }), 422, None),
        (json!({ "slug": 7 }), 422, None),
        (json!({ "slug": "summer", "ip": "300.1.1.1" }), 422, None),
        (json!({ "slug": "summer", "visitor": "x" }), 422, None),
        (json!({ "slug": "summer", "user_agent": "a\nb" }), 422, Some("user_agent")),
        (json!({ "slug": "summer", "headers": [["a b", "c"]] }), 422, Some("headers[0]")),
        (json!({ "slug": "summer", "unhealthy": ["nobody"] }), 422, Some("unhealthy[0]")),
        (json!({ "slug": "summer", "cap_used": { "nobody": 1 } }), 422, Some("cap_used.nobody")),
    ];
    for (question, status, path) in table {
        let answer = world.explain(&question).await;
        assert_eq!(answer.status, status, "{question}: {answer:?}");
        if let Some(path) = path {
            assert_eq!(answer.json()["problems"][0]["path"], path, "{question}");
        }
    }
    let fine = [
        json!({ "slug": "nobody" }),
        json!({ "slug": "" }),
        json!({ "slug": "summer", "at": "-009999-01-02T01:59:59Z" }),
        json!({ "slug": "summer", "at": "9999-12-30T22:00:00Z" }),
        json!({ "slug": "summer", "hops": 255 }),
        json!({ "slug": "summer", "params": [["\u{0}", "\u{feff}\r\n"]], "seed": u64::MAX }),
        json!({ "slug": "ä".repeat(100_000) }),
    ];
    for question in fine {
        let answer = world.explain(&question).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    world.left_nothing().await;
    assert_eq!(world.metric("tfx_panics_total{service=\"traffic\"}").await, 0.0);
    world.stop().await;
}
