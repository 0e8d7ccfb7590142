//! Who gets in, and what the service says of itself.

use crate::server::{Server, answer};
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn only_the_token_opens_the_api() {
    let s = Server::start().await;
    let other = if s.token.ends_with('x') { "y" } else { "x" };
    let almost = format!("{}{other}", &s.token[..s.token.len() - 1]);
    let table = [
        ("no header", None),
        ("another token", Some("Bearer 0123456789abcdef".to_owned())),
        ("almost the token", Some(format!("Bearer {almost}"))),
        ("longer", Some(format!("Bearer {}x", s.token))),
        ("another scheme", Some(format!("Basic {}", s.token))),
        ("no scheme", Some(s.token.clone())),
        ("empty", Some("Bearer ".to_owned())),
        ("the internal token", Some(format!("Bearer {}", s.internal_token))),
    ];
    for (what, header) in table {
        for path in ["/api/v1/whoami", "/api/v1/campaigns", "/api/v1/nothing-here"] {
            let mut request = s.bare(Method::GET, path);
            if let Some(value) = &header {
                request = request.header("authorization", value);
            }
            let response = request.send().await.expect("an answer");
            let status = response.status();
            let limited =
                status == StatusCode::TOO_MANY_REQUESTS && response.headers().contains_key("retry-after");
            assert!(status == StatusCode::UNAUTHORIZED || limited, "{what} {path}: {status}");
            let text = response.text().await.expect("a body");
            assert!(text.contains("token") && !text.contains(&s.token), "{text}");
        }
    }
    let me = s.api.whoami().await.expect("whoever has the token is never locked out");
    assert_eq!(me.name, "admin");
    s.stop().await;
}

#[tokio::test]
async fn guessing_is_limited() {
    let s = Server::start().await;
    let mut statuses = Vec::new();
    for _ in 0..30 {
        let (status, problem) = answer(s.bare(Method::GET, "/api/v1/whoami").bearer_auth("guess")).await;
        statuses.push((status.as_u16(), problem["code"].as_str().unwrap_or("").to_owned()));
    }
    assert_eq!(statuses[0], (401, "unauthorized".to_owned()));
    assert_eq!(statuses[29], (429, "too_many_failures".to_owned()));
    assert!(s.api.whoami().await.is_ok());
}

#[tokio::test]
async fn health_is_open_metrics_are_not() {
    let s = Server::start().await;
    let (status, body) = answer(s.bare(Method::GET, "/healthz")).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "status": "ok" })));
    let (status, body) = answer(s.bare(Method::GET, "/readyz")).await;
    assert_eq!(
        (status, &body["status"]),
        (StatusCode::OK, &json!("degraded")),
        "the other services are away: {body}"
    );
    let names: Vec<&str> =
        body["dependencies"].as_array().expect("list").iter().filter_map(|d| d["name"].as_str()).collect();
    assert_eq!(
        names,
        ["config", "conversions", "analytics", "retention", "alerts", "traffic-service", "postback-service"]
    );
    assert_eq!(answer(s.bare(Method::GET, "/metrics")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(answer(s.bare(Method::GET, "/metrics").bearer_auth(&s.token)).await.0, StatusCode::FORBIDDEN);
    let (status, text) = answer(s.bare(Method::GET, "/metrics").bearer_auth(&s.internal_token)).await;
    tfx_service::testing::exposition::check(text.as_str().expect("text")).expect("an exposition");
    assert!(status == StatusCode::OK && text.to_string().contains("tfx_http_requests_total"), "{text}");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problem_documents() {
    let s = Server::start().await;
    let table = [
        (Method::GET, "/nothing", 404, "not_found"),
        (Method::GET, "/campaign", 404, "not_found"),
        (Method::GET, "/campaigns/a/b/c", 404, "not_found"),
        (Method::PUT, "/campaigns", 405, "method_not_allowed"),
        (Method::GET, "/report", 405, "method_not_allowed"),
        (Method::POST, "/clicks", 405, "method_not_allowed"),
    ];
    for (method, path, status, code) in table {
        let response = s.request(method.clone(), path).send().await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{method} {path}");
        let allow = response.headers().contains_key("allow");
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(allow, status == 405, "{method} {path}");
        let body: serde_json::Value = response.json().await.expect("json");
        assert_eq!(body["code"], code, "{method} {path}");
    }
    let (status, body) = answer(s.bare(Method::GET, "/elsewhere")).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_says_who_asked_from_where_and_by_which_request() {
    let s = Server::with(&[("TRUSTED_PROXY_CIDRS", "127.0.0.1/32")]).await;
    let steps = [
        (Method::POST, "/sources", json!({ "slug": "push", "name": "Push" })),
        (Method::PATCH, "/sources/push", json!({ "name": "Pushed" })),
        (Method::POST, "/sources/push/pause", json!({})),
        (Method::POST, "/retention/prune", json!({ "before": "2020-01-01T00:00:00Z" })),
    ];
    for (n, (method, path, body)) in steps.iter().enumerate() {
        let request = s.request(method.clone(), path).json(body);
        let request = request.header("x-forwarded-for", format!("198.51.100.{n}"));
        let status =
            request.header("x-request-id", format!("req-{n}")).send().await.expect("an answer").status();
        assert!(status.is_success(), "{path}: {status}");
    }
    let log = s.api.audit(&tfx_api::audit::AuditQuery::default()).await.expect("audit").items;
    let seen: Vec<_> =
        log.iter().rev().map(|e| (e.action.as_str(), e.from.as_str(), e.request_id.as_str())).collect();
    let want = [
        ("create", "198.51.100.0", "req-0"),
        ("update", "198.51.100.1", "req-1"),
        ("pause", "198.51.100.2", "req-2"),
        ("prune", "198.51.100.3", "req-3"),
    ];
    assert_eq!(seen, want);
    assert!(log.iter().all(|e| e.actor == "admin token"));
}
