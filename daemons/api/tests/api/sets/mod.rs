//! The configuration as a set: what is read of it, and what applying one comes to.

mod applied;
mod drift;
mod generated;
mod names;
mod permission;
mod refused;
mod several;
mod whole;

use crate::server::Server;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// What there is: the revision and the set.
async fn set(s: &Server) -> (u64, Value) {
    let (status, answer) = s.get("/config/set").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    (answer["revision"].as_u64().expect("a revision"), answer["set"].clone())
}

/// What applying a set is answered.
async fn put(s: &Server, body: Value) -> (StatusCode, Value) {
    s.ask(Method::PUT, "/config/set", Some(&body)).await
}

/// The answer to a set that can be applied.
async fn applied(s: &Server, set: &Value) -> Value {
    let (status, answer) = put(s, json!({ "set": set })).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    assert_eq!(answer["applied"], true);
    answer
}

/// The same, with what is not in it archived.
async fn pruned(s: &Server, set: &Value) -> Value {
    let (status, answer) = put(s, json!({ "set": set, "prune": true })).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    answer
}

/// What it would come to.
async fn foreseen(s: &Server, body: Value) -> (StatusCode, Value) {
    s.ask(Method::PUT, "/config/set?dry_run=true", Some(&body)).await
}

/// `create campaign summer`, one for each change.
fn told(answer: &Value) -> Vec<String> {
    let text = |change: &Value, field: &str| change[field].as_str().expect(field).to_owned();
    let one = |change: &Value| ["action", "kind", "reference"].map(|field| text(change, field)).join(" ");
    answer["changes"].as_array().expect("changes").iter().map(one).collect()
}

/// A destination, a campaign and its streams.
fn small() -> Value {
    json!({
        "destinations": [{ "slug": "offer", "url": "https://offer.example/?c={click_id}" }],
        "campaigns": [{ "slug": "summer", "streams": [
            { "slug": "de", "filters": [{ "field": "country", "is": ["DE"] }], "destinations": [{ "destination": "offer" }] },
            { "slug": "rest", "destinations": [{ "destination": "offer" }] },
        ] }],
    })
}
