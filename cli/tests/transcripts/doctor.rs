//! `tfx doctor`: what is wrong is said with what to do, and what is not wrong is no failure.

use crate::place::Place;
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::{Duration, Instant},
};

/// The findings by what they are of, and the exit code.
fn found(place: &Place, more: &str) -> (Vec<Value>, Option<i32>) {
    let done = place.sh(&format!("tfx doctor --output json {more}"));
    let found =
        serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", done.stdout, done.stderr));
    (found, done.code)
}

fn of<'f>(found: &'f [Value], what: &str) -> &'f Value {
    found.iter().find(|f| f["of"] == what).unwrap_or_else(|| panic!("nothing of {what}: {found:#?}"))
}

#[test]
fn of_an_installation_that_is_well_nothing_is_wrong() {
    let mut place = Place::running();
    place.set("TRAFFIC_SERVICE_URL", &format!("http://{}", place.traffic()));
    place.set("POSTBACK_SERVICE_URL", &format!("http://{}", place.postbacks()));
    place.ok("tfx campaign create --name Idle --slug idle");
    let (all, code) = found(&place, "");
    assert_eq!(code, Some(0), "{all:#?}");
    let lists = of(&all, "traffic-service agents")["found"].as_str().expect("the lists");
    assert!(lists.contains("uap-core ") && lists.contains("crawler-user-agents "), "{lists}");
    let geo = of(&all, "traffic-service geo")["found"].as_str().expect("of geo");
    assert!(geo.contains("GEOIP_COUNTRY_DB"), "{geo}");
    let idle = of(&all, "campaign idle");
    assert_eq!((&idle["state"], &idle["next"]), (&"warning".into(), &"tfx campaign pause idle".into()));
    let (wrong, code) = found(&place, "--wrong");
    assert!(code == Some(0) && wrong.iter().all(|f| f["state"] != "ok") && !wrong.is_empty(), "{wrong:#?}");

    let text = place.ok("tfx doctor");
    assert!(text.contains("warning  campaign idle: no active stream"), "{text}");

    // What is to be done is done by pasting it.
    let next = || {
        let (all, _) = found(&place, "");
        let idle = all.iter().find(|f| f["of"] == "campaign idle");
        idle.map(|f| f["next"].as_str().expect("a command").to_owned())
    };
    place.ok("tfx destination create --slug offer --url 'https://offer.example/?c={click_id}'");
    let create = "tfx stream create --campaign idle --name main --destination offer";
    assert_eq!(next().as_deref(), Some(create));
    place.ok(create);
    assert_eq!(next(), None);
    place.ok("tfx stream pause idle/main");
    let resume = "tfx stream resume idle/main";
    assert_eq!(next().as_deref(), Some(resume));
    place.ok(resume);
    assert_eq!(next(), None);
}

#[test]
fn whoever_does_not_answer_is_named_with_where_it_was_looked_for() {
    let mut place = Place::empty();
    for name in ["TRAFFIC", "POSTBACK"] {
        place.set(&format!("{name}_SERVICE_URL"), "http://127.0.0.1:1");
    }
    let (all, code) = found(&place, "");
    assert_eq!(code, Some(1));
    for service in ["traffic-service", "postback-service", "api-service"] {
        let finding = of(&all, service);
        let next = finding["next"].as_str().expect("what to do");
        assert_eq!(finding["state"], "wrong");
        assert!(next.contains("tfx up") && next.contains("_SERVICE_URL"), "{next}");
    }
    // Something else answers there.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    place.set("TRAFFIC_SERVICE_URL", &format!("http://{}", listener.local_addr().expect("its address")));
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let _ = stream.read(&mut [0; 4096]);
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).expect("an answer");
    });
    let (all, code) = found(&place, "");
    other.join().expect("the other");
    let said = of(&all, "traffic-service")["found"].as_str().unwrap_or_default().to_owned();
    assert!(code == Some(1) && said.contains("not as a service of this product does"), "{said}");
}

#[test]
fn an_api_that_hangs_is_waited_for_once_and_what_is_found_is_told_at_once() {
    let mut place = Place::empty();
    for name in ["TRAFFIC", "POSTBACK"] {
        place.set(&format!("{name}_SERVICE_URL"), "http://127.0.0.1:1");
    }
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = hanging.local_addr().expect("its address").to_string();
    place.set("API_SERVICE_URL", &format!("http://{address}"));
    place.set("API_SERVICE_ADDR", &address);
    place.set("TFX_TOKEN", "0123456789abcdef0123456789abcdef");
    let begun = Instant::now();
    let (all, code) = found(&place, "--bundle b.tar.gz");
    // Waiting for each look there would take minutes.
    assert!(code == Some(1) && begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    for look in ["outbox", "destinations", "campaigns", "postbacks", "sources"] {
        let said = of(&all, look)["found"].as_str().expect("why");
        assert!(said.contains("api-service does not answer, as is told above"), "{look}: {said}");
    }
    let port = of(&all, "api-service port")["next"].as_str().expect("what to do").to_owned();
    assert!(port.contains("may be api-service itself"), "{port}");
    // The first lines are there before anybody is waited for.
    let first = place.sh("timeout 3 tfx doctor | head -1");
    assert!(first.stdout.starts_with("ok       tfx: "), "{}", first.stdout);
}

#[test]
fn settings_that_cannot_be_used_are_told_one_by_one() {
    let mut place = Place::empty();
    place.set("EVENT_BATCH_SIZE", "many");
    place.set("CLICK_LOOKUP_TIMEOUT_MS", "-1");
    place.set("EVENT_BATCH_TIMEOUT", "5");
    let (all, code) = found(&place, "");
    assert_eq!(code, Some(1));
    assert_eq!(of(&all, "EVENT_BATCH_TIMEOUT")["state"], "warning");
    for name in ["EVENT_BATCH_SIZE", "CLICK_LOOKUP_TIMEOUT_MS"] {
        assert_eq!(of(&all, name)["state"], "wrong");
    }
}
