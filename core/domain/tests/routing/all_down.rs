//! What becomes of a click that no stream takes because destinations are down.

use crate::kit::{NOW, Past, ask, ask_seeded, at, id, line, person, snapshot, trace};
use serde_json::{Value, json};
use tfx_domain::routing::{CapUse, Decision, Snapshot, Visitor, standings};

/// The trace with destinations by their short names.
fn told(decision: &Decision<'_>) -> String {
    trace(decision).replace("dst_00000000000000000", "")
}

fn down(names: &[&str]) -> Past {
    Past { down: names.iter().map(|name| id("dst", name)).collect(), ..Past::default() }
}

/// Two campaigns, the first with the streams of a row, the second with one to `d3`.
fn world(all_down: [&str; 2], streams: &Value, destinations: &Value) -> Snapshot {
    let mut all = json!([{ "id": "z", "campaign": "next", "destinations": ["d3"] }]);
    let list = all.as_array_mut().expect("a list");
    for stream in streams.as_array().expect("a list") {
        let mut stream = stream.clone();
        let fields = stream.as_object_mut().expect("an object");
        fields.entry("campaign").or_insert(json!("main"));
        if !fields.contains_key("action") {
            fields.entry("destinations").or_insert(json!(["d1", "d2"]));
        }
        list.push(stream);
    }
    snapshot(&json!({
        "destinations": destinations,
        "campaigns": [{ "id": "main", "all_down": all_down[0] }, { "id": "next", "all_down": all_down[1] }],
        "streams": all,
    }))
}

const IGNORE: [&str; 2] = ["ignore_health", "ignore_health"];
const NOT: [&str; 2] = ["trafficback", "trafficback"];

#[test]
fn what_is_down_takes_a_click_when_nothing_else_does_and_the_campaign_says_so() {
    let plain = || json!([{ "id": "d1" }, { "id": "d2" }, { "id": "d3" }]);
    let capped = |n: u64| {
        let mut past = down(&["d1", "d2"]);
        past.caps.insert(id("dst", "d1"), CapUse { clicks_daily: n, ..CapUse::default() });
        past
    };
    let bound = || {
        let mut past = down(&["d1", "d2"]);
        past.bound_destination.insert(id("str", "a"), id("dst", "d2"));
        past
    };
    let de = json!([{ "field": "country", "is": ["DE"] }]);
    let over = json!({ "id": "h", "action": { "type": "campaign", "campaign": "next" } });
    let table: Vec<(&str, [&str; 2], Value, Value, Past, &str, &str)> = vec![
        (
            "not asked for",
            NOT,
            json!([{ "id": "a" }]),
            plain(),
            down(&["d1", "d2"]),
            "404",
            "a: no_candidate d1=unhealthy d2=unhealthy",
        ),
        (
            "all are down",
            IGNORE,
            json!([{ "id": "a", "select": "position" }]),
            plain(),
            down(&["d1", "d2"]),
            "a d1",
            "a: no_candidate d1=unhealthy d2=unhealthy",
        ),
        ("one is not", IGNORE, json!([{ "id": "a" }]), plain(), down(&["d1"]), "a d2", ""),
        (
            "a later stream has one that is not",
            IGNORE,
            json!([{ "id": "a", "destinations": ["d1"] }, { "id": "b", "kind": "default", "destinations": ["d2"] }]),
            plain(),
            down(&["d1"]),
            "b d2",
            "a: no_candidate d1=unhealthy",
        ),
        (
            "in the streams' order, filters as ever",
            IGNORE,
            json!([
                { "id": "f", "kind": "forced", "filters": de, "destinations": ["d1"] },
                { "id": "r", "destinations": ["d2"] },
                { "id": "s", "kind": "default", "destinations": ["d1"] },
            ]),
            plain(),
            down(&["d1", "d2"]),
            "r d2",
            "f: filter[0] country; r: no_candidate d2=unhealthy; s: no_candidate d1=unhealthy",
        ),
        (
            "paused and closed ones stay away",
            IGNORE,
            json!([{ "id": "a" }]),
            json!([{ "id": "d1", "status": "paused" }, { "id": "d2", "schedule": { "windows": ["tue"] } }, { "id": "d3" }]),
            down(&["d1", "d2"]),
            "404",
            "a: no_candidate d1=inactive d2=schedule",
        ),
        (
            "a cap holds",
            IGNORE,
            json!([{ "id": "a", "destinations": ["d1"] }, { "id": "b", "destinations": ["d2"] }]),
            json!([{ "id": "d1", "caps": { "clicks_daily": 5 } }, { "id": "d2" }, { "id": "d3" }]),
            capped(5),
            "b d2",
            "a: no_candidate d1=unhealthy; b: no_candidate d2=unhealthy; a: no_candidate d1=capped",
        ),
        (
            "under its cap",
            IGNORE,
            json!([{ "id": "a", "destinations": ["d1"] }]),
            json!([{ "id": "d1", "caps": { "clicks_daily": 5 } }, { "id": "d2" }, { "id": "d3" }]),
            capped(4),
            "a d1",
            "a: no_candidate d1=unhealthy",
        ),
        (
            "all caps are spent",
            IGNORE,
            json!([{ "id": "a", "destinations": ["d1"] }]),
            json!([{ "id": "d1", "caps": { "clicks_daily": 5 } }, { "id": "d2" }, { "id": "d3" }]),
            capped(5),
            "404",
            "a: no_candidate d1=unhealthy; a: no_candidate d1=capped",
        ),
        (
            "weight 0 is for those who are bound",
            IGNORE,
            json!([{ "id": "a", "destinations": [{ "destination": "d1", "weight": 0 }, { "destination": "d2", "weight": 1 }] }]),
            plain(),
            down(&["d1", "d2"]),
            "a d2",
            "a: no_candidate d1=unhealthy d2=unhealthy",
        ),
        (
            "the bound one",
            IGNORE,
            json!([{ "id": "a", "bind": "destination", "destinations": [{ "destination": "d1", "weight": 1000 }, { "destination": "d2", "weight": 0 }] }]),
            plain(),
            bound(),
            "a d2 bound",
            "a: no_candidate d1=unhealthy d2=unhealthy",
        ),
        (
            "who hands over has taken it: the other campaign's own",
            ["trafficback", "ignore_health"],
            json!([{ "id": "a" }, over]),
            plain(),
            down(&["d1", "d2", "d3"]),
            "z d3",
            "a: no_candidate d1=unhealthy d2=unhealthy; h: handed_over; z: no_candidate d3=unhealthy",
        ),
        (
            "the other campaign says trafficback",
            ["ignore_health", "trafficback"],
            json!([{ "id": "a" }, over]),
            plain(),
            down(&["d1", "d2", "d3"]),
            "404",
            "a: no_candidate d1=unhealthy d2=unhealthy; h: handed_over; z: no_candidate d3=unhealthy",
        ),
    ];
    for (what, all_down, streams, destinations, past, want, reasons) in table {
        let snapshot = world(all_down, &streams, &destinations);
        for seed in 0..8 {
            let decision = ask_seeded(&snapshot, &person(), &past, seed);
            assert_eq!((line(&decision).as_str(), told(&decision).as_str()), (want, reasons), "{what}");
        }
    }
}

#[test]
fn weights_hold_among_what_is_down() {
    let snapshot = snapshot(&json!({
        "destinations": [{ "id": "d1" }, { "id": "d2" }],
        "campaigns": [{ "id": "main", "rotation": "weight", "all_down": "ignore_health" }],
        "streams": [
            { "id": "a", "campaign": "main", "weight": 30, "destinations": ["d1"] },
            { "id": "b", "campaign": "main", "weight": 10, "destinations": ["d2"] },
            { "id": "e", "campaign": "main", "weight": 900, "filters": [{ "field": "country", "is": ["DE"] }], "destinations": ["d2"] },
        ],
    }));
    let past = down(&["d1", "d2"]);
    let first =
        (0..4_000).filter(|seed| line(&ask_seeded(&snapshot, &person(), &past, *seed)) == "a d1").count();
    assert!((2_850..3_150).contains(&first), "three quarters: {first} of 4000");
}

#[test]
fn the_event_and_the_standings_say_it() {
    let snapshot = world(
        IGNORE,
        &json!([{ "id": "a", "select": "position" }]),
        &json!([{ "id": "d1" }, { "id": "d2", "status": "paused" }, { "id": "d3" }]),
    );
    let event = |visitor: &Visitor, past: &Past| {
        let decision = ask(&snapshot, visitor, past);
        serde_json::to_value(crate::kit::event(&snapshot, "main", visitor, &decision)).expect("JSON")
    };
    assert_eq!(event(&person(), &down(&["d1"]))["health_ignored"], true);
    assert_eq!(event(&person(), &Past::default()).get("health_ignored"), None);
    let stream = snapshot.stream(&id("str", "a").parse().expect("an id")).expect("a stream");
    for (ignored, want) in
        [(true, [("", Some(1.0)), ("inactive", None)]), (false, [("unhealthy", None), ("inactive", None)])]
    {
        let all = standings(&snapshot, stream, &person(), at(NOW), &down(&["d1"]), ignored);
        let got: Vec<_> = all.iter().map(|s| (s.why_not.as_str(), s.share)).collect();
        assert_eq!(got, want);
        assert_eq!((all[0].health_ignored, all[1].health_ignored), (ignored, false));
    }
}
