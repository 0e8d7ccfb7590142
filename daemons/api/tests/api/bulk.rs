//! Many changes at once: all or none, on what the items before come to.

use crate::server::{Server, message, paths};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tfx_api::{
    audit::AuditQuery,
    bulk::{Bulk, BulkAction, BulkItem},
    entities::EntityQuery,
};
use tfx_domain::entity::Kind;

#[expect(clippy::needless_pass_by_value, reason = "each is made where it is used")]
fn create(kind: &str, spec: Value) -> Value {
    json!({ "action": "create", "kind": kind, "spec": spec })
}

/// A whole campaign, each referring to what is before it by slug.
fn chain(name: &str) -> Vec<Value> {
    let slug = |what: &str| format!("{what}-{name}");
    vec![
        create("network", json!({ "slug": slug("net"), "currency": "EUR" })),
        create(
            "destination",
            json!({ "slug": slug("offer"), "network": slug("net"),
            "url": "https://offer.example/?c={click_id}", "payout": { "amount": "2" } }),
        ),
        create("campaign", json!({ "slug": slug("cmp") })),
        create(
            "stream",
            json!({ "campaign": slug("cmp"), "slug": "main",
            "destinations": [{ "destination": slug("offer") }] }),
        ),
        create(
            "stream",
            json!({ "campaign": slug("cmp"), "slug": "second",
            "destinations": [{ "destination": slug("offer") }] }),
        ),
        json!({ "action": "pause", "kind": "stream", "ref": format!("{}/second", slug("cmp")), "version": 1 }),
    ]
}

async fn count(s: &Server) -> usize {
    s.stores.config.load().await.expect("the configuration").1.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn items_refer_to_what_those_before_make_and_each_has_its_answer_and_its_line() {
    let s = Server::start().await;
    let (status, answer) = s.post("/bulk", json!({ "items": chain("a") })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let items = answer["items"].as_array().expect("items");
    let told: Vec<_> =
        items.iter().map(|i| (i["status"].as_u64(), i["slug"].as_str(), i["version"].as_u64())).collect();
    assert_eq!(told[0], (Some(201), Some("net-a"), Some(1)));
    assert_eq!(told[5], (Some(200), Some("second"), Some(2)));
    assert!(items[0]["postback_secret"].is_string() && items[1].get("postback_secret").is_none());
    let stream = s.get("/streams/cmp-a%2Fsecond").await.1;
    assert_eq!(
        (&stream["status"], &stream["position"]),
        (&json!("paused"), &json!(2)),
        "places follow each other"
    );
    let offer = s.get("/destinations/offer-a").await.1;
    assert_eq!(offer["payout"]["currency"], "EUR", "as its network, made in the same bulk");
    let log = s.api.audit(&AuditQuery::default()).await.expect("audit").items;
    let lines: Vec<&str> = log.iter().rev().map(|e| e.action.as_str()).collect();
    assert_eq!(lines, ["create", "create", "create", "create", "create", "pause"]);
    let (_, again) = s
        .post(
            "/bulk",
            json!({ "items": [
        { "action": "update", "kind": "campaign", "ref": "cmp-a", "version": 1, "spec": { "name": "New" } },
        { "action": "update", "kind": "campaign", "ref": "cmp-a", "version": 2, "spec": { "name": "New" } },
    ] }),
        )
        .await;
    let changed: Vec<_> = again["items"].as_array().expect("items").iter().map(|i| &i["changed"]).collect();
    assert_eq!(changed, [&json!(true), &json!(false)], "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_item_that_cannot_be_keeps_all_from_being_done_and_every_problem_is_told_at_its_item() {
    let s = Server::start().await;
    s.summer().await;
    let before = count(&s).await;
    let mut items = chain("b");
    items.extend([
        create("campaign", json!({ "slug": "summer" })),
        create("destination", json!({ "slug": "bad", "url": "nonsense", "payout": { "amount": "x" } })),
        json!({ "action": "update", "kind": "campaign", "ref": "summer", "version": 7, "spec": { "name": "x" } }),
        json!({ "action": "pause", "kind": "campaign", "ref": "nobody" }),
        create("campaign", json!({ "slug": "cmp-b" })),
        json!({ "action": "archive", "kind": "destination", "ref": "offer" }),
        create("stream", json!({ "campaign": "cmp-b", "slug": "round", "kind": "regular",
            "action": { "type": "campaign", "campaign": "cmp-b" } })),
    ]);
    let (status, problem) = s.post("/bulk", json!({ "items": items })).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("bulk_refused")),
        "{problem}"
    );
    let paths = paths(&problem);
    let wanted = [
        "items[6].spec.slug",
        "items[7].spec.url",
        "items[7].spec.payout.amount",
        "items[8].version",
        "items[9].ref",
        "items[10].spec.slug",
        "items[11].ref",
        "items[12].spec.action.campaign",
    ];
    for path in wanted {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    assert!(message(&problem, "items[8].version").contains("at version 1"));
    let refused: Vec<_> = problem["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|i| (i["item"].as_u64(), i["status"].as_u64(), i["code"].as_str()))
        .collect();
    assert!(refused.contains(&(Some(8), Some(412), Some("version_mismatch"))), "{refused:?}");
    assert!(refused.contains(&(Some(9), Some(404), Some("not_found"))), "{refused:?}");
    assert_eq!(count(&s).await, before, "nothing was done");
    for (body, path) in [
        (json!({ "items": [] }), "items"),
        (
            json!({ "items": [{ "action": "create", "kind": "campaign", "ref": "x", "spec": {} }] }),
            "items[0].ref",
        ),
        (json!({ "items": [{ "action": "pause", "kind": "campaign" }] }), "items[0].ref"),
        (json!({ "items": [{ "action": "explode", "kind": "campaign" }] }), "items[0].action"),
        (json!({ "items": vec![create("campaign", json!({})); 1001] }), "items"),
    ] {
        let (status, problem) = s.post("/bulk", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(self::paths(&problem).contains(&path), "{path}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_needs_its_own_scope() {
    let s = Server::start().await;
    let made = s.post("/tokens", json!({ "name": "ci", "scopes": ["read", "write:campaigns"] })).await.1;
    let ask = async |items: Vec<Value>| {
        let request =
            s.bare(Method::POST, "/api/v1/bulk").bearer_auth(made["token"].as_str().expect("a token"));
        let response = request.json(&json!({ "items": items })).send().await.expect("an answer");
        (response.status(), response.text().await.expect("a body"))
    };
    let (status, text) = ask(chain("c")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("write:networks") && !text.contains("write:campaigns"), "{text}");
    assert_eq!(ask(vec![create("campaign", json!({ "slug": "mine" }))]).await.0, StatusCode::OK);
    assert_eq!(count(&s).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_are_one_bulk_which_is_done_once_under_its_key() {
    let s = Server::with(&[("HTTP_MAX_BODY_BYTES", "10000000")]).await;
    let items: Vec<BulkItem> = (0..1000)
        .map(|n| BulkItem {
            action: BulkAction::Create,
            kind: Kind::Campaign,
            reference: None,
            version: None,
            spec: Some(json!({ "slug": format!("c{n}") })),
            force: false,
            drop_old_slug: false,
        })
        .collect();
    let body = Bulk { items };
    let named = async || {
        let request = s.request(Method::POST, "/bulk").header("idempotency-key", "k").json(&body);
        let response = request.send().await.expect("an answer");
        (
            response.headers().contains_key("idempotent-replayed"),
            response.json::<Value>().await.expect("JSON"),
        )
    };
    let (first, again) = (named().await, named().await);
    assert_eq!((first.0, again.0), (false, true));
    assert_eq!(first.1["items"].as_array().map(Vec::len), Some(1000));
    assert_eq!(first.1, again.1);
    assert_eq!(count(&s).await, 1000);
    let refused = s.api.bulk(&body).await.expect_err("all slugs are taken");
    assert_eq!(refused.problem().map(|p| p.items.len()), Some(1000));
    let query = EntityQuery { limit: Some(10), ..EntityQuery::default() };
    let slugs: Vec<Value> = s.api.list(Kind::Campaign, &query).await.expect("a list").items;
    assert_eq!(slugs[9]["slug"], "c9", "in their order");
}
