//! Slugs that change, and what goes on leading to their entities; the streams that a campaign has.

use crate::server::{Server, message};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tfx_domain::entity::Kind;

/// A campaign, a network and a template of it, all called `old`.
async fn three(s: &Server) -> [(Kind, String); 3] {
    s.create(Kind::Campaign, json!({ "slug": "old" })).await;
    let network = s.create(Kind::Network, json!({ "slug": "old" })).await;
    s.create(Kind::Template, json!({ "slug": "old", "network": network["id"] })).await;
    let template = format!("{}/old", network["id"].as_str().expect("an id"));
    [(Kind::Template, template), (Kind::Network, "old".to_owned()), (Kind::Campaign, "old".to_owned())]
}

fn aliases(entity: &Value) -> Vec<&str> {
    entity["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn a_slug_that_changes_leads_on_unless_told_otherwise() {
    let s = Server::start().await;
    for (kind, old) in three(&s).await {
        let rename =
            async |to: &str| s.api.update(kind, &old, &json!({ "slug": to }), None).await.expect("renamed");
        let renamed = rename("new").await;
        assert_eq!(aliases(&renamed), ["old"], "{kind}");
        let again = rename("newer").await;
        assert_eq!(aliases(&again), ["old", "new"], "{kind}: found by its former slug");
        // Sent back whole, with another slug: what it was called goes on all the same.
        let mut whole = again.clone();
        whole["slug"] = json!("newest");
        let whole = s.api.update(kind, &old, &whole, None).await.expect("renamed");
        assert_eq!(aliases(&whole), ["old", "new", "newer"], "{kind}");
        let back = rename("newer").await;
        assert_eq!(aliases(&back), ["old", "new", "newest"], "{kind}");
        let back = rename("old").await;
        assert_eq!(aliases(&back), ["new", "newest", "newer"], "{kind}: its slug is no former one");
        let (status, dropped) = s
            .ask(
                Method::PATCH,
                &format!("/{}/{}?drop_old_slug=true", kind.plural(), back["id"].as_str().expect("an id")),
                Some(&json!({ "slug": "last" })),
            )
            .await;
        assert_eq!((status, aliases(&dropped)), (StatusCode::OK, vec!["new", "newest", "newer"]), "{kind}");
        assert!(s.api.get(kind, &old).await.is_err(), "{kind}: dropped");
        let none =
            s.api.update(kind, back["id"].as_str().expect("an id"), &json!({ "aliases": [] }), None).await;
        assert!(aliases(&none.expect("changed")).is_empty());
    }
}

#[tokio::test]
async fn a_former_slug_is_taken_and_it_is_told_by_whom() {
    let s = Server::start().await;
    three(&s).await;
    s.api.update(Kind::Campaign, "old", &json!({ "slug": "new" }), None).await.expect("renamed");
    for body in [json!({ "slug": "old" }), json!({ "slug": "x", "aliases": ["new"] })] {
        let (status, problem) = s.post("/campaigns", body).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("slug_taken")));
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(problem["existing"].as_str().is_some_and(|id| detail.contains(id)), "{detail}");
    }
    let (_, problem) = s.post("/campaigns", json!({ "slug": "old" })).await;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("former slug of the campaign new"), "{detail}");
    let (status, problem) =
        s.post("/campaigns", json!({ "slug": "x", "aliases": ["x", "y", "y", "a b"] })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!message(&problem, "aliases[3]").is_empty(), "{problem}");
}

#[tokio::test]
async fn a_list_of_campaigns_tells_how_many_streams_are_active() {
    let s = Server::start().await;
    s.summer().await;
    s.create(Kind::Campaign, json!({ "slug": "bare" })).await;
    let paused = json!({ "campaign": "bare", "slug": "p", "status": "paused", "destinations": [{ "destination": "offer" }] });
    s.create(Kind::Stream, paused).await;
    let (_, page) = s.get("/campaigns").await;
    let counts: Vec<_> =
        page["items"].as_array().expect("items").iter().map(|c| c["active_streams"].as_u64()).collect();
    assert_eq!(counts, [Some(1), Some(0)]);
}

#[tokio::test]
async fn a_link_carries_the_tokens_of_its_source() {
    let s = Server::start().await;
    let params =
        json!({ "external_id": "click={SUBID}", "cost": "cost={bid}", "others": ["zoneid={zoneid}"] });
    s.create(Kind::Source, json!({ "slug": "propeller", "params": params })).await;
    s.create(Kind::Source, json!({ "slug": "names", "params": { "cost": "bid" } })).await;
    s.create(Kind::Campaign, json!({ "slug": "summer", "source": "names" })).await;
    let plain = s.api.campaign_link("summer", None).await.expect("a link");
    assert!(plain.url.ends_with("/c/summer") && plain.note.is_none(), "{plain:?}");
    let other = s.api.campaign_link("summer", Some("propeller")).await.expect("a link");
    assert!(other.url.ends_with("/c/summer?click={SUBID}&cost={bid}&zoneid={zoneid}"), "{other:?}");
    assert!(other.note.is_some_and(|n| n.contains("--source propeller")), "its names are not read yet");
    s.api.update(Kind::Campaign, "summer", &json!({ "source": "propeller" }), None).await.expect("changed");
    let own = s.api.campaign_link("summer", None).await.expect("a link");
    assert!(own.url.ends_with("?click={SUBID}&cost={bid}&zoneid={zoneid}") && own.note.is_none(), "{own:?}");
    let missing = s.api.campaign_link("summer", Some("nope")).await.expect_err("no such source");
    assert_eq!(missing.status(), Some(404));
    for bad in ["bid=", "bid={a b}", "bid={a}&x=1", "=x"] {
        let (status, _) = s.post("/sources", json!({ "slug": "bad", "params": { "cost": bad } })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
}
