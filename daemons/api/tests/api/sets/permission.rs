//! Who may read a set, apply it, and learn what of it.

use super::{applied, generated::everything, set, small, told};
use crate::server::{Server, answer, paths};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// What somebody with some scopes is answered.
async fn asked_by(s: &Server, scopes: &[&str], query: &str, body: Option<&Value>) -> (StatusCode, Value) {
    let name = format!("t-{:x}", tfx_ports::entropy::random_u128());
    let made = s.post("/tokens", json!({ "name": name, "scopes": scopes })).await.1;
    let method = if body.is_some() { Method::PUT } else { Method::GET };
    let request = s.bare(method, &format!("/api/v1/config/set{query}"));
    let request = request.bearer_auth(made["token"].as_str().unwrap_or_else(|| panic!("{made}")));
    answer(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_that_changes_needs_its_scope_and_no_other() {
    let s = Server::start().await;
    let body = json!({ "set": small() });
    let read = ["read", "read:money"];
    assert_eq!(
        asked_by(&s, &["read"], "", None).await.0,
        StatusCode::FORBIDDEN,
        "a set without money would take it away"
    );
    assert_eq!(asked_by(&s, &read, "", None).await.0, StatusCode::OK);
    let (status, dry) = asked_by(&s, &read, "?dry_run=true", Some(&body)).await;
    assert_eq!((status, told(&dry).len()), (StatusCode::OK, 4), "whoever may read may look: {dry}");
    let (status, problem) =
        asked_by(&s, &["read", "read:money", "write:campaigns", "write:streams"], "", Some(&body)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(problem["detail"].to_string().contains("write:destinations"), "{problem}");
    let all = ["read", "read:money", "write:campaigns", "write:streams", "write:destinations"];
    assert_eq!(asked_by(&s, &all, "", Some(&body)).await.0, StatusCode::OK);
    let mut other = small();
    other["campaigns"][0]["name"] = json!("Another");
    let body = json!({ "set": other });
    assert_eq!(
        asked_by(&s, &["read", "read:money", "write:campaigns"], "", Some(&body)).await.0,
        StatusCode::OK
    );
    let rule = json!({ "set": { "alerts": [{ "slug": "a", "when": "spend_today > 2", "action": "pause_destination",
        "destination": "offer" }] } });
    let (status, problem) = asked_by(&s, &["read", "read:money", "write:alerts"], "", Some(&rule)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    assert!(problem["detail"].to_string().contains("write:streams"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_shown_goes_to_no_other_server_and_is_not_guessed() {
    let s = Server::start().await;
    applied(&s, &everything()).await;
    let writer = ["read", "read:money", "write:sources"];
    let (_, mut wanted) = set(&s).await;
    wanted["sources"][1]["postback_urls"]["lead"] = json!("https://evil.example/?id={external_id}");
    assert_eq!(wanted["sources"][1]["slug"], "push", "{wanted:#}");
    let body = json!({ "set": wanted });
    let (status, problem) = asked_by(&s, &writer, "", Some(&body)).await;
    assert_eq!(
        (status, paths(&problem)),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["sources[1].postback_urls.lead"]),
        "{problem:#}"
    );
    let seer = ["read", "read:money", "read:secrets", "write:sources"];
    let (status, answer) = asked_by(&s, &seer, "", Some(&body)).await;
    assert_eq!(
        (status, told(&answer)),
        (StatusCode::OK, vec!["update source push".to_owned()]),
        "{answer:#}"
    );
    // A dry run tells nobody whether he guessed right.
    for (kind, field, right, wrong) in [
        ("networks", "postback_secret", "canary-secret-1", "canary-secret-2"),
        (
            "destinations",
            "url",
            "https://offer.example/?c={click_id}&token=canary",
            "https://offer.example/?c={click_id}&token=x",
        ),
    ] {
        for guess in [right, wrong] {
            let mut wanted = set(&s).await.1;
            let item = wanted[kind]
                .as_array_mut()
                .expect("items")
                .iter_mut()
                .find(|i| i["slug"] == "adnet" || i["slug"] == "offer");
            item.expect("there")[field] = json!(guess);
            let (status, problem) =
                asked_by(&s, &["read", "read:money"], "?dry_run=true", Some(&json!({ "set": wanted }))).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{field} {guess}: {problem}");
        }
    }
}
