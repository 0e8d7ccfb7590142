//! Another secret for a network, beside which the present one works for a while.

use crate::{server::Server, tokens::client};
use reqwest::Method;
use serde_json::{Value, json};
use tfx_api::{audit::AuditQuery, entities::SecretRotation, postbacks::PostbackTest};
use tfx_domain::Timestamp;
use tfx_domain::{
    access::Scope,
    entity::{Kind, Secret},
};
use tfx_ports::{clock, config::Record};

const FIRST: &str = "canary-first-secret";

fn grace(grace_s: u64) -> SecretRotation {
    SecretRotation { grace_s, postback_secret: None, signing_key: None }
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
    let end = Timestamp::from_second(clock::now().as_second() + 80 * 86_400).expect("a time").to_string();
    let longer = json!({ "former_secret": { "until": end } });
    let shown = s.api.update(Kind::Network, "adnet", &longer, None).await.expect("saved");
    assert_eq!(shown["former_secret_until"], json!(end));
    assert_eq!(kept(&s).await.spec["former_secret"]["secret"], FIRST);
    // Not for ever, and nothing else than what it was.
    for (said, path) in [
        (json!({ "until": "2200-01-01T00:00:00Z" }), "former_secret.until"),
        (json!({ "secret": "canary-of-somebody-else" }), "former_secret.secret"),
    ] {
        let refused = s.api.update(Kind::Network, "adnet", &json!({ "former_secret": said }), None).await;
        assert_eq!(refused.expect_err("refused").problem().expect("a problem").problems.0[0].path, path);
    }
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
    let said = |secret: &str| SecretRotation {
        grace_s: 60,
        postback_secret: Some(Secret(secret.to_owned())),
        signing_key: None,
    };
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

#[tokio::test]
async fn the_key_with_which_a_network_signs_is_rotated_alike_and_never_shown() {
    let s = Server::start().await;
    let (first, second) = ("canary-first-key", "canary-second-key");
    s.create(Kind::Network, json!({ "slug": "adnet", "postback_secret": FIRST, "signing_key": first })).await;
    let shown = s.api.get(Kind::Network, "adnet").await.expect("shown");
    assert_eq!(shown["has_signing_key"], true);
    let asked = |secret: Option<&str>, key: &str| SecretRotation {
        grace_s: 3_600,
        postback_secret: secret.map(|secret| Secret(secret.to_owned())),
        signing_key: Some(Secret(key.to_owned())),
    };
    let changed = s.api.rotate_secret("adnet", &asked(None, second), false, Some(1)).await.expect("rotated");
    assert!(changed["former_signing_key_until"].is_string() && changed.get("former_secret_until").is_none());
    assert!(changed.get("postback_secret").is_none(), "the secret is the same");
    let stored = kept(&s).await.spec;
    assert_eq!(stored["postback_secret"], FIRST);
    assert_eq!(
        (&stored["signing_key"], &stored["former_signing_key"]["secret"]),
        (&json!(second), &json!(first))
    );
    for (asked, path) in [
        (asked(None, second), "signing_key"),
        (asked(None, "short"), "signing_key"),
        (asked(Some("another-secret"), "another-key"), "signing_key"),
    ] {
        let refused = s.api.rotate_secret("adnet", &asked, true, None).await.expect_err("refused");
        assert_eq!(refused.problem().expect("a problem").problems.0[0].path, path, "{refused}");
    }
    let third = s.api.rotate_secret("adnet", &asked(None, "canary-third-key"), false, None).await;
    assert_eq!(third.expect_err("two work").code(), Some("former_secret_works"));
    // What was shown is no key, and one that is given replaces both.
    let copy =
        s.api.create(Kind::Network, &json!({ "slug": "copy", "name": "C", "has_signing_key": true })).await;
    let why = copy.expect_err("it brings none");
    assert!(why.to_string().contains("has_signing_key"), "{why}");
    let shown = s.api.get(Kind::Network, "adnet").await.expect("shown");
    s.api.update(Kind::Network, "adnet", &shown, None).await.expect("saved");
    assert_eq!(kept(&s).await.spec, stored);
    s.api
        .update(Kind::Network, "adnet", &json!({ "signing_key": "canary-other-key" }), None)
        .await
        .expect("saved");
    assert!(kept(&s).await.spec.get("former_signing_key").is_none());
    let audit = s.api.audit(&AuditQuery::default()).await.expect("the log");
    for told in [serde_json::to_string(&audit.items).expect("json"), shown.to_string(), changed.to_string()] {
        assert!(!told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn a_postback_is_made_as_its_network_would_sign_it() {
    let s = Server::start().await;
    s.create(
        Kind::Network,
        json!({ "slug": "adnet", "postback_secret": FIRST, "signing_key": "JLOIAUNMHFli7ZJOQVEzm98rzqnm9" }),
    )
    .await;
    let template = |slug: &str, signature: Value| json!({ "network": "adnet", "slug": slug, "name": slug, "signature": signature });
    for (slug, signature) in [
        ("url", json!({ "in": "param:hash", "signed": "{url}", "algorithm": "sha1" })),
        (
            "body",
            json!({ "in": "header:X-Sig:v1", "signed": "{time}.{body}", "time": { "in": "header:X-Sig:t" } }),
        ),
        ("hex", json!({ "in": "param:hash", "signed": "{query}", "key": "hex" })),
    ] {
        s.create(Kind::Template, template(slug, signature)).await;
    }
    let test = |template: Option<&str>| PostbackTest {
        network: "adnet".to_owned(),
        template: template.map(str::to_owned),
        params: vec![("tid".to_owned(), "a b".to_owned())],
    };
    let plain = s.api.postback_request(&test(None)).await.expect("made");
    assert!(
        plain.url.ends_with(&format!("/postback/adnet?secret={FIRST}&tid=a%20b")) && !plain.signed,
        "{plain:?}"
    );
    let url = s.api.postback_request(&test(Some("url"))).await.expect("made");
    assert!(url.method == "GET" && url.url.contains("&tid=a%20b&hash=") && url.body.is_empty(), "{url:?}");
    let body = s.api.postback_request(&test(Some("body"))).await.expect("made");
    assert_eq!((body.method.as_str(), body.body.as_str()), ("POST", "tid=a%20b"));
    let header = body.headers.get("x-sig");
    assert!(header.is_some_and(|value| value.starts_with("t=") && value.contains(",v1=")), "{body:?}");
    let hex = s.api.postback_request(&test(Some("hex"))).await.expect_err("the key is none");
    assert!(hex.to_string().contains("not hexadecimal"), "{hex}");
    // A try without sending says what is read of it, and what could not be looked at.
    let by_name = s.create(
        Kind::Template,
        template("named", json!({ "in": "param:hash", "signed": "{param:subid}:{param:payout}" })),
    );
    assert!(by_name.await.get("warnings").is_none());
    let click = "01K5E7Q0000000000000000000";
    let tried = async |template: Option<&str>| {
        let params = [("subid", click), ("payout", "1"), ("currency", "EUR"), ("payout", "9")];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        s.api.postback_test(&PostbackTest { params, ..test(template) }).await.expect("tried")
    };
    for (slug, revenue, note) in [
        ("named", "1.00 USD", Some("; not read, since it is not signed: currency, payout")),
        ("body", "1.00 EUR", None),
        ("url", "1.00 EUR", None),
    ] {
        let told = tried(Some(slug)).await;
        let read = told.understood.as_ref().and_then(|it| it.revenue).map(|money| money.to_string());
        assert_eq!(read.as_deref(), Some(revenue), "{told:?}");
        assert_eq!(note, told.reason.find("; not read").map(|at| &told.reason[at..]), "{told:?}");
    }
    for (slug, why) in [(Some("hex"), "is not hexadecimal"), (None, "does not say how")] {
        let told = tried(slug).await;
        assert!(told.status == 503 && told.reason.contains(why) && told.understood.is_none(), "{told:?}");
    }
    // Whoever saves either of both is told, and it is saved.
    let saved = [
        s.api
            .update(Kind::Network, "adnet", &json!({ "signing_key": "another-key" }), None)
            .await
            .expect("saved"),
        s.api.update(Kind::Template, "adnet/hex", &json!({ "name": "Hex" }), None).await.expect("saved"),
    ];
    for saved in saved {
        let told = saved["warnings"].to_string();
        assert!(told.contains("adnet/hex: the network's signing key is not hexadecimal"), "{saved}");
    }
    let (tester, _) = client(&s, "tester", &[Scope::Read, Scope::ReadMoney, Scope::PostbacksTest]).await;
    assert_eq!(tester.postback_request(&test(None)).await.expect_err("he may not").code(), Some("forbidden"));
}
