//! `tfx doctor --bundle`: a file to be sent, in which nothing stands that is nobody's business. An installation full of
//! marked words is asked for one, and none of them is in it.

use crate::{clickhouse::ClickHouse, clicks::recorded, place::Place, web};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// In every secret, name and word of a stranger here.
const MARK: &str = "canary";
const TOKEN: &str = "canary7f3b9d2e6c1a84f5";
const ADDRESS: &str = "198.51.100.77";
/// As our services write lines, with what strangers may get into them, and as others do.
const LOG: &str = r#"{"timestamp":"2026-11-25T02:30:19Z","level":"INFO","service":"traffic-service","message":"request","request_id":"canary-id","method":"GET","path":"/c/canary","status":302,"latency_ms":0.4,"target":"tfx_service::handle"}
{"timestamp":"2026-11-25T02:30:20Z","level":"WARN","service":"traffic-service","message":"canary at 198.51.100.77 https://x.example/?key=canary","error":"mongodb://u:canary@h","target":"librdkafka"}
{"timestamp":"2026-11-25T02:30:21Z","level":"WARN","service":"postback-service","message":"asking 198.51.100.77 for me@canary.example","canary":"canary","target":"tfx_postback::tell"}
{"timestamp":"2026-11-25T02:30:22Z","level":"ERROR","service":"api-service","message":"the configuration cannot be read","target":"tfx_service::configuration"}
thread 'canary' panicked at /home/canary/x.rs
"#;

/// Services with a history, in which nearly everything bears a mark.
fn marked() -> (Place, String) {
    let settings = [
        ("INTERNAL_TOKEN", TOKEN),
        ("TRAFFICBACK_URL", "https://canary.example/?key=canary"),
        ("AUTH_ADMIN_EMAIL", "boss@canary.example"),
        ("AUTH_ENV", "test"),
        ("AUTH_EMAIL_FROM", "canary@canary.example"),
        ("AUTH_RESEND_API_KEY", "re_canary4t6y8u1i3o5p"),
        ("AUTH_JWT_SECRET", "canary-canary-canary-canary-canary-9x"),
    ];
    let mut place = Place::running_with(&settings);
    for (name, value) in settings {
        place.set(name, value);
    }
    place.set("TRAFFIC_SERVICE_URL", &format!("http://{}", place.traffic()));
    place.set("POSTBACK_SERVICE_URL", &format!("http://{}", place.postbacks()));
    place.file("canary-secret", "canary-net-0a1b2c3d4e5f");
    for line in [
        "network create --name Canary --slug canary --secret-file canary-secret",
        "template create --network canary --name Main --click-id-param s --map sale=approved",
        "source create --name Canary --slug canary-source --postback-url 'https://canary.example/?key=canary&c={click_id}'",
        "destination create --slug canary --url 'https://canary.example/?s={click_id}&key=canary' --network canary --payout 4 \
         --health-check http://127.0.0.1:9/canary --set health_check.failures=1",
        "destination create --slug canary-two --url 'https://canary.example/?s={click_id}' --network canary",
        "campaign create --slug canary --name Canary",
        "campaign create --slug canary-idle --name Canary",
        "stream create --campaign canary --name main --destination canary-two",
    ] {
        place.ok(&format!("tfx {line}"));
    }
    place.until(
        "tfx explain canary --output json | grep -c 's=click_id\\|canary.example' | sed 's/[1-9][0-9]*/1/'",
        "1",
    );
    place.until("tfx postback test canary s=1 --send 2>&1 | grep -c 'answers [24]0'", "1");
    let agent = format!("{} Canary/{MARK}", web::PHONE);
    let path = format!("/c/canary?sub1={MARK}&keyword={MARK}%40mail.example");
    let answer = web::get(&place, &path, &agent);
    let location = answer.lines().find_map(|l| l.strip_prefix("location: ")).unwrap_or_default();
    let click = location.split(['?', '&']).find_map(|p| p.strip_prefix("s=")).expect("a click").to_owned();
    web::get(&place, &format!("/c/{MARK}-nowhere"), &agent);
    recorded(&place, 2);
    place.sh(&format!("tfx postback test canary s={click} txid=canary status=canary --send"));
    place.file("canary.log", LOG);
    (place, click)
}

/// Every file below with one of these in it.
fn holding(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, words));
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&path).expect("a file")).to_lowercase();
        let name = path.file_name().expect("a name").to_string_lossy().to_lowercase();
        for word in words.iter().map(|w| w.to_lowercase()).filter(|w| text.contains(w) || name.contains(w)) {
            found.push(format!("{}: {word}", path.display()));
        }
    }
    found
}

#[test]
fn nothing_that_is_nobodys_business_is_in_a_bundle() {
    let (mut place, click) = marked();
    // The settings of an installation on engines that are away.
    place.set(
        "MONGO_URI",
        "mongodb://boss:canarypw9x7k2m4q@127.0.0.1:1/?serverSelectionTimeoutMS=300&connectTimeoutMS=300",
    );
    let done = place.sh("tfx doctor --bundle b.tar.gz --log-file canary.log");
    assert!(place.dir().join("b.tar.gz").exists(), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("b.tar.gz holds "), "{}", done.stderr);
    let mode = fs::metadata(place.dir().join("b.tar.gz")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    place.ok("mkdir out && tar -xzf b.tar.gz -C out");
    let out = place.dir().join("out/tfx-bundle");
    let admin = fs::read_to_string(place.dir().join("data/admin.token")).expect("a token");
    let home = place.dir().display().to_string();
    let words = [
        MARK,
        TOKEN,
        ADDRESS,
        "192.0.2.7",
        "iPhone",
        "mozilla",
        "@",
        "://",
        "boss",
        "127.0.0.1",
        &click,
        admin.trim(),
        &home,
    ];
    assert_eq!(holding(&out, &words), Vec::<String>::new());
    // The search itself finds what is there.
    fs::write(out.join("logs/x"), format!("a {ADDRESS}")).expect("a file");
    assert_eq!(holding(&out, &words).len(), 1);
    fs::remove_file(out.join("logs/x")).expect("removed");

    // And yet it tells what helps.
    let json = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(out.join(name)).unwrap_or_else(|e| panic!("{name}: {e}")))
            .expect("JSON")
    };
    let settings = json("settings.json");
    let setting = |name: &str| {
        settings.as_array().expect("all").iter().find(|s| s["name"] == name).expect("one")["value"].clone()
    };
    assert_eq!((setting("EVENT_BATCH_SIZE"), setting("MONGO_URI")), ("5000".into(), "***".into()));
    assert_eq!((setting("TRAFFICBACK_URL"), setting("AUTH_ENV")), ("(set)".into(), "test".into()));
    let findings = json("findings.json").to_string();
    for part in
        [r#""of":"campaign""#, "no active stream", r#""of":"destination""#, "it is down", r#""of":"mongo""#]
    {
        assert!(findings.contains(part), "{part}: {findings}");
    }
    let services = json("services.json");
    assert!(
        services.as_array().expect("all").iter().all(|s| s["version"] == env!("CARGO_PKG_VERSION")),
        "{services}"
    );
    assert!(json("producers.json")[0]["counters"]["bytes_written_total"].as_u64() > Some(0));
    let metrics = fs::read_to_string(out.join("metrics/traffic-service.txt")).expect("metrics");
    assert!(metrics.contains("tfx_clicks_total{outcome=\"routed\"} 1\n"), "{metrics}");
    let lines = |service: &str| fs::read_to_string(out.join(format!("logs/{service}.jsonl"))).expect("lines");
    assert_eq!(lines("traffic-service").lines().count(), 2);
    assert!(lines("traffic-service").contains(r#""route":"c","status":302"#), "{}", lines("traffic-service"));
    assert!(lines("api-service").contains("the configuration cannot be read"));
    assert!(json("about.json")["missing"].to_string().contains("no lines of a service: 1"));
}

/// The engines are away or refuse the login, and say so in words of their own.
#[test]
fn no_login_at_an_engine_is_in_a_bundle() {
    let mut place = Place::empty();
    // One that answers, and names whom it refuses.
    ClickHouse::unmade().at(&mut place);
    for (name, value) in [
        (
            "MONGO_URI",
            "mongodb://canary-boss:canary%40w9x7k2m4q@127.0.0.1:1/?serverSelectionTimeoutMS=300&connectTimeoutMS=300",
        ),
        ("MONGO_DATABASE", "canary_config"),
        ("CLICKHOUSE_USER", "canary-reader"),
        ("CLICKHOUSE_PASSWORD", "canary-3f8d2b6e1a"),
        ("CLICKHOUSE_DATABASE", "canary_events"),
        ("CLICKHOUSE_CONSUMER_GROUP", "canary-group"),
        ("EVENT_BROKERS", "127.0.0.1:1"),
        (
            "EVENT_KAFKA_OPTIONS",
            "security.protocol=sasl_plaintext,sasl.mechanism=PLAIN,sasl.username=canary-writer,sasl.password=canary-9c4e7a1d5b",
        ),
        ("CLICK_EVENTS_TOPIC", "canary.clicks"),
    ] {
        place.set(name, value);
    }
    place.file(
        "canary.log",
        r#"{"timestamp":"2026-11-25T02:30:19Z","level":"WARN","service":"api-service","message":"MongoDB does not answer at mongodb://canary-boss:canary%40w9x7k2m4q@127.0.0.1:1","error":"Authentication failed: canary-reader","target":"tfx_mongo"}"#,
    );
    let done = place.sh("tfx doctor --bundle b.tar.gz --log-file canary.log");
    assert!(done.stderr.contains("b.tar.gz holds "), "{}{}", done.stdout, done.stderr);
    place.ok("mkdir out && tar -xzf b.tar.gz -C out");
    let out = place.dir().join("out/tfx-bundle");
    let words = [MARK, "w9x7k2m4q", "3f8d2b6e1a", "9c4e7a1d5b", "127.0.0.1", "@", "://"];
    assert_eq!(holding(&out, &words), Vec::<String>::new());
    let settings = fs::read_to_string(out.join("settings.json")).expect("settings");
    for (name, shown) in [
        ("MONGO_URI", "***"),
        ("CLICKHOUSE_PASSWORD", "***"),
        ("EVENT_KAFKA_OPTIONS", "***"),
        ("CLICKHOUSE_USER", "(set)"),
        ("EVENT_BROKERS", "(set)"),
    ] {
        let settings: Value = serde_json::from_str(&settings).expect("JSON");
        let one = settings.as_array().and_then(|all| all.iter().find(|s| s["name"] == name)).expect("there");
        assert_eq!(one["value"], shown, "{name}");
    }
    let findings = fs::read_to_string(out.join("findings.json")).expect("findings");
    for engine in ["mongo", "clickhouse", "topics"] {
        assert!(findings.contains(&format!(r#""of": "{engine}""#)), "{engine}: {findings}");
    }
}

#[test]
fn a_bundle_takes_the_place_of_nothing_by_itself() {
    let place = Place::empty();
    place.file("there", "mine");
    let done = place.sh("tfx doctor --bundle there");
    assert_eq!((done.code, done.stdout.as_str()), (Some(5), ""), "{}", done.stderr);
    assert_eq!(fs::read_to_string(place.dir().join("there")).expect("there"), "mine");
    for (line, code) in
        [("--bundle nowhere/b", 2), ("--bundle .", 2), ("--force", 2), ("--bundle b --log-lines x", 2)]
    {
        assert_eq!(place.sh(&format!("tfx doctor {line}")).code, Some(code), "{line}");
    }
    // Nobody answers: what can be told is told all the same.
    let done = place.sh("tfx doctor --bundle there --force --wrong");
    assert!(
        done.code == Some(1) && done.stderr.contains("not in it: metrics of traffic-service"),
        "{}",
        done.stderr
    );
    place.ok("tar -tzf there | grep -q tfx-bundle/findings.json");
}
