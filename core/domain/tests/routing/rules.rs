//! The rules of "Routing a click", a row each, that need no past.

use crate::kit::{Past, ask, ask_seeded, at, config, globals, line, person, snapshot, trace, unique};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc};
use tfx_domain::routing::{Device, Geo, NoCounters, RequestKind, Snapshot, Visitor, decide};

const DE: fn() -> Value = || json!([{ "field": "country", "is": ["DE"] }]);

/// The decision on `main` of an otherwise minimal configuration.
fn route(streams: &Value) -> (String, String) {
    let config = json!({
        "destinations": [{ "id": "d1" }, { "id": "d2" }, { "id": "d3", "status": "paused" }],
        "campaigns": [{ "id": "main" }],
        "streams": streams,
    });
    let snapshot = snapshot(&config);
    let decision = ask(&snapshot, &person(), &Past::default());
    (line(&decision), trace(&decision))
}

#[test]
fn streams_are_asked_in_their_order() {
    let s = |id: &str, more: Value| {
        let mut stream = json!({ "id": id, "campaign": "main", "destinations": ["d1"] });
        for (k, v) in more.as_object().expect("an object") {
            stream[k] = v.clone();
        }
        stream
    };
    let table = [
        (
            "forced before regular",
            json!([s("r", json!({})), s("f", json!({ "kind": "forced", "position": 9 }))]),
            "f d1",
            "",
        ),
        (
            "by position",
            json!([s("a", json!({ "position": 2 })), s("b", json!({ "position": 1 }))]),
            "b d1",
            "",
        ),
        ("equal positions by age", json!([s("b", json!({})), s("a", json!({}))]), "a d1", ""),
        (
            "all rejected: default",
            json!([
                s("f", json!({ "kind": "forced", "filters": DE() })),
                s("r", json!({ "filters": DE() })),
                s("z", json!({ "kind": "default" }))
            ]),
            "z d1",
            "f: filter[0] country; r: filter[0] country",
        ),
        (
            "defaults by position",
            json!([
                s("y", json!({ "kind": "default", "position": 2 })),
                s("z", json!({ "kind": "default", "position": 1 }))
            ]),
            "z d1",
            "",
        ),
        ("paused", json!([s("a", json!({ "status": "paused" })), s("b", json!({}))]), "b d1", "a: inactive"),
        ("archived is not there", json!([s("a", json!({ "status": "archived" }))]), "404", ""),
        (
            "no candidate",
            json!([s("a", json!({ "destinations": ["d3"] })), s("b", json!({}))]),
            "b d1",
            "a: no_candidate dst_00000000000000000d3=inactive",
        ),
        (
            "select position",
            json!([s("a", json!({ "destinations": ["d3", "d2", "d1"], "select": "position" }))]),
            "a d2",
            "",
        ),
        ("no stream", json!([]), "404", ""),
        (
            "text needs no destination",
            json!([s("a", json!({ "action": { "type": "text", "body": "hi" }, "destinations": [] }))]),
            "a",
            "",
        ),
        (
            "any: one passes",
            json!([s(
                "a",
                json!({ "match": "any", "filters": [{ "field": "country", "is": ["DE"] }, { "field": "os", "is": ["ios"] }] })
            )]),
            "a d1",
            "",
        ),
        (
            "any: none passes",
            json!([s(
                "a",
                json!({ "match": "any", "filters": [{ "field": "country", "is": ["DE"] }, { "field": "os", "is": ["Android"] }] })
            )]),
            "404",
            "a: filter[1] os",
        ),
        (
            "all: first that fails",
            json!([s(
                "a",
                json!({ "filters": [{ "field": "country", "is": ["US"] }, { "field": "os", "is": ["Android"] }, { "field": "bot", "is": ["true"] }] })
            )]),
            "404",
            "a: filter[1] os",
        ),
        ("any without filters", json!([s("a", json!({ "match": "any" }))]), "a d1", ""),
    ];
    for (what, streams, want, passed) in table {
        assert_eq!(route(&streams), (want.to_owned(), passed.to_owned()), "{what}");
    }
}

#[test]
fn what_no_stream_takes_goes_to_trafficback() {
    let (own, other) = ("https://T.own.example:8443/x", "https://back.example/?c={click_id}");
    /// What, slug, the campaign's trafficback, the global one, hops, and what is decided.
    type Row = (&'static str, &'static str, Option<&'static str>, Option<&'static str>, u8, &'static str);
    let table: [Row; 11] = [
        ("unknown: global", "nobody", None, Some(other), 0, "-> https://back.example/?c={click_id}"),
        ("unknown, no global", "nobody", None, None, 0, "404"),
        (
            "paused: global, not its own",
            "paused",
            Some("https://own-back.example/"),
            Some(other),
            0,
            "-> https://back.example/?c={click_id}",
        ),
        ("archived", "archived", None, None, 0, "404"),
        (
            "campaign's first",
            "main",
            Some("https://own-back.example/"),
            Some(other),
            0,
            "-> https://own-back.example/",
        ),
        ("else the global", "main", None, Some(other), 0, "-> https://back.example/?c={click_id}"),
        ("none", "main", None, None, 0, "404"),
        ("to ourselves", "main", Some(own), Some(other), 0, "508"),
        ("global to ourselves", "nobody", None, Some(own), 0, "508"),
        ("at the limit", "main", None, Some(other), 3, "-> https://back.example/?c={click_id}"),
        ("over the limit", "main", None, Some(other), 4, "508"),
    ];
    for (what, slug, campaign, global, hops, want) in table {
        let config = config(&json!({
            "campaigns": [
                { "id": "main", "trafficback_url": campaign },
                { "id": "paused", "status": "paused", "trafficback_url": campaign },
                { "id": "archived", "status": "archived" },
            ],
        }));
        let (snapshot, problems) = Snapshot::compile(config, globals(global));
        assert!(problems.is_empty(), "{problems}");
        let visitor = Visitor { hops, ..person() };
        let decision = decide(
            &snapshot,
            slug,
            &visitor,
            at("2026-03-02T12:00:00Z"),
            &NoCounters,
            &mut StdRng::seed_from_u64(1),
        );
        assert_eq!(line(&decision), want, "{what}");
        assert_eq!(decision.campaign.is_some(), slug != "nobody", "{what}");
    }
}

#[test]
fn a_loop_is_stopped_before_any_stream_is_asked() {
    let snapshot = snapshot(&json!({
        "campaigns": [{ "id": "main" }],
        "streams": [{ "id": "s", "campaign": "main", "action": { "type": "text", "body": "" } }],
    }));
    let decision = ask(&snapshot, &Visitor { hops: 4, ..person() }, &Past::default());
    assert_eq!(line(&decision), "508");
    assert_eq!(line(&ask(&snapshot, &Visitor { hops: 3, ..person() }, &Past::default())), "s");
}

#[test]
fn a_campaign_hands_over() {
    let hand = |id: &str, from: &str, to: &str| json!({ "id": id, "campaign": from, "action": { "type": "campaign", "campaign": to } });
    let end = |id: &str, of: &str, position: u32| json!({ "id": id, "campaign": of, "position": position, "action": { "type": "status", "code": 204 } });
    let chain: Vec<Value> = std::iter::once(hand("h0", "main", "c1"))
        .chain((1..7).map(|i| hand(&format!("h{i}"), &format!("c{i}"), &format!("c{}", i + 1))))
        .collect();
    let table = [
        (
            "the other decides",
            json!([hand("h", "main", "c1"), end("e", "c1", 0)]),
            "e",
            "h: handed_over",
            "main",
        ),
        (
            "its own trafficback",
            json!([hand("h", "main", "c2"), end("e", "main", 9)]),
            "-> https://c2.example/",
            "h: handed_over",
            "main",
        ),
        (
            "to a paused campaign: go on",
            json!([hand("h", "main", "off"), end("e", "main", 9)]),
            "e",
            "h: hand_over",
            "",
        ),
        (
            "to an unknown campaign: go on",
            json!([hand("h", "main", "gone"), end("e", "main", 9)]),
            "e",
            "h: hand_over",
            "",
        ),
        (
            "a circle is stopped",
            json!([hand("h", "main", "c1"), hand("i", "c1", "main"), end("e", "c1", 9)]),
            "e",
            "h: handed_over; i: hand_over",
            "main",
        ),
        (
            "five times, not six",
            Value::Array(chain),
            "404",
            "h0: handed_over; h1: handed_over; h2: handed_over; h3: handed_over; h4: handed_over; h5: hand_over",
            "main c1 c2 c3 c4",
        ),
    ];
    for (what, streams, want, passed, over) in table {
        let campaigns: Vec<Value> = (1..8)
            .map(|i| json!({ "id": format!("c{i}"), "trafficback_url": (i == 2 && what.starts_with("its")).then_some("https://c2.example/") }))
            .chain([json!({ "id": "main" }), json!({ "id": "off", "status": "paused" })])
            .collect();
        // A circle is a problem, and is served all the same.
        let (snapshot, _) =
            Snapshot::compile(config(&json!({ "campaigns": campaigns, "streams": streams })), globals(None));
        let decision = ask(&snapshot, &person(), &Past::default());
        let handed: Vec<&str> = decision.handed_over.iter().map(|c| crate::kit::short(c.as_str())).collect();
        assert_eq!(
            (line(&decision).as_str(), trace(&decision).as_str(), handed.join(" ").as_str()),
            (want, passed, over),
            "{what}"
        );
    }
}

/// Whether a person passes one filter.
fn passes(visitor: &Visitor, field: &str, is: &str) -> (bool, bool) {
    let stream = |id: &str, key: &str| json!({ "id": id, "campaign": "main", "kind": "forced", "filters": [{ "field": field, key: [is] }], "action": { "type": "status", "code": 204 } });
    let taken = |key: &str| {
        let snapshot = snapshot(&json!({
            "sources": [{ "id": "src", "params": { "external_id": "clk", "keyword": "kw", "subs": { "sub3": "zone" } } }],
            "campaigns": [{ "id": "main", "source": "src" }],
            "streams": [stream("s", key)],
        }));
        line(&ask(&snapshot, visitor, &Past::default())) == "s"
    };
    (taken("is"), taken("is_not"))
}

#[test]
fn each_field_is_compared_in_its_own_way() {
    let visitor = Visitor {
        params: [
            ("sub1", "Zone7"),
            ("zone", "77"),
            ("sub3", "other"),
            ("kw", "Running Shoes"),
            ("clk", "abc"),
            ("Ad", "9"),
        ]
        .map(|(n, v)| (n.into(), v.into()))
        .into(),
        headers: vec![("x-requested-with".into(), "com.app".into())],
        ..person()
    };
    let table = [
        ("country", "us", true),
        ("country", "DE", false),
        ("region", "CA", true),
        ("region", "us-ca", true),
        ("region", "CA-CA", false),
        ("region", "NY", false),
        ("city", "los angeles", true),
        ("city", "contains:angel", true),
        ("continent", "na", true),
        ("isp", "glob:*wireless", true),
        ("connection_type", "Cellular", true),
        ("asn", "AS64500", true),
        ("asn", "64501", false),
        ("ip", "203.0.113.0/24", true),
        ("ip", "203.0.113.10-203.0.113.20", false),
        ("ip_version", "4", true),
        ("ip_version", "6", false),
        ("device_type", "mobile", true),
        ("device_type", "tablet", false),
        ("device_model", "iphone", true),
        ("os", "iOS", true),
        ("os_version", ">= 14.2", true),
        ("os_version", ">= 14.10", false),
        ("os_version", "14", true),
        ("browser", "regex:^saf", true),
        ("browser_version", "13..14", true),
        ("language", "en", true),
        ("language", "EN-US", true),
        ("language", "en-gb", false),
        ("referrer", "news.example", true),
        ("referrer", "host:example", true),
        ("referrer", "ews.example", false),
        ("referrer", "empty", false),
        ("referrer", "glob:https://*/story", true),
        ("user_agent", "iphone os 14", true),
        ("user_agent", "glob:*android*", false),
        ("user_agent", "empty", false),
        ("keyword", "running shoes", true),
        ("external_id", "ABC", true),
        ("sub1", "zone7", true),
        ("sub3", "77", true),
        ("sub3", "other", false),
        ("sub2", "empty", true),
        ("param:sub3", "other", true),
        ("param:Ad", "9", true),
        ("param:ad", "9", false),
        ("header:X-Requested-With", "com.app", true),
        ("header:x-other", "empty", true),
        ("bot", "false", true),
        ("bot", "true", false),
        ("unique", "campaign", true),
        ("unique", "stream", true),
        ("click_limit", "hour:1", true),
        ("click_limit", "total:0", false),
        ("date", "2026-03-01..2026-03-02", true),
        ("date", "2026-03-03..", false),
        ("schedule", "mon 12:00-13:00", true),
        ("schedule", "mon 12:00-13:00 Europe/Berlin", false),
    ];
    for (field, is, want) in table {
        assert_eq!(passes(&visitor, field, is), (want, !want), "{field} is {is}");
    }
}

#[test]
fn what_is_not_known_is_nothing_that_is_asked_for() {
    let visitor = Visitor {
        geo: Arc::new(Geo::default()),
        device: Arc::new(Device::default()),
        language: None,
        ..person()
    };
    let table = [
        ("country", "US"),
        ("region", "CA"),
        ("city", "glob:*"),
        ("city", "regex:.*"),
        ("continent", "NA"),
        ("isp", "glob:*"),
        ("connection_type", "glob:*"),
        ("asn", "1"),
        ("os_version", ">= 0"),
        ("browser_version", "< 999"),
        ("language", "en"),
        ("device_type", "mobile"),
    ];
    for (field, is) in table {
        assert_eq!(passes(&visitor, field, is), (false, true), "{field} is {is}");
    }
    assert_eq!(passes(&visitor, "device_type", "unknown"), (true, false));
    assert_eq!(passes(&visitor, "os", "empty"), (true, false));
}

#[test]
fn a_mapped_address_is_ipv4() {
    let visitor = Visitor { ip: "::ffff:203.0.113.9".parse::<IpAddr>().expect("an address"), ..person() };
    assert_eq!(passes(&visitor, "ip_version", "4"), (true, false));
    assert_eq!(passes(&visitor, "ip", "203.0.113.0/24"), (true, false));
}

#[test]
fn bots_prefetches_and_head_are_routed_and_are_never_new() {
    let snapshot = snapshot(&json!({
        "destinations": [{ "id": "d1", "anti_repeat_s": 60 }],
        "campaigns": [{ "id": "main", "rotation": "weight" }],
        "streams": [{ "id": "s", "campaign": "main", "destinations": ["d1"], "bind": "destination" }],
    }));
    let table = [
        ("person", Visitor { ..person() }, true),
        ("bot", Visitor { bot: Some("user_agent".into()), ..person() }, false),
        ("prefetch", Visitor { kind: RequestKind::Prefetch, ..person() }, false),
        ("head", Visitor { kind: RequestKind::Head, ..person() }, false),
    ];
    for (what, visitor, new) in table {
        let decision = ask(&snapshot, &visitor, &Past::default());
        assert_eq!(line(&decision), "s d1", "{what}");
        let u = unique(&snapshot, &visitor, &Past::default());
        assert_eq!([u.campaign, u.stream, u.destination], [new; 3], "{what}");
    }
    let bot = Visitor { bot: Some("user_agent".into()), ..person() };
    assert_eq!(passes(&bot, "bot", "true"), (true, false));
    assert_eq!(passes(&bot, "unique", "campaign"), (false, true));
}

#[test]
fn a_snapshot_serves_what_is_whole_and_reports_the_rest() {
    let config = config(&json!({
        "destinations": [
            { "id": "d1" },
            { "id": "d2", "schedule": { "timezone": "Mars", "windows": ["x"] } },
            { "id": "d3", "network": "gone" },
        ],
        "campaigns": [{ "id": "main", "source": "gone" }, { "id": "twin", "slug": "main" }],
        "streams": [
            { "id": "broken", "campaign": "main", "filters": [{ "field": "country", "is": ["XXX"] }], "destinations": ["d1"] },
            { "id": "half", "campaign": "main", "position": 1, "destinations": ["gone", "d2", "d3"] },
            { "id": "orphan", "campaign": "none", "destinations": ["d1"] },
        ],
    }));
    let (snapshot, problems) = Snapshot::compile(config, globals(None));
    let paths: Vec<String> = problems.0.iter().map(|p| p.path.replace("0000", "")).collect();
    for part in [
        "d2.schedule.timezone",
        "d2.schedule.windows[0]",
        "d3.network",
        "main.source",
        "twin.slug",
        "filters[0].is[0]",
        "half.destinations[0]",
        "half.destinations[1]",
        "orphan.campaign",
    ] {
        assert!(paths.iter().any(|p| p.contains(part)), "{part} in {paths:#?}");
    }
    assert_eq!(paths.len(), 9, "{paths:#?}");
    let decision = ask(&snapshot, &person(), &Past::default());
    assert_eq!(line(&decision), "half d3");
    assert_eq!(snapshot.campaign("MAIN").map(|c| c.streams().len()), Some(1));
}

#[test]
fn headers_asked_for_are_listed_once() {
    let filter = |name: &str| json!([{ "field": format!("header:{name}"), "is": ["x"] }]);
    let stream = |id: &str, f: Value| json!({ "id": id, "campaign": "main", "filters": f, "action": { "type": "status", "code": 204 } });
    let snapshot = snapshot(&json!({
        "campaigns": [{ "id": "main" }],
        "streams": [stream("a", filter("X-B")), stream("b", filter("x-b")), stream("d", filter("X-A"))],
    }));
    assert_eq!(snapshot.header_names(), ["x-a", "x-b"]);
}

#[test]
fn weight_zero_serves_nobody_new_and_rejected_draws_are_repeated() {
    let s = |id: &str, weight: u32, filters: Value| json!({ "id": id, "campaign": "main", "weight": weight, "filters": filters, "action": { "type": "status", "code": 204 } });
    let snapshot = snapshot(&json!({
        "campaigns": [{ "id": "main", "rotation": "weight" }],
        "streams": [s("zero", 0, json!([])), s("de", 1_000_000, DE()), s("us", 1, json!([]))],
    }));
    for seed in 0..50 {
        let decision = ask_seeded(&snapshot, &person(), &Past::default(), seed);
        assert_eq!(line(&decision), "us");
        assert!(trace(&decision).starts_with("zero: weight_zero"));
    }
}
