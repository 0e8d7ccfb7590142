//! Codes by mail: against a server that answers as Resend's documentation says.

use crate::server::{Server, answer};
use axum::{Json, Router, extract::State, http::HeaderMap, response::IntoResponse, routing::post};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tfx_ports::{accounts::AccountKind, page::PageRequest};

/// What the server answers in turn (the last one from then on), and what it was sent: key of idempotency, and body.
#[derive(Default)]
struct Resend {
    answers: Vec<(u16, Value)>,
    sent: Mutex<Vec<(String, Value)>>,
}

async fn emails(
    State(resend): State<Arc<Resend>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> impl IntoResponse {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    assert_eq!(header("authorization"), "Bearer re_canary");
    let mut sent = resend.sent.lock().expect("lock");
    let n = sent.len().min(resend.answers.len() - 1);
    sent.push((header("idempotency-key"), body));
    let (status, said) = &resend.answers[n];
    (StatusCode::from_u16(*status).expect("a status"), [("retry-after", "0")], Json(said.clone()))
}

async fn resend(answers: Vec<(u16, Value)>) -> (Arc<Resend>, String) {
    let resend = Arc::new(Resend { answers, sent: Mutex::default() });
    let router = Router::new().route("/emails", post(emails)).with_state(Arc::clone(&resend));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (resend, url)
}

async fn server(url: &str) -> Server {
    Server::with(&[
        ("AUTH_ADMIN_EMAIL", "admin@example.com"),
        ("AUTH_JWT_SECRET", "a-secret-of-more-than-32-bytes-0123456789"),
        ("AUTH_EMAIL_FROM", "TraffoFlex <login@example.com>"),
        ("AUTH_RESEND_API_KEY", "re_canary"),
        ("AUTH_RESEND_API_URL", url),
        ("AUTH_RESEND_MAX_ATTEMPTS", "3"),
        ("AUTH_RESEND_RETRY_BACKOFF_MS", "1"),
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("TRUSTED_PROXY_CIDRS", "127.0.0.1/32"),
    ])
    .await
}

async fn ask(s: &Server) -> (StatusCode, Value) {
    answer(s.bare(Method::POST, "/api/v1/auth/otp").json(&json!({ "email": "admin@example.com" }))).await
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < end, "{what}: never");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn said(status: u16, name: &str) -> (u16, Value) {
    (status, json!({ "statusCode": status, "name": name, "message": "why" }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_comes_by_mail_once_however_often_it_is_tried() {
    let (resend, url) = resend(vec![
        said(500, "application_error"),
        said(429, "rate_limit_exceeded"),
        (200, json!({ "id": "1" })),
    ])
    .await;
    let s = server(&url).await;
    let (status, body) = ask(&s).await;
    assert_eq!((status, &body["code"]), (StatusCode::ACCEPTED, &Value::Null), "no code in the answer");
    until("it is sent", async || resend.sent.lock().expect("lock").len() == 3).await;
    let sent = resend.sent.lock().expect("lock").clone();
    let (key, mail) = &sent[2];
    assert!(
        sent.iter().all(|one| one == &sent[0]) && (1..=256).contains(&key.len()),
        "the same each time: {sent:?}"
    );
    assert_eq!(
        (&mail["to"], &mail["from"]),
        (&json!(["admin@example.com"]), &json!("TraffoFlex <login@example.com>"))
    );
    let text = mail["text"].as_str().expect("a text");
    let code: String = text
        .split_whitespace()
        .find(|w| w.len() == 8 && w.bytes().all(|b| b.is_ascii_digit()))
        .expect("a code")
        .to_owned();
    let body = json!({ "email": "admin@example.com", "code": code });
    let (status, login) = answer(s.bare(Method::POST, "/api/v1/auth/verify").json(&body)).await;
    assert_eq!((status, &login["role"]), (StatusCode::OK, &json!("admin")), "{login}");
    assert!(!key.contains(&code));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_resend_refuses_is_tried_again_where_that_helps_and_leaves_no_code_behind() {
    let table = [
        (said(401, "missing_api_key"), 1),
        (said(403, "invalid_api_key"), 1),
        (said(403, "validation_error"), 1),
        (said(422, "missing_required_field"), 1),
        (said(429, "daily_quota_exceeded"), 1),
        (said(429, "rate_limit_exceeded"), 3),
        (said(409, "concurrent_idempotent_requests"), 3),
        (said(409, "invalid_idempotent_request"), 1),
        (said(500, "internal_server_error"), 3),
        ((502, json!("no object")), 3),
        ((302, json!(null)), 1),
    ];
    for (answered, attempts) in table {
        let what = format!("{answered:?}");
        let (resend, url) = resend(vec![answered]).await;
        let s = server(&url).await;
        assert_eq!(ask(&s).await.0, StatusCode::ACCEPTED, "{what}: the answer is the same");
        until(&what, async || {
            let page = PageRequest::first(9);
            let codes = s.stores.accounts.list(AccountKind::Code, &page).await.expect("codes").items;
            codes.len() == 1 && codes[0].read::<tfx_domain::access::LoginCode>().expect("JSON").used
        })
        .await;
        assert_eq!(resend.sent.lock().expect("lock").len(), attempts, "{what}");
        // The code that never came is over and does not count: another may be asked for, more than three times.
        for n in 2..=5 {
            until(&what, async || {
                assert_eq!(ask(&s).await.0, StatusCode::ACCEPTED);
                tokio::time::sleep(Duration::from_millis(20)).await;
                resend.sent.lock().expect("lock").len() == attempts * n
            })
            .await;
        }
    }
}

/// Whoever asks for many codes from many addresses does not keep the administrator out.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_among_the_mails_is_kept_for_the_administrator() {
    let asked = Arc::new(Mutex::new(Vec::<String>::new()));
    let told = Arc::clone(&asked);
    // Resend that answers nobody but the administrator's mail.
    let hangs = move |Json(mail): Json<Value>| {
        let to = mail["to"][0].as_str().unwrap_or_default().to_owned();
        told.lock().expect("lock").push(to.clone());
        async move {
            if to != "admin@example.com" {
                std::future::pending::<()>().await;
            }
            Json(json!({ "id": "1" }))
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().route("/emails", post(hangs));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let s = server(&url).await;
    for n in 0..300_u32 {
        let ip = std::net::Ipv4Addr::from(0x0b00_0000 + n);
        let body = json!({ "email": format!("u{n}@example.com") });
        let request = s.bare(Method::POST, "/api/v1/auth/otp").header("x-forwarded-for", ip.to_string());
        assert_eq!(answer(request.json(&body)).await.0, StatusCode::ACCEPTED);
    }
    assert_eq!(ask(&s).await.0, StatusCode::ACCEPTED);
    until("the administrator's is sent", async || {
        asked.lock().expect("lock").iter().any(|to| to == "admin@example.com")
    })
    .await;
}
