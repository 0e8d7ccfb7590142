//! What is wrong with a set is told at once, each with its path, and nothing is done.

use super::{applied, put, set, small};
use crate::server::{Server, message, paths};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tfx_domain::entity::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_every_item_is_told_with_its_path() {
    let s = Server::start().await;
    s.summer().await;
    s.create(Kind::Destination, json!({ "slug": "gone", "url": "https://gone.example/" })).await;
    s.post("/destinations/gone/archive", json!({})).await;
    let before = set(&s).await;
    let wrong = json!({
        "networks": [{ "slug": "adnet", "currency": "XXX", "templates": [{ "slug": "t", "network": "adnet", "scale": "0" }] }],
        "destinations": [{ "slug": "bad", "url": "nonsense", "colour": "red" }, 7],
        "campaigns": [
            { "slug": "one", "source": "nobody", "streams": [
                { "slug": "a", "filters": [{ "field": "country", "is": ["Germany"] }], "destinations": [{ "destination": "ofer" }] },
                { "slug": "b", "destinations": [{ "destination": "gone" }, { "destination": "bad" }] },
                { "slug": "round", "action": { "type": "campaign", "campaign": "two" } },
            ] },
            { "slug": "two", "rotation": "weight", "streams": [
                { "slug": "d", "action": { "type": "campaign", "campaign": "one" } },
                { "slug": "e", "weight": 0, "destinations": [{ "destination": "offer" }] },
            ] },
        ],
        "sources": [{ "slug": "s", "postback_url": "https://***@s.example/?id={external_id}" }],
        "rules": [],
    });
    let (status, problem) = put(&s, json!({ "set": wrong })).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid")),
        "{problem:#}"
    );
    let told = paths(&problem);
    for path in [
        "rules",
        "destinations[1]",
        "networks[0].currency",
        "networks[0].templates[0].network",
        "networks[0].templates[0].scale",
        "destinations[0].url",
        "destinations[0].colour",
        "campaigns[0].source",
        "campaigns[0].streams[0].filters[0].is[0]",
        "campaigns[0].streams[0].destinations[0].destination",
        "campaigns[0].streams[1].destinations[0].destination",
        "campaigns[0].streams[2].action.campaign",
        "sources[0].postback_url",
    ] {
        assert!(told.contains(&path), "{path} in {told:#?}");
    }
    assert!(
        !told.iter().any(|path| path.ends_with("].campaign"))
            && !told.contains(&"campaigns[0].streams[1].destinations[1].destination"),
        "what is wrong itself is there: {told:#?}"
    );
    assert!(
        message(&problem, "campaigns[0].streams[0].destinations[0].destination")
            .contains("did you mean 'offer'")
    );
    assert_eq!(set(&s).await, before, "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_set_still_needs_is_not_archived() {
    let s = Server::start().await;
    applied(&s, &small()).await;
    let mut less = small();
    less.as_object_mut().expect("a set").remove("destinations");
    let (status, problem) = put(&s, json!({ "set": less, "prune": true })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    let path = "campaigns[0].streams[0].destinations[0].destination";
    assert!(message(&problem, path).contains("'offer' is not in the set"), "{problem:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_are_refused_by_their_number_and_large_ones_are_read() {
    let s = Server::start().await;
    let of = |count: usize| {
        let items: Vec<Value> = (0..count).map(|n| json!({ "slug": format!("s{n}") })).collect();
        json!({ "set": { "sources": items } })
    };
    let (status, problem) = put(&s, of(100_000)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["detail"].to_string().contains("100000 entities"), "{problem}");
    // Larger than the body of any other request may be.
    let large = json!({ "set": { "networks": [{ "slug": "n", "name": "x".repeat(1_500_000) }] } });
    let (status, problem) = put(&s, large.clone()).await;
    assert_eq!((status, paths(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["networks[0].name"]));
    let (status, _) = s.ask(Method::POST, "/bulk", Some(&large)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_version_saved_is_neither_left_out_nor_changed() {
    let s = Server::start().await;
    applied(&s, &small()).await;
    s.saved_before(Kind::Campaign, "summer", &json!({ "of_tomorrow": 1 })).await;
    let (status, problem) = s.get("/config/set").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("written_by_another_version")));
    let (status, problem) = put(&s, json!({ "set": small() })).await;
    assert_eq!(
        (status, paths(&problem)),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["campaigns[0]"]),
        "{problem:#}"
    );
}
