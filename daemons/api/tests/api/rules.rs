//! What must hold between entities: also over two services at once, and before anything is looked up.

use crate::server::{Server, message, paths};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::sync::{Arc, atomic::Ordering::Relaxed};
use tfx_domain::entity::Kind;
use tfx_service::testing::Faults;
use tfx_wiring::Stores;

const REFUSED: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

#[tokio::test(flavor = "multi_thread")]
async fn two_services_save_nothing_together_that_one_would_refuse() {
    let one = Server::start().await;
    let two = one.beside().await;
    let mut wins = [0, 0];
    for n in 0..60 {
        let (a, b) = (format!("a{n}"), format!("b{n}"));
        one.create(Kind::Campaign, json!({ "slug": a, "rotation": "weight" })).await;
        two.create(Kind::Campaign, json!({ "slug": b })).await;
        let hands_over = |from: &str, to: &str| json!({ "campaign": from, "slug": "on", "action": { "type": "campaign", "campaign": to } });
        let ((left, _), (right, _)) =
            tokio::join!(one.post("/streams", hands_over(&a, &b)), two.post("/streams", hands_over(&b, &a)));
        let mut answers = [left, right];
        wins[usize::from(right == StatusCode::CREATED)] += 1;
        answers.sort();
        assert_eq!(answers, [StatusCode::CREATED, REFUSED], "a circle, race {n}");

        let text =
            |slug: &str| json!({ "campaign": a, "slug": slug, "action": { "type": "text", "body": "x" } });
        let (x, y) = (one.create(Kind::Stream, text("x")).await, two.create(Kind::Stream, text("y")).await);
        let on = format!("{a}/on");
        if one.api.get(Kind::Stream, &on).await.is_ok() {
            one.api.update(Kind::Stream, &on, &json!({ "weight": 0 }), None).await.expect("x and y serve");
        }
        let zero = json!({ "weight": 0 });
        let id = |stream: &serde_json::Value| stream["id"].as_str().expect("an id").to_owned();
        let (x, y) = (id(&x), id(&y));
        let (left, right) = tokio::join!(
            one.api.update(Kind::Stream, &x, &zero, None),
            two.api.update(Kind::Stream, &y, &zero, None)
        );
        assert_eq!(usize::from(left.is_ok()) + usize::from(right.is_ok()), 1, "weights all 0, race {n}");
    }
    two.stop_beside().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_that_write_without_a_pause_make_all_that_does_not_conflict() {
    for (store, one) in [("SQLite", Server::start().await), ("MongoDB", Server::on_mongodb(&[]).await)] {
        let servers = Arc::new([one.beside_with(&[]).await, one]);
        let mut lanes = tokio::task::JoinSet::new();
        for lane in 0..24 {
            let servers = Arc::clone(&servers);
            lanes.spawn(async move {
                let mut refused = Vec::new();
                for n in 0..8 {
                    let campaign = json!({ "slug": format!("c{lane}-{n}") });
                    let (status, answer) = servers[(lane + n) % 2].post("/campaigns", campaign).await;
                    if status != StatusCode::CREATED {
                        refused.push(answer);
                    }
                }
                refused
            });
        }
        let refused = lanes.join_all().await.concat();
        assert!(refused.is_empty(), "{store}: {} of 192: {}", refused.len(), refused[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_change_was_refused_for_is_waited_for_until_it_is_seen_but_not_for_ever() {
    let mut unseen = None;
    let one = Server::over(|stores| {
        let Stores { config, conversions, analytics, sink, .. } = stores.clone();
        let faults = Faults::around(config, conversions, analytics, sink);
        unseen = Some(Arc::clone(&faults.unseen));
        Stores { config: Arc::new(faults), ..stores }
    });
    let (one, unseen) = (one.await, unseen.expect("stores"));
    let two = one.beside().await;
    let campaign = |slug: &str| json!({ "slug": slug });
    one.create(Kind::Campaign, campaign("a")).await;
    let bulk = |slug: &str| json!({ "items": [{ "action": "create", "kind": "campaign", "spec": { "slug": slug } }] });
    let asked = [
        ("/campaigns", campaign("by-itself"), StatusCode::CREATED),
        ("/bulk", bulk("in-a-bulk"), StatusCode::OK),
    ];
    for (path, body, done) in asked {
        two.create(Kind::Campaign, campaign(&format!("of-two-{}", path.len()))).await;
        unseen.store(5, Relaxed);
        let (status, answer) = one.post(path, body).await;
        assert_eq!((status, unseen.load(Relaxed)), (done, 0), "{answer}");
    }
    two.create(Kind::Campaign, campaign("never-seen")).await;
    unseen.store(u64::MAX, Relaxed);
    let (status, problem) = one.post("/campaigns", campaign("e")).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    unseen.store(0, Relaxed);
    one.create(Kind::Campaign, campaign("e")).await;
}

#[tokio::test]
async fn what_another_service_made_a_moment_ago_is_known() {
    let one = Server::start().await;
    let two = one.beside().await;
    for n in 0..5 {
        let (offer, campaign) = (format!("offer{n}"), format!("c{n}"));
        two.create(Kind::Destination, json!({ "slug": offer, "url": "https://o.example/" })).await;
        one.create(Kind::Campaign, json!({ "slug": campaign })).await;
        let stream = json!({ "campaign": campaign, "slug": "s", "destinations": [{ "destination": offer }] });
        let server = if n % 2 == 0 { &one } else { &two };
        server.create(Kind::Stream, stream).await;
    }
    two.stop_beside().await;
    one.stop().await;
}

#[tokio::test]
async fn a_list_that_is_too_long_is_refused_before_what_it_holds_is_looked_up() {
    let s = Server::start().await;
    s.create(Kind::Campaign, json!({ "slug": "summer" })).await;
    let unknown: Vec<_> = (0..20_000).map(|n| json!({ "destination": format!("d{n}") })).collect();
    let long = json!({ "campaign": "summer", "slug": "s", "destinations": unknown });
    let (status, problem) = s.post("/streams", long).await;
    assert_eq!(status, REFUSED);
    assert_eq!(paths(&problem), ["destinations"], "none was looked up");
    assert!(message(&problem, "destinations").contains("at most 200"), "{}", problem["detail"]);
    let down: Vec<String> = (0..20_000).map(|n| format!("d{n}")).collect();
    let (status, problem) = s.post("/explain", json!({ "slug": "summer", "unhealthy": down })).await;
    assert_eq!((status, paths(&problem)), (REFUSED, vec!["unhealthy"]));
    let patterns: Vec<String> = (0..2_500).map(|n| format!("regex:^a{n}\\w+$")).collect();
    let heavy = json!({
        "campaign": "summer", "slug": "s", "action": { "type": "text", "body": "x" },
        "filters": [{ "field": "keyword", "is": patterns }],
    });
    let (status, problem) = s.post("/streams", heavy).await;
    assert_eq!((status, paths(&problem)), (REFUSED, vec!["filters"]));
    // Bounded over the streams of a campaign too.
    let some: Vec<String> = (0..150).map(|n| format!("regex:^b{n}$")).collect();
    let stream = |slug: &str| {
        json!({ "campaign": "summer", "slug": slug, "action": { "type": "text", "body": "x" },
            "filters": [{ "field": "keyword", "is": some }] })
    };
    s.create(Kind::Stream, stream("first")).await;
    let (status, problem) = s.post("/streams", stream("second")).await;
    assert_eq!((status, paths(&problem)), (REFUSED, vec!["filters"]));
}

#[tokio::test]
async fn an_amount_without_a_currency_is_of_who_pays_or_asks_for_it() {
    let s = Server::start().await;
    s.create(Kind::Network, json!({ "slug": "eur", "currency": "EUR" })).await;
    s.create(Kind::Source, json!({ "slug": "gbp", "currency": "GBP" })).await;
    let offer = |slug: &str, network: serde_json::Value, payout: serde_json::Value| json!({ "slug": slug, "url": "https://o.example/", "network": network, "payout": payout });
    for (slug, network, payout, want) in [
        ("one", json!("eur"), json!({ "amount": "5" }), "EUR"),
        ("two", json!("eur"), json!({ "amount": "5", "currency": null }), "EUR"),
        ("three", json!("eur"), json!({ "amount": "5", "currency": "PLN" }), "PLN"),
        ("four", json!(null), json!({ "amount": "5" }), "USD"),
    ] {
        let made = s.create(Kind::Destination, offer(slug, network, payout)).await;
        assert_eq!(made["payout"]["currency"], want, "{slug}");
    }
    let dearer =
        s.api.update(Kind::Destination, "three", &json!({ "payout": { "amount": "6" } }), None).await;
    assert_eq!(
        dearer.expect("changed")["payout"],
        json!({ "amount": "6", "currency": "PLN" }),
        "it keeps its own"
    );
    // A new amount together with another network is of that one; the old amount is not.
    s.create(Kind::Network, json!({ "slug": "chf", "currency": "CHF" })).await;
    for (patch, want) in [
        (json!({ "network": "chf" }), ("6", "PLN")),
        (json!({ "network": "eur", "payout": { "amount": "7" } }), ("7", "EUR")),
        (json!({ "network": "chf", "payout": { "amount": "8", "currency": "PLN" } }), ("8", "PLN")),
        (json!({ "network": "chf", "payout": { "amount": "9" } }), ("9", "PLN")),
        (json!({ "network": null, "payout": { "amount": "7" } }), ("7", "USD")),
        (json!({ "network": "chf", "payout": { "amount": "7" } }), ("7", "CHF")),
    ] {
        let changed = s.api.update(Kind::Destination, "three", &patch, None).await.expect("changed");
        assert_eq!(changed["payout"], json!({ "amount": want.0, "currency": want.1 }), "{patch}");
    }
    let cost = json!({ "slug": "summer", "source": "gbp", "cost": { "per_click": "0.02" } });
    assert_eq!(s.create(Kind::Campaign, cost).await["cost"]["currency"], "GBP");
    s.create(Kind::Source, json!({ "slug": "sek", "currency": "SEK" })).await;
    let moved = json!({ "source": "sek", "cost": { "per_click": "0.03" } });
    let moved = s.api.update(Kind::Campaign, "summer", &moved, None).await.expect("changed");
    assert_eq!(moved["cost"], json!({ "per_click": "0.03", "currency": "SEK" }));
    let (status, problem) =
        s.post("/destinations", offer("e", json!("nobody"), json!({ "amount": "5" }))).await;
    assert_eq!((status, paths(&problem)), (REFUSED, vec!["network"]), "one problem, not two");
}

#[tokio::test]
async fn the_end_of_the_calendar_is_for_ever_and_no_library_speaks() {
    let s = Server::start().await;
    let ask = |since: &str, until: &str| json!({ "since": since, "until": until });
    let (status, report) = s.post("/report", ask("2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z")).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    let (status, problem) = s.post("/report", ask("yesterday", "9999-13-31T00:00:00Z")).await;
    assert_eq!(status, REFUSED);
    for path in ["since", "until"] {
        assert!(message(&problem, path).starts_with("must be a point in time such as"), "{problem}");
    }
    let (status, _) = s.get("/clicks?until=9999-12-31T23:59:59Z").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_currency_of_before_the_list_refuses_no_change_of_anything_else() {
    let s = Server::start().await;
    s.summer().await;
    let old = |currency: &str| json!({ "amount": "5", "currency": currency });
    let cost = json!({ "cost": { "per_click": "0.1", "currency": "ZZZ" } });
    let at = [
        (Kind::Network, "adnet", json!({ "currency": "ZZZ" }), json!({ "currency": "EURO" })),
        (Kind::Source, "push", json!({ "currency": "ZZZ" }), json!({ "currency": "YYY" })),
        (Kind::Destination, "offer", json!({ "payout": old("ZZZ") }), json!({ "payout": old("YYY") })),
        (Kind::Campaign, "summer", cost, json!({ "cost": { "currency": "YYY" } })),
    ];
    for (kind, slug, before, bad) in at {
        s.saved_before(kind, slug, &before).await;
        let renamed = s.api.update(kind, slug, &json!({ "name": "Another" }), None).await;
        let renamed = renamed.unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(renamed["name"], "Another");
        let same = s.api.update(kind, slug, &before, None).await;
        assert_eq!(same.unwrap_or_else(|e| panic!("{kind}: {e}"))["version"], renamed["version"], "{kind}");
        let path = kind.currency().expect("a currency");
        for patch in [bad, json!({ "name": "", "aliases": 5 })] {
            let (status, problem) =
                s.ask(Method::PATCH, &format!("/{}/{slug}", kind.plural()), Some(&patch)).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{kind} {patch}: {problem}");
            let told = paths(&problem).contains(&path);
            assert_eq!(told, patch.get("name").is_none(), "{kind} {patch}: {problem}");
        }
    }
}
