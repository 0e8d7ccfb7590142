//! Clicks that no stream takes: trafficback, loops, campaigns that do not route.

use crate::world::Testbed;
use serde_json::json;
use tfx_domain::event::Outcome::{self, Loop, NotFound, Trafficback};

fn nobody() -> serde_json::Value {
    json!({ "filters": [{ "field": "sub1", "is": ["nobody"] }] })
}

/// Campaigns `active`, `own` (with a trafficback URL), `self` (with one at our own host), `paused`, `archived`; the
/// only stream of each takes no click that is not of `nobody`.
async fn testbed(settings: &[(&str, &str)]) -> Testbed {
    let testbed = Testbed::new(&[&[("PUBLIC_HOSTS", "go.example,Track.Example")], settings].concat());
    let offer = testbed.destination("offer", json!({})).await;
    let campaigns = [
        ("active", json!({})),
        ("own", json!({ "trafficback_url": "https://own.example/?from={campaign_slug}#top" })),
        ("self", json!({ "trafficback_url": "http://track.example:8081/c/active" })),
        ("paused", json!({ "status": "paused", "trafficback_url": "https://own.example/" })),
        ("archived", json!({ "status": "archived" })),
    ];
    for (slug, more) in campaigns {
        let campaign = testbed.campaign(slug, more).await;
        testbed.stream_to(&campaign, &offer, nobody()).await;
    }
    testbed
}

type Case<'c> = (&'c str, u16, Outcome, &'c str);

async fn check(settings: &[(&str, &str)], table: &[Case<'_>]) {
    let world = testbed(settings).await.start().await;
    let count =
        async |outcome: &str| world.metric(&format!("tfx_clicks_total{{outcome=\"{outcome}\"}}")).await;
    for (path, status, outcome, location) in table {
        let word = serde_json::to_value(outcome).expect("JSON");
        let word = word.as_str().expect("a word");
        let before = count(word).await;
        let (answer, event) = world.click(path, &[]).await;
        assert_eq!((answer.status, event.outcome), (*status, *outcome), "{path}: {answer:?}");
        assert_eq!(answer.location.as_deref().unwrap_or_default(), *location, "{path}");
        // What nobody has a campaign for is kept in a short form.
        let short = event.dims.campaign_id.is_none();
        let kept = if short { location.get(..32).unwrap_or(location) } else { location };
        assert_eq!(event.final_url, kept, "{path}");
        assert_eq!(answer.body, "", "{path}");
        assert!(!event.unique_campaign && event.dims.stream_id.is_none(), "{path}: {event:#?}");
        assert_eq!(count(word).await, before + 1.0, "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn without_a_global_url() {
    let table: &[Case<'_>] = &[
        ("/c/active", 404, NotFound, ""),
        ("/c/own", 302, Trafficback, "https://own.example/?from=own&_tfx_hops=1#top"),
        ("/c/own?_tfx_hops=2", 302, Trafficback, "https://own.example/?from=own&_tfx_hops=3#top"),
        ("/c/own?_tfx_hops=3", 302, Trafficback, "https://own.example/?from=own&_tfx_hops=4#top"),
        ("/c/own?_tfx_hops=4", 508, Loop, ""),
        ("/c/own?_tfx_hops=99999999999", 508, Loop, ""),
        ("/c/own?_tfx_hops=-1", 302, Trafficback, "https://own.example/?from=own&_tfx_hops=1#top"),
        ("/c/unknown?_tfx_hops=4", 508, Loop, ""),
        ("/c/self", 508, Loop, ""),
        ("/c/paused", 404, NotFound, ""),
        ("/c/archived", 404, NotFound, ""),
        ("/c/unknown", 404, NotFound, ""),
        ("/c/UN-known_1/", 404, NotFound, ""),
    ];
    check(&[], table).await;
}

#[tokio::test]
async fn with_a_global_url() {
    let table: &[Case<'_>] = &[
        ("/c/active", 302, Trafficback, "https://all.example/?s=active&_tfx_hops=1"),
        ("/c/own", 302, Trafficback, "https://own.example/?from=own&_tfx_hops=1#top"),
        ("/c/paused", 302, Trafficback, "https://all.example/?s=paused&_tfx_hops=1"),
        ("/c/archived", 302, Trafficback, "https://all.example/?s=archived&_tfx_hops=1"),
        ("/c/un-known", 302, Trafficback, "https://all.example/?s=un-known&_tfx_hops=1"),
        ("/c/active?_tfx_hops=2", 508, Loop, ""),
    ];
    let settings =
        [("TRAFFICBACK_URL", "https://all.example/?s={campaign_slug}"), ("TRAFFICBACK_MAX_HOPS", "1")];
    check(&settings, table).await;
}

/// What browsers, crawlers and scanners ask every host for, and links that somebody broke.
#[tokio::test]
async fn what_no_slug_can_be_is_a_plain_404_and_nobodys_click() {
    let words = [
        "favicon.ico",
        "robots.txt",
        ".env",
        "wp-login.php",
        "xmlrpc.php",
        "sitemap.xml",
        "apple-touch-icon.png",
        "ads.txt",
        "index.html",
        "a.b",
        "-a",
        "_a",
        "a%20b",
        "a%2fb",
        "%ff",
        "%00",
        "%E2%98%83",
        "cmp_1",
        "readyz",
    ];
    let long = "s".repeat(65);
    for bare in ["false", "true"] {
        let settings = [("TRAFFICBACK_URL", "https://all.example/"), ("TRAFFIC_BARE_SLUGS", bare)];
        let testbed = Testbed::new(&settings);
        testbed.summer().await;
        let world = testbed.start().await;
        let roots = words.iter().chain([&"_go"]).filter(|w| !matches!(**w, "robots.txt" | "readyz"));
        let under_c = words.iter().map(|w| format!("/c/{w}"));
        let mut paths: Vec<String> = under_c.chain(roots.map(|w| format!("/{w}"))).collect();
        paths.extend(
            ["/.well-known/security.txt", "/c/", "/c//", "/c/a/b", "/.git/config"].map(str::to_owned),
        );
        paths.extend([format!("/c/{long}"), format!("/{long}")]);
        for path in &paths {
            for method in ["GET", "HEAD", "POST"] {
                let answer = world.send(method, path, &[]).await;
                let want: &[u16] = if path == "/_go" && method == "POST" { &[405] } else { &[404] };
                assert!(want.contains(&answer.status), "{method} {path} with {bare}: {answer:?}");
                assert!(answer.location.is_none() && answer.new_cookie().is_none(), "{path}: {answer:?}");
            }
        }
        let robots = world.get("/robots.txt").await;
        assert_eq!((robots.status, robots.body.as_str()), (200, "User-agent: *\nDisallow: /\n"));
        assert_eq!(world.send("HEAD", "/robots.txt", &[]).await.status, 200);
        world.left_nothing().await;
        for outcome in ["routed", "trafficback", "not_found", "loop"] {
            let series = format!("tfx_clicks_total{{outcome=\"{outcome}\"}}");
            assert_eq!(world.metric(&series).await, 0.0, "{outcome}");
        }
        // What could be a slug is a click.
        let (answer, event) = world.click("/c/favicon", &[]).await;
        assert_eq!((answer.to(), event.outcome), ("all", Trafficback));
        world.stop().await;
    }
}

#[tokio::test]
async fn a_global_url_at_our_own_host_is_a_loop() {
    let table: &[Case<'_>] = &[
        ("/c/active", 508, Loop, ""),
        ("/c/unknown", 508, Loop, ""),
        ("/c/own", 302, Trafficback, "https://own.example/?from=own&_tfx_hops=1#top"),
    ];
    check(&[("TRAFFICBACK_URL", "https://GO.example/c/active")], table).await;
}

#[tokio::test]
async fn a_click_that_comes_back_cost_when_it_came_first() {
    let testbed = Testbed::new(&[]);
    let source = json!({ "slug": "src", "name": "S", "params": { "cost": "bid" }, "currency": "EUR" });
    let source =
        tfx_service::testing::create::<tfx_domain::entity::SourceSpec>(&*testbed.faults.config, source).await;
    let cost = json!({ "source": source.id, "cost": { "per_click": "0.05" } });
    let campaign = testbed.campaign("paid", cost).await;
    let offer = testbed.destination("offer", json!({})).await;
    testbed.stream_to(&campaign, &offer, json!({})).await;
    let world = testbed.start().await;
    let table = [
        ("", Some("0.05 USD")),
        ("?bid=0.25", Some("0.25 EUR")),
        ("?bid=abc", Some("0.05 USD")),
        ("?bid=-1", Some("0.05 USD")),
        ("?bid=1e9", Some("0.05 USD")),
        ("?bid=0", Some("0 EUR")),
        ("?bid=0.25&_tfx_hops=1", None),
    ];
    for (query, want) in table {
        let (_, event) = world.click(&format!("/c/paid{query}"), &[]).await;
        let cost = event.cost.map(|c| format!("{} {}", c.amount, c.currency));
        assert_eq!(cost.as_deref(), want, "{query}");
    }
    let refused = world.metric("tfx_click_costs_refused_total").await;
    assert_eq!(refused, 3.0, "abc, -1 and 1e9 are told");
    world.stop().await;
}
