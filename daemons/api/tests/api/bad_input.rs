//! What no client of good will sends: each has a 4xx with a code of its own, and the server goes on.

use crate::server::{Server, answer};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const JSON: &str = "application/json";

/// Content type, body, status, code.
fn bodies() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let deep = |open: &str, close: &str, depth: usize| {
        format!("{{\"slug\":\"a\",\"cost\":{}{}}}", open.repeat(depth), close.repeat(depth)).into_bytes()
    };
    let with = |value: &str| format!("{{\"slug\":\"a\",\"unique_window_s\":{value}}}").into_bytes();
    let named = |name: &str| format!("{{\"slug\":\"a\",\"name\":\"{name}\"}}").into_bytes();
    let bad = "malformed_json";
    vec![
        (JSON, deep("[", "]", 100_000), 400, bad),
        (JSON, deep("{\"a\":", "}", 100_000), 400, bad),
        (JSON, deep("[", "]", 100), 422, "invalid"),
        (JSON, br#"{"slug":"a","slug":"b"}"#.to_vec(), 400, bad),
        (JSON, br#"{"slug":"a","cost":{"per_click":"1","per_click":"2"}}"#.to_vec(), 400, bad),
        (JSON, with("1e400"), 400, bad),
        (JSON, with(&"9".repeat(400)), 400, bad),
        (JSON, with("18446744073709551616"), 422, "invalid"),
        (JSON, with("-1"), 422, "invalid"),
        (JSON, with("0.5"), 422, "invalid"),
        (JSON, with("NaN"), 400, bad),
        (JSON, with("\"1\""), 422, "invalid"),
        (JSON, named(r"\ud800"), 400, bad),
        (JSON, named(r"\udc00\ud800"), 400, bad),
        (JSON, named(r"\u0000"), 422, "invalid"),
        (JSON, named(&"n".repeat(201)), 422, "invalid"),
        (JSON, named(&"n".repeat(500_000)), 422, "invalid"),
        (JSON, b"{\"slug\":\"a\",\"name\":\"\xff\xfe\"}".to_vec(), 400, bad),
        (JSON, b"\xef\xbb\xbf{\"slug\":\"a\"}".to_vec(), 400, bad),
        (JSON, b"".to_vec(), 400, bad),
        (JSON, b"{\"slug\":\"a\"} {}".to_vec(), 400, bad),
        (JSON, b"{'slug':'a'}".to_vec(), 400, bad),
        (JSON, b"null".to_vec(), 422, "invalid"),
        (JSON, b"[\"a\"]".to_vec(), 422, "invalid"),
        (JSON, br#"{"slug":"a","cost":["1.5","USD"]}"#.to_vec(), 422, "invalid"),
        (JSON, vec![b' '; 4 << 20], 413, "too_large"),
        ("", br#"{"slug":"a"}"#.to_vec(), 415, "not_json"),
        ("text/json", br#"{"slug":"a"}"#.to_vec(), 415, "not_json"),
        ("application/x-www-form-urlencoded", b"slug=a".to_vec(), 415, "not_json"),
        ("multipart/form-data; boundary=x", b"--x--".to_vec(), 415, "not_json"),
        ("application/jsonx", br#"{"slug":"a"}"#.to_vec(), 415, "not_json"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_body_has_a_named_4xx() {
    let server = Server::start().await;
    for (content_type, body, status, code) in bodies() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let request = server.request(Method::POST, "/campaigns").header("content-type", content_type);
        let (got, problem) = answer(request.body(body)).await;
        let told = (got.as_u16(), problem["code"].as_str().unwrap_or_default());
        assert_eq!(told, (status, code), "{content_type} {shown}: {problem}");
    }
    let (status, page) = server.get("/campaigns?status=all").await;
    assert_eq!(
        (status, page["items"].as_array().map(Vec::len)),
        (StatusCode::OK, Some(0)),
        "nothing was saved"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_no_object_whatever_is_asked() {
    let server = Server::start().await;
    for path in [
        "/report",
        "/explain",
        "/postbacks/test",
        "/postbacks/retry",
        "/postbacks/queue/retry",
        "/retention/prune",
        "/conversions/publish",
        "/conversions/import",
        "/ingestion/replay",
        "/tokens",
    ] {
        for body in ["[]", "[null, null]", "5", "\"a\"", "true"] {
            let request = server.request(Method::POST, path).header("content-type", JSON);
            let (status, problem) = answer(request.body(body)).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}: {problem}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_path_or_query_has_a_named_4xx() {
    let server = Server::start().await;
    let long = "a".repeat(4_000);
    let table = [
        (format!("/campaigns/{long}"), 404, "not_found"),
        ("/campaigns/%ff%fe".to_owned(), 400, "malformed_path"),
        ("/campaigns/%00".to_owned(), 404, "not_found"),
        ("/campaigns/..%2f..%2fetc".to_owned(), 404, "not_found"),
        (format!("/campaigns?cursor={long}"), 400, "bad_cursor"),
        (format!("/campaigns?{long}=1"), 422, "invalid"),
        ("/campaigns?limit=1&limit=2".to_owned(), 422, "invalid"),
        ("/campaigns?limit=99999999999999999999999".to_owned(), 422, "invalid"),
        ("/campaigns?limit=%ff".to_owned(), 422, "invalid"),
        ("/clicks?since=9999999-01-01T00:00:00Z".to_owned(), 422, "invalid"),
        (format!("/clicks?{}", "where=os%3DiOS&".repeat(51)), 422, "invalid"),
        (format!("/clicks?timezone={long}"), 422, "invalid"),
        ("/clicks/%F0%9F%92%A9".to_owned(), 404, "not_found"),
    ];
    for (path, status, code) in table {
        let (got, problem) = server.get(&path).await;
        let shown: String = path.chars().take(60).collect();
        let told = (got.as_u16(), problem["code"].as_str().unwrap_or_default());
        assert_eq!(told, (status, code), "{shown}: {problem}");
        assert!(problem.to_string().len() < 20_000, "{shown}: what was sent is not sent back whole");
    }
    server.stop().await;
}

/// What no HTTP library sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_head_is_refused_and_the_server_goes_on() {
    let server = Server::start().await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let auth = format!("Authorization: Bearer {}\r\n", server.token);
    let long = "a".repeat(200_000);
    let heads = [
        format!("GET /api/v1/{long} HTTP/1.1\r\nHost: a\r\n{auth}\r\n"),
        format!("GET /api/v1/campaigns HTTP/1.1\r\nHost: a\r\n{auth}X-Long: {long}\r\n\r\n"),
        format!("GET /api/v1/campaigns HTTP/1.1\r\nHost: a\r\n{auth}{}\r\n", "X-Many: 1\r\n".repeat(200)),
        format!("POST /api/v1/campaigns HTTP/1.1\r\nHost: a\r\n{auth}Content-Length: -1\r\n\r\n"),
        format!(
            "POST /api/v1/campaigns HTTP/1.1\r\nHost: a\r\n{auth}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
        format!(
            "POST /api/v1/campaigns HTTP/1.1\r\nHost: a\r\n{auth}Transfer-Encoding: chunked\r\n\r\nzz\r\n"
        ),
        format!("GET /api/v1/campaigns\u{7f} HTTP/1.1\r\nHost: a\r\n{auth}\r\n"),
        "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
    ];
    for head in heads {
        let shown: String = head.chars().take(40).collect();
        let mut line = TcpStream::connect(&address).await.expect("a line");
        // It may answer, and close, before all is sent.
        let _ = line.write_all(head.as_bytes()).await;
        let mut said = Vec::new();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(20), line.read_to_end(&mut said)).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        let refused = said.starts_with("HTTP/1.1 4") || said.is_empty();
        assert!(refused, "{shown}: {said}");
    }
    let (status, me): (StatusCode, Value) = server.get("/whoami").await;
    assert_eq!(status, StatusCode::OK, "{me}");
    server.stop().await;
}
