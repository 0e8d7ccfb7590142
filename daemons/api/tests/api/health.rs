//! The health of destinations over the API.

use crate::server::Server;
use http::Method;
use serde_json::{Value, json};
use tfx_domain::{
    Timestamp,
    entity::{HealthCheck, Kind},
    health::{DestinationHealth, Probe},
    id::{ClickId, DestinationId},
};
use tfx_ports::{health::Probed, page::PageRequest, queue::JobKind};
use tfx_service::testing::until;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).expect("a time")
}

/// One bad probe of a destination.
async fn goes_down(s: &Server, destination: &Value) {
    let id: DestinationId = destination["id"].as_str().expect("an id").parse().expect("an id");
    let check: HealthCheck = serde_json::from_value(json!({ "failures": 1 })).expect("a check");
    let probe = Probe::failed("timed_out", "no answer in time", 5_000, at(7));
    let (health, change) = DestinationHealth::after(None, &id, &check, probe, || ClickId::generate(at(7), 1));
    s.stores.health.save(&[Probed { health, change }]).await.expect("saved");
}

#[tokio::test]
async fn destinations_with_a_health_check_are_told_as_they_are() {
    let s = Server::start().await;
    let (status, nothing) = s.get("/health").await;
    assert_eq!(
        (status.as_u16(), nothing),
        (200, json!({ "items": [], "watched": 0, "down": 0, "unknown": 0, "undecided": 0 }))
    );
    let offer = |slug: &str, check: Value| json!({ "slug": slug, "url": format!("https://{slug}.example/"), "health_check": check });
    let bad = s.create(Kind::Destination, offer("bad", json!({}))).await;
    s.create(Kind::Destination, offer("new", json!({}))).await;
    s.create(Kind::Destination, json!({ "slug": "plain", "url": "https://plain.example/" })).await;
    goes_down(&s, &bad).await;
    let (_, all) = s.get("/health").await;
    assert_eq!((&all["watched"], &all["down"], &all["unknown"]), (&json!(2), &json!(1), &json!(1)));
    let row = json!({
        "destination_id": bad["id"], "slug": "bad", "state": "down", "since": at(7), "probed_at": at(7),
        "in_a_row": 1, "failure": "timed_out", "reason": "no answer in time", "latency_ms": 5_000,
    });
    assert_eq!(all["items"][0], row);
    assert_eq!((&all["items"][1]["slug"], &all["items"][1]["state"]), (&json!("new"), &json!("unknown")));
    assert_eq!(s.get("/health?state=down").await.1["items"], json!([row]));
    assert_eq!(s.get("/health?state=dead").await.0.as_u16(), 422);
    // A page goes on behind the one before, whatever comes in front of it; the counts are of all.
    let (_, first) = s.get("/health?limit=1").await;
    s.create(Kind::Destination, offer("aaa", json!({}))).await;
    let next = first["next"].as_str().expect("more").to_owned();
    let (_, second) = s.get(&format!("/health?limit=1&cursor={next}")).await;
    assert_eq!((&first["items"][0]["slug"], &second["items"][0]["slug"]), (&json!("bad"), &json!("new")));
    assert_eq!((&second["watched"], second.get("next")), (&json!(3), None));
    assert_eq!(s.api.health(None).await.expect("all pages").items.len(), 3);

    let (_, history) = s.get("/health/history?destination=bad").await;
    assert_eq!(
        (&history["items"][0]["from"], &history["items"][0]["to"]),
        (&json!("unknown"), &json!("down"))
    );
    assert_eq!(history["labels"][bad["id"].as_str().expect("an id")], "bad");
    assert_eq!(s.get("/health/history?destination=new").await.1["items"], json!([]));
    assert_eq!(s.get("/health/history?destination=nobody").await.0.as_u16(), 404);

    // What is paused is not watched.
    s.post("/destinations/bad/pause", json!(null)).await;
    assert_eq!(s.get("/health").await.1["watched"], 2);
}

#[tokio::test]
async fn a_check_needs_a_health_check_and_traffic_service() {
    let s = Server::start().await;
    s.create(Kind::Destination, json!({ "slug": "plain", "url": "https://plain.example/" })).await;
    let checked = json!({ "slug": "offer", "url": "https://offer.example/", "health_check": {} });
    s.create(Kind::Destination, checked).await;
    for (slug, status, code) in [
        ("plain", 409, "no_health_check"),
        ("nobody", 404, "not_found"),
        ("offer", 503, "service_unreachable"),
    ] {
        let (answered, problem) = s.ask(Method::POST, &format!("/destinations/{slug}/check"), None).await;
        assert_eq!((answered.as_u16(), &problem["code"]), (status, &json!(code)), "{slug}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_of_an_archived_destination_ends_and_is_told_once() {
    // Nobody listens where notices go: they wait for their next try.
    let s = Server::with(&[
        ("ALERT_INTERVAL_MS", "100"),
        ("ALERT_RETRY_BACKOFF_MS", "3600000"),
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
    ])
    .await;
    let offer = json!({ "slug": "offer", "url": "https://offer.example/", "health_check": {} });
    let offer = s.create(Kind::Destination, offer).await;
    goes_down(&s, &offer).await;
    let rule = |slug: &str, when: &str| {
        let channels = ["webhook:http://127.0.0.1:1/hook"];
        json!({ "slug": slug, "when": when, "channels": channels, "clear_s": 3600 })
    };
    s.create(Kind::Alert, rule("down", "destination down")).await;
    let beat = s.create(Kind::Alert, rule("beat", "clicks < 0")).await;
    let log = async || {
        let (_, page) = s.get("/alert-log?alert=down").await;
        let rows = page["items"].as_array().expect("a page").clone();
        let of = |row: &Value, field: &str| row[field].as_str().expect("a text").to_owned();
        rows.iter().map(|row| (of(row, "happened"), of(row, "text"))).collect::<Vec<_>>()
    };
    until("it fires", async || log().await.iter().any(|(what, _)| what == "fired")).await;
    // What is only not known goes on to fire.
    let id: DestinationId = offer["id"].as_str().expect("an id").parse().expect("an id");
    s.stores.health.forget(std::slice::from_ref(&id)).await.expect("forgotten");
    let state = async |slug: &str| s.get(&format!("/alerts/{slug}/states")).await.1["items"][0].clone();
    until("nothing is known", async || state("down").await["no_data"].is_string()).await;
    assert_eq!(state("down").await["phase"], "firing");
    assert_eq!(s.post("/destinations/offer/archive", json!({})).await.0.as_u16(), 200);
    let beats = async || {
        let of = Some(beat["id"].as_str().expect("an id").parse().expect("an id"));
        s.stores.alerts.states(of.as_ref()).await.expect("states")[0].state.version
    };
    until("it is over", async || state("down").await.is_null()).await;
    let then = beats().await;
    until("looks", async || beats().await > then + 2).await;
    assert!(state("down").await.is_null());
    let cleared: Vec<_> = log().await.into_iter().filter(|(what, _)| what == "cleared").collect();
    assert_eq!(cleared.len(), 1, "{cleared:?}");
    assert!(cleared[0].1.ends_with("; the destination offer is archived"), "{cleared:?}");
    let jobs = s.stores.queue.waiting(JobKind::Alert, "", &PageRequest::first(99)).await.expect("jobs").items;
    let told = |word: &str| {
        let word = format!("\"told\":\"{word}\"");
        jobs.iter().filter(|job| job.payload.contains(&word)).count()
    };
    assert!(told("cleared") == 1 && told("data") == 0, "{jobs:?}");
    s.stop().await;
}
