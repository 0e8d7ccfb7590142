//! What changed since a set was last applied is told with who changed it.

use super::{applied, foreseen, set, small};
use crate::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn who_changed_what_since_the_last_set_is_told_with_the_change() {
    for s in [Server::start().await, Server::on_mongodb(&[]).await] {
        s.ask(Method::POST, "/sources", Some(&json!({ "slug": "push" }))).await;
        let drifted = async |wanted: &Value| {
            let (status, answer) = foreseen(&s, json!({ "set": wanted })).await;
            assert!(status.is_success(), "{answer:#}");
            let one = |change: &Value| {
                (change["reference"].as_str().expect("a slug").to_owned(), change["drifted"].clone())
            };
            answer["changes"].as_array().expect("changes").iter().map(one).collect::<Vec<_>>()
        };
        let first = json!({ "sources": [{ "slug": "push", "name": "Push" }] });
        assert_eq!(drifted(&first).await, [("push".to_owned(), Value::Null)], "no set was applied yet");
        applied(&s, &small()).await;
        let wanted = set(&s).await.1;
        s.ask(Method::PATCH, "/streams/summer%2Fde", Some(&json!({ "weight": 7 }))).await;
        s.post("/streams/summer%2Fde/pause", json!({})).await;
        let found = drifted(&wanted).await;
        assert_eq!(found.len(), 1, "{found:?}");
        let lines: Vec<_> =
            found[0].1.as_array().expect("lines").iter().map(|line| (&line["action"], &line["by"])).collect();
        assert_eq!(
            lines,
            [(&json!("pause"), &json!("admin token")), (&json!("update"), &json!("admin token"))]
        );
        applied(&s, &wanted).await;
        let mut other = wanted.clone();
        other["campaigns"][0]["streams"][0]["weight"] = json!(9);
        assert_eq!(
            drifted(&other).await,
            [("summer/de".to_owned(), Value::Null)],
            "what a set did is no drift"
        );
    }
}
