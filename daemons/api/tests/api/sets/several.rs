//! Several who change the configuration at once.

use super::{applied, put, set, small, told};
use crate::server::Server;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_apply_what_they_looked_at_one_wins_and_the_other_is_told() {
    for one in [Server::start().await, Server::on_mongodb(&[]).await] {
        let two = Arc::new(one.beside_with(&[]).await);
        let one = Arc::new(one);
        let (revision, _) = set(&one).await;
        let mut tasks = JoinSet::new();
        for n in 0..6 {
            let s = Arc::clone(if n % 2 == 0 { &one } else { &two });
            let wanted = json!({ "sources": [{ "slug": "s", "name": format!("by {n}") }, { "slug": format!("of-{n}") }] });
            tasks.spawn(async move { put(&s, json!({ "revision": revision, "set": wanted })).await });
        }
        let answers: Vec<(StatusCode, Value)> = tasks.join_all().await;
        let won: Vec<_> = answers.iter().filter(|(status, _)| *status == StatusCode::OK).collect();
        assert_eq!(won.len(), 1, "{answers:#?}");
        for (status, problem) in answers.iter().filter(|(status, _)| *status != StatusCode::OK) {
            assert_eq!(
                (*status, &problem["code"]),
                (StatusCode::CONFLICT, &json!("revision_moved")),
                "{problem}"
            );
            assert_eq!(problem["current"].as_u64(), Some(revision + 2));
        }
        assert_eq!(set(&one).await.1["sources"].as_array().map(Vec::len), Some(2), "whole or not at all");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_no_revision_is_applied_to_what_there_is_then() {
    let one = Server::start().await;
    let two = Arc::new(one.beside().await);
    let one = Arc::new(one);
    applied(&one, &small()).await;
    let mut tasks = JoinSet::new();
    for n in 0..6 {
        let s = Arc::clone(if n % 2 == 0 { &one } else { &two });
        tasks.spawn(async move {
            put(&s, json!({ "set": { "sources": [{ "slug": format!("of-{n}") }] } })).await
        });
    }
    for (status, answer) in tasks.join_all().await {
        assert_eq!((status, told(&answer).len()), (StatusCode::OK, 1), "{answer}");
    }
    assert_eq!(set(&one).await.1["sources"].as_array().map(Vec::len), Some(6));
}
