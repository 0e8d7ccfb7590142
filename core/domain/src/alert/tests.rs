//! The language, what holds, and the way from state to state, as tables and properties.

use super::{
    condition::{Condition, Needs, Span},
    holds::Look,
    state::{Known, Policy, Step, step},
    *,
};
use crate::{
    Timestamp,
    id::{AlertId, ClickId},
    report::Metric,
    routing::timetable::Timetable,
};
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::{collections::BTreeMap, time::Duration};

fn at(second: i64) -> Timestamp {
    // A Monday, 10:00 UTC.
    Timestamp::from_second(1_768_212_000 + second).expect("in range")
}

fn condition(text: &str) -> Condition {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn id() -> AlertId {
    AlertId::generate(at(0), 1)
}

#[test]
fn what_can_be_asked_is_read() {
    let spans = |text: &str| condition(text).needs().spans.into_iter().collect::<Vec<_>>();
    assert_eq!(spans("cr < 0.5 * avg(7d)"), [Span::Window, Span::Before(604_800)]);
    assert_eq!(spans("spend_today > 200"), [Span::Today]);
    assert_eq!(spans("COST(today) > 200"), [Span::Today]);
    assert_eq!(spans("clicks(15m) + bots > 1 or -roi >= (20 - 5) * 2"), [Span::Window, Span::Last(900)]);
    let ingestion = Needs { ingestion: [Span::Window].into(), ..Needs::default() };
    assert_eq!(condition("ingestion errors > 0").needs(), ingestion);
    assert_eq!(condition("destination down").needs(), Needs { health: true, ..Needs::default() });
    assert_eq!(condition("postbacks silent for 2h").needs(), Needs { postbacks: true, ..Needs::default() });
    assert!(condition("spend > 1").needs().money && !condition("clicks > 1").needs().money);
}

#[test]
fn what_cannot_be_read_is_shown_in_its_place() {
    let table = [
        ("", 0, "must be a figure"),
        ("cr < ", 4, "must be a figure"),
        ("cr", 0, "must be compared"),
        ("clics > 1", 0, "did you mean 'clicks'"),
        ("cr < 0.5 * avg(7x)", 15, "must be a number, or a length"),
        ("avg(7d) > cr", 0, "of which figure"),
        ("cr < avg(10s)", 9, "must be 1m to 90d"),
        ("clicks > 1 > 2", 11, "must stand between two numbers"),
        ("clicks > 1 and bots", 15, "must be compared"),
        ("clicks > 1 bots", 11, "is over here"),
        ("(clicks > 1", 11, "the bracket is open"),
        ("destination up", 12, "must be 'down'"),
        ("postbacks silent for ever", 21, "must be a length"),
        ("7d > 1", 0, "stands in brackets"),
        ("1.2.3 > 1", 0, "is not a number"),
        ("clicks & 1", 7, "has no meaning"),
        ("größe > 1", 2, "has no meaning"),
    ];
    for (text, place, message) in table {
        let bad = text.parse::<Condition>().expect_err(text);
        assert!(bad.message.contains(message), "{text}: {}", bad.message);
        let want = if text == "cr < " { 4 } else { place };
        assert_eq!(bad.at, want, "{text}: {}", bad.message);
    }
    let bad = "cr < * 2".parse::<Condition>().expect_err("bad").to_string();
    assert!(bad.ends_with("\n  cr < * 2\n       ^"), "{bad}");
    for deep in ["(".repeat(400), "-".repeat(400)] {
        assert!(deep.parse::<Condition>().expect_err("deep").message.contains("deeper"));
    }
    assert!("a".repeat(600).parse::<Condition>().expect_err("long").message.contains("longer"));
}

fn facts(window: &[(Metric, i64)], before: &[(Metric, i64)]) -> Facts {
    let of = |figures: &[(Metric, i64)]| -> BTreeMap<Metric, Decimal> {
        figures.iter().map(|(metric, value)| (*metric, Decimal::from(*value))).collect()
    };
    let figures = BTreeMap::from([(Span::Window, of(window)), (Span::Before(604_800), of(before))]);
    Facts { figures, ..Facts::default() }
}

fn observed(text: &str, facts: &Facts, min_clicks: u64) -> Observation {
    condition(text).observe(facts, &Look { window_s: 3_600, min_clicks, now: at(0) })
}

#[test]
fn a_condition_holds_or_not_or_there_is_no_data() {
    use Metric::{Clicks, Cost, Cr};
    let known = facts(&[(Clicks, 100), (Cr, 1), (Cost, 30)], &[(Clicks, 168_000), (Cr, 4), (Cost, 168)]);
    let table = [
        ("cr < 0.5 * avg(7d)", Some(true)),
        ("cr < 0.2 * avg(7d)", Some(false)),
        // 168,000 clicks in 7 days are 1,000 in an hour.
        ("clicks = 0.1 * avg(7d)", Some(true)),
        ("cost >= 30 * avg(7d)", Some(true)),
        ("clicks > 10 and cost < 30 or cr != 1", Some(false)),
        ("clicks - 50 * 2 <= 0", Some(true)),
        ("roi < -20", None),
        // What one alone decides is decided.
        ("roi < -20 and clicks > 100", Some(false)),
        ("roi < -20 or clicks = 100", Some(true)),
        ("roi < -20 and clicks = 100", None),
        ("clicks / (cr - 1) > 1", None),
        ("destination down", None),
        ("ingestion errors > 0", None),
    ];
    for (text, want) in table {
        let observation = observed(text, &known, 0);
        let is = match &observation.verdict {
            Verdict::Holds => Some(true),
            Verdict::Not => Some(false),
            Verdict::NoData(why) | Verdict::Over(why) => {
                assert!(!why.is_empty(), "{text}");
                None
            }
        };
        assert_eq!(is, want, "{text}: {observation:?}");
    }
    assert_eq!(observed("cr < 0.5 * avg(7d)", &known, 0).values, "cr 1, avg(cr, 7d) 4");
    let few = observed("cr < 0.5 * avg(7d)", &known, 101);
    let why = "100 clicks in 1h, and 101 are the least (min_clicks)".to_owned();
    assert_eq!(few.verdict, Verdict::NoData(why));
    let silent = Facts { last_postback: Some(Ok(at(-7_200))), ..Facts::default() };
    assert_eq!(observed("postbacks silent for 2h", &silent, 0).verdict, Verdict::Holds);
    assert_eq!(observed("postbacks silent for 3h", &silent, 0).verdict, Verdict::Not);
    let down = Facts { down: Some(Ok(true)), ..Facts::default() };
    assert_eq!(observed("destination down", &down, 0).verdict, Verdict::Holds);
}

fn policy(hold: u64, clear: u64) -> Policy {
    Policy {
        hold: Duration::from_secs(hold),
        clear: Duration::from_secs(clear),
        no_data_after: None,
        quiet: None,
        action: None,
        return_after: None,
    }
}

fn saw(verdict: Verdict) -> Observation {
    Observation { verdict, values: String::new() }
}

/// What each look leads to: the second, what was seen (`y`, `n`, `?`, over), and the steps.
fn follow(policy: &Policy, looks: &[(i64, char)]) -> (AlertState, Vec<Vec<Step>>) {
    let (mut state, mut all) = (None, Vec::new());
    for (second, seen) in looks {
        let verdict = match seen {
            'y' => Verdict::Holds,
            'n' => Verdict::Not,
            'o' => Verdict::Over("why".to_owned()),
            _ => Verdict::NoData("why".to_owned()),
        };
        let (next, steps) = step(policy, state.as_ref(), (&id(), &[]), saw(verdict), at(*second));
        state = Some(next);
        all.push(steps);
    }
    (state.expect("a look"), all)
}

#[test]
fn an_alert_is_pending_fires_and_is_cleared() {
    use Step::{Cleared, Fired, TellCleared, TellFiring};
    let (state, steps) = follow(
        &policy(60, 120),
        &[(0, 'n'), (60, 'y'), (119, 'y'), (120, 'y'), (180, 'y'), (240, 'n'), (300, 'n'), (360, 'n')],
    );
    let none = Vec::new;
    let fired = vec![Fired, TellFiring];
    let cleared = vec![Cleared(at(120)), TellCleared];
    assert_eq!(steps, [none(), none(), none(), fired.clone(), none(), none(), none(), cleared]);
    assert_eq!((state.phase, state.version, state.told), (Phase::Ok, 8, Known::Fine));
    // At once, and not long enough.
    assert_eq!(follow(&policy(0, 0), &[(0, 'y')]).1, [fired]);
    let (state, steps) = follow(&policy(60, 0), &[(0, 'y'), (30, 'n'), (70, 'y'), (100, 'y')]);
    assert!(steps.concat().is_empty() && state.phase == Phase::Pending && state.since == at(70));
}

#[test]
fn no_data_is_never_fine() {
    use Step::{Fired, TellData, TellFiring, TellNoData};
    // It ends what is pending, and clears nothing that fires.
    let (state, steps) = follow(&policy(60, 60), &[(0, 'y'), (30, '?'), (70, 'y')]);
    assert!(steps.concat().is_empty() && state.since == at(70), "{state:?}");
    let (state, steps) =
        follow(&policy(0, 60), &[(0, 'y'), (60, 'n'), (90, '?'), (130, 'n'), (180, '?'), (900, '?')]);
    assert_eq!(steps.concat(), [Fired, TellFiring]);
    assert_eq!(state.phase, Phase::Firing);
    assert_eq!(state.no_data.expect("said").since, at(180));
    let told = Policy { no_data_after: Some(Duration::from_secs(100)), ..policy(0, 0) };
    let (_, steps) = follow(&told, &[(0, 'n'), (10, '?'), (60, '?'), (110, '?'), (200, '?'), (210, 'n')]);
    assert_eq!(steps.concat(), [TellNoData, TellData]);
}

#[test]
fn what_is_about_nothing_any_more_ends_and_is_told_once() {
    use Step::{Cleared, Fired, TellCleared, TellFiring, TellNoData, TellPassed};
    let (state, steps) = follow(&policy(0, 600), &[(0, 'y'), (60, '?'), (120, 'o'), (180, 'o')]);
    assert_eq!(steps.concat(), [Fired, TellFiring, Cleared(at(0)), TellCleared]);
    assert!(!state.is_open(), "{state:?}");
    let (state, steps) = follow(&policy(60, 0), &[(0, 'y'), (30, 'o')]);
    assert!(steps.concat().is_empty() && !state.is_open(), "{state:?}");
    // That there is no data is taken back, and not by saying that there is.
    let told = Policy { no_data_after: Some(Duration::from_secs(100)), ..policy(0, 0) };
    let (state, steps) = follow(&told, &[(0, '?'), (110, '?'), (200, 'o'), (300, 'o')]);
    assert_eq!(steps.concat(), [TellNoData, TellCleared]);
    assert!(!state.is_open(), "{state:?}");
    // In quiet hours it waits until they are over.
    let quiet = Timetable::compile("UTC", &["10:00-11:00".to_owned()]).expect("hours");
    let quiet = Policy { quiet: Some(quiet), ..policy(0, 0) };
    let (state, steps) = follow(&quiet, &[(0, 'y'), (60, 'o'), (120, 'o'), (3_600, 'o'), (3_660, 'o')]);
    assert_eq!(steps.concat(), [Fired, Cleared(at(0)), TellPassed(at(0))]);
    assert!(!state.is_open(), "{state:?}");
}

#[test]
fn quiet_hours_hold_up_what_is_told_and_nothing_else() {
    use Step::{Act, Cleared, Fired, TellCleared, TellFiring, TellPassed};
    let quiet = Timetable::compile("UTC", &["10:00-11:00".to_owned()]).expect("hours");
    let quiet = Policy { quiet: Some(quiet), action: Some(false), ..policy(0, 0) };
    let hour = 3_600;
    // What still fires is told after them.
    let (_, steps) = follow(&quiet, &[(0, 'y'), (60, 'y'), (hour, 'y'), (hour + 60, 'n')]);
    assert_eq!(steps.concat(), [Fired, Act(true), TellFiring, Cleared(at(0)), TellCleared]);
    assert_eq!(steps[0].len(), 2);
    // What is over is told once, too.
    let (state, steps) = follow(&quiet, &[(0, 'y'), (60, 'n'), (hour, 'n'), (hour + 60, 'n')]);
    assert_eq!(steps.concat(), [Fired, Act(true), Cleared(at(0)), TellPassed(at(0))]);
    assert!(!state.is_open());
    // What was told before them, and is over, is told after them.
    let (_, steps) = follow(&quiet, &[(-60, 'y'), (60, 'n'), (hour, 'n')]);
    assert_eq!(steps.concat(), [Fired, Act(true), TellFiring, Cleared(at(-60)), TellCleared]);
    // Over and there again: they know.
    let (_, steps) = follow(&quiet, &[(-60, 'y'), (60, 'n'), (120, 'y'), (hour, 'y')]);
    assert!(!steps.concat()[3..].contains(&TellFiring), "{steps:?}");
}

#[test]
fn what_is_done_begins_dry_and_is_taken_back_once() {
    use Step::{Act, Return, TellAction};
    let of = |armed, return_after: Option<u64>, looks: &[(i64, char)]| {
        let policy = Policy {
            action: Some(armed),
            return_after: return_after.map(Duration::from_secs),
            ..policy(0, 0)
        };
        let steps = follow(&policy, looks).1.concat();
        steps.into_iter().filter(|s| matches!(s, Act(_) | Return(_))).collect::<Vec<_>>()
    };
    assert_eq!(of(false, None, &[(0, 'y'), (60, 'y'), (120, 'n')]), [Act(true)]);
    assert_eq!(of(true, None, &[(0, 'y'), (60, '?'), (120, 'n'), (180, 'n')]), [Act(false), Return(None)]);
    // Not while it holds; at the latest so long after that, and then again as soon as it holds.
    let looks =
        [(0, 'y'), (120, 'y'), (180, '?'), (240, '?'), (300, '?'), (360, 'y'), (420, 'n'), (480, 'y')];
    let want = [Act(false), Return(None), Act(false), Return(None), Act(false)];
    assert_eq!(of(true, Some(120), &looks), want);
    assert_eq!(of(true, Some(120), &looks[..3]), want[..1]);
    assert_eq!(of(true, Some(120), &looks[..4]), want[..2]);
    // It is armed while it fires.
    let dry = Policy { action: Some(false), ..policy(0, 0) };
    let (state, _) = step(&dry, None, (&id(), &[]), saw(Verdict::Holds), at(0));
    let armed = Policy { action: Some(true), ..dry };
    let (_, steps) = step(&armed, Some(&state), (&id(), &[]), saw(Verdict::Holds), at(60));
    assert_eq!(steps, [Act(false), TellAction], "channels know of the dry run alone");
}

#[test]
fn channels_are_told_of_every_pause_and_return() {
    use Step::{Act, Cleared, Fired, Return, TellAction, TellCleared, TellFiring, TellPassed};
    let after = Some(Duration::from_secs(60));
    let loud = Policy { action: Some(true), return_after: after, ..policy(0, 0) };
    let looks = [(0, 'y'), (60, '?'), (120, '?'), (180, 'y'), (240, 'n'), (300, 'n')];
    let (state, steps) = follow(&loud, &looks);
    assert_eq!(steps[0], [Fired, Act(false), TellFiring]);
    assert_eq!(steps[1], [Return(None), TellAction]);
    assert_eq!(steps[2], []);
    assert_eq!(steps[3], [Act(false), TellAction]);
    assert_eq!(steps[4], [Cleared(at(0)), Return(None), TellCleared]);
    assert!(!state.is_open(), "{state:?}");
    // Quiet hours hold it up: what is so after them is told.
    let quiet = Timetable::compile("UTC", &["10:00-11:00".to_owned()]).expect("hours");
    let quiet = Policy { quiet: Some(quiet), ..loud };
    let (_, steps) = follow(&quiet, &[(-60, 'y'), (60, '?'), (120, 'y'), (180, '?'), (3_600, '?')]);
    let told = steps.concat().into_iter().filter(|s| *s == TellAction).count();
    assert_eq!((told, steps[4].contains(&TellAction)), (1, true), "{steps:?}");
    let (state, steps) = follow(&quiet, &[(0, 'y'), (60, 'n'), (3_600, 'n')]);
    assert_eq!(steps[2], [TellPassed(at(0))]);
    assert!(state.acted.is_some_and(|acted| acted.returned), "what is told says so");
}

proptest! {
    /// However a condition flaps, if it never stays away for long enough one pair of notices is sent at most.
    #[test]
    fn what_flaps_within_its_hysteresis_sends_one_pair_at_most(
        looks in prop::collection::vec((1_i64..60, any::<bool>()), 1..200),
        hold in 0_u64..100,
    ) {
        let policy = policy(hold, 60);
        let (mut state, mut told, mut now, mut last_held) = (None, Vec::new(), 0, 0);
        for (pause, holds) in looks {
            now += pause;
            // A condition that has not held for the time to clear holds again.
            let holds = holds || now - last_held >= 60;
            if holds {
                last_held = now;
            }
            let verdict = if holds { Verdict::Holds } else { Verdict::Not };
            let (next, steps) = step(&policy, state.as_ref(), (&id(), &[]), saw(verdict), at(now));
            state = Some(next);
            told.extend(steps.into_iter().filter(|s| matches!(s, Step::TellFiring | Step::TellCleared)));
        }
        prop_assert!(told.len() <= 2, "{:?}", told);
    }

    /// Notices come in turns: it fires, it is cleared.
    #[test]
    fn what_is_told_comes_in_turns(seen in prop::collection::vec(0_u8..3, 1..100), hold in 0_u64..200, clear in 0_u64..200) {
        let looks: Vec<(i64, char)> = seen.iter().zip(0..).map(|(s, n)| (n * 60, ['y', 'n', '?'][usize::from(*s)])).collect();
        let told: Vec<Step> = follow(&policy(hold, clear), &looks).1.concat();
        let told = told.into_iter().filter(|s| matches!(s, Step::TellFiring | Step::TellCleared));
        for (n, step) in told.enumerate() {
            prop_assert_eq!(step, if n % 2 == 0 { Step::TellFiring } else { Step::TellCleared });
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".{0,80}") {
        let _ = text.parse::<Condition>();
    }

    #[test]
    fn no_words_break_the_reader(words in prop::collection::vec(
        prop::sample::select(vec!["cr", "clicks_today", "avg", "(", ")", "7d", "<", ">=", "*", "-", "and", "or", "0.5",
            "destination", "down", "postbacks", "silent", "for", "ingestion", "errors", ",", "today"]), 0..30)) {
        let text = words.join(" ");
        if let Ok(read) = text.parse::<Condition>() {
            let _ = read.observe(&Facts::default(), &Look { window_s: 60, min_clicks: 1, now: at(0) });
            prop_assert_eq!(read.to_string().parse::<Condition>(), Ok(read));
        }
    }
}

#[test]
fn channels_are_read_and_shown_without_their_secrets() {
    let good = [
        ("webhook:https://a.example/hook?token=canary", "webhook:https://a.example/***"),
        ("webhook:https://me:canary@a.example:8443?canary", "webhook:https://***@a.example:8443/***"),
        ("webhook:https://a.example#canary", "webhook:https://a.example/***"),
        ("webhook:https://a.example/", "webhook:https://a.example/"),
        ("webhook:https://a.example", "webhook:https://a.example"),
        ("slack:https://hooks.slack.example/services/T1/B1/canary", "slack:https://hooks.slack.example/***"),
        ("slack:https://discord.example/api/webhooks/canary/slack", "slack:https://discord.example/***"),
        ("telegram:-1001234567890", "telegram:-1001234567890"),
        ("telegram:@ops_channel", "telegram:@ops_channel"),
        ("mail:anna@example.com", "mail:anna@example.com"),
    ];
    for (text, shown) in good {
        assert_eq!(Channel::parse(text).expect(text).shown(), shown);
    }
    let bad = [
        "",
        "slack",
        "slack:hooks.slack.example",
        "webhook:ftp://a.example",
        "webhook:https://",
        "mail:anna",
        "sms:1",
        "telegram:",
        "telegram:x",
        "webhook:https://a.example/ b",
    ];
    for text in bad {
        assert!(Channel::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_notice_is_what_each_channel_asks_for() {
    let notice = Notice {
        id: ClickId::generate(at(0), 7),
        alert: id(),
        slug: "cr-drop".to_owned(),
        name: "CR <drop> & more".to_owned(),
        told: Told::Firing,
        group: vec![GroupPart {
            dimension: "campaign".to_owned(),
            value: "cmp_1".to_owned(),
            label: "summer".to_owned(),
        }],
        when: "cr < 1".to_owned(),
        values: "cr 0.5".to_owned(),
        since: at(0),
        at: at(0),
        action: "pauses the stream summer/main".to_owned(),
    };
    let text = "FIRING CR <drop> & more: campaign=summer\nwhen cr < 1\ncr 0.5\nsince 2026-01-12 10:00:00 UTC\n\
        pauses the stream summer/main\n";
    assert!(notice.text().starts_with(text), "{}", notice.text());
    assert!(notice.text().ends_with(&format!("(notice {})", notice.id)));
    let body = |channel: &str| notice.body(&Channel::parse(channel).expect("a channel"));
    let slack = body("slack:https://s.example/x").expect("a body");
    assert!(
        slack["text"].as_str().is_some_and(|t| t.starts_with("FIRING CR &lt;drop&gt; &amp; more")),
        "{slack}"
    );
    let telegram = body("telegram:-5").expect("a body");
    assert_eq!(
        (&telegram["chat_id"], telegram["text"].as_str()),
        (&"-5".into(), Some(notice.text().as_str()))
    );
    let webhook = body("webhook:https://s.example/x").expect("a body");
    assert_eq!((&webhook["told"], &webhook["slug"]), (&"firing".into(), &"cr-drop".into()));
    assert_eq!(webhook["group"][0]["label"], "summer");
    assert_eq!(body("mail:anna@example.com"), None);
    let long = Notice { values: "ü".repeat(9_000), ..notice };
    assert!(long.text().chars().count() <= 3_501);
}
