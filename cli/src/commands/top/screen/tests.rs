//! Keys and screens, without a terminal: what is shown after what, at 80×24 and at 120×40.

use super::{
    super::{
        look::Look as Seen,
        state::{Effect, Event, Question},
    },
    *,
};
use crate::commands::status::{Destinations, EventLog, Events, ServiceStatus, Status};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};
use tfx_api::report::Dimension;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

fn answer(by: &str, rows: &Value) -> ReportAnswer {
    serde_json::from_value(json!({
        "since": at(-3_600), "until": at(0), "timezone": "UTC", "attribution": "click", "currency": "USD",
        "dimensions": [by], "metrics": METRICS, "rows": rows, "row_count": rows.as_array().map_or(0, Vec::len), "totals": {},
        "unconverted": { "EUR": { "revenue": "7", "cost": "0", "bot_cost": "0" } },
    }))
    .expect("an answer")
}

fn row(by: &str, name: &str, clicks: u64, profit: &str) -> Value {
    let money = |amount: &str| json!({ "amount": amount, "currency": "USD" });
    json!({ by: name, (format!("{by}_id")): format!("id_{name}"), "clicks": clicks, "conversions": clicks / 10,
        "revenue": money("12.5"), "cost": money("3"), "profit": money(profit), "roi": 316.67 })
}

fn status() -> Status {
    let service = |name, state: &str| ServiceStatus {
        name,
        url: "http://127.0.0.1:1".to_owned(),
        state: state.to_owned(),
        version: None,
        latency_ms: 1.0,
        error: None,
        dependencies: Vec::new(),
    };
    Status {
        ready: true,
        at: at(0),
        services: vec![
            service("traffic-service", "ok"),
            service("postback-service", "degraded"),
            service("api-service", "ok"),
        ],
        events: Some(Events {
            outbox_events: 7,
            outbox_bytes: 512,
            oldest_age_ms: 2_500,
            dropped: 0,
            refused: 1,
        }),
        event_log: Some(EventLog { used: true, lag: Some(12), errors: Some(3), more_errors: false }),
        destinations: Some(Destinations {
            watched: 3,
            down: 1,
            unknown: 0,
            names: vec!["offer-a".to_owned()],
        }),
        unknown: Vec::new(),
    }
}

/// A look that saw everything.
fn seen(second: i64, asked: Question) -> Seen {
    let by = asked.by.to_string();
    let of = |name: &str| BTreeMap::from([(name.to_owned(), 12.5)]);
    Seen {
        at: at(second),
        seen: Ok(status()),
        rows: Ok(answer(
            &by,
            &json!([row(&by, "summer", 1_200, "9.5"), row(&by, "winter\u{1b}[31m", 30, "-4")]),
        )),
        sources: Ok(answer("source", &json!([row("source", "push-one", 900, "5")]))),
        answers: Ok(Some(Answers {
            by_kind: of("3xx"),
            clicks: of("routed"),
            postbacks: of("recorded"),
            p50_ms: Some(0.42),
            p95_ms: Some(1.8),
            p99_ms: None,
        })),
        rates: Ok(Some(Rates { clicks: Decimal::new(125 + second, 1), ..Rates::default() })),
        asked,
    }
}

/// A look when nobody answers.
fn away(second: i64, asked: Question) -> Seen {
    let why = || "api-service does not answer".to_owned();
    Seen {
        at: at(second),
        seen: Err(why()),
        rows: Err(why()),
        sources: Err(why()),
        answers: Err(why()),
        rates: Err(why()),
        asked,
    }
}

/// A look when the services answer, and nobody knows of destinations and what became no event.
fn partly(second: i64, asked: Question) -> Seen {
    let unknown = ["ingestion errors: no ClickHouse", "destinations: no MongoDB"].map(str::to_owned).into();
    let event_log = Some(EventLog { used: true, lag: Some(90), errors: None, more_errors: false });
    Seen { seen: Ok(Status { destinations: None, event_log, unknown, ..status() }), ..seen(second, asked) }
}

fn looked() -> Top {
    let mut top = Top::new("http://127.0.0.1:8080".to_owned(), 2);
    for second in [0, 2, 4] {
        let look = seen(second, top.question.clone());
        assert_eq!(top.update(Event::Look(Box::new(look))), Effect::Nothing);
    }
    top
}

fn press(top: &mut Top, keys: &str) -> Effect {
    let mut last = Effect::Nothing;
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '<' => KeyCode::Esc,
            '\t' => KeyCode::Tab,
            'v' => KeyCode::Down,
            c => KeyCode::Char(c),
        };
        last = top.update(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
    last
}

fn screen(top: &Top, columns: u16, rows: u16, second: i64) -> String {
    let all =
        lines(columns, rows, |frame| whole(top, frame, Look { now: at(second), color: true, live: true }));
    assert!(!all.iter().any(|line| line.chars().any(char::is_control)), "{all:?}");
    all.join("\n")
}

#[test]
fn what_one_engine_does_not_tell_is_shown_with_its_age_and_the_rest_is_new() {
    let mut top = looked();
    let look = partly(14, top.question.clone());
    top.update(Event::Look(Box::new(look)));
    let shown = screen(&top, 80, 24, 14);
    for part in [
        "destinations 1 of 3 watched are down: offer-a  10 s old: no MongoDB",
        "event log    90 wait for the reports, – became no event within the hour",
        "outbox       7 wait, oldest 2 s, 1 refused, 0 dropped\n",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let mut top = Top::new("http://127.0.0.1:8080".to_owned(), 2);
    let look = partly(0, top.question.clone());
    top.update(Event::Look(Box::new(look)));
    assert!(screen(&top, 80, 24, 0).contains("destinations –  not known: no MongoDB"));
}

#[test]
fn everything_stands_on_eighty_columns_and_more_where_there_is_room() {
    insta::assert_snapshot!("top_80x24", screen(&looked(), 80, 24, 4));
    insta::assert_snapshot!("top_120x40", screen(&looked(), 120, 40, 4));
    assert!(screen(&looked(), 30, 24, 4).starts_with("too small"));
    let pipe = plain(&looked(), 80, 24, at(4));
    assert!(!pipe.iter().any(|line| line.contains("q quit") || line.contains('▸')), "{pipe:?}");
}

#[test]
fn who_is_away_leaves_figures_with_their_age_and_never_a_nought() {
    let mut top = looked();
    let look = away(64, top.question.clone());
    top.update(Event::Look(Box::new(look)));
    let shown = screen(&top, 120, 40, 70);
    insta::assert_snapshot!("top_away", shown);
    for part in ["66 s old: api-service does not answer", "12.9  66 s ago", "summer"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // Who never answered has no figures at all.
    let mut top = Top::new("http://127.0.0.1:8080".to_owned(), 2);
    let look = away(0, top.question.clone());
    top.update(Event::Look(Box::new(look)));
    let shown = screen(&top, 80, 24, 1);
    let figures = shown.lines().skip(1).collect::<String>();
    assert!(!figures.chars().any(|c| c.is_ascii_digit()), "{shown}");
    assert!(shown.contains("not known: api-service does not answer"), "{shown}");
}

#[test]
fn keys_sort_filter_drill_and_pause() {
    let mut top = looked();
    let names = |top: &Top| top.shown().iter().map(|row| name(row)).collect::<Vec<_>>();
    assert_eq!(names(&top)[0], "summer");
    press(&mut top, "r");
    assert_eq!(names(&top)[1], "summer");
    press(&mut top, "rs");
    assert_eq!(top.sort, Metric::Conversions);
    press(&mut top, "/WIN");
    assert_eq!(names(&top), ["winter\u{fffd}[31m"]);
    assert!(screen(&top, 80, 24, 4).contains("filter: WIN▏"));
    // Letters of a filter are no keys.
    assert_eq!(press(&mut top, "q"), Effect::Nothing);
    assert!(screen(&top, 80, 24, 4).contains("nothing that the filter takes"));
    press(&mut top, "<");
    assert_eq!(names(&top).len(), 2);

    assert_eq!(press(&mut top, "v\n"), Effect::Ask);
    assert_eq!(top.question.of[0].value, "id_winter\u{1b}[31m");
    assert_eq!(top.question.by, Dimension::Source);
    // What answers the question before is no answer to this one.
    let before = Question { by: Dimension::Campaign, of: Vec::new(), ..top.question.clone() };
    top.update(Event::Look(Box::new(seen(6, before))));
    assert!(top.shown().is_empty() && screen(&top, 80, 24, 6).contains('…'));
    let look = seen(8, top.question.clone());
    top.update(Event::Look(Box::new(look)));
    assert!(
        screen(&top, 80, 24, 8).contains("source, last hour, ↓conversions  campaign=winter"),
        "{}",
        screen(&top, 80, 24, 8)
    );
    // A dimension that was drilled through does not come again.
    press(&mut top, "ddddd");
    assert_ne!(top.question.by, Dimension::Campaign);
    assert_eq!(press(&mut top, "<"), Effect::Ask);
    assert_eq!((top.question.by, top.question.of.len()), (Dimension::Campaign, 0));
    assert_eq!(press(&mut top, "<"), Effect::Nothing);

    let look = seen(10, top.question.clone());
    top.update(Event::Look(Box::new(look)));
    press(&mut top, "p");
    let still = screen(&top, 80, 24, 10);
    let look = away(12, top.question.clone());
    top.update(Event::Look(Box::new(look)));
    assert!(still.contains("PAUSED") && screen(&top, 80, 24, 10) == still);
    press(&mut top, "p");
    assert!(!screen(&top, 80, 24, 10).contains("PAUSED"));
    assert_eq!(press(&mut top, "w"), Effect::Ask);
    assert_eq!(top.question.window_s, 86_400);

    press(&mut top, "?");
    insta::assert_snapshot!("top_keys", screen(&top, 80, 24, 10));
    assert_eq!(press(&mut top, "q"), Effect::Nothing);
    assert_eq!(press(&mut top, "q"), Effect::Quit);
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(top.update(Event::Key(ctrl_c)), Effect::Interrupt);
}
