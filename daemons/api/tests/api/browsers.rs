//! Pages in browsers (CORS), and answers in gzip.

use crate::server::Server;
use reqwest::{Method, Response, header::HeaderMap};
use serde_json::json;
use tfx_domain::{access::Scope, entity::Kind};

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
}

#[tokio::test]
async fn pages_of_the_origins_may_call_and_no_others() {
    let origins = "https://admin.example, https://staging.example:8443";
    let s = Server::with(&[("ADMIN_FRONTEND_ORIGIN", origins)]).await;
    let preflight = async |origin: &str| {
        s.bare(Method::OPTIONS, "/api/v1/campaigns/x")
            .header("origin", origin)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "authorization,content-type,idempotency-key,if-match")
            .send()
            .await
            .expect("an answer")
    };
    for origin in ["https://admin.example", "https://staging.example:8443"] {
        let response = preflight(origin).await;
        assert!(response.status().is_success(), "without a token: {}", response.status());
        let headers = response.headers();
        assert_eq!(header(headers, "access-control-allow-origin"), origin);
        assert!(header(headers, "access-control-allow-methods").contains("PATCH"));
        let may_send = header(headers, "access-control-allow-headers").to_lowercase();
        for name in ["authorization", "content-type", "idempotency-key", "if-match"] {
            assert!(may_send.contains(name), "{name} in {may_send}");
        }
        assert!(!headers.contains_key("access-control-allow-credentials"), "cookies count for nothing");
    }
    for origin in
        ["https://evil.example", "http://admin.example", "https://admin.example.evil.example", "null"]
    {
        let response = preflight(origin).await;
        assert_eq!(header(response.headers(), "access-control-allow-origin"), "", "{origin}");
    }
    let ask = async |request: reqwest::RequestBuilder| {
        request.header("origin", "https://admin.example").send().await.expect("an answer")
    };
    for request in [s.request(Method::GET, "/whoami"), s.bare(Method::GET, "/api/v1/whoami")] {
        let response = ask(request).await;
        assert_eq!(header(response.headers(), "access-control-allow-origin"), "https://admin.example");
        assert!(header(response.headers(), "vary").to_lowercase().contains("origin"));
        let may_read = header(response.headers(), "access-control-expose-headers").to_lowercase();
        let names = [
            "etag",
            "location",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "x-request-id",
            "idempotent-replayed",
        ];
        for name in names {
            assert!(may_read.split(',').any(|known| known.trim() == name), "{name} in {may_read}");
        }
    }
    // Also what no handler answered.
    let request = s.request(Method::POST, "/campaigns").header("content-type", "application/json");
    let response = ask(request.body(vec![b' '; 2 << 20])).await;
    assert_eq!(response.status().as_u16(), 413);
    assert_eq!(header(response.headers(), "access-control-allow-origin"), "https://admin.example");
    assert!(header(response.headers(), "vary").to_lowercase().contains("origin"));
    let without = Server::start().await;
    let response = without.request(Method::GET, "/whoami").header("origin", "https://admin.example").send();
    assert_eq!(header(response.await.expect("an answer").headers(), "access-control-allow-origin"), "");
}

#[test]
fn what_is_no_origin_stops_the_start() {
    use tfx_settings::{Settings, SettingsSource};
    for wrong in ["*", "null", "admin.example", "https://admin.example/", "https://Admin.example", "https://"]
    {
        let source = SettingsSource::of([("ADMIN_FRONTEND_ORIGIN", format!("https://a.example,{wrong}"))]);
        let problems = Settings::read(&source).expect_err(wrong);
        assert!(problems.to_string().contains("ADMIN_FRONTEND_ORIGIN"), "{wrong}: {problems}");
    }
}

/// The answer to who takes gzip: its coding, and its bytes as they came.
async fn packed(s: &Server, method: Method, path: &str, body: serde_json::Value) -> (String, Vec<u8>) {
    let request = s.request(method, path).header("accept-encoding", "gzip").json(&body);
    let response: Response = request.send().await.expect("an answer");
    assert!(response.status().is_success(), "{path}: {}", response.status());
    let coding = header(response.headers(), "content-encoding").to_owned();
    (coding, response.bytes().await.expect("a body").to_vec())
}

#[tokio::test]
async fn long_answers_come_in_gzip_and_those_with_a_secret_never() {
    let s = Server::start().await;
    s.summer().await;
    let long = "x".repeat(200);
    for n in 0..20 {
        s.create(Kind::Campaign, json!({ "slug": format!("c{n}"), "name": long })).await;
    }
    let (coding, bytes) = packed(&s, Method::GET, "/campaigns", json!(null)).await;
    assert_eq!((coding.as_str(), &bytes[..2]), ("gzip", &[0x1f, 0x8b][..]));
    let page =
        s.api.list(Kind::Campaign, &tfx_api::entities::EntityQuery::default()).await.expect("read by tfx");
    assert_eq!(page.items.len(), 21);
    let plain = s.request(Method::GET, "/campaigns").send().await.expect("an answer");
    assert_eq!(header(plain.headers(), "content-encoding"), "", "who does not ask gets it as it is");

    assert_eq!(packed(&s, Method::GET, "/whoami", json!(null)).await.0, "", "too short to be worth it");
    // Over the limit, so that only the secret keeps it as it is.
    let ips: Vec<String> = (0..150).map(|n| format!("10.0.{n}.0/24")).collect();
    let network = json!({ "slug": "long", "allowed_ips": ips });
    let (coding, bytes) = packed(&s, Method::POST, "/networks", network).await;
    assert!(coding.is_empty() && bytes.len() > 1024, "{coding} {}", bytes.len());
    // Who sees secrets gets nothing in gzip of kinds that have some; who does not gets it as everything else.
    let url = format!("https://push.example/?token=canary&x={}&id={{external_id}}", "x".repeat(2_000));
    s.create(Kind::Source, json!({ "slug": "told", "postback_url": url })).await;
    let scopes = [Scope::Read, Scope::ReadMoney, Scope::ReadAudit];
    let (_, other) = crate::tokens::client(&s, "other", &scopes).await;
    for path in ["/networks/long", "/networks", "/sources/told", "/sources", "/audit"] {
        assert_eq!(packed(&s, Method::GET, path, json!(null)).await.0, "", "{path}");
        let request = s.bare(Method::GET, &format!("/api/v1{path}")).bearer_auth(&other);
        let response = request.header("accept-encoding", "gzip").send().await.expect("an answer");
        assert_eq!(header(response.headers(), "content-encoding"), "gzip", "{path}");
    }
    let (coding, bytes) =
        packed(&s, Method::PATCH, "/networks/long", json!({ "postback_secret": null })).await;
    assert!(coding.is_empty() && bytes.len() > 1024, "another secret: {coding} {}", bytes.len());
}
