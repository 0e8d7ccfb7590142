//! Another secret for a network, beside which the present one works for a while.

use crate::{server::Server, tokens::client};
use reqwest::Method;
use serde_json::{Value, json};
use tfx_api::{audit::AuditQuery, entities::SecretRotation};
use tfx_domain::{
    access::Scope,
    entity::{Kind, Secret},
};
use tfx_ports::config::Record;

const FIRST: &str = "canary-first-secret";

fn grace(grace_s: u64) -> SecretRotation {
    SecretRotation { grace_s, postback_secret: None }
}

/// The network as the store has it.
async fn kept(s: &Server) -> Record {
    s.stores.config.find(Kind::Network, "", "adnet").await.expect("found").expect("there")
}

#[tokio::test]
async fn two_secrets_work_and_neither_is_shown_again() {
    let s = Server::start().await;
    s.create(Kind::Network, json!({ "slug": "adnet", "postback_secret": FIRST })).await;
    let changed = s.api.rotate_secret("adnet", &grace(3_600), false, Some(1)).await.expect("rotated");
    let second = changed["postback_secret"].as_str().expect("shown this once").to_owned();
    assert_ne!(second, FIRST);
    let until = changed["former_secret_until"].as_str().expect("its end").to_owned();
    let stored = kept(&s).await.spec;
    assert_eq!(
        (&stored["postback_secret"], &stored["former_secret"]["secret"]),
        (&json!(second), &json!(FIRST))
    );
    let shown = s.api.get(Kind::Network, "adnet").await.expect("shown");
    assert_eq!((&shown["former_secret_until"], &shown["has_postback_secret"]), (&json!(until), &json!(true)));
    let url = s.api.postback_url("adnet", None).await.expect("its URL").url;
    assert!(url.contains(&second) && !url.contains(FIRST), "{url}");
    // What was shown can be sent back, and changes nothing.
    s.api.update(Kind::Network, "adnet", &shown, None).await.expect("saved");
    assert_eq!(kept(&s).await.version, 2);
    // A longer grace, and the end of it.
    let longer = json!({ "former_secret": { "until": "2200-01-01T00:00:00Z" } });
    let shown = s.api.update(Kind::Network, "adnet", &longer, None).await.expect("saved");
    assert_eq!(shown["former_secret_until"], "2200-01-01T00:00:00Z");
    assert_eq!(kept(&s).await.spec["former_secret"]["secret"], FIRST);
    let ended = s.api.update(Kind::Network, "adnet", &json!({ "former_secret": null }), None).await;
    assert!(ended.expect("saved").get("former_secret_until").is_none());
    let audit = s.api.audit(&AuditQuery::default()).await.expect("the log");
    let text = serde_json::to_string(&audit.items).expect("json");
    assert!(text.contains("rotate-secret") && text.contains(&until), "{text}");
    for told in [&text, &shown.to_string()] {
        assert!(!told.contains(FIRST) && !told.contains(&second), "{told}");
    }
}

#[tokio::test]
async fn a_third_secret_waits_until_the_first_has_ended_or_ends_it_by_force() {
    let s = Server::start().await;
    s.create(Kind::Network, json!({ "slug": "adnet", "postback_secret": FIRST })).await;
    s.api.rotate_secret("adnet", &grace(3_600), false, None).await.expect("rotated");
    let second = kept(&s).await.spec["postback_secret"].clone();
    let refused = s.api.rotate_secret("adnet", &grace(3_600), false, None).await.expect_err("two work");
    assert_eq!(refused.code(), Some("former_secret_works"), "{refused}");
    s.api.rotate_secret("adnet", &grace(3_600), true, None).await.expect("by force");
    assert_eq!(kept(&s).await.spec["former_secret"]["secret"], second);
    // None works beside one without grace, nor beside one that is said.
    s.api.rotate_secret("adnet", &grace(0), true, None).await.expect("at once");
    assert_eq!(kept(&s).await.spec.get("former_secret"), None);
    s.api.rotate_secret("adnet", &grace(60), false, None).await.expect("rotated");
    s.api.update(Kind::Network, "adnet", &json!({ "postback_secret": FIRST }), None).await.expect("said");
    assert_eq!(kept(&s).await.spec.get("former_secret"), None);
}

#[tokio::test]
async fn what_cannot_be_rotated_is_refused_with_what_is_wrong() {
    let s = Server::start().await;
    s.create(Kind::Network, json!({ "slug": "adnet", "postback_secret": FIRST })).await;
    let said =
        |secret: &str| SecretRotation { grace_s: 60, postback_secret: Some(Secret(secret.to_owned())) };
    for (asked, path) in [
        (grace(SecretRotation::MOST_GRACE_S + 1), "grace_s"),
        (said(FIRST), "postback_secret"),
        (said("short"), "postback_secret"),
    ] {
        let refused = s.api.rotate_secret("adnet", &asked, false, None).await.expect_err("refused");
        assert_eq!(refused.problem().expect("a problem").problems.0[0].path, path, "{refused}");
    }
    let moved_on =
        s.api.rotate_secret("adnet", &grace(60), false, Some(9)).await.expect_err("another version");
    assert_eq!(moved_on.code(), Some("version_mismatch"));
    let none = s.api.rotate_secret("nobody", &grace(60), false, None).await.expect_err("none");
    assert_eq!(none.code(), Some("not_found"));
    let (reader, _) = client(&s, "reader", &[Scope::Read]).await;
    let may_not = reader.rotate_secret("adnet", &grace(60), false, None).await.expect_err("he may not");
    assert_eq!(may_not.code(), Some("forbidden"));
    assert_eq!(kept(&s).await.version, 1);
}

#[tokio::test]
async fn a_rotation_that_is_sent_again_is_done_once() {
    let s = Server::start().await;
    s.create(Kind::Network, json!({ "slug": "adnet", "postback_secret": FIRST })).await;
    let send = async || -> (u16, Value) {
        let request = s.bare(Method::POST, "/api/v1/networks/adnet/rotate-secret").bearer_auth(&s.token);
        let request = request.header("idempotency-key", "the-same").json(&json!({ "grace_s": 60 }));
        let answer = request.send().await.expect("answered");
        (answer.status().as_u16(), answer.json().await.expect("json"))
    };
    let (first, again) = (send().await, send().await);
    assert_eq!((first.0, again.0), (200, 200));
    assert_eq!((&first.1["version"], &again.1["version"]), (&json!(2), &json!(2)));
    assert!(
        first.1["postback_secret"].is_string() && again.1.get("postback_secret").is_none(),
        "{}",
        again.1
    );
    assert_eq!(kept(&s).await.version, 2);
}
