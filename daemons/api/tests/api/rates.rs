//! How often a token may ask.

use crate::server::Server;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};
use tfx_api::Client;

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_token_is_limited_by_itself_and_told_what_is_left() {
    let limits = [("API_RATE_LIMIT_PER_MINUTE", "20"), ("API_WRITE_RATE_LIMIT_PER_MINUTE", "3")];
    let s = Server::with(&limits).await;
    let made = s.post("/tokens", json!({ "name": "ci", "scopes": ["read", "write:campaigns"] })).await.1;
    let token = made["token"].as_str().expect("a token").to_owned();
    let ask = async |method: Method, path: &str| {
        let request = s.bare(method, &format!("/api/v1{path}")).bearer_auth(&token);
        request.json(&json!({ "name": "x" })).send().await.expect("an answer")
    };
    let first = ask(Method::GET, "/whoami").await;
    assert_eq!(header(&first, "ratelimit-policy"), "\"requests\";q=20;w=60, \"writes\";q=3;w=60");
    assert_eq!(header(&first, "ratelimit"), "\"requests\";r=19;t=60, \"writes\";r=3;t=60");
    let refused = ask(Method::POST, "/tokens").await;
    assert_eq!((refused.status(), header(&refused, "ratelimit").is_empty()), (StatusCode::FORBIDDEN, false));
    let unknown = ask(Method::GET, "/nothing").await;
    assert_eq!((unknown.status(), header(&unknown, "ratelimit").is_empty()), (StatusCode::NOT_FOUND, false));
    let mut last = ask(Method::POST, "/campaigns").await;
    while last.status() != StatusCode::TOO_MANY_REQUESTS {
        last = ask(Method::POST, "/campaigns").await;
    }
    let wait: u32 = header(&last, "retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait));
    assert!(header(&last, "ratelimit").contains("\"writes\";r=0"), "{}", header(&last, "ratelimit"));
    let problem: serde_json::Value = last.json().await.expect("JSON");
    assert_eq!(problem["code"], "rate_limited");
    assert_eq!(ask(Method::GET, "/campaigns").await.status(), StatusCode::OK, "reads go on");
    let report = s.bare(Method::POST, "/api/v1/report").bearer_auth(&token).json(&json!({})).send().await;
    assert_eq!(report.expect("an answer").status(), StatusCode::OK, "a report changes nothing");
    let mut reads = 0;
    while ask(Method::GET, "/whoami").await.status() == StatusCode::OK {
        reads += 1;
    }
    assert!(reads < 20, "{reads}");
    let (status, _) = s.post("/campaigns", json!({ "slug": "mine" })).await;
    assert_eq!(status, StatusCode::CREATED, "another token");
    s.post("/campaigns", json!({ "slug": "mine2" })).await;
    let (status, _) = s.post("/campaigns", json!({ "slug": "mine3" })).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "the administrator's too");
}

#[tokio::test]
async fn without_limits_none_is_told() {
    let none = [("API_RATE_LIMIT_PER_MINUTE", "0"), ("API_WRITE_RATE_LIMIT_PER_MINUTE", "0")];
    let s = Server::with(&none).await;
    let response = s.request(Method::GET, "/whoami").send().await.expect("an answer");
    assert!(
        !response.headers().contains_key("ratelimit") && !response.headers().contains_key("ratelimit-policy")
    );
    let s = Server::start().await;
    let response = s.request(Method::GET, "/whoami").send().await.expect("an answer");
    assert!(response.headers().contains_key("ratelimit"), "there is one by default");
    let response = s.bare(Method::GET, "/api/v1/whoami").send().await.expect("an answer");
    assert!(!response.headers().contains_key("ratelimit"), "strangers have limits of their own");
}

/// A server that answers with these one after the other, and counts.
async fn answering(answers: Vec<String>) -> (String, Arc<AtomicU32>, Arc<Mutex<Vec<String>>>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (asked, heads) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (count, kept) = (Arc::clone(&asked), Arc::clone(&heads));
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let mut bytes = vec![0; 16_384];
            let n = stream.read(&mut bytes).await.expect("a request");
            kept.lock().expect("lock").push(String::from_utf8_lossy(&bytes[..n]).into_owned());
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked, heads)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
}

const LIMITED: &str = r#"{"status":429,"code":"rate_limited","detail":"too often"}"#;
const CAMPAIGN: &str = r#"{"id":"cmp_1"}"#;

#[tokio::test]
async fn a_patient_client_waits_as_told_and_says_so_and_not_for_ever() {
    let limited =
        |seconds: u32| answer("429 Too Many Requests", &format!("retry-after: {seconds}\r\n"), LIMITED);
    let told = Arc::new(Mutex::new(Vec::<String>::new()));
    let heard = Arc::clone(&told);
    let patient = |url: &str| {
        let heard = Arc::clone(&heard);
        let say = move |text: &str| heard.lock().expect("lock").push(text.to_owned());
        Client::new(url, Some("token")).expect("a client").patient(say, || "key-1".to_owned())
    };
    let (url, asked, _) = answering(vec![limited(1), answer("200 OK", "", CAMPAIGN)]).await;
    let found = patient(&url).get(tfx_domain::entity::Kind::Campaign, "x").await.expect("after a wait");
    assert_eq!((found["id"].as_str(), asked.load(Ordering::SeqCst)), (Some("cmp_1"), 2));
    assert!(told.lock().expect("lock")[0].contains("waiting 1 s"), "{told:?}");
    let (url, asked, _) = answering(vec![limited(3600)]).await;
    let refused = patient(&url).whoami().await.expect_err("that is too long");
    assert_eq!((refused.status(), asked.load(Ordering::SeqCst)), (Some(429), 1));
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_sent_again_under_the_same_key_and_nothing_else_is() {
    let patient =
        |url: &str| Client::new(url, Some("token")).expect("a client").patient(|_| {}, || "key-1".to_owned());
    let body = json!({ "slug": "x" });
    let (url, _, heads) = answering(vec![String::new(), answer("201 Created", "", CAMPAIGN)]).await;
    let made = patient(&url).create(tfx_domain::entity::Kind::Campaign, &body).await.expect("made");
    assert_eq!(made["id"], "cmp_1");
    let heads = heads.lock().expect("lock").clone();
    assert_eq!(heads.len(), 2);
    assert!(heads.iter().all(|head| head.to_lowercase().contains("idempotency-key: key-1\r\n")), "{heads:?}");
    let (url, asked, _) = answering(vec![String::new(), answer("200 OK", "", CAMPAIGN)]).await;
    let verb = tfx_api::entities::Verb::Pause;
    patient(&url)
        .lifecycle(tfx_domain::entity::Kind::Campaign, "x", verb, false, None)
        .await
        .expect_err("the answer is lost");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
