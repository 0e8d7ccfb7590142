//! What watches an installation: checks for monitors, `tfx status`, `tfx reconcile`.

use crate::{
    clicks::{campaign, recorded},
    place::Place,
    transcript::Transcript,
    web,
};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::{Duration, Instant},
};

/// All services, where lines that are typed look for them.
fn running() -> Place {
    let mut place = Place::running();
    place.set("TRAFFIC_SERVICE_URL", &format!("http://{}", place.traffic()));
    place.set("POSTBACK_SERVICE_URL", &format!("http://{}", place.postbacks()));
    place
}

/// Nobody answers anywhere.
fn nobody() -> Place {
    let mut place = Place::empty();
    for name in ["TRAFFIC", "POSTBACK"] {
        place.set(&format!("{name}_SERVICE_URL"), "http://127.0.0.1:1");
    }
    place
}

const CHECKS: [&str; 6] = ["services", "destinations", "ingest", "producer", "disk", "reconcile"];

#[test]
fn of_what_is_well_every_check_says_so_in_each_form() {
    let place = running();
    for check in CHECKS {
        // Any disk has room enough; nothing is as bad as this.
        let limits = match check {
            "disk" => " --warn 0 --crit 0 --warn-files 0 --crit-files 0",
            "services" => " --warn 10",
            _ => "",
        };
        let line = place.ok(&format!("tfx check {check}{limits}"));
        let (text, data) = line.split_once(" | ").unwrap_or((&line, ""));
        assert!(text.starts_with(&format!("{} OK - ", check.to_uppercase())), "{line}");
        assert!(!line.contains('\n'), "{line}");
        for figure in data.split_whitespace() {
            let (name, value) = figure.split_once('=').expect("a name");
            assert!(!name.is_empty() && value.starts_with(|c: char| c.is_ascii_digit()), "{line}");
        }
        let json: Value =
            serde_json::from_str(&place.ok(&format!("tfx check {check}{limits} --format json")))
                .expect("one object");
        assert_eq!((&json["verdict"], &json["code"]), (&"OK".into(), &0.into()), "{json}");
        let metrics = place.ok(&format!("tfx check {check}{limits} --format prometheus"));
        assert!(metrics.lines().any(|line| line == format!("tfx_check_{check}_verdict 0")), "{metrics}");
        for metric in metrics.lines().filter(|l| !l.starts_with('#')) {
            let name = metric.split([' ', '{']).next().expect("a name");
            let typed = format!("# TYPE {name} gauge");
            assert!(
                metrics.contains(&typed) || metrics.contains(&format!("# TYPE {name} counter")),
                "{metrics}"
            );
        }
    }
}

#[test]
fn whom_nobody_answers_and_who_asks_wrongly_is_told() {
    let place = nobody();
    std::fs::create_dir_all(place.dir().join("data")).expect("the data folder");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx check services
        tfx check ingest
        tfx check producer --format json
        tfx check reconcile --format prometheus
        tfx check disk --warn 101%
        tfx check disk --warn 1G --crit 2G
        tfx check disk --data-dir nowhere
        tfx check producer --warn-age 5m --crit-age 1m
        tfx check ingest --warn 10 --crit 5
        tfx check ingest --crit-errors none
        tfx check reconcile --since 1h --until 2h --timeout 1
        tfx reconcile
        tfx reconcile --timeout soon
        tfx status --timeout 5s
        tfx status --watch --until ready
        tfx status --watch --output yaml",
    );
    t.is("watching_nobody");
}

#[test]
fn a_service_that_hangs_is_critical_in_time() {
    let mut place = nobody();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://{}", listener.local_addr().expect("its address"));
    place.set("API_SERVICE_URL", &silent);
    place.set("TFX_TOKEN", "0123456789abcdef0123456789abcdef");
    for check in ["services", "destinations", "ingest", "producer", "reconcile"] {
        let begun = Instant::now();
        let done = place.sh(&format!("tfx check {check} --timeout 1s"));
        let word = format!("{} CRITICAL - ", check.to_uppercase());
        assert!(
            done.code == Some(2) && done.stdout.starts_with(&word),
            "{check}: {}{}",
            done.stdout,
            done.stderr
        );
        assert!(begun.elapsed() < Duration::from_secs(30), "{check}: {:?}", begun.elapsed());
    }
}

/// A service that answers every request so.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn of_services_those_that_answer_are_judged_and_who_is_silent_is_named() {
    let mut place = running();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    place.set("POSTBACK_SERVICE_URL", &format!("http://{}", listener.local_addr().expect("its address")));
    let done = place.sh("tfx check services --timeout 3s --warn 10");
    let said = done.stdout;
    assert!(said.starts_with("SERVICES CRITICAL - 2 of 3 ready; postback-service: "), "{said}");
    // A redirect is followed nowhere: what is behind it is no service of ours.
    place.set(
        "POSTBACK_SERVICE_URL",
        &answering("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    );
    let said = place.sh("tfx check services --warn 10").stdout;
    assert!(said.contains("answers 302, and not as a service"), "{said}");
}

#[test]
fn a_token_that_cannot_be_read_holds_up_no_check() {
    let place = nobody();
    place.ok("mkfifo token");
    for check in ["destinations", "ingest", "producer", "reconcile"] {
        let begun = Instant::now();
        let done =
            place.sh(&format!("TFX_TOKEN= TFX_TOKEN_FILE=token timeout 30 tfx check {check} --timeout 2s"));
        let word = format!("{} CRITICAL - the token cannot be read", check.to_uppercase());
        assert!(done.code == Some(2) && done.stdout.starts_with(&word), "{}{}", done.stdout, done.stderr);
        assert!(begun.elapsed() < Duration::from_secs(20), "{check}: {:?}", begun.elapsed());
    }
}

#[test]
fn the_status_of_everything_stands_on_one_screen() {
    let mut place = running();
    place.ok("tfx destination create --name Offer --url 'https://offer.example/?s={click_id}' --health-check http://127.0.0.1:9/ --set health_check.failures=1");
    place.until("tfx status --output json | grep -c '\"offer\"'", "1");
    let screen = place.ok("tfx status");
    assert!(screen.lines().all(|l| l.chars().count() <= 80) && screen.lines().count() <= 24, "{screen}");
    for part in [
        "ready ",
        "\ntraffic-service ",
        "\npostback-service ",
        "\napi-service ",
        "\nevents ",
        "1 of 1 down: offer",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    let status: Value = serde_json::from_str(&place.ok("tfx status --output json")).expect("JSON");
    assert_eq!((&status["ready"], &status["event_log"]["used"]), (&true.into(), &false.into()));
    let services = status["services"].as_array().expect("a list");
    assert!(services.iter().all(|s| !s["dependencies"].as_array().expect("a list").is_empty()), "{status}");
    assert_eq!(status["destinations"]["names"], serde_json::json!(["offer"]));
    place.ok("tfx status --until ready --timeout 5s --quiet");
    let rows = place.ok("tfx status --output csv");
    assert!(rows.starts_with("service,dependency,state,latency_ms,age_ms,detail\n"), "{rows}");
    // A screen after the other until the reader goes.
    let twice = place.ok("tfx status --watch --every 1s --output jsonl | head -2 | wc -l | tr -d ' '");
    assert_eq!(twice, "2");
    // One of them goes.
    place.set("POSTBACK_SERVICE_URL", "http://127.0.0.1:1");
    let done = place.sh("tfx status");
    assert!(done.code == Some(6) && done.stdout.starts_with("NOT READY"), "{}{}", done.stdout, done.stderr);
    let begun = Instant::now();
    let done = place.sh("tfx status --until ready --timeout 1s --output json");
    assert_eq!(done.code, Some(7), "{}", done.stderr);
    assert!(begun.elapsed() >= Duration::from_secs(1) && done.stdout.contains("\"ready\": false"));
}

#[test]
fn what_was_accepted_and_is_not_stored_is_missed_with_its_id() {
    let mut place = running();
    campaign(&place);
    let clicks: Vec<String> = (0..3).map(|_| web::click(&place, "/c/summer")).collect();
    recorded(&place, 3);
    for (click, txid) in clicks.iter().zip(["T1", "T2", "T3"]) {
        place.ok(&format!(
            "tfx postback test adnet \"clickid={click}&txid={txid}&payout=4&status=sale\" --send"
        ));
    }
    place.until("tfx report --by none --metrics sales --output csv --quiet | tail -1", "3");
    let kinds = |place: &Place, code: i32| -> Vec<Value> {
        let timeout = if code == 0 { "20s" } else { "4s" };
        let done = place.sh(&format!("tfx reconcile --timeout {timeout} --output json"));
        assert_eq!(done.code, Some(code), "{}{}", done.stdout, done.stderr);
        let balance: Value = serde_json::from_str(&done.stdout).expect("JSON");
        balance["kinds"].as_array().expect("kinds").clone()
    };
    let of = |kinds: &[Value], kind: &str| -> (u64, u64, u64) {
        let kind = kinds.iter().find(|k| k["kind"] == kind).expect("the kind");
        let n = |field: &str| kind[field].as_u64().unwrap_or_else(|| panic!("{field} of {kind}"));
        (n("accepted"), n("stored"), n("missing"))
    };
    let all = kinds(&place, 0);
    assert_eq!((of(&all, "clicks"), of(&all, "conversions")), ((3, 3, 0), (3, 3, 0)));
    let (accepted, stored, missing) = of(&all, "postbacks");
    assert!(accepted == stored && accepted >= 3 && missing == 0, "{all:?}");

    // Somebody loses a click, a sale and a line of the log.
    let lost = place.ok("tfx conversion list --output name --limit 1 --quiet");
    let events = Connection::open(place.dir().join("data/events.db")).expect("events.db");
    for sql in [
        "DELETE FROM clicks WHERE id = (SELECT min(id) FROM clicks)",
        "DELETE FROM postbacks WHERE id = (SELECT min(id) FROM postbacks)",
    ] {
        assert_eq!(events.execute(sql, []).expect(sql), 1);
    }
    assert_eq!(events.execute("DELETE FROM conversions WHERE id = ?1", [&lost]).expect("deleted"), 1);
    let all = kinds(&place, 1);
    assert_eq!((of(&all, "clicks"), of(&all, "conversions")), ((3, 2, 1), (3, 2, 1)));
    assert_eq!(of(&all, "postbacks").2, 1);
    let conversions = all.iter().find(|k| k["kind"] == "conversions").expect("conversions");
    assert_eq!(conversions["missing_ids"], serde_json::json!([lost]));
    let of_clicks = all.iter().find(|k| k["kind"] == "clicks").expect("clicks");
    assert_eq!(of_clicks["missing_ids"], serde_json::json!([clicks.iter().min()]));
    let done = place.sh("tfx reconcile --timeout 0s");
    assert!(
        done.code == Some(1) && done.stderr.contains("3 events were accepted and are not stored"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains(&format!("conversions missing: {lost}")), "{}", done.stderr);
    let table: Vec<Vec<&str>> = done
        .stdout
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect())
        .collect();
    assert_eq!(
        table[..2],
        [
            vec!["KIND", "ACCEPTED", "PUBLISHED", "STORED", "MISSING", "TOO MANY", "DIFFER", "DOUBLED"],
            vec!["clicks", "3", "3", "2", "1", "0", "0", "0"],
        ],
        "{}",
        done.stdout
    );
    assert_eq!(place.sh("tfx reconcile --since 1h --until 2h").code, Some(2));
    assert!(done.stderr.contains("tfx conversion publish --since TIME"), "{}", done.stderr);
    let check = place.sh("tfx check reconcile --timeout 4s");
    assert!(check.code == Some(2) && check.stdout.contains(" | missing=3;"), "{}", check.stdout);
    let warned = place.sh("tfx check reconcile --timeout 2s --warn 3 --crit 4");
    assert_eq!(warned.code, Some(1), "{}", warned.stdout);
    // As it is after a restore of an older events.db, which knows of no sale that has left by age. The sale comes back, and
    // the others count once all the same.
    events.execute("DELETE FROM conversions_left", []).expect("nothing has left");
    let which = place.sh("tfx conversion publish");
    assert!(which.code == Some(2) && which.stderr.contains("--all means every one"), "{}", which.stderr);
    assert_eq!(place.ok("tfx conversion publish --since 1h --dry-run -q -o name"), "3");
    assert_eq!(of(&kinds(&place, 1), "conversions"), (3, 2, 1), "a dry run publishes nothing");
    assert_eq!(place.ok("tfx conversion publish --since 1h -q -o name"), "3");
    place.until("tfx report --by none --metrics sales --output csv --quiet | tail -1", "3");
    assert_eq!(of(&kinds(&place, 1), "conversions"), (3, 3, 0));
    assert_eq!(place.ok("tfx audit --limit 1 -o csv -q | tail -1 | grep -c ',publish,'"), "1");
    // A sale that the configuration store does not know any more is too many.
    let config = Connection::open(place.dir().join("data/config.db")).expect("config.db");
    assert_eq!(config.execute("DELETE FROM conversions WHERE id = ?1", [&lost]).expect("deleted"), 1);
    let done = place.sh("tfx reconcile --timeout 0s --step hour");
    assert!(done.stderr.contains(&format!("conversions too many: {lost}")), "{}", done.stderr);
    let done = place.sh("tfx reconcile --until 2h --since 3h --output json");
    assert_eq!(done.code, Some(0), "of that time there is nothing: {}{}", done.stdout, done.stderr);
    place.set("TFX_TOKEN", "0123456789abcdef0123456789abcdef");
    assert_eq!(place.sh("tfx reconcile").code, Some(4));
    assert_eq!(place.sh("tfx check reconcile").code, Some(3));
}
