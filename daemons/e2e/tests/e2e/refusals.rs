//! Engines that refuse, and engines that lack something: each is answered with the setting or the command that mends
//! it, and nothing that was accepted meanwhile is lost.
//!
//! The engines have packages for Linux alone.

#![cfg(target_os = "linux")]

use reqwest::StatusCode;
use serde_json::Value;
use std::{
    fs,
    time::{Duration, Instant},
};
use tfx_e2e::{Namespace, Service, Services};
use tokio::{task::block_in_place, time::sleep};

/// What must be said nowhere.
const CANARY: &str = "canary-of-the-passwords";
const REFUSED: &str = "refuses the user or the password; check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD";

/// Whether `/readyz` answers so and says this of a dependency.
fn tells(status: u16, name: &'static str, says: &'static str) -> impl Fn(u16, &Value) -> bool {
    move |answered, report| {
        let mut all = report["dependencies"].as_array().into_iter().flatten();
        let detail = all.find(|d| d["name"] == name).and_then(|d| d["detail"].as_str());
        answered == status && detail.is_some_and(|d| d.contains(says))
    }
}

fn refused(services: &Services, command: &[&str], code: i32, parts: &[&str]) {
    let (ended, said) = block_in_place(|| services.complaint(command));
    assert_eq!(ended, Some(code), "{command:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{command:?}: '{part}' is not in: {said}");
    }
    assert!(!said.contains(CANARY) && !said.contains("panicked"), "{said}");
}

/// Nobody was told the password, neither in an answer nor in a log.
fn kept_secret(services: &Services, reports: &[Value]) {
    for report in reports {
        assert!(!report.to_string().contains(CANARY), "{report}");
    }
    for service in Service::ALL {
        let log = fs::read_to_string(services.log(service)).expect("its log");
        assert!(!log.contains(CANARY) && !log.contains("panicked"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_of_clickhouse_names_its_settings() {
    let namespace = Namespace::new();
    let wrong_in_url =
        namespace.settings().into_iter().find(|(name, _)| *name == "CLICKHOUSE_HTTP_URL").expect("set");
    let wrong_in_url = wrong_in_url.1.replacen("//", &format!("//traffoflex:{CANARY}@"), 1);
    for wrong in [
        ("CLICKHOUSE_PASSWORD", CANARY),
        ("CLICKHOUSE_USER", "nobody"),
        ("CLICKHOUSE_HTTP_URL", &wrong_in_url),
    ] {
        let services = Services::embedded(&[&namespace.settings()[..], &[wrong]].concat());
        refused(&services, &["migrate", "status", "clickhouse"], 1, &[REFUSED]);
        refused(&services, &["migrate", "up", "clickhouse"], 1, &[REFUSED]);
        let begun = Instant::now();
        refused(&services, &["up"], 1, &[REFUSED]);
        assert!(begun.elapsed() < Duration::from_secs(10), "what waiting does not mend is not waited for");
    }

    let mut services =
        Services::embedded(&[&namespace.settings()[..], &[("CLICKHOUSE_PASSWORD", CANARY)]].concat());
    Service::ALL.into_iter().for_each(|service| services.start(service));
    let reports = [
        services.until_ready(Service::Api, tells(503, "analytics", REFUSED)).await,
        // Clicks are routed and sales are recorded without it.
        services.until_ready(Service::Traffic, tells(200, "analytics", REFUSED)).await,
        services.until_ready(Service::Postback, tells(200, "analytics", REFUSED)).await,
    ];
    refused(&services, &["report"], 1, &["tfx migrate status"]);
    kept_secret(&services, &reports);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_for_mongodb_name_its_setting() {
    let uri = Namespace::mongo_uri().replacen("//", &format!("//nobody:{CANARY}@"), 1);
    let mut services = Services::embedded(&[("MONGO_URI", &uri)]);
    let says = &["refuses the user name or password", "MONGO_URI"];
    for command in [&["migrate", "status"][..], &["migrate", "up", "mongo"]] {
        refused(&services, command, 1, says);
    }
    refused(&services, &["up"], 1, &["does not accept the user and password of MONGO_URI"]);
    Service::ALL.into_iter().for_each(|service| services.start(service));
    let reports = [
        services.until_ready(Service::Api, tells(503, "config", "MONGO_URI")).await,
        services.until_ready(Service::Traffic, tells(503, "config", "MONGO_URI")).await,
        services.until_ready(Service::Postback, tells(503, "config", "MONGO_URI")).await,
    ];
    // The driver tells of it itself, or passes over who refused it a moment ago.
    let (code, said) = block_in_place(|| services.complaint(&["campaign", "list"]));
    let told =
        [(Some(1), "tfx migrate status"), (Some(6), "does not accept the user and password of MONGO_URI")];
    assert!(told.iter().any(|(c, part)| code == *c && said.contains(part)), "{code:?} {said}");
    kept_secret(&services, &reports);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away_hides_none_of_the_others() {
    let namespace = Namespace::new();
    let away = ("MONGO_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300");
    let services = Services::embedded(&[&namespace.settings()[..], &[away]].concat());
    let ended = block_in_place(|| services.tfx(&["migrate", "status"]).output().expect("run tfx"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (shown, said) = (text(&ended.stdout), text(&ended.stderr));
    assert_eq!(ended.status.code(), Some(6), "{said}");
    assert!(said.contains("mongo: "), "{said}");
    for target in ["topics", "clickhouse"] {
        assert!(shown.contains(target), "{target} is not in: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_named_and_what_waits_for_it_is_delivered_once() {
    const CLICKS: u64 = 20;
    let namespace = Namespace::new();
    let mut services = Services::embedded(&namespace.settings());
    services.start(Service::Traffic);
    services.until_ready(Service::Traffic, |status, _| status == 200).await;
    let nowhere = format!("{}/c/nowhere", services.url(Service::Traffic));
    for _ in 0..CLICKS {
        let answer = reqwest::get(&nowhere).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
    let missing = "trafficback_events does not exist: run `tfx migrate up topics`";
    let report = services.until_ready(Service::Traffic, tells(200, "events", missing)).await;
    assert_eq!(report["status"], "degraded", "{report}");
    let stats = services.counters(Service::Traffic).await;
    assert!(stats["last_error"].as_str().is_some_and(|e| e.contains(missing)), "{stats}");
    assert_eq!(
        (stats["outbox_depth_events"].as_u64(), stats["dropped_total"].as_u64()),
        (Some(CLICKS), Some(0))
    );

    // As it says.
    block_in_place(|| services.said(&["migrate", "up", "topics"]));
    let begun = Instant::now();
    loop {
        let stats = services.counters(Service::Traffic).await;
        if stats["outbox_depth_events"] == 0 {
            assert_eq!(
                (stats["delivered_total"].as_u64(), stats["dropped_total"].as_u64()),
                (Some(CLICKS), Some(0))
            );
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{stats}");
        sleep(Duration::from_millis(50)).await;
    }
    services.until_ready(Service::Traffic, tells(200, "events", "0 events wait")).await;
}

/// `conversion_events` as early volumes have it, with a sale.
async fn make_early(namespace: &Namespace) {
    const TABLES: &str = include_str!("../../../../deploy/clickhouse/init/003_mvp_event_tables.sql");
    namespace.make_database().await;
    let table = TABLES.split("\n\n").find(|s| s.contains("EXISTS conversion_events\n")).expect("the table");
    let lines: Vec<_> = table.lines().filter(|l| !l.contains("source_id") && !l.starts_with("--")).collect();
    namespace.sql(lines.join("\n").trim_end_matches(';')).await;
    let sale = "INSERT INTO conversion_events (conversion_id, version, click_id, click_at, created_at, updated_at, status,
        revenue, currency, destination_id) VALUES ('cnv_0000000000000000001', 1, '01M60A7Q800000000000000001',
        '2026-11-20 10:00:00', '2026-11-20 11:00:00', '2026-11-20 11:00:00', 'sale', 5, 'USD', 'dst_0000000000000000001')";
    namespace.sql(sale).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_not_there_or_too_old_names_the_command_that_mends_it() {
    let namespace = Namespace::new();
    let mut services = Services::embedded(&namespace.settings());
    services.start(Service::Api);
    services.until_ready(Service::Api, tells(503, "analytics", "there is no database")).await;
    services.until_ready(Service::Api, tells(503, "analytics", "run: tfx migrate up clickhouse")).await;
    refused(&services, &["report"], 1, &["tfx migrate status"]);

    make_early(&namespace).await;
    let report =
        services.until_ready(Service::Api, tells(503, "analytics", "is not what this build needs")).await;
    for part in ["source_id", "run: tfx migrate up clickhouse"] {
        assert!(report.to_string().contains(part), "{report}");
    }
    let by_source = ["report", "--since", "2026-11-01", "--by", "source", "--output", "json"];
    refused(&services, &by_source, 1, &["tfx migrate status"]);
    refused(
        &services,
        &["migrate", "status", "clickhouse", "--check"],
        1,
        &["to be applied", "tfx migrate up"],
    );
    services.kill(Service::Api);
    refused(&services, &["up"], 1, &["is not what this build needs", "run: tfx migrate up clickhouse"]);
    services.start(Service::Api);

    // As it says; the sale of before is in the report.
    block_in_place(|| services.said(&["migrate", "up", "topics", "clickhouse"]));
    services.until_ready(Service::Api, |_, r| r["dependencies"][2]["state"] == "ok").await;
    block_in_place(|| services.said(&["migrate", "status", "clickhouse", "--check"]));
    let report = block_in_place(|| services.said(&by_source));
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["totals"]["conversions"], 1, "{report}");
}
