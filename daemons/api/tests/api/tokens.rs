//! API tokens: made once, used within their scopes, ended everywhere.

use crate::server::{Server, answer, message};
use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_api::{
    ApiError, Client,
    tokens::{NewToken, Scope},
};
use tfx_domain::{Timestamp, entity::Kind};
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind, Accounts},
    audit::AuditEntry,
    page::{Page, PageRequest},
};

/// A token with these scopes, as a client; and its text.
pub(crate) async fn client(s: &Server, name: &str, scopes: &[Scope]) -> (Client, String) {
    let wanted = NewToken { name: name.to_owned(), scopes: scopes.to_vec(), expires_at: None };
    let made = s.api.create_token(&wanted).await.expect("a token");
    let text = made.token.expect("its text");
    (Client::new(&s.url, Some(&text)).expect("a client"), text)
}

fn status<T: std::fmt::Debug>(answer: Result<T, ApiError>) -> Option<u16> {
    answer.expect_err("refused").status()
}

/// Waits for what must come within a time.
async fn until(what: &str, within: Duration, holds: impl AsyncFn() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_scopes_say_and_the_audit_log_names_it() {
    let s = Server::start().await;
    let (ci, text) = client(&s, "ci", &[Scope::Read, Scope::WriteSources]).await;
    let me = ci.whoami().await.expect("known");
    assert_eq!((me.name.as_str(), me.role, me.scopes.len()), ("ci", None, 2));
    ci.create(Kind::Source, &json!({ "slug": "push" })).await.expect("within its scopes");
    let refused = ci.create(Kind::Network, &json!({ "slug": "net" })).await.expect_err("not within");
    assert_eq!((refused.status(), refused.code()), (Some(403), Some("forbidden")));
    assert!(refused.to_string().contains("write:networks"), "{refused}");
    let log = s.api.audit(&tfx_api::audit::AuditQuery::default()).await.expect("audit").items;
    let seen: Vec<_> = log
        .iter()
        .map(|e| (e.action.as_str(), e.kind.as_str(), e.actor.as_str(), e.token.as_str()))
        .collect();
    assert_eq!(seen, [("create", "source", "ci", me.token.as_str()), ("create", "token", "admin token", "")]);
    assert_eq!((log[1].id.as_str(), log[1].from.as_str()), (me.token.as_str(), "127.0.0.1"));
    assert!(!serde_json::to_string(&log).expect("JSON").contains(&text), "its text is nowhere");
    let (_, list) = s.get("/tokens").await;
    assert!(!list.to_string().contains(&text[30..]) && !list.to_string().contains("digest"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_last_use_is_written_once_a_minute() {
    let s = Server::start().await;
    let (ci, _) = client(&s, "ci", &[Scope::Read]).await;
    for _ in 0..50 {
        ci.list(Kind::Source, &tfx_api::entities::EntityQuery::default()).await.expect("within its scopes");
    }
    until("its use is known", Duration::from_secs(10), async || {
        s.api.tokens(None, None).await.expect("tokens").items[0].last_used_at.is_some()
    })
    .await;
    let row = s.api.tokens(None, None).await.expect("tokens").items.remove(0);
    assert_eq!(row.last_used_from, "127.0.0.1");
    let account = s.stores.accounts.find(AccountKind::Token, "ci").await.expect("read").expect("there");
    assert_eq!(account.version, 2, "50 uses, one write");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_opens_nothing_on_any_instance_a_second_later() {
    let s = Server::start().await;
    let beside = s.beside().await;
    for round in 0..3 {
        let (_, text) = client(&s, "ci", &[Scope::Read]).await;
        let there = Client::new(&beside.url, Some(&text)).expect("a client");
        let here = Client::new(&s.url, Some(&text)).expect("a client");
        assert!(there.whoami().await.is_ok() && here.whoami().await.is_ok());
        let row = s.api.revoke_token("ci", None).await.expect("revoked");
        assert_eq!(status(here.whoami().await), Some(401), "at once where it was revoked");
        let after =
            until("it is ended beside", Duration::from_millis(1_500), async || there.whoami().await.is_err())
                .await;
        assert_eq!(status(there.whoami().await), Some(401), "round {round}, after {after:?}");
        // By its id too, and again; its name is free.
        assert_eq!(s.api.revoke_token(&row.id, None).await.expect("again").revoked_at, row.revoked_at);
        assert_eq!(status(s.api.revoke_token("ci", None).await), Some(404));
    }
    beside.stop_beside().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_by_itself() {
    let s = Server::start().await;
    let soon =
        Timestamp::from_millisecond(tfx_ports::clock::now().as_millisecond() + 1_500).expect("in range");
    let wanted = NewToken { name: "short".to_owned(), scopes: vec![Scope::Read], expires_at: Some(soon) };
    let made = s.api.create_token(&wanted).await.expect("a token");
    let short = Client::new(&s.url, made.token.as_deref()).expect("a client");
    assert_eq!(short.whoami().await.expect("known").expires_at, Some(soon));
    until("it expires", Duration::from_secs(10), async || short.whoami().await.is_err()).await;
    assert!(tfx_ports::clock::now() >= soon, "and not before");
    assert_eq!(status(short.whoami().await), Some(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_grants_more_than_he_has() {
    let s = Server::start().await;
    let (maker, _) = client(&s, "maker", &[Scope::Read, Scope::Tokens]).await;
    let wanted =
        |scopes: &[Scope]| NewToken { name: "more".to_owned(), scopes: scopes.to_vec(), expires_at: None };
    let refused = maker.create_token(&wanted(&[Scope::Read, Scope::Ops])).await.expect_err("more");
    assert!(refused.status() == Some(403) && refused.to_string().contains("ops"), "{refused}");
    maker.create_token(&wanted(&[Scope::Read])).await.expect("no more");
    let (status, problem) = s
        .post(
            "/tokens",
            json!({ "name": " ", "scopes": ["raed"], "expires_at": "2020-01-01T00:00:00Z", "x": 1 }),
        )
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert!(!message(&problem, "scopes[0]").is_empty() && !message(&problem, "x").is_empty(), "{problem}");
    let (status, problem) =
        s.post("/tokens", json!({ "name": " ", "scopes": [], "expires_at": "2020-01-01T00:00:00Z" })).await;
    assert_eq!(
        (status, crate::server::paths(&problem)),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["name", "scopes", "expires_at"])
    );
    let (status, problem) = s.post("/tokens", json!({ "name": "more", "scopes": ["read"] })).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("slug_taken")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_grants_for_longer_than_he_has() {
    let s = Server::start().await;
    let at = |hours: i64| {
        Timestamp::from_second(tfx_ports::clock::now().as_second() + hours * 3_600).expect("in range")
    };
    let scopes = vec![Scope::Read, Scope::Tokens];
    let wanted =
        |name: &str, expires_at| NewToken { name: name.to_owned(), scopes: scopes.clone(), expires_at };
    let end = at(1);
    let made = s.api.create_token(&wanted("short", Some(end))).await.expect("a token");
    let short = Client::new(&s.url, made.token.as_deref()).expect("a client");
    for later in [None, Some(at(2))] {
        let refused = short.create_token(&wanted("later", later)).await.expect_err("later");
        assert_eq!((refused.status(), refused.code()), (Some(403), Some("forbidden")));
        assert!(refused.to_string().contains(&end.to_string()), "{refused}");
    }
    short.create_token(&wanted("as long", Some(end))).await.expect("no longer");
    let made = s.api.create_token(&wanted("endless", None)).await.expect("a token");
    let endless = Client::new(&s.url, made.token.as_deref()).expect("a client");
    endless.create_token(&wanted("endless too", None)).await.expect("he has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_or_an_end_that_cannot_be_is_told_in_our_words() {
    let s = Server::start().await;
    for name in ["admin token", "boss@example.com", "ci\u{202e}x", "ci\u{200b}", "usr_1"] {
        let (status, problem) = s.post("/tokens", json!({ "name": name, "scopes": ["read"] })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
        assert!(!message(&problem, "name").is_empty(), "{name:?}: {problem}");
    }
    for (end, told) in [
        (json!("2020-01-01T00:00:00Z"), "2020-01-01T00:00:00Z is over"),
        (json!("99999-01-01T00:00:00Z"), "must be a time such as"),
        (json!("soon"), "must be a time such as"),
    ] {
        let body = json!({ "name": "ci", "scopes": ["read"], "expires_at": end });
        let (status, problem) = s.post("/tokens", body).await;
        let message = message(&problem, "expires_at");
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY && message.contains(told), "{end}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_list_is_said_so() {
    for s in [Server::start().await, Server::on_mongodb(&[]).await] {
        for path in ["/tokens", "/users", "/sessions", "/health"] {
            for cursor in ["%20", "%24gt", "cmp_1", "Nonsense%20!"] {
                let (status, problem) = s.get(&format!("{path}?cursor={cursor}")).await;
                let seen = (status, &problem["code"]);
                assert_eq!(seen, (StatusCode::BAD_REQUEST, &json!("bad_cursor")), "{path} {cursor}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_money_sees_none() {
    let s = Server::start().await;
    s.summer().await;
    let patched = s
        .ask(
            Method::PATCH,
            "/campaigns/summer",
            Some(&json!({ "cost": { "per_click": "0.4", "currency": "USD" } })),
        )
        .await;
    assert_eq!(patched.0, StatusCode::OK, "{patched:?}");
    let (viewer, text) = client(&s, "viewer", &[Scope::Read]).await;
    let (_, rich) = client(&s, "rich", &[Scope::Read, Scope::ReadMoney]).await;
    let get = async |token: &str, path: &str| {
        answer(s.bare(Method::GET, &format!("/api/v1{path}")).bearer_auth(token)).await.1
    };
    for (path, money) in
        [("/destinations/offer", "payout"), ("/destinations", "payout"), ("/campaigns/summer", "cost")]
    {
        let (with, without) = (get(&rich, path).await.to_string(), get(&text, path).await.to_string());
        let field = format!("\"{money}\":");
        assert!(!without.contains(&field) && without.contains("\"slug\""), "{path}: {without}");
        assert!(with.contains(&field), "{path}: {with}");
    }
    let report = async |body: Value| {
        answer(s.bare(Method::POST, "/api/v1/report").bearer_auth(&text).json(&body)).await
    };
    let (status, usual) = report(json!({})).await;
    assert_eq!(status, StatusCode::OK, "{usual}");
    assert_eq!(
        usual["metrics"],
        json!(["hits", "clicks", "unique_campaign", "bots", "trafficbacks", "conversions", "cr"])
    );
    for asked in [
        json!({ "metrics": ["clicks", "roi"] }),
        json!({ "dimensions": ["country"], "sort": { "by": "revenue" } }),
    ] {
        let (status, refused) = report(asked).await;
        assert_eq!((status, &refused["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    }
    assert!(viewer.conversions(&tfx_api::conversions::ConversionQuery::default()).await.is_ok());
}

/// A store that is away.
pub(crate) struct Away;

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable { what: "read an account: the store is away".to_owned(), source: None })
}

#[async_trait]
impl Accounts for Away {
    async fn get(&self, _: AccountKind, _: &str) -> Result<Option<Account>, StoreError> {
        away()
    }
    async fn find(&self, _: AccountKind, _: &str) -> Result<Option<Account>, StoreError> {
        away()
    }
    async fn list(&self, _: AccountKind, _: &PageRequest) -> Result<Page<Account>, StoreError> {
        away()
    }
    async fn save(&self, _: Vec<Account>, _: Option<AuditEntry>) -> Result<(), StoreError> {
        away()
    }
    async fn forget(&self, _: Timestamp) -> Result<u64, StoreError> {
        away()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_no_token_is_believed_and_it_is_said_so() {
    let text = format!("tfx_{}_{}", "0".repeat(19), "a".repeat(32));
    let s = Server::over(|stores| tfx_wiring::Stores { accounts: Arc::new(Away), ..stores }).await;
    let (status, problem) = answer(s.bare(Method::GET, "/api/v1/whoami").bearer_auth(&text)).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")),
        "{problem}"
    );
    assert!(s.api.whoami().await.is_ok(), "the administrator's is in the data folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_changed_at_the_version_that_was_seen() {
    let s = Server::start().await;
    let wanted = NewToken { name: "ci".to_owned(), scopes: vec![Scope::Read], expires_at: None };
    let made = s.api.create_token(&wanted).await.expect("a token");
    // Its use is no change.
    Client::new(&s.url, made.token.as_deref()).expect("a client").whoami().await.expect("known");
    let row = s.api.tokens(None, None).await.expect("tokens").items.remove(0);
    assert_eq!((made.row.version, row.version), (1, 1));
    let refused = s.api.revoke_token("ci", Some(2)).await.expect_err("another version");
    assert_eq!((refused.status(), refused.problem().and_then(|p| p.current)), (Some(412), Some(1)));
    let row = s.api.revoke_token("ci", Some(1)).await.expect("revoked");
    assert_eq!((row.version, row.revoked_at.is_some()), (2, true));
    let refused = s.api.revoke_token(&row.id, Some(1)).await.expect_err("it was changed since");
    assert_eq!(refused.code(), Some("version_mismatch"));
}
