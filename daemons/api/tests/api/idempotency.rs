//! Idempotency keys: what is sent again is made once.

use crate::server::Server;
use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use tfx_api::entities::EntityQuery;
use tfx_domain::{Timestamp, entity::Kind};
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind, Accounts},
    audit::AuditEntry,
    page::{Page, PageRequest},
};

/// Status, whether it was given before, and the answer.
async fn named(s: &Server, key: &str, path: &str, body: &Value) -> (StatusCode, bool, Value) {
    named_by(s, &s.token, key, path, body).await
}

async fn named_by(s: &Server, token: &str, key: &str, path: &str, body: &Value) -> (StatusCode, bool, Value) {
    let request = s.bare(Method::POST, &format!("/api/v1{path}")).bearer_auth(token);
    let response = request.header("idempotency-key", key).json(body).send().await.expect("an answer");
    let (status, replayed) = (response.status(), response.headers().contains_key("idempotent-replayed"));
    (status, replayed, response.json().await.expect("JSON"))
}

async fn campaigns(s: &Server) -> usize {
    s.api.list(Kind::Campaign, &EntityQuery::default()).await.expect("a list").items.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_is_answered_as_before_and_made_once() {
    let s = Server::start().await;
    let body = json!({ "slug": "summer", "name": "Summer" });
    let first = named(&s, "key-1", "/campaigns", &body).await;
    assert_eq!((first.0, first.1), (StatusCode::CREATED, false));
    // The same whatever became of it, in whatever order its fields are written.
    s.ask(Method::PATCH, "/campaigns/summer", Some(&json!({ "name": "Later" }))).await;
    let again = named(&s, "key-1", "/campaigns", &json!({ "name": "Summer", "slug": "summer" })).await;
    assert_eq!(again, (StatusCode::CREATED, true, first.2.clone()));
    let other = named(&s, "key-1", "/campaigns", &json!({ "slug": "winter" })).await;
    assert_eq!(
        (other.0, other.2["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("idempotency_key_reused"))
    );
    let other = named(&s, "key-1", "/sources", &body).await;
    assert_eq!(other.2["code"], "idempotency_key_reused", "another path");
    let third = named(&s, "key-2", "/campaigns", &body).await;
    assert_eq!(third.2["code"], "slug_taken", "another key");
    let fixed = named(&s, "key-2", "/campaigns", &json!({ "slug": "winter" })).await;
    assert_eq!(fixed.0, StatusCode::CREATED, "what was refused made nothing and keeps no key");
    assert_eq!(campaigns(&s).await, 2);
    let bad = named(&s, &"x".repeat(201), "/campaigns", &json!({ "slug": "x" })).await;
    assert_eq!((bad.0, bad.2["code"].as_str()), (StatusCode::BAD_REQUEST, Some("bad_idempotency_key")));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_each_callers_own() {
    let s = Server::start().await;
    let wanted = json!({ "name": "ci", "scopes": ["read", "write:campaigns"] });
    let token = s.post("/tokens", wanted).await.1["token"].as_str().expect("a token").to_owned();
    named(&s, "key", "/campaigns", &json!({ "slug": "a" })).await;
    let other = named_by(&s, &token, "key", "/campaigns", &json!({ "slug": "b" })).await;
    assert_eq!((other.0, other.1), (StatusCode::CREATED, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_send_the_same_at_once_one_makes_it_also_at_several_services() {
    let s = Arc::new(Server::start().await);
    let two = Arc::new(s.beside().await);
    let body = json!({ "slug": "summer" });
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (s, body) = (Arc::clone(if n % 2 == 0 { &s } else { &two }), body.clone());
        tasks.spawn(async move { named(&s, "key", "/campaigns", &body).await });
    }
    let answers = tasks.join_all().await;
    let made: Vec<_> = answers.iter().filter(|a| a.0 == StatusCode::CREATED).collect();
    assert!(made.iter().all(|a| a.2["id"] == made[0].2["id"]), "all of the same");
    assert_eq!(made.iter().filter(|a| !a.1).count(), 1, "one of them made it: {answers:?}");
    for refused in answers.iter().filter(|a| a.0 != StatusCode::CREATED) {
        assert_eq!(refused.2["code"], "idempotency_key_in_use", "{refused:?}");
    }
    assert_eq!(campaigns(&s).await, 1);
    let log = s.api.audit(&tfx_api::audit::AuditQuery::default()).await.expect("audit").items;
    assert_eq!(log.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_services_waits_for_what_the_first_makes_and_answers_that() {
    for (store, one) in [("SQLite", Server::start().await), ("MongoDB", Server::on_mongodb(&[]).await)] {
        let servers = Arc::new([one.beside_with(&[]).await, one]);
        let mut pairs = tokio::task::JoinSet::new();
        for n in 0..90 {
            let servers = Arc::clone(&servers);
            pairs.spawn(async move {
                let slug = format!("s{n}");
                let (path, body) = match n % 3 {
                    0 => ("/tokens", json!({ "name": slug, "scopes": ["read"] })),
                    1 => ("/campaigns", json!({ "slug": slug })),
                    _ => {
                        let item =
                            json!({ "action": "create", "kind": "campaign", "spec": { "slug": slug } });
                        ("/bulk", json!({ "items": [item] }))
                    }
                };
                let [one, two] = servers.as_ref();
                let key = slug.as_str();
                let (one, two) = tokio::join!(named(one, key, path, &body), named(two, key, path, &body));
                let whole = one.0.is_success() && one.0 == two.0 && one.1 != two.1;
                let id = |answer: &Value| answer.pointer("/items/0").unwrap_or(answer)["id"].clone();
                (!whole || id(&one.2) != id(&two.2)).then(|| format!("{path}: {one:?} {two:?}"))
            });
        }
        let wrong: Vec<_> = pairs.join_all().await.into_iter().flatten().collect();
        assert!(wrong.is_empty(), "{store}: {} of 90:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// Accounts whose readers do not see, so many times yet, what is kept under a name.
struct Behind {
    accounts: Arc<dyn Accounts>,
    unseen: Arc<AtomicU64>,
}

#[async_trait]
impl Accounts for Behind {
    async fn get(&self, kind: AccountKind, id: &str) -> Result<Option<Account>, StoreError> {
        let is_unseen = || self.unseen.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        if kind == AccountKind::Answer && is_unseen() { Ok(None) } else { self.accounts.get(kind, id).await }
    }
    async fn find(&self, kind: AccountKind, name: &str) -> Result<Option<Account>, StoreError> {
        self.accounts.find(kind, name).await
    }
    async fn list(&self, kind: AccountKind, page: &PageRequest) -> Result<Page<Account>, StoreError> {
        self.accounts.list(kind, page).await
    }
    async fn save(&self, accounts: Vec<Account>, line: Option<AuditEntry>) -> Result<(), StoreError> {
        self.accounts.save(accounts, line).await
    }
    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.accounts.forget(now).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_keeps_and_readers_do_not_see_yet_is_waited_for_and_then_is_under_way() {
    let unseen = Arc::new(AtomicU64::new(0));
    let one = Server::over(|stores| {
        let behind = Behind { accounts: Arc::clone(&stores.accounts), unseen: Arc::clone(&unseen) };
        tfx_wiring::Stores { accounts: Arc::new(behind), ..stores }
    })
    .await;
    let two = one.beside().await;
    let body = json!({ "name": "ci", "scopes": ["read"] });
    let first = named(&two, "key", "/tokens", &body).await;
    unseen.store(5, Relaxed);
    let (status, replayed, again) = named(&one, "key", "/tokens", &body).await;
    assert_eq!((status, replayed, &again["id"]), (StatusCode::CREATED, true, &first.2["id"]), "{again}");
    unseen.store(u64::MAX, Relaxed);
    let (status, _, problem) = named(&one, "key", "/tokens", &body).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("idempotency_key_in_use")));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_answers_what_this_one_made_and_no_secret_is_kept() {
    let s = Server::start().await;
    let network = named(&s, "n", "/networks", &json!({ "slug": "adnet" })).await.2;
    let secret = network["postback_secret"].as_str().expect("a secret").to_owned();
    let wanted = json!({ "name": "ci", "scopes": ["read"] });
    let token = named(&s, "t", "/tokens", &wanted).await.2["token"].as_str().expect("a token").to_owned();
    let s = s.again(&[]).await;
    let (status, replayed, again) = named(&s, "n", "/networks", &json!({ "slug": "adnet" })).await;
    assert_eq!((status, replayed, &again["id"]), (StatusCode::CREATED, true, &network["id"]));
    assert_eq!((again.get("postback_secret"), &again["has_postback_secret"]), (None, &json!(true)));
    let (status, replayed, again) = named(&s, "t", "/tokens", &wanted).await;
    assert_eq!(
        (status, replayed, again["name"].as_str(), again.get("token")),
        (StatusCode::CREATED, true, Some("ci"), None)
    );
    let kept = s.stores.accounts.list(AccountKind::Answer, &PageRequest::first(10)).await;
    let kept = kept.expect("a list").items;
    assert_eq!(kept.len(), 2);
    for account in &kept {
        let part = token.rsplit('_').next().expect("its secret");
        assert!(!account.body.contains(&secret) && !account.body.contains(part), "{}", account.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_free_again_after_a_day() {
    let s = Server::start().await;
    named(&s, "key", "/campaigns", &json!({ "slug": "a" })).await;
    let first = PageRequest::first(10);
    let kept = s.stores.accounts.list(AccountKind::Answer, &first).await.expect("a list").items.remove(0);
    let until = kept.until.expect("an end");
    let hours = (until.as_second() - tfx_ports::clock::now().as_second() + 60) / 3600;
    assert_eq!(hours, 24);
    // A day later, before it is forgotten and after.
    let body: Value = kept.read().expect("JSON");
    let over = kept.changed(&body).expect("JSON").until(Timestamp::UNIX_EPOCH);
    s.stores.accounts.save(vec![over], None).await.expect("saved");
    let (status, replayed, _) = named(&s, "key", "/campaigns", &json!({ "slug": "b" })).await;
    assert_eq!((status, replayed), (StatusCode::CREATED, false));
    assert!(named(&s, "key", "/campaigns", &json!({ "slug": "b" })).await.1);
    let gone = s.stores.accounts.forget(until.max(tfx_ports::clock::now())).await.expect("forgotten");
    assert_eq!(gone, 0, "the new one has its own day");
}
