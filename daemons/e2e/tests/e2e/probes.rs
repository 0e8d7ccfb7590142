//! Destinations whose servers are broken in every way: each probe ends, by a name that the log, the history and `tfx
//! health` tell, and none keeps the others waiting.

use crate::servers::{LIMIT, Server, start_all, table, until};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};
use tfx_domain::entity::Kind;
use tfx_e2e::{Service, Services};
use tokio::task::block_in_place;

/// Status or failure.
fn outcome(row: &Value) -> String {
    row["status"]
        .as_u64()
        .map_or_else(|| row["failure"].as_str().unwrap_or("?").to_owned(), |s| s.to_string())
}

/// Services that probe every two seconds, and the destinations of the table with their servers.
async fn started() -> (Services, BTreeMap<&'static str, Server>, Server) {
    let mut services = Services::embedded(&[
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("DESTINATION_HEALTHCHECK_INTERVAL_MS", "2000"),
        ("DESTINATION_HEALTHCHECK_TIMEOUT_MS", "1500"),
    ]);
    for service in [Service::Api, Service::Traffic] {
        services.start(service);
        services.until_ready(service, |status, _| status == 200).await;
    }
    let (all, trap) = start_all().await;
    let mut servers = BTreeMap::new();
    for (slug, (server, url)) in all {
        let check = json!({ "url": url, "method": "GET", "failures": 1, "successes": 1, "expected_statuses": [200, 204] });
        let spec =
            json!({ "slug": slug, "name": slug, "url": "https://offer.example/", "health_check": check });
        services.api().create(Kind::Destination, &spec).await.expect("created");
        servers.insert(slug, server);
    }
    (services, servers, trap)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_probe_ends_by_a_name_that_is_told_and_none_keeps_others_waiting() {
    let (services, servers, trap) = started().await;
    let api = services.api();
    let rows = until("each is known by what it does", async || {
        let list = api.health(None).await.map_err(|e| e.to_string())?;
        let list = serde_json::to_value(list).expect("JSON");
        let rows: BTreeMap<String, Value> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| (row["slug"].as_str().unwrap_or_default().to_owned(), row.clone()))
            .collect();
        for (slug, _, _, wanted) in table() {
            let row = rows.get(slug).ok_or_else(|| format!("{slug} is not there"))?;
            let good = wanted.iter().all(|w| ["200", "204"].contains(w));
            let state = if good { "up" } else { "down" };
            if !wanted.contains(&outcome(row).as_str()) || row["state"] != state {
                return Err(row.to_string());
            }
        }
        Ok(rows)
    })
    .await;
    // The reason is for people, and stands where the failure does.
    for (slug, row) in &rows {
        let reason = row["reason"].as_str().unwrap_or_default();
        assert_eq!(reason.is_empty(), row["state"] == "up", "{slug}: {row}");
    }
    // None waits for another: each is probed again and again, those that hang too.
    let asked = servers.iter().filter(|(slug, _)| !["no-name", "nobody"].contains(slug));
    let before: Vec<_> = asked.map(|(slug, server)| (slug, server, server.asked.load(SeqCst))).collect();
    for (slug, server, before) in before {
        until(&format!("{slug} is probed again"), async || {
            let more = server.asked.load(SeqCst) - before;
            (more > 1).then_some(()).ok_or_else(|| format!("{more} times"))
        })
        .await;
    }
    assert_eq!(trap.asked.load(SeqCst), 0, "a redirect is followed");
    for slug in ["endless", "large", "chunks", "bomb"] {
        let server = &servers[slug];
        let each = server.sent.load(SeqCst) / server.asked.load(SeqCst);
        assert!(each < 16 << 20, "{slug}: {each} bytes were taken of each answer");
    }

    // By hand: the same words, an exit code, and an end.
    let began = Instant::now();
    let ended = block_in_place(|| services.tfx(&["health", "check", "--all", "--output", "json"]).output());
    let ended = ended.expect("run tfx");
    assert_eq!(ended.status.code(), Some(1), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(began.elapsed() < LIMIT / 2, "{:?}", began.elapsed());
    let told: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    let told = told["items"].as_array().or(told.as_array()).expect("rows").clone();
    assert_eq!(told.len(), table().len());
    for row in &told {
        let slug = row["slug"].as_str().expect("a slug");
        let (.., wanted) = table().into_iter().find(|(s, ..)| *s == slug).expect("a row");
        assert!(wanted.contains(&outcome(row).as_str()), "{slug}: {row}");
    }

    // The history and the log name each that is down.
    let history: Value = serde_json::from_str(&block_in_place(|| {
        services.said(&["health", "history", "--all", "--output", "json"])
    }))
    .expect("JSON");
    let history = history["items"].as_array().or(history.as_array()).expect("rows").clone();
    let log = fs::read_to_string(services.log(Service::Traffic)).expect("the log");
    let changes: Vec<Value> = log
        .lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .filter(|l: &Value| l["to"].is_string())
        .collect();
    for (slug, row) in rows.iter().filter(|(_, row)| row["state"] == "down") {
        let (.., wanted) = table().into_iter().find(|(s, ..)| s == slug).expect("a row");
        for (where_, all) in [("history", &history), ("log", &changes)] {
            let mine = all.iter().filter(|c| c["destination_id"] == row["destination_id"]);
            let named = mine.clone().any(|c| wanted.contains(&outcome(c).as_str()) && c["reason"] != "");
            assert!(named, "{slug} in the {where_}: {:?}", mine.collect::<Vec<_>>());
        }
    }

    // What cannot be probed at all is refused when it is saved.
    for url in
        ["ftp://localhost/", "localhost:80", "file:///etc/passwd", "//localhost/", "gopher://x/", "http://"]
    {
        let (code, said) =
            block_in_place(|| services.complaint(&["destination", "update", "good", "--health-check", url]));
        assert!(code == Some(2) && said.contains("health_check.url"), "{url}: {code:?} {said}");
    }
}

/// The clock of the store was ahead when probes were claimed and put off, and is set back: all seem to wait for hours.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_stops_no_probes() {
    let (services, servers, _trap) = started().await;
    let good = &servers["good"];
    let asked = |n| async move {
        let before = good.asked.load(SeqCst);
        until("it is probed", async || {
            let more = good.asked.load(SeqCst) - before;
            (more >= n).then_some(()).ok_or_else(|| format!("{more} times"))
        })
        .await;
    };
    asked(2).await;
    let file = std::path::Path::new(services.setting("TFX_DATA_DIR")).join("config.db");
    let ahead = Connection::open(file).expect("the store");
    ahead.busy_timeout(Duration::from_secs(10)).expect("patience");
    let moved = ahead.execute("UPDATE job_lanes SET due_ms = due_ms + 36000000 WHERE kind = 'probe'", []);
    assert!(moved.expect("moved") > 20);
    asked(3).await;
}
