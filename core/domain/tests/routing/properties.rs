//! What holds for every configuration and every click.

use crate::kit::{NOW, Past, ask_seeded, at, config, globals, id, line, person, snapshot, trace};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tfx_domain::routing::{Reason, Resolution, Snapshot, Visitor, decide};

fn stream(position: usize) -> impl Strategy<Value = Value> {
    let filter = prop_oneof![
        Just(json!({ "field": "country", "is": ["DE"] })),
        Just(json!({ "field": "country", "is": ["US"] })),
        Just(json!({ "field": "os_version", "is": [">= 20"] })),
        Just(json!({ "field": "sub1", "is_not": ["glob:zone*"] })),
        Just(json!({ "field": "unique", "is": ["destination"] })),
    ];
    let action = prop_oneof![
        3 => Just(json!({ "type": "redirect" })),
        1 => Just(json!({ "type": "status", "code": 204 })),
        1 => Just(json!({ "type": "campaign", "campaign": "other" })),
        1 => Just(json!({ "type": "campaign", "campaign": "main" })),
    ];
    (
        prop_oneof![Just("forced"), Just("regular"), Just("default")],
        prop_oneof![3 => Just("active"), 1 => Just("paused")],
        0u32..4,
        0u32..3,
        proptest::collection::vec(filter, 0..3),
        action,
        proptest::sample::subsequence(vec!["d1", "d2", "d3"], 1..=3),
        (prop_oneof![Just("weight"), Just("position"), Just("roi")], prop_oneof![Just("none"), Just("stream"), Just("destination")]),
        prop_oneof![Just("main"), Just("other")],
    )
        .prop_map(move |(kind, status, weight, place, filters, action, destinations, (select, bind), campaign)| {
            let destinations = if action["type"] == "redirect" { json!(destinations) } else { json!([]) };
            json!({
                "id": format!("s{position}"), "campaign": campaign, "kind": kind, "status": status, "weight": weight, "position": place,
                "filters": filters, "action": action, "destinations": destinations, "select": select, "bind": bind,
            })
        })
}

fn world() -> impl Strategy<Value = Snapshot> {
    worlds().prop_map(|world| compiled(world, "trafficback"))
}

fn worlds() -> impl Strategy<Value = Value> {
    let streams = (0..9usize).map(stream).collect::<Vec<_>>();
    (streams, 0..9usize, prop_oneof![Just("position"), Just("weight")]).prop_map(|(mut streams, n, rotation)| {
        streams.truncate(n);
        json!({
            "destinations": [{ "id": "d1" }, { "id": "d2", "status": "paused" }, { "id": "d3", "anti_repeat_s": 60 }],
            "campaigns": [{ "id": "main", "rotation": rotation }, { "id": "other", "rotation": rotation }],
            "streams": streams,
        })
    })
}

/// A world whose campaigns say this about destinations that are down.
fn compiled(mut world: Value, all_down: &str) -> Snapshot {
    for campaign in world["campaigns"].as_array_mut().expect("a list") {
        campaign["all_down"] = json!(all_down);
    }
    Snapshot::compile(config(&world), globals(Some("https://back.example/"))).0
}

proptest! {
    #[test]
    fn the_same_inputs_give_the_same_decision_and_the_trace_is_whole(snapshot in world(), seed: u64) {
        let first = ask_seeded(&snapshot, &person(), &Past::default(), seed);
        let again = ask_seeded(&snapshot, &person(), &Past::default(), seed);
        prop_assert_eq!((line(&first), trace(&first)), (line(&again), trace(&again)));
        let asked: Vec<String> = first.passed.iter().map(|p| p.stream.stream.id.to_string()).chain(match first.taken {
            Resolution::Stream { stream, .. } => Some(stream.stream.id.to_string()),
            _ => None,
        }).collect();
        let once: BTreeSet<&String> = asked.iter().collect();
        prop_assert_eq!(once.len(), asked.len(), "no stream is asked twice");
        // When no stream takes the click, every stream of the campaign that ended was asked.
        if !matches!(first.taken, Resolution::Stream { .. }) {
            let ended = first.decided_by.expect("known");
            prop_assert!(ended.streams().iter().all(|s| once.contains(&s.stream.id.to_string())));
            prop_assert_eq!(line(&first), "-> https://back.example/");
        }
        let handed = first.passed.iter().filter(|p| matches!(p.reason, Reason::HandedOver)).count();
        prop_assert_eq!(handed, first.handed_over.len());
    }

    #[test]
    fn health_is_ignored_only_where_nothing_else_is_left_and_then_no_click_is_lost_for_it(
        world in worlds(),
        down in proptest::sample::subsequence(vec!["d1", "d2", "d3"], 1..=3),
        seed: u64,
    ) {
        let past = Past { down: down.iter().map(|name| id("dst", name)).collect(), ..Past::default() };
        let (heeding, ignoring) = (compiled(world.clone(), "trafficback"), compiled(world, "ignore_health"));
        let heeded = ask_seeded(&heeding, &person(), &past, seed);
        let ignored = ask_seeded(&ignoring, &person(), &past, seed);
        prop_assert!(!heeded.health_ignored);
        if !ignored.health_ignored {
            prop_assert_eq!((line(&heeded), trace(&heeded)), (line(&ignored), trace(&ignored)));
        } else {
            prop_assert_eq!(line(&heeded), "-> https://back.example/");
            prop_assert!(trace(&ignored).starts_with(&trace(&heeded)), "{} and {}", trace(&heeded), trace(&ignored));
            prop_assert_eq!(heeded.handed_over, ignored.handed_over.clone());
        }
        match ignored.taken {
            Resolution::Stream { destination: Some(to), .. } => {
                let is_down = past.down.iter().any(|d| d == to.destination.id.as_str());
                prop_assert_eq!(is_down, ignored.health_ignored, "what is down is the last resort");
            }
            Resolution::Stream { destination: None, .. } => prop_assert!(!ignored.health_ignored),
            _ => {
                // Nobody who decided would have taken it if all were up.
                let decided = ignored.decided_by.expect("known");
                for stream in decided.streams() {
                    let said = ignored.passed.iter().rfind(|p| std::ptr::eq(p.stream, stream)).expect("asked");
                    prop_assert!(!said.reason.to_string().contains("unhealthy"), "{}", trace(&ignored));
                }
                if ignored.handed_over.is_empty() {
                    let up = ask_seeded(&ignoring, &person(), &Past::default(), seed);
                    prop_assert_eq!(line(&up), line(&ignored));
                }
            }
        }
    }

    #[test]
    fn a_bound_visitor_stays_whatever_the_seed(weights in proptest::collection::vec(0u32..100, 2..8), seed: u64, pick: prop::sample::Index) {
        let streams: Vec<Value> = weights.iter().enumerate().map(|(i, w)| json!({
            "id": format!("s{i}"), "campaign": "main", "weight": w, "bind": "stream", "action": { "type": "status", "code": 204 },
        })).collect();
        let snapshot = snapshot(&json!({ "campaigns": [{ "id": "main", "rotation": "weight" }], "streams": streams }));
        let mine = format!("s{}", pick.index(weights.len()));
        let mut past = Past::default();
        past.bound_stream.insert(id("cmp", "main"), id("str", &mine));
        prop_assert_eq!(line(&ask_seeded(&snapshot, &person(), &past, seed)), format!("{mine} bound"));
    }

    #[test]
    fn nothing_a_visitor_sends_makes_deciding_panic(
        snapshot in world(),
        texts in proptest::collection::vec("(?s).{0,80}", 8),
        slug in "(main|other|(?s).{0,20})",
        hops: u8,
        now in -9_000_000_000i64..9_000_000_000,
    ) {
        let visitor = Visitor {
            user_agent: texts[0].clone(),
            referrer: texts[1].clone(),
            language: Some(SmolStr::new(&texts[2])),
            params: vec![("sub1".into(), texts[3].clone()), (SmolStr::new(&texts[4]), texts[5].clone())],
            headers: vec![(SmolStr::new(&texts[6]), texts[7].clone())],
            hops,
            ..person()
        };
        let now = tfx_domain::Timestamp::from_second(now).expect("in range");
        let _ = decide(&snapshot, &slug, &visitor, now, &Past::default(), &mut StdRng::seed_from_u64(0));
    }
}

/// How often each of several weights is drawn, against what it should be: within five standard deviations.
fn within_bounds(counts: &[usize], weights: &[u32], draws: u32) {
    let total: u32 = weights.iter().sum();
    for (count, weight) in counts.iter().zip(weights) {
        let p = f64::from(*weight) / f64::from(total);
        let mean = f64::from(draws) * p;
        let bound = 5.0 * (mean * (1.0 - p)).sqrt() + 1e-9;
        let count = f64::from(u32::try_from(*count).expect("few"));
        assert!(
            (count - mean).abs() <= bound,
            "weight {weight} of {total}: {count} of {draws}, {mean} expected"
        );
    }
}

#[test]
fn streams_and_destinations_are_drawn_by_their_weights() {
    for weights in [[1, 1, 1], [70, 20, 10], [1, 0, 999], [1_000_000, 1, 1_000_000]] {
        let streams: Vec<Value> = weights.iter().enumerate().map(|(i, w)| json!({
            "id": format!("s{i}"), "campaign": "main", "weight": w, "action": { "type": "status", "code": 204 },
        })).collect();
        let listed: Vec<Value> = weights
            .iter()
            .enumerate()
            .map(|(i, w)| json!({ "destination": format!("s{i}"), "weight": w }))
            .collect();
        let by_stream =
            snapshot(&json!({ "campaigns": [{ "id": "main", "rotation": "weight" }], "streams": streams }));
        let by_destination = snapshot(&json!({
            "destinations": [{ "id": "s0" }, { "id": "s1" }, { "id": "s2" }],
            "campaigns": [{ "id": "main" }],
            "streams": [{ "id": "all", "campaign": "main", "destinations": listed }],
        }));
        for snapshot in [by_stream, by_destination] {
            let mut rng = StdRng::seed_from_u64(42);
            let mut counts = [0; 3];
            for _ in 0..20_000 {
                let decision = decide(&snapshot, "main", &person(), at(NOW), &Past::default(), &mut rng);
                let name = line(&decision);
                let i: usize = name[name.len() - 1..].parse().expect("a number");
                counts[i] += 1;
            }
            within_bounds(&counts, &weights, 20_000);
        }
    }
}

#[test]
fn after_a_rejection_the_others_keep_their_proportion() {
    let s = |id: &str, weight: u32, filters: Value| json!({ "id": id, "campaign": "main", "weight": weight, "filters": filters, "action": { "type": "status", "code": 204 } });
    let snapshot = snapshot(&json!({
        "campaigns": [{ "id": "main", "rotation": "weight" }],
        "streams": [s("s0", 30, json!([])), s("s1", 900, json!([{ "field": "country", "is": ["DE"] }])), s("s2", 10, json!([]))],
    }));
    let mut counts = [0; 3];
    for seed in 0..20_000 {
        let name = line(&ask_seeded(&snapshot, &person(), &Past::default(), seed));
        let i: usize = name[1..].parse().expect("a number");
        counts[i] += 1;
    }
    within_bounds(&counts, &[30, 0, 10], 20_000);
}
