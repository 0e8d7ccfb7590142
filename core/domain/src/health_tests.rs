//! Thresholds, statuses, and that a state changes only after as many probes as it says.

use super::*;
use proptest::prelude::*;

fn check(failures: u32, successes: u32) -> HealthCheck {
    serde_json::from_value(serde_json::json!({ "failures": failures, "successes": successes }))
        .expect("a check")
}

/// The states after each of the probes, `+` a good one, `-` a bad one; and how many changes were told.
fn states(check: &HealthCheck, probes: &str) -> (String, usize) {
    let id: DestinationId = "dst_0000000000000000001".parse().expect("an id");
    let mut known: Option<DestinationHealth> = None;
    let (mut states, mut told) = (String::new(), 0);
    for (n, probe) in probes.chars().enumerate() {
        let at = Timestamp::from_second(i64::try_from(n).expect("small")).expect("a time");
        let probe = if probe == '+' {
            Probe::answered(check, 200, 5, at)
        } else {
            Probe::failed("timed_out", "no answer in time", 5, at)
        };
        let before = known.as_ref().map_or(Health::Unknown, |k| k.state);
        let (after, event) =
            DestinationHealth::after(known.as_ref(), &id, check, probe, || ClickId::generate(at, 1));
        assert_eq!(
            event.as_ref().map(|e| (e.from, e.to)),
            (before != after.state).then_some((before, after.state))
        );
        assert_eq!(after.version, known.map_or(0, |k| k.version) + 1);
        told += usize::from(event.is_some());
        states.push(match after.state {
            Health::Unknown => '?',
            Health::Up => 'u',
            Health::Down => 'd',
        });
        known = Some(after);
    }
    (states, told)
}

#[test]
fn thresholds_count_probes_in_a_row() {
    for (failures, successes, probes, expected, told) in [
        (3, 2, "+", "u", 1),
        (3, 2, "--", "??", 0),
        (3, 2, "---", "??d", 1),
        (3, 2, "+--+--+", "uuuuuuu", 1),
        (3, 2, "+---", "uuud", 2),
        (3, 2, "---+-++", "??ddddu", 2),
        (1, 1, "-+-+", "dudu", 4),
        (2, 3, "--+++", "?dddu", 2),
    ] {
        assert_eq!(states(&check(failures, successes), probes), (expected.to_owned(), told), "{probes}");
    }
}

#[test]
fn statuses_are_judged_by_the_check() {
    let usual = check(1, 1);
    for (status, healthy) in
        [(199, false), (200, true), (302, true), (399, true), (400, false), (503, false), (999, false)]
    {
        assert_eq!(usual.expects(status), healthy, "{status}");
    }
    let own = HealthCheck { expected_statuses: vec![401, 503], ..usual };
    assert!(own.expects(401) && own.expects(503) && !own.expects(200));
}

proptest! {
    #[test]
    fn a_state_changes_only_after_as_many_probes_as_it_says(
        failures in 1..5_u32,
        successes in 1..5_u32,
        probes in "[+-]{1,60}",
    ) {
        let (states, _) = states(&check(failures, successes), &probes);
        let ends_with = |upto: usize, sign: char, times: u32| {
            probes[..=upto].chars().rev().take_while(|c| *c == sign).count() >= times as usize
        };
        let mut before = '?';
        for (n, state) in states.chars().enumerate() {
            match (before, state) {
                (a, b) if a == b => {
                    prop_assert!(b != 'd' || !ends_with(n, '+', successes));
                    prop_assert!(b == 'd' || !ends_with(n, '-', failures));
                }
                ('?', 'u') => prop_assert!(ends_with(n, '+', 1)),
                ('d', 'u') => prop_assert!(ends_with(n, '+', successes)),
                (_, 'd') => prop_assert!(ends_with(n, '-', failures)),
                other => prop_assert!(false, "{other:?}"),
            }
            before = state;
        }
    }
}
