//! Secrets in what sources are told, and names that nobody has.

use crate::{events::past, server::Server, tokens::client};
use serde_json::json;
use tfx_api::{
    conversions::ConversionQuery,
    postbacks::{Directions, PostbackField, PostbackFilter, PostbackQuery},
};
use tfx_domain::{access::Scope, entity::Kind};

const URL: &str = "https://user:pw@push.example/?token=canary&id={external_id}";
const SHOWN: &str = "https://***@push.example/?token=***&id={external_id}";

#[tokio::test]
async fn secrets_of_a_source_are_seen_by_who_may_and_stay_when_they_are_sent_back_masked() {
    let s = Server::start().await;
    let made = s.create(Kind::Source, json!({ "slug": "push", "postback_url": URL })).await;
    assert_eq!(made["postback_url"], URL);
    let scopes = [Scope::Read, Scope::ReadMoney, Scope::WriteSources];
    let (reader, _) = client(&s, "reader", &scopes).await;
    let mut seen = reader.get(Kind::Source, "push").await.expect("seen");
    assert_eq!(seen["postback_url"], SHOWN);
    let listed = reader.list(Kind::Source, &tfx_api::entities::EntityQuery::default()).await.expect("listed");
    assert_eq!(listed.items[0]["postback_url"], SHOWN);
    // Sent back as it was shown it stays.
    seen["name"] = json!("Another");
    let saved = reader.update(Kind::Source, "push", &seen, None).await.expect("saved");
    assert_eq!((&saved["name"], &saved["postback_url"]), (&json!("Another"), &json!(SHOWN)));
    assert_eq!(s.api.get(Kind::Source, "push").await.expect("seen")["postback_url"], URL);
    let other = json!({ "postback_url": "https://***@other.example/" });
    let refused = reader.update(Kind::Source, "push", &other, None).await.expect_err("a mask");
    assert_eq!(refused.problem().expect("a problem").problems.0[0].path, "postback_url");
    // Nobody reads them in the audit log.
    s.api
        .update(Kind::Source, "push", &json!({ "postback_url": format!("{URL}&x=1") }), None)
        .await
        .expect("saved");
    let audit = s.api.audit(&tfx_api::audit::AuditQuery::default()).await.expect("the log");
    let audit = serde_json::to_string(&audit.items).expect("json");
    assert!(
        audit.contains("push.example") && !audit.contains("canary") && !audit.contains("user:pw"),
        "{audit}"
    );
}

/// Who may change a source and not see its secrets has them sent to no server of his own, by a change or by many at once.
#[tokio::test]
async fn kept_secrets_of_a_source_go_to_no_other_server() {
    let s = Server::start().await;
    let body = json!({ "id": "{external_id}", "pass": "hunter2" });
    let fields = json!({
        "slug": "push", "postback_url": "https://push.example/", "postback_method": "post_json", "postback_body": body,
    });
    s.create(Kind::Source, fields).await;
    let (writer, _) = client(&s, "writer", &[Scope::Read, Scope::WriteSources]).await;
    let mut moved = writer.get(Kind::Source, "push").await.expect("seen");
    assert_eq!(moved["postback_body"]["pass"], "***");
    moved["postback_url"] = json!("https://evil.example/");
    let refused = writer.update(Kind::Source, "push", &moved, None).await.expect_err("another server");
    let problem = refused.problem().expect("a problem").problems.0[0].clone();
    assert_eq!(problem.path, "postback_url");
    assert!(
        problem.message.contains("read:secrets") && problem.message.contains("postback_body"),
        "{problem:?}"
    );
    let items = json!([{
        "action": "update", "kind": "source", "ref": "push", "spec": { "postback_url": "https://evil.example/" },
    }]);
    let bulk: tfx_api::bulk::Bulk = serde_json::from_value(json!({ "items": items })).expect("items");
    let refused = writer.bulk(&bulk).await.expect_err("another server");
    assert_eq!(refused.problem().expect("a problem").problems.0[0].path, "items[0].spec.postback_url");
    assert_eq!(s.api.get(Kind::Source, "push").await.expect("seen")["postback_url"], "https://push.example/");
    // Who says them all himself, or may see them, moves it.
    moved["postback_body"] = json!({ "id": "{external_id}", "pass": "of the other" });
    writer.update(Kind::Source, "push", &moved, None).await.expect("with secrets of its own");
    s.api
        .update(Kind::Source, "push", &json!({ "postback_url": "https://third.example/" }), None)
        .await
        .expect("he sees them");
}

/// Where clicks are sent, with secrets, and as it is shown.
const OFFER: &str = "https://user:pw@offer.example/1a2b3c4d5e6f7g8h?api_key=canary&sub={click_id}";
const OFFER_SHOWN: &str = "https://***@offer.example/1a2b3c4d5e6f7g8h?api_key=***&sub={click_id}";
const PROBED: &str = "https://offer.example/up?token=canary";
const PROBED_SHOWN: &str = "https://offer.example/up?token=***";

#[tokio::test]
async fn secrets_of_where_clicks_are_sent_are_seen_by_who_may_and_stay_when_they_are_sent_back_masked() {
    let s = Server::start().await;
    let fields = json!({ "slug": "offer", "url": OFFER, "health_check": { "url": PROBED } });
    assert_eq!(s.create(Kind::Destination, fields).await["url"], OFFER);
    s.create(Kind::Campaign, json!({ "slug": "summer", "trafficback_url": OFFER })).await;
    let scopes =
        [Scope::Read, Scope::ReadMoney, Scope::ReadAudit, Scope::WriteDestinations, Scope::WriteCampaigns];
    let (reader, _) = client(&s, "reader", &scopes).await;
    let shown = |seen: &serde_json::Value| {
        let fields = ["url", "trafficback_url", "health_check"].map(|name| seen[name].clone());
        match seen["slug"].as_str() {
            Some("offer") => fields[0] == OFFER_SHOWN && fields[2]["url"] == PROBED_SHOWN,
            _ => fields[1] == OFFER_SHOWN,
        }
    };
    for (kind, slug, other) in [
        (Kind::Destination, "offer", json!({ "url": "https://***@other.example/" })),
        (
            Kind::Destination,
            "offer",
            json!({ "health_check": { "url": "https://offer.example/?token=***" } }),
        ),
        (Kind::Campaign, "summer", json!({ "trafficback_url": "https://***@other.example/" })),
    ] {
        let mut seen = reader.get(kind, slug).await.expect("seen");
        assert!(shown(&seen), "{seen}");
        let listed = reader.list(kind, &tfx_api::entities::EntityQuery::default()).await.expect("listed");
        assert!(shown(&listed.items[0]), "{:?}", listed.items);
        // Sent back as it was shown it stays.
        let name = format!("Another, changed with {other}");
        seen["name"] = json!(name);
        let saved = reader.update(kind, slug, &seen, None).await.expect("saved");
        assert!(saved["name"] == name && shown(&saved), "{saved}");
        let refused = reader.update(kind, slug, &other, None).await.expect_err("a mask");
        let path = &refused.problem().expect("a problem").problems.0[0].path;
        assert!(["url", "health_check.url", "trafficback_url"].contains(&path.as_str()), "{path}");
        let kept = s.api.get(kind, slug).await.expect("seen");
        assert!(kept["url"] == OFFER || kept["trafficback_url"] == OFFER, "{kept}");
    }
    let kept = s.api.get(Kind::Destination, "offer").await.expect("seen");
    assert_eq!(kept["health_check"]["url"], PROBED);
    // Nobody reads them in the audit log, also when they change.
    for (kind, slug, patch) in [
        (Kind::Destination, "offer", json!({ "url": format!("{OFFER}&x=1") })),
        (Kind::Destination, "offer", json!({ "health_check": { "url": format!("{PROBED}&x=1") } })),
        (Kind::Campaign, "summer", json!({ "trafficback_url": format!("{OFFER}&x=1") })),
    ] {
        s.api.update(kind, slug, &patch, None).await.expect("saved");
    }
    for api in [&s.api, &reader] {
        let audit = api.audit(&tfx_api::audit::AuditQuery::default()).await.expect("the log");
        let audit = serde_json::to_string(&audit.items).expect("json");
        for (hidden, shown) in [("canary", "***&x=1"), ("user:pw", "***@offer.example")] {
            assert!(audit.contains(shown) && !audit.contains(hidden), "{audit}");
        }
    }
}

#[tokio::test]
async fn what_stands_for_a_secret_is_not_dropped_without_a_word() {
    let s = Server::start().await;
    let key = tfx_domain::source_postback::new_signing_key([7; 32]);
    let url = "https://push.example/?id={external_id}";
    let fields = json!({ "slug": "push", "postback_url": url, "postback_signing_key": key });
    let mut shown = s.create(Kind::Source, fields).await;
    assert_eq!(shown["has_postback_signing_key"], true);
    shown["slug"] = json!("copy");
    let refused = s.api.create(Kind::Source, &shown).await.expect_err("no key");
    let problem = refused.problem().expect("a problem").problems.0[0].clone();
    assert_eq!(problem.path, "has_postback_signing_key");
    assert!(problem.message.contains("--sign"), "{}", problem.message);
    shown["postback_signing_key"] = json!(key);
    s.api.create(Kind::Source, &shown).await.expect("with a key");
    let mut network = s.create(Kind::Network, json!({ "slug": "adnet" })).await;
    let secret = network.as_object_mut().expect("an object").remove("postback_secret").expect("shown once");
    network["slug"] = json!("copy");
    let copy = s.api.create(Kind::Network, &network).await.expect("with a secret of its own");
    assert!(copy["postback_secret"] != secret, "{copy}");
    assert!(copy["warnings"][0].as_str().is_some_and(|w| w.contains("a new postback_secret")), "{copy}");
}

#[tokio::test]
async fn names_that_nobody_has_are_told_and_those_that_the_log_knows_are_found() {
    let s = Server::start().await;
    past(&s).await;
    let of = |field, value: &str| PostbackFilter { field, values: vec![value.to_owned()], negate: false };
    for field in [PostbackField::Source, PostbackField::Network] {
        let asked = PostbackQuery {
            direction: Some(Directions::All),
            filters: vec![of(field, "nope")],
            ..PostbackQuery::default()
        };
        let e = s.api.postbacks(&asked).await.expect_err("nobody is called so");
        assert!(e.code() == Some("not_found") && e.to_string().contains("'nope'"), "{e}");
    }
    let network = |name: &str| PostbackQuery { network: Some(name.to_owned()), ..PostbackQuery::default() };
    let e = s.api.postbacks(&network("nope")).await.expect_err("nobody is called so");
    assert!(e.code() == Some("not_found") && e.to_string().contains("no network"), "{e}");
    assert!(!s.api.postbacks(&network("adnet")).await.expect("known").items.is_empty());
    let asked = ConversionQuery { network: Some("nope".to_owned()), ..ConversionQuery::default() };
    assert_eq!(s.api.conversions(&asked).await.expect_err("no network").code(), Some("not_found"));
    let asked = ConversionQuery { campaign: Some("nope".to_owned()), ..ConversionQuery::default() };
    assert_eq!(s.api.conversions(&asked).await.expect_err("no campaign").code(), Some("not_found"));
}

/// Wherever secrets are said, no file of the data folder has them: not by a create that is kept for its name, not by a change, not
/// by many at once, nor by a rotation.
#[tokio::test]
async fn no_file_has_the_secrets_that_were_said() {
    const PLANTED: &str = "planted-canary-0123456789abcdef";
    let s = Server::start().await;
    let url = format!("https://s.example/pb?token={PLANTED}&id={{external_id}}");
    s.create(Kind::Network, json!({ "slug": "adnet", "postback_secret": PLANTED })).await;
    let named = s.bare(reqwest::Method::POST, "/api/v1/sources").bearer_auth(&s.token);
    let body = json!({ "slug": "push", "postback_url": url, "postback_method": "post_json",
        "postback_body": { "id": "{external_id}", "token": PLANTED } });
    let made = named.header("idempotency-key", "one").json(&body).send().await.expect("answered");
    assert_eq!(made.status(), 201);
    let urls = json!({ "postback_urls": { "lead": url } });
    s.api.update(Kind::Source, "push", &urls, None).await.expect("changed");
    let channel = format!("webhook:https://s.example/{PLANTED}");
    s.create(Kind::Alert, json!({ "slug": "none", "when": "clicks < 1", "channels": [channel] })).await;
    let items = json!([{ "action": "create", "kind": "network", "spec": { "slug": "other", "postback_secret": PLANTED } }]);
    let bulk: tfx_api::bulk::Bulk = serde_json::from_value(json!({ "items": items })).expect("items");
    s.api.bulk(&bulk).await.expect("done");
    let rotation =
        tfx_api::entities::SecretRotation { grace_s: 60, postback_secret: None, signing_key: None };
    s.api.rotate_secret("adnet", &rotation, false, None).await.expect("rotated");
    let holding = s.files_with(PLANTED);
    assert_eq!(holding, Vec::<String>::new());
    // They are there all the same.
    assert_eq!(s.api.get(Kind::Source, "push").await.expect("shown")["postback_url"], url);
    let status = s.api.secrets().await.expect("told");
    assert_eq!((status.keys.len(), status.clear, status.unreadable.len()), (1, 0, 0));
    assert_eq!(s.api.reseal().await.expect("sealed").sealed, 0, "all are sealed with the first key");
}
