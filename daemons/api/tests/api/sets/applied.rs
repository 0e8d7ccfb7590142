//! What a set comes to is told, done and written down; what is not in it is told or archived.

use super::{applied, foreseen, pruned, put, set, small, told};
use crate::server::Server;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tfx_api::audit::AuditQuery;
use tfx_domain::entity::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_is_done_then_and_does_nothing() {
    let s = Server::start().await;
    s.summer().await;
    let (revision, mut wanted) = set(&s).await;
    wanted["campaigns"][0]["name"] = json!("High summer");
    wanted["campaigns"][0]["streams"][0]["destinations"] = json!([{ "destination": "second" }]);
    wanted["destinations"]
        .as_array_mut()
        .expect("some")
        .push(json!({ "slug": "second", "url": "https://s.example/" }));
    let body = json!({ "revision": revision, "set": wanted });
    let (status, dry) = foreseen(&s, body.clone()).await;
    assert_eq!(
        (status, &dry["applied"], dry["revision"].as_u64()),
        (StatusCode::OK, &json!(false), Some(revision)),
        "{dry}"
    );
    assert_eq!(set(&s).await.0, revision);
    let want = ["create destination second", "update campaign summer", "update stream summer/main"];
    assert_eq!(told(&dry), want);
    assert_eq!(dry["changes"][1]["fields"], json!({ "name": ["Summer", "High summer"] }));
    let destinations =
        json!([[{ "destination": "offer", "weight": 100 }], [{ "destination": "second", "weight": 100 }]]);
    assert_eq!(dry["changes"][2]["fields"], json!({ "destinations": destinations }), "by slugs");
    assert!(dry["changes"][0].get("id").is_none() && dry["changes"][1]["id"].is_string());
    let (_, done) = put(&s, body).await;
    assert_eq!((&done["applied"], told(&done)), (&json!(true), told(&dry)));
    assert_eq!(done["revision"].as_u64(), Some(revision + 3));
    assert_eq!(set(&s).await, (revision + 3, wanted));

    let log = s.api.audit(&AuditQuery::default()).await.expect("audit").items;
    let lines: Vec<_> = log.iter().take(4).map(|e| (e.action.as_str(), e.kind.as_str())).collect();
    assert_eq!(
        lines,
        [("apply", "config"), ("update", "stream"), ("update", "campaign"), ("create", "destination")]
    );
    assert_eq!(
        log[0].changes,
        json!({ "create": [0, 1], "update": [0, 2], "revision": [revision, revision + 3] })
    );
    let (_, nothing) = put(&s, json!({ "set": set(&s).await.1 })).await;
    assert_eq!((&nothing["applied"], &nothing["changes"]), (&json!(true), &json!([])));
    assert_eq!(
        s.api.audit(&AuditQuery::default()).await.expect("audit").items.len(),
        log.len(),
        "nothing is no line"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_a_set_stays_and_is_told_or_is_archived() {
    let s = Server::start().await;
    s.summer().await;
    s.create(Kind::Template, json!({ "network": "adnet", "slug": "web" })).await;
    s.create(Kind::Campaign, json!({ "slug": "winter" })).await;
    s.create(
        Kind::Stream,
        json!({ "campaign": "winter", "slug": "inside", "destinations": [{ "destination": "offer" }] }),
    )
    .await;
    let mut wanted = set(&s).await.1;
    wanted["campaigns"].as_array_mut().expect("campaigns").pop();
    wanted["campaigns"][0]["streams"] =
        json!([{ "slug": "new", "destinations": [{ "destination": "offer" }] }]);
    wanted["networks"][0].as_object_mut().expect("a network").remove("templates");
    wanted.as_object_mut().expect("a set").remove("sources");
    wanted["campaigns"][0].as_object_mut().expect("a campaign").remove("source");
    let left = |answer: &Value| {
        let one = |left: &Value| {
            format!(
                "{} {}",
                left["kind"].as_str().expect("a kind"),
                left["reference"].as_str().expect("a slug")
            )
        };
        answer["left"].as_array().map(|all| all.iter().map(one).collect::<Vec<_>>()).unwrap_or_default()
    };
    let answer = applied(&s, &wanted).await;
    assert_eq!(left(&answer), ["campaign winter", "stream summer/main", "source push", "template adnet/web"]);
    assert_eq!(told(&answer), ["update campaign summer", "create stream summer/new"]);
    let answer = pruned(&s, &wanted).await;
    let want = [
        "archive campaign winter",
        "archive stream summer/main",
        "archive source push",
        "archive template adnet/web",
    ];
    assert_eq!((told(&answer), left(&answer)), (want.map(str::to_owned).to_vec(), Vec::new()));
    assert_eq!(s.get("/streams/winter%2Finside").await.1["status"], "active", "it goes with its campaign");
    assert_eq!(set(&s).await.1, wanted);
    assert_eq!(told(&pruned(&s, &wanted).await), Vec::<String>::new());

    // What was archived takes part again when it is said again, and is told so.
    wanted["sources"] = json!([{ "slug": "push", "name": "Again" }]);
    let answer = applied(&s, &wanted).await;
    assert_eq!(told(&answer), ["resume source push"]);
    assert_eq!(answer["changes"][0]["fields"]["status"], json!(["archived", "active"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_a_list_is_the_order_in_which_streams_decide() {
    let s = Server::start().await;
    let mut wanted = small();
    applied(&s, &wanted).await;
    let streams = wanted["campaigns"][0]["streams"].as_array_mut().expect("streams");
    streams.push(json!({ "slug": "last", "destinations": [{ "destination": "offer" }] }));
    streams.push(json!({ "slug": "bots", "kind": "forced", "action": { "type": "status", "code": 404 } }));
    let answer = applied(&s, &wanted).await;
    assert_eq!(
        told(&answer),
        ["create stream summer/last", "create stream summer/bots"],
        "the others keep their places"
    );
    let streams = wanted["campaigns"][0]["streams"].as_array_mut().expect("streams");
    streams.swap(0, 1);
    let answer = applied(&s, &wanted).await;
    assert_eq!(told(&answer), ["update stream summer/rest", "update stream summer/de"]);
    assert_eq!(answer["changes"][0]["fields"], json!({ "position": [2, 1] }));
    let read = set(&s).await.1;
    let slugs: Vec<&Value> =
        read["campaigns"][0]["streams"].as_array().expect("streams").iter().map(|s| &s["slug"]).collect();
    assert_eq!(slugs, ["bots", "rest", "de", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_may_hand_over_to_what_comes_later_and_secrets_stay() {
    let s = Server::start().await;
    let hand_over = |to: &str| json!([{ "slug": "on", "action": { "type": "campaign", "campaign": to } }]);
    let wanted = json!({
        "alerts": [{ "slug": "a", "when": "spend_today > 2", "action": "pause_stream", "stream": "first/on" }],
        "campaigns": [{ "slug": "first", "streams": hand_over("second") }, { "slug": "second", "streams": hand_over("third") },
            { "slug": "third" }],
        "networks": [{ "slug": "net", "postback_secret": "secret-number-1", "signing_key": "signing-number-1" }],
    });
    let answer = applied(&s, &wanted).await;
    assert_eq!(told(&answer).len(), 7, "{answer:#}");
    let spec =
        async || s.stores.config.find(Kind::Network, "", "net").await.expect("read").expect("there").spec;
    let before = spec().await;
    let (_, rotated) =
        s.post("/networks/net/rotate-secret", json!({ "postback_secret": "secret-number-2" })).await;
    assert!(rotated["former_secret_until"].is_string(), "{rotated}");
    let unsaid = json!({ "networks": [{ "slug": "net", "name": "New name" }] });
    applied(&s, &unsaid).await;
    let after = spec().await;
    assert_eq!(after["former_secret"]["secret"], before["postback_secret"]);
    assert_eq!(
        (&after["postback_secret"], &after["signing_key"]),
        (&json!("secret-number-2"), &before["signing_key"])
    );
    let same =
        json!({ "networks": [{ "slug": "net", "name": "New name", "postback_secret": "secret-number-2" }] });
    assert_eq!(told(&applied(&s, &same).await), Vec::<String>::new());
    let other =
        json!({ "networks": [{ "slug": "net", "name": "New name", "postback_secret": "secret-number-3" }] });
    let answer = applied(&s, &other).await;
    assert_eq!(answer["changes"][0]["fields"]["postback_secret"], json!(["***", "***"]));
    assert_eq!(spec().await.get("former_secret"), None, "what is replaced at once works no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_answered_as_before_under_its_key() {
    let s = Server::start().await;
    let (revision, _) = set(&s).await;
    let body = json!({ "revision": revision, "set": small() });
    let named = async |key: &str| {
        let request = s.request(Method::PUT, "/config/set").header("idempotency-key", key).json(&body);
        let response = request.send().await.expect("an answer");
        let replayed = response.headers().contains_key("idempotent-replayed");
        (response.status(), replayed, response.json::<Value>().await.expect("JSON"))
    };
    let (first, again) = (named("k").await, named("k").await);
    assert_eq!((first.0, first.1, again.0, again.1), (StatusCode::OK, false, StatusCode::OK, true));
    assert_eq!((told(&first.2), &first.2["revision"]), (told(&again.2), &again.2["revision"]));
    let other = named("other").await;
    assert_eq!((other.0, &other.2["code"]), (StatusCode::CONFLICT, &json!("revision_moved")));
}
