//! The event of a click has its facts, and nothing a stranger sends breaks it.

use crate::kit::{NOW, Past, ask, at, click, event, id, person, snapshot};
use proptest::prelude::*;
use serde_json::{Value, json};
use smol_str::SmolStr;
use tfx_domain::{
    event::{ClickEvent, Outcome},
    macros::{Facts, Scope, UrlTemplate},
    money::Money,
    routing::{RequestKind, Snapshot, Visitor},
};

fn world() -> Snapshot {
    snapshot(&json!({
        "sources": [{ "id": "push", "currency": "EUR", "params": { "external_id": "clk", "cost": "bid", "keyword": "kw", "subs": { "sub2": "zone" } } }],
        "networks": [{ "id": "net" }],
        "destinations": [{ "id": "d1", "network": "net" }],
        "campaigns": [
            { "id": "main", "name": "Main one", "source": "push", "cost": { "per_click": "0.02", "currency": "USD" } },
            { "id": "next" },
            { "id": "free" },
        ],
        "streams": [
            { "id": "de", "campaign": "main", "kind": "forced", "filters": [{ "field": "country", "is": ["DE"] }], "destinations": ["d1"] },
            { "id": "h", "campaign": "main", "action": { "type": "campaign", "campaign": "next" } },
            { "id": "s", "campaign": "next", "destinations": ["d1"] },
        ],
    }))
}

fn record(visitor: &Visitor) -> ClickEvent {
    let snapshot = world();
    event(&snapshot, "main", visitor, &ask(&snapshot, visitor, &Past::default()))
}

fn with(params: &[(&str, &str)]) -> Visitor {
    Visitor { params: params.iter().map(|(n, v)| ((*n).into(), (*v).to_owned())).collect(), ..person() }
}

/// What a URL becomes for the visitor.
fn sent(visitor: &Visitor, url: &str) -> String {
    let world = world();
    let template = UrlTemplate::parse(url, Scope::Redirect).unwrap_or_else(|e| panic!("{url}: {e}"));
    let decision = ask(&world, visitor, &Past::default());
    click(&world, "main", visitor, &decision).url(&template, &mut rand::rng())
}

#[test]
fn the_first_parameter_that_says_something_counts() {
    for nothing in [
        "",
        "{value}",
        "{{bid}}",
        "[bid]",
        "##bid##",
        "__BID__",
        "%%BID%%",
        "$bid$",
        "(bid)",
        "null",
        "undefined",
        "-",
        "%7Bbid%7D",
    ] {
        let event = record(&with(&[
            ("bid", nothing),
            ("zone", nothing),
            ("sub1", nothing),
            ("kw", nothing),
            ("clk", nothing),
            ("bid", "0.0042"),
            ("zone", "77"),
            ("kw", "shoes"),
            ("clk", "X1"),
        ]));
        let cost = event.cost.map(|c| format!("{} {}", c.amount, c.currency));
        assert_eq!(cost.as_deref(), Some("0.0042 EUR"), "{nothing}");
        assert_eq!(
            (event.dims.subs.as_slice(), event.dims.keyword.as_str()),
            (["", "77"].map(Into::into).as_slice(), "shoes"),
            "{nothing}"
        );
        assert_eq!(event.external_id, "X1", "{nothing}");
        // What came is on record all the same.
        assert_eq!(event.params.len(), 9);
        let nobody = with(&[("utm", nothing), ("sub3", nothing)]);
        assert_eq!(
            sent(&nobody, "https://o.example/?a={param:utm}&b={sub3}&c={_keyword}"),
            "https://o.example/?a=&b=&c="
        );
    }
    // A click may be free.
    assert_eq!(
        record(&with(&[("bid", "0"), ("bid", "1")])).cost.map(|c| c.amount.to_string()).as_deref(),
        Some("0")
    );
}

#[test]
fn values_are_handed_on_whole_and_as_they_came() {
    let long = "a".repeat(3000);
    let visitor = with(&[("sub1", &long), ("kw", "caf%E9"), ("clk", "%25E9"), ("x", "é%E8 &")]);
    let event = record(&visitor);
    assert!(event.dims.subs[0].len() < long.len(), "what is recorded is cut");
    assert_eq!(sent(&visitor, "https://o.example/?a={sub1}"), format!("https://o.example/?a={long}"));
    assert_eq!(
        sent(&visitor, "https://o.example/?k={keyword}&e={external_id}&x={param:x}&y={_param:x}"),
        "https://o.example/?k=caf%E9&e=%25E9&x=%C3%A9%E8%20%26&y=%C3%A9%E8%20&",
    );
}

/// Every macro of a redirect, but those whose value is drawn.
const EVERY_MACRO: &str = "https://o.example/?{click_id}&{external_id}&{campaign_id}&{campaign_slug}&{campaign_name}\
    &{deciding_campaign_id}&{deciding_campaign_slug}&{deciding_campaign_name}&{stream_id}&{destination_id}&{source_id}\
    &{network_id}&{sub1}&{sub2}&{sub3}&{keyword}&{param:x}&{cost}&{currency}&{country}&{region}&{city}&{isp}&{ip}\
    &{user_agent}&{referrer}&{device_type}&{device_model}&{os}&{os_version}&{browser}&{language}&{is_bot}&{timestamp}\
    &{date:%F %T,Asia/Tokyo}";

#[test]
fn a_click_that_is_there_and_its_record_give_the_same_url() {
    let world = world();
    let template = UrlTemplate::parse(EVERY_MACRO, Scope::Redirect).expect("a template");
    let said = with(&[
        ("sub1", "a"),
        ("zone", "caf%E9"),
        ("kw", "Shoes\t1"),
        ("clk", "X1"),
        ("bid", "0.015"),
        ("x", "é"),
    ]);
    let german = Visitor {
        geo: std::sync::Arc::new(tfx_domain::routing::Geo { country: "DE".into(), ..(*said.geo).clone() }),
        ..said.clone()
    };
    let bot = Visitor { bot: Some("ua".into()), ..said.clone() };
    let mut seen = Vec::new();
    // Handed over, not handed over, of a bot, of nobody's link.
    for (visitor, slug) in [(&said, "main"), (&german, "main"), (&bot, "main"), (&said, "nope")] {
        let decision =
            tfx_domain::routing::decide(&world, slug, visitor, at(NOW), &Past::default(), &mut rand::rng());
        let there = click(&world, slug, visitor, &decision).url(&template, &mut rand::rng());
        let event = event(&world, slug, visitor, &decision);
        assert_eq!(template.render(&Facts::from(&event), None, &mut rand::rng()), there, "{slug}");
        seen.push(there);
    }
    let campaigns = |link: &str, name: &str, decided: &str| {
        format!("&{}&{link}&{name}&{}&{decided}&", id("cmp", link), id("cmp", decided))
    };
    assert!(seen[0].contains(&campaigns("main", "Main%20one", "next")), "{}", seen[0]);
    assert!(
        seen[0].contains(&format!("&{}&{}&a&caf%E9&", id("src", "push"), id("net", "net"))),
        "{}",
        seen[0]
    );
    assert!(seen[0].contains("&0.015&EUR&"), "{}", seen[0]);
    let own = format!("&{0}&main&Main%20one&{0}&main&Main%20one&", id("cmp", "main"));
    assert!(seen[1].contains(&own), "{}", seen[1]);
}

#[test]
fn every_fact_is_in_the_event() {
    let event = record(&with(&[
        ("sub1", "a"),
        ("zone", "z"),
        ("sub2", "not it"),
        ("sub4", "d"),
        ("kw", "Shoes"),
        ("clk", "X1"),
        ("bid", "0.015"),
    ]));
    let value = serde_json::to_value(&event).expect("serializes");
    let want = json!({
        "outcome": "routed", "request": "visit", "campaign_slug": "main", "campaign_name": "Main one",
        "deciding_campaign_slug": "next", "deciding_campaign_name": "next",
        "campaign_id": id("cmp", "main"), "deciding_campaign_id": id("cmp", "next"), "stream_id": id("str", "s"), "destination_id": id("dst", "d1"),
        "source_id": id("src", "push"), "network_id": id("net", "net"),
        "country": "US", "region": "CA", "city": "Los Angeles", "continent": "NA", "isp": "Example Wireless",
        "asn": 64500, "connection_type": "cellular", "device_type": "mobile", "device_model": "iPhone",
        "os": "iOS", "os_version": "14.2.1", "browser": "Safari", "browser_version": "14.0",
    });
    let more = json!({
        "language": "en-us", "referrer_host": "www.news.example", "referrer": "https://www.news.example/story",
        "keyword": "Shoes", "subs": ["a", "z", "", "d"], "external_id": "X1", "ip": "203.0.113.9", "is_bot": false,
        "cost": { "amount": "0.015", "currency": "EUR" },
        "unique_campaign": true, "unique_stream": true, "unique_destination": true, "bound": false,
        "config_revision": 7, "status": 0, "handed_over": [id("cmp", "main")],
        "passed": [
            { "stream_id": id("str", "de"), "reason": "filter[0] country" },
            { "stream_id": id("str", "h"), "reason": "handed_over" },
        ],
    });
    for (field, want) in [&want, &more].iter().flat_map(|w| w.as_object().expect("an object")) {
        assert_eq!(&value[field], want, "{field}");
    }
    assert_eq!(event.at, at(NOW));
}

#[test]
fn cost_is_what_the_source_says_if_that_is_sane() {
    let usual = Some("0.02 USD");
    let table = [
        (with(&[("bid", "0.5")]), Some("0.5 EUR")),
        (with(&[("bid", "0")]), Some("0 EUR")),
        (with(&[("bid", "-1")]), usual),
        (with(&[("bid", "NaN")]), usual),
        (with(&[("bid", "{bid}")]), usual),
        (with(&[("bid", "999999999")]), usual),
        (with(&[("cost", "0.5")]), usual),
        (with(&[]), usual),
        // Only people cost.
        (Visitor { bot: Some("ua".into()), ..with(&[("bid", "0.5")]) }, None),
        (Visitor { bot: Some("ua".into()), ..with(&[]) }, None),
        (Visitor { kind: RequestKind::Head, ..with(&[("bid", "0.5")]) }, None),
        (Visitor { kind: RequestKind::Prefetch, ..with(&[]) }, None),
        // It was paid when it came first.
        (Visitor { hops: 1, ..with(&[]) }, None),
    ];
    for (visitor, want) in table {
        let cost = record(&visitor).cost.map(|m| format!("{} {}", m.amount, m.currency));
        assert_eq!(cost.as_deref(), want, "{:?}", visitor.params);
    }
}

#[test]
fn how_clicks_are_paid_is_recorded_with_them() {
    let world = |campaign: serde_json::Value, source: serde_json::Value| {
        let mut main = json!({ "id": "main", "source": "push" });
        let mut push = json!({ "id": "push", "params": { "cost": "bid" }, "currency": "EUR" });
        for (entity, cost) in [(&mut main, campaign), (&mut push, source)] {
            if !cost.is_null() {
                entity["cost"] = cost;
            }
        }
        snapshot(&json!({ "sources": [push], "destinations": [{ "id": "d1" }], "campaigns": [main],
            "streams": [{ "id": "s1", "campaign": "main", "destinations": ["d1"] }] }))
    };
    let none = serde_json::Value::Null;
    let cpa = json!({ "model": "cpa", "amount": "1.5" });
    let table = [
        // Of the campaign, of the source, the link's own; what the click costs, a sale, the share.
        (none.clone(), none.clone(), "0.5", "0.5 EUR", "", ""),
        (json!({ "model": "cpm", "amount": "2.5" }), none.clone(), "", "0.0025 USD", "", ""),
        (json!({ "model": "cpm", "amount": "2.5" }), none.clone(), "0.5", "0.5 EUR", "", ""),
        (cpa.clone(), json!({ "per_click": "9" }), "0.5", "", "1.5 USD", ""),
        (none.clone(), cpa.clone(), "0.5", "", "1.5 USD", ""),
        (json!({ "model": "revshare", "percent": "30" }), none.clone(), "", "", "", "30"),
        (json!({ "model": "none" }), cpa.clone(), "0.5", "", "", ""),
        (
            none.clone(),
            json!({ "model": "cpc", "amount": "0.02", "currency": "EUR" }),
            "",
            "0.02 EUR",
            "",
            "",
        ),
    ];
    for (campaign, source, bid, cost, sale, share) in table {
        let snapshot = world(campaign.clone(), source.clone());
        let params: &[(&str, &str)] = if bid.is_empty() { &[] } else { &[("bid", bid)] };
        let told = |visitor: &Visitor| {
            let event = event(&snapshot, "main", visitor, &ask(&snapshot, visitor, &Past::default()));
            let text = |money: Option<Money>| {
                money.map(|m| format!("{} {}", m.amount, m.currency)).unwrap_or_default()
            };
            (text(event.cost), text(event.sale_cost), event.revenue_share.to_string())
        };
        let want = (cost.to_owned(), sale.to_owned(), share.to_owned());
        assert_eq!(told(&with(params)), want, "{campaign} {source}");
        let bot = Visitor { bot: Some("ua".into()), ..with(params) };
        let head = Visitor { kind: RequestKind::Head, ..with(params) };
        for nobody in [bot, head] {
            assert_eq!(told(&nobody), Default::default(), "{campaign} {source}");
        }
    }
}

#[test]
fn a_cost_that_is_none_is_told() {
    let long = "9".repeat(1000);
    let table = [
        (with(&[("bid", "abc")]), "bid=abc"),
        (with(&[("bid", "0,5")]), "bid=0,5"),
        (with(&[("bid", "-1")]), "bid=-1"),
        (with(&[("bid", "100000.01")]), "bid=100000.01"),
        (with(&[("bid", "a\r\nb")]), "bid=ab"),
        (with(&[("bid", &long)]), &format!("bid={}", &long[..64])),
        (Visitor { bot: Some("ua".into()), ..with(&[("bid", "abc")]) }, "bid=abc"),
        // A cost, nothing said, or nothing that costs.
        (with(&[("bid", "0.5")]), ""),
        (with(&[("bid", "0")]), ""),
        (with(&[("bid", "{bid}")]), ""),
        (with(&[("bid", "null")]), ""),
        (with(&[("cost", "abc")]), ""),
        (with(&[]), ""),
        (Visitor { kind: RequestKind::Head, ..with(&[("bid", "abc")]) }, ""),
        (Visitor { hops: 1, ..with(&[("bid", "abc")]) }, ""),
    ];
    for (visitor, want) in table {
        assert_eq!(record(&visitor).cost_refused, want, "{:?}", visitor.params);
    }
}

#[test]
fn what_a_bot_would_have_cost_stands_apart() {
    let bot = |params| Visitor { bot: Some("ua".into()), ..with(params) };
    let table = [
        (bot(&[("bid", "0.5")]), Some("0.5 EUR")),
        (bot(&[]), Some("0.02 USD")),
        (Visitor { kind: RequestKind::Head, ..bot(&[("bid", "0.5")]) }, None),
        (Visitor { kind: RequestKind::Prefetch, ..bot(&[]) }, None),
        (Visitor { hops: 1, ..bot(&[]) }, None),
        (with(&[("bid", "0.5")]), None),
    ];
    for (visitor, want) in table {
        let event = record(&visitor);
        let would = event.bot_cost.map(|m| format!("{} {}", m.amount, m.currency));
        assert_eq!(would.as_deref(), want, "{:?} {:?}", visitor.bot, visitor.params);
        assert!(visitor.bot.is_none() || event.cost.is_none());
    }
}

#[test]
fn a_test_is_what_came_in_on_the_link_of_one() {
    let world = |tests: &[&str]| {
        let campaign = |name: &str| json!({ "id": name, "test": tests.contains(&name) });
        snapshot(&json!({
            "destinations": [{ "id": "d1" }],
            "campaigns": [campaign("main"), campaign("next")],
            "streams": [
                { "id": "h", "campaign": "main", "action": { "type": "campaign", "campaign": "next" } },
                { "id": "s", "campaign": "next", "destinations": ["d1"] },
            ],
        }))
    };
    for (tests, want) in [(&["main"][..], true), (&["next"], false), (&["main", "next"], true), (&[], false)]
    {
        let snapshot = world(tests);
        let decision = ask(&snapshot, &person(), &Past::default());
        let event = event(&snapshot, "main", &person(), &decision);
        assert_eq!(event.dims.test, want, "{tests:?}");
        assert_eq!(serde_json::to_value(&event).expect("JSON").get("test").is_some(), want, "{tests:?}");
    }
}

#[test]
fn an_unknown_campaign_is_recorded_too() {
    let snapshot = world();
    let decision = tfx_domain::routing::decide(
        &snapshot,
        "no\u{7}pe",
        &person(),
        at(NOW),
        &Past::default(),
        &mut rand::rng(),
    );
    let event = event(&snapshot, "no\u{7}pe", &person(), &decision);
    assert_eq!(
        (event.outcome, event.campaign_slug.as_str(), event.dims.campaign_id),
        (Outcome::NotFound, "nope", None)
    );
    // Without a source, parameters go by their own names.
    assert_eq!(
        (event.dims.keyword.as_str(), event.dims.subs),
        ("Running Shoes", vec![SmolStr::new("zone7")])
    );
}

#[test]
fn referrer_hosts() {
    let table = [
        ("https://User:Pw@WWW.Example.COM.:8080/a?b#c", "www.example.com"),
        ("http://[2001:db8::1]:80/", "2001:db8::1"),
        ("android-app://com.Example.app/", "com.example.app"),
        ("not a url", ""),
        ("https://", ""),
        ("https://a\u{0}b/", "ab"),
        ("", ""),
    ];
    for (referrer, want) in table {
        assert_eq!(
            record(&Visitor { referrer: referrer.to_owned(), ..person() }).dims.referrer_host,
            want,
            "{referrer}"
        );
    }
}

fn check_bounds(event: &ClickEvent) -> Result<(), TestCaseError> {
    let dims = &event.dims;
    for text in dims.subs.iter().chain([
        &dims.keyword,
        &dims.language,
        &dims.referrer_host,
        &event.campaign_slug,
        &event.bot_reason,
    ]) {
        prop_assert!(text.chars().count() <= 256 && !text.chars().any(char::is_control), "{:?}", text);
    }
    prop_assert!(
        event.user_agent.len() <= 1024 && event.referrer.len() <= 2048 && event.external_id.len() <= 1024
    );
    prop_assert!(
        event.params.len() <= 64 && event.params.iter().all(|(n, v)| n.len() <= 128 && v.len() <= 1024)
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_sent_is_bounded_and_written(
        params in proptest::collection::vec(("(sub1|sub4|zone|kw|clk|bid|.{0,200})", prop_oneof![4 => "(?s).{0,20}", 1 => "(?s).{0,600}"]), 0..90),
        user_agent in "(?s).{0,800}",
        referrer in "(https?://)?(?s).{0,1200}",
        slug in "(main|(?s).{0,400})",
        language in proptest::option::of("(?s).{0,300}"),
        seed: u64,
    ) {
        use rand::{SeedableRng, rngs::StdRng};
        let params = params.into_iter().map(|(n, v)| (SmolStr::from(n), v)).collect();
        let visitor = Visitor { params, user_agent, referrer, language: language.map(SmolStr::from), ..person() };
        let snapshot = world();
        let decision = tfx_domain::routing::decide(&snapshot, &slug, &visitor, at(NOW), &Past::default(), &mut StdRng::seed_from_u64(seed));
        let event = event(&snapshot, &slug, &visitor, &decision);
        check_bounds(&event)?;
        let json = serde_json::to_string(&event).expect("serializes");
        let back: Value = serde_json::from_str(&json).expect("parses");
        prop_assert_eq!(serde_json::from_value::<ClickEvent>(back).expect("is an event"), event);
    }
}
