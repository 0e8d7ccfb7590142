//! `tfx top` where there is no terminal: one screen, or an object for each look.

use crate::{
    clicks::{campaign, recorded},
    place::Place,
    web,
};
use serde_json::Value;
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

fn running() -> Place {
    let mut place = Place::running();
    place.set("TRAFFIC_SERVICE_URL", &format!("http://{}", place.traffic()));
    place.set("POSTBACK_SERVICE_URL", &format!("http://{}", place.postbacks()));
    place
}

#[test]
fn one_screen_goes_into_a_pipe() {
    let place = running();
    campaign(&place);
    web::click(&place, "/c/summer");
    recorded(&place, 1);
    let screen = place.ok("tfx top --once --every 1");
    for part in ["services     traffic ", "campaign, last hour", "summer ", "clicks/s", "outbox "] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert!(!screen.contains('\u{1b}') && screen.lines().all(|l| l.chars().count() <= 80), "{screen}");
    let object: Value =
        serde_json::from_str(&place.ok("tfx top --once --every 1 --output json")).expect("JSON");
    assert_eq!(
        (&object["rows"][0]["campaign"], &object["unknown"]),
        (&"summer".into(), &Value::Array(Vec::new()))
    );
    assert!(
        object["per_second"]["clicks"].is_number() && object["answers"]["by_kind"].is_object(),
        "{object}"
    );
}

#[test]
fn an_object_for_each_look_goes_to_who_reads_or_into_a_file() {
    let mut place = running();
    let lines = place.ok("tfx top --every 1 --record - | head -2");
    let looks: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).expect("an object")).collect();
    // Rates come of two looks: the first has none, which is no nought.
    assert_eq!((looks.len(), &looks[0]["per_second"]), (2, &Value::Null), "{lines}");
    assert_eq!(looks[1]["services"]["traffic-service"], "ok");
    assert_eq!(looks[1]["per_second"]["clicks"], 0.0);
    place.sh("timeout 4 tfx top --every 1 --record looks.jsonl");
    let text = std::fs::read_to_string(place.dir().join("looks.jsonl")).expect("lines");
    assert!(
        text.lines().count() >= 2 && text.lines().all(|l| serde_json::from_str::<Value>(l).is_ok()),
        "{text}"
    );

    // Without the internal token, answers are not known; without anybody, nothing is.
    place.set("INTERNAL_TOKEN", "0123456789abcdef");
    let object: Value =
        serde_json::from_str(&place.ok("tfx top --once --every 1 --output json")).expect("JSON");
    assert!(object["answers"].is_null() && object["per_second"].is_object(), "{object}");
    assert!(object["unknown"][0].as_str().expect("why").contains("answers 40"), "{object}");
    for name in ["API", "TRAFFIC", "POSTBACK"] {
        place.set(&format!("{name}_SERVICE_URL"), "http://127.0.0.1:1");
    }
    let done = place.sh("tfx top --once --every 1 --output json");
    let object: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(
        (done.code, &object["per_second"], &object["rows"], &object["outbox"]),
        (Some(6), &Value::Null, &Value::Null, &Value::Null)
    );
    let done = place.sh("tfx top --once --every 1");
    let screen = done.stdout;
    assert!(screen.contains("not known: ") && screen.contains("│–"), "{screen}");
    assert_eq!(done.code, Some(6), "{}", done.stderr);
    // Who hangs is waited for once.
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    place.set("API_SERVICE_URL", &format!("http://{}", hanging.local_addr().expect("its address")));
    let begun = Instant::now();
    let done = place.sh("tfx top --once --every 1");
    assert!(done.code == Some(6) && done.stdout.contains("│–"), "{}{}", done.stdout, done.stderr);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[test]
fn without_a_terminal_a_screen_is_refused_with_what_goes() {
    let place = running();
    let done = place.sh("tfx top");
    assert!(done.code == Some(2) && done.stderr.contains("--once prints one screen"), "{}", done.stderr);
    for line in [
        "--output csv --once",
        "--output json",
        "--once --record x",
        "--every 0",
        "--record nowhere/x",
        "--currency MOON",
    ] {
        let done = place.sh(&format!("tfx top {line} < /dev/null"));
        assert!(matches!(done.code, Some(1 | 2)), "{line}: {:?} {}", done.code, done.stderr);
    }
    let done = place.sh("TFX_TOKEN=0123456789abcdef0123456789abcdef tfx top --once");
    assert_eq!(done.code, Some(4), "{}", done.stderr);
}
