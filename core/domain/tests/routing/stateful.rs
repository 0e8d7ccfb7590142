//! The rules that depend on what happened before: bindings, anti-repeat, caps, health, uniqueness, ROI.

use crate::kit::{NOW, Past, ask, ask_seeded, at, id, line, person, snapshot, trace, unique};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tfx_domain::routing::{CapUse, RequestKind, Roi, Snapshot, Visitor};

fn two_streams(change: impl FnOnce(&mut Value)) -> Snapshot {
    let mut config = json!({
        "destinations": [{ "id": "d1" }, { "id": "d2" }],
        "campaigns": [{ "id": "main", "rotation": "weight" }],
        "streams": [
            { "id": "a", "campaign": "main", "weight": 0, "bind": "stream", "destinations": ["d1"] },
            { "id": "b", "campaign": "main", "weight": 100, "bind": "stream", "destinations": ["d2"] },
        ],
    });
    change(&mut config);
    snapshot(&config)
}

fn bound_to(stream: &str) -> Past {
    let mut past = Past::default();
    past.bound_stream.insert(id("cmp", "main"), id("str", stream));
    past
}

#[test]
fn a_bound_visitor_keeps_his_stream_as_long_as_it_can_take_him() {
    type Change = fn(&mut Value);
    let table: [(&str, Change, &str, &str); 9] = [
        ("kept, even at weight 0", |_| (), "a d1 bound", ""),
        ("paused", |c| c["streams"][0]["status"] = json!("paused"), "b d2", "a: inactive"),
        ("archived", |c| c["streams"][0]["status"] = json!("archived"), "b d2", ""),
        (
            "filters fail",
            |c| c["streams"][0]["filters"] = json!([{ "field": "country", "is": ["DE"] }]),
            "b d2",
            "a: filter[0] country",
        ),
        (
            "no candidate",
            |c| c["destinations"][0]["status"] = json!("paused"),
            "b d2",
            "a: no_candidate dst_00000000000000000d1=inactive",
        ),
        ("it binds no more", |c| c["streams"][0]["bind"] = json!("none"), "b d2", "a: weight_zero"),
        ("no longer regular", |c| c["streams"][0]["kind"] = json!("default"), "b d2", ""),
        ("gone", |c| c["streams"].as_array_mut().expect("a list").truncate(0), "404", ""),
        (
            "by position bindings decide nothing",
            |c| c["campaigns"][0]["rotation"] = json!("position"),
            "a d1",
            "",
        ),
    ];
    for (what, change, want, passed) in table {
        let snapshot = two_streams(change);
        let decision = ask(&snapshot, &person(), &bound_to("a"));
        assert_eq!((line(&decision).as_str(), trace(&decision).as_str()), (want, passed), "{what}");
    }
    let snapshot = two_streams(|_| ());
    for visitor in [
        Visitor { bot: Some("ua".into()), ..person() },
        Visitor { kind: RequestKind::Head, ..person() },
        Visitor { kind: RequestKind::Prefetch, ..person() },
    ] {
        assert_eq!(line(&ask(&snapshot, &visitor, &bound_to("a"))), "b d2");
    }
}

fn one_stream(destinations: &Value, more: &Value) -> Snapshot {
    let mut stream =
        json!({ "id": "s", "campaign": "main", "destinations": ["d1", "d2"], "select": "position" });
    for (k, v) in more.as_object().expect("an object") {
        stream[k] = v.clone();
    }
    snapshot(
        &json!({ "destinations": destinations, "campaigns": [{ "id": "main", "unique_window_s": 3600 }], "streams": [stream] }),
    )
}

#[test]
fn a_bound_destination_is_kept_while_it_is_a_candidate() {
    let mut past = Past::default();
    past.bound_destination.insert(id("str", "s"), id("dst", "d2"));
    let plain = json!([{ "id": "d1" }, { "id": "d2" }]);
    let bind = json!({ "bind": "destination" });
    let zero = json!({ "bind": "destination", "select": "weight", "destinations": [{ "destination": "d1" }, { "destination": "d2", "weight": 0 }] });
    let table = [
        ("kept", &plain, &bind, "s d2 bound"),
        ("kept at weight 0", &plain, &zero, "s d2 bound"),
        ("the stream only", &plain, &json!({ "bind": "stream" }), "s d1"),
        ("paused", &json!([{ "id": "d1" }, { "id": "d2", "status": "paused" }]), &bind, "s d1"),
    ];
    for (what, destinations, more, want) in table {
        assert_eq!(line(&ask(&one_stream(destinations, more), &person(), &past)), want, "{what}");
    }
    // A stranger is never sent to weight 0.
    let snapshot = one_stream(&plain, &zero);
    assert!((0..50).all(|seed| line(&ask_seeded(&snapshot, &person(), &Past::default(), seed)) == "s d1"));
    let bot = Visitor { bot: Some("ua".into()), ..person() };
    assert_eq!(line(&ask(&one_stream(&plain, &bind), &bot, &past)), "s d1");
}

#[test]
fn a_destination_is_passed_over_for_each_reason() {
    let ago = |s: i64| at(NOW) - SignedDuration::from_secs(s);
    let seen = |s| Past { seen: [(id("dst", "d1"), ago(s))].into(), ..Past::default() };
    let used = |clicks_daily, clicks_total, conversions_daily, conversions_total| Past {
        caps: [(
            id("dst", "d1"),
            CapUse { clicks_daily, clicks_total, conversions_daily, conversions_total },
        )]
        .into(),
        ..Past::default()
    };
    let down = || Past { down: vec![id("dst", "d1")], ..Past::default() };
    let caps =
        json!({ "clicks_daily": 10, "clicks_total": 100, "conversions_daily": 2, "conversions_total": 20 });
    let table = [
        ("candidate", json!({}), Past::default(), ""),
        ("open", json!({ "schedule": { "windows": ["mon 12:00-13:00"] } }), Past::default(), ""),
        (
            "closed",
            json!({ "schedule": { "timezone": "Europe/Berlin", "windows": ["mon 12:00-13:00"] } }),
            Past::default(),
            "schedule",
        ),
        ("down", json!({}), down(), "unhealthy"),
        ("under its caps", json!({ "caps": caps }), used(9, 99, 1, 19), ""),
        ("clicks today", json!({ "caps": caps }), used(10, 0, 0, 0), "capped"),
        ("clicks ever", json!({ "caps": caps }), used(0, 100, 0, 0), "capped"),
        ("conversions today", json!({ "caps": caps }), used(0, 0, 2, 0), "capped"),
        ("conversions ever", json!({ "caps": caps }), used(0, 0, 0, 21), "capped"),
        ("no such cap", json!({ "caps": { "clicks_daily": 5 } }), used(4, 999, 999, 999), ""),
        ("cap 0 is closed", json!({ "caps": { "clicks_daily": 0 } }), Past::default(), "capped"),
        ("seen just now", json!({ "anti_repeat_s": 60 }), seen(59), "repeat"),
        ("seen by another clock", json!({ "anti_repeat_s": 60 }), seen(-5), "repeat"),
        ("seen long ago", json!({ "anti_repeat_s": 60 }), seen(60), ""),
        ("seen, no window", json!({}), seen(1), ""),
        ("paused", json!({ "status": "paused" }), Past::default(), "inactive"),
        ("archived", json!({ "status": "archived" }), Past::default(), "inactive"),
    ];
    for (what, mut first, past, why) in table {
        first["id"] = json!("d1");
        let both = one_stream(&json!([first, { "id": "d2" }]), &json!({}));
        assert_eq!(
            line(&ask(&both, &person(), &past)),
            if why.is_empty() { "s d1" } else { "s d2" },
            "{what}"
        );
        let alone = one_stream(&json!([first]), &json!({ "destinations": ["d1"] }));
        let decision = ask(&alone, &person(), &past);
        let want = if why.is_empty() {
            String::new()
        } else {
            format!("s: no_candidate dst_00000000000000000d1={why}")
        };
        assert_eq!(trace(&decision), want, "{what}");
        if why == "repeat" {
            let bot = Visitor { bot: Some("ua".into()), ..person() };
            assert_eq!(line(&ask(&alone, &bot, &past)), "s d1", "{what}, bot");
        }
    }
}

#[test]
fn a_visitor_is_new_again_after_the_window() {
    let snapshot = one_stream(&json!([{ "id": "d1" }, { "id": "d2" }]), &json!({}));
    let ago = |s: i64| at(NOW) - SignedDuration::from_secs(s);
    let seen = |list: &[(&str, &str, i64)]| Past {
        seen: list.iter().map(|(prefix, name, s)| (id(prefix, name), ago(*s))).collect(),
        ..Past::default()
    };
    let table: [(&[(&str, &str, i64)], [bool; 3]); 5] = [
        (&[], [true, true, true]),
        (&[("cmp", "main", 3599)], [false, true, true]),
        (&[("cmp", "main", 3600)], [true, true, true]),
        (&[("cmp", "main", 1), ("str", "s", 1), ("dst", "d1", 1)], [false, false, false]),
        (&[("dst", "d2", 1)], [true, true, true]),
    ];
    for (list, want) in table {
        let u = unique(&snapshot, &person(), &seen(list));
        assert_eq!([u.campaign, u.stream, u.destination], want, "{list:?}");
    }
}

#[test]
fn the_link_says_who_is_new_in_its_own_window_and_who_decides_in_his() {
    let snapshot = snapshot(&json!({
        "destinations": [{ "id": "d1" }],
        "campaigns": [{ "id": "main", "unique_window_s": 100 }, { "id": "next", "unique_window_s": 1000 }],
        "streams": [
            { "id": "h", "campaign": "main", "action": { "type": "campaign", "campaign": "next" } },
            { "id": "s", "campaign": "next", "destinations": ["d1"] },
        ],
    }));
    let table: [(&[(&str, &str, i64)], [bool; 3]); 6] = [
        (&[], [true, true, true]),
        (&[("cmp", "main", 99)], [false, true, true]),
        (&[("cmp", "main", 100)], [true, true, true]),
        (&[("cmp", "next", 1)], [true, true, true]),
        (&[("str", "s", 999), ("dst", "d1", 999)], [true, false, false]),
        (&[("str", "s", 1000), ("dst", "d1", 1000), ("str", "h", 1)], [true, true, true]),
    ];
    for (list, want) in table {
        let ago = |s: i64| at(NOW) - SignedDuration::from_secs(s);
        let seen = list.iter().map(|(prefix, name, s)| (id(prefix, name), ago(*s))).collect();
        let u = unique(&snapshot, &person(), &Past { seen, ..Past::default() });
        assert_eq!([u.campaign, u.stream, u.destination], want, "{list:?}");
    }
}

#[test]
fn uniqueness_filters_ask_the_past() {
    let ago = at(NOW) - SignedDuration::from_secs(10);
    let table: [(&str, &[(&str, &str)], bool); 7] = [
        ("campaign", &[], true),
        ("campaign", &[("cmp", "main")], false),
        ("stream", &[("cmp", "main")], true),
        ("stream", &[("str", "s")], false),
        // One destination he has not seen is left.
        ("destination", &[("dst", "d1")], true),
        ("destination", &[("dst", "d1"), ("dst", "d2")], false),
        ("destination", &[("cmp", "main"), ("str", "s")], true),
    ];
    for (scope, seen, want) in table {
        let more = json!({ "filters": [{ "field": "unique", "is": [scope] }] });
        let snapshot = one_stream(&json!([{ "id": "d1" }, { "id": "d2" }]), &more);
        let past = Past { seen: seen.iter().map(|(p, n)| (id(p, n), ago)).collect(), ..Past::default() };
        assert_eq!(line(&ask(&snapshot, &person(), &past)) == "s d1", want, "{scope} {seen:?}");
    }
}

#[test]
fn a_stream_at_its_click_limit_is_passed_over() {
    let more = json!({ "filters": [{ "field": "click_limit", "is": ["day:5"] }] });
    let snapshot = one_stream(&json!([{ "id": "d1" }, { "id": "d2" }]), &more);
    for (clicks, want) in [(4, ""), (5, "s: filter[0] click_limit"), (6, "s: filter[0] click_limit")] {
        assert_eq!(trace(&ask(&snapshot, &person(), &Past { clicks, ..Past::default() })), want, "{clicks}");
    }
}

#[test]
fn roi_prefers_the_best_and_still_tries_the_others() {
    let snapshot = one_stream(&json!([{ "id": "d1" }, { "id": "d2" }]), &json!({ "select": "roi" }));
    let roi = |revenue| Roi { clicks: 1_000, revenue, cost: 50.0 };
    // d2 has no data.
    let past = Past { roi: [(id("dst", "d1"), roi(100.0))].into(), ..Past::default() };
    let first =
        (0..2_000).filter(|seed| line(&ask_seeded(&snapshot, &person(), &past, *seed)) == "s d1").count();
    assert!((900..1_100).contains(&first), "alone with data it is the average: {first} of 2000");
    let past =
        Past { roi: [(id("dst", "d1"), roi(100.0)), (id("dst", "d2"), roi(10.0))].into(), ..Past::default() };
    let first =
        (0..2_000).filter(|seed| line(&ask_seeded(&snapshot, &person(), &past, *seed)) == "s d1").count();
    assert!((1_860..1_940).contains(&first), "95 % to the best: {first} of 2000");
}

#[test]
fn what_used_the_click_includes_who_handed_it_over() {
    let snapshot = snapshot(&json!({
        "campaigns": [{ "id": "main" }, { "id": "next" }],
        "streams": [
            { "id": "h", "campaign": "main", "action": { "type": "campaign", "campaign": "next" } },
            { "id": "e", "campaign": "next", "action": { "type": "status", "code": 204 } },
        ],
    }));
    let decision = ask(&snapshot, &person(), &Past::default());
    let took: Vec<String> = decision.took().map(|s| s.stream.id.to_string()).collect();
    assert_eq!(took, [id("str", "h"), id("str", "e")]);
}
