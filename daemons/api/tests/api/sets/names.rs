//! Renames, swaps, reused slugs: an entity stays itself, and its links go on leading to it.

use super::{applied, put, set, told};
use crate::server::{Server, message, paths};
use reqwest::StatusCode;
use serde_json::{Value, json};

#[expect(clippy::needless_pass_by_value, reason = "each is made where it is used")]
fn campaigns(items: Value) -> Value {
    json!({ "campaigns": items })
}

async fn id(s: &Server, slug: &str) -> Value {
    s.get(&format!("/campaigns/{slug}")).await.1["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_keeps_the_entity_and_its_links_and_may_be_said_again() {
    for s in [Server::start().await, Server::on_mongodb(&[]).await] {
        applied(&s, &campaigns(json!([{ "slug": "summer", "aliases": ["spring"] }]))).await;
        let was = id(&s, "summer").await;
        let renamed = campaigns(json!([{ "slug": "autumn", "renamed_from": "summer" }]));
        let answer = applied(&s, &renamed).await;
        assert_eq!(
            (told(&answer), &answer["changes"][0]["was"]),
            (vec!["rename campaign autumn".to_owned()], &json!("summer"))
        );
        for slug in ["autumn", "summer", "spring"] {
            assert_eq!(id(&s, slug).await, was, "{slug}");
        }
        assert_eq!(told(&applied(&s, &renamed).await), Vec::<String>::new(), "it is done already");
        let read = set(&s).await.1;
        assert_eq!(told(&applied(&s, &read).await), Vec::<String>::new());
        // What files said before the rename does not take its link away.
        let file = campaigns(json!([{ "slug": "autumn", "renamed_from": "summer", "aliases": ["spring"] }]));
        assert_eq!(told(&applied(&s, &file).await), Vec::<String>::new());
        // Renamed elsewhere, it is found by the slug that it had.
        let back = applied(&s, &campaigns(json!([{ "slug": "summer" }]))).await;
        assert_eq!(told(&back), ["rename campaign summer"]);
        assert_eq!(id(&s, "autumn").await, was);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slugs_are_swapped_and_used_again_in_one_set() {
    for s in [Server::start().await, Server::on_mongodb(&[]).await] {
        let first = json!({
            "campaigns": [{ "slug": "a", "streams": [{ "slug": "x", "action": { "type": "text", "body": "1" } },
                { "slug": "y", "action": { "type": "text", "body": "2" } }] }, { "slug": "b" }],
            "sources": [{ "slug": "s" }],
        });
        applied(&s, &first).await;
        let (a, b) = (id(&s, "a").await, id(&s, "b").await);
        let x = s.get("/streams/a%2Fx").await.1["id"].clone();
        let swapped = json!({
            "campaigns": [{ "slug": "a", "renamed_from": "b" }, { "slug": "b", "renamed_from": "a", "streams": [
                { "slug": "y", "renamed_from": "x", "action": { "type": "text", "body": "1" } },
                { "slug": "x", "renamed_from": "y", "action": { "type": "text", "body": "2" } }] }],
            "sources": [{ "slug": "t", "renamed_from": "s" }, { "slug": "s", "name": "Another" }],
        });
        let answer = applied(&s, &swapped).await;
        let want = [
            "rename source t",
            "create source s",
            "rename campaign a",
            "rename campaign b",
            "rename stream b/y",
            "rename stream b/x",
        ];
        assert_eq!(told(&answer), want);
        assert_eq!((id(&s, "a").await, id(&s, "b").await), (b, a));
        assert_eq!(s.get("/streams/b%2Fy").await.1["id"], x);
        assert!(answer["warnings"].to_string().contains("a, b, x, y pass their slugs round"), "{answer:#}");
        assert!(s.get("/campaigns/a").await.1.get("aliases").is_none(), "who has a slug has its link");
        // Without the circle it is done already.
        let again = json!({ "sources": swapped["sources"] });
        assert_eq!(told(&applied(&s, &again).await), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_renames_is_done_at_once_and_once() {
    let s = Server::start().await;
    applied(&s, &campaigns(json!([{ "slug": "a" }, { "slug": "b" }]))).await;
    let (a, b) = (id(&s, "a").await, id(&s, "b").await);
    let chain = campaigns(
        json!([{ "slug": "b", "renamed_from": "a" }, { "slug": "d", "renamed_from": "b" }, { "slug": "a" }]),
    );
    assert_eq!(
        told(&applied(&s, &chain).await),
        ["rename campaign b", "rename campaign d", "create campaign a"]
    );
    assert_eq!((id(&s, "b").await, id(&s, "d").await), (a, b));
    assert_eq!(told(&applied(&s, &chain).await), Vec::<String>::new());
    let empty = Server::start().await;
    assert_eq!(
        told(&applied(&empty, &chain).await),
        ["create campaign b", "create campaign d", "create campaign a"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_cannot_be_are_refused_where_they_stand() {
    let s = Server::start().await;
    applied(&s, &json!({ "campaigns": [{ "slug": "a", "aliases": ["old"] }], "sources": [{ "slug": "s" }, { "slug": "t" }] })).await;
    let table = [
        (json!({ "campaigns": [{ "slug": "b" }, { "slug": "b" }] }), "campaigns[1].slug", "twice"),
        (json!({ "campaigns": [{ "slug": "a" }, { "slug": "old" }] }), "campaigns[1].slug", "former slug"),
        (json!({ "campaigns": [{ "slug": "n", "aliases": ["a"] }] }), "campaigns[0].slug", "taken"),
        (
            json!({ "sources": [{ "slug": "u", "renamed_from": "s" }, { "slug": "v", "renamed_from": "s" }] }),
            "sources[1].renamed_from",
            "cannot become two",
        ),
        (
            json!({ "sources": [{ "slug": "t", "renamed_from": "s" }] }),
            "sources[0].renamed_from",
            "there is a source 's'",
        ),
        (
            json!({ "sources": [{ "slug": "s", "renamed_from": "s" }] }),
            "sources[0].renamed_from",
            "leave it out",
        ),
        (json!({ "sources": [{ "slug": "no slug" }] }), "sources[0].slug", "1 to 64 characters"),
        (json!({ "sources": [{ "name": "Nameless" }] }), "sources[0].slug", "is required"),
    ];
    for (set, path, text) in table {
        let (status, problem) = put(&s, json!({ "set": set })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{set}: {problem:#}");
        assert!(message(&problem, path).contains(text), "{set}: {:?}: {problem:#}", paths(&problem));
    }
}
