//! What strangers may send and what shutdown owes to those who are served, over real sockets.

use axum::{Router, body::Bytes, routing::any};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tfx_service::{Peer, Shutdown, Trigger, metrics, request_id, serve};
use tfx_settings::HttpSettings;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn limits() -> HttpSettings {
    HttpSettings {
        trusted_proxies: Vec::new(),
        max_body_bytes: 1 << 20,
        max_header_bytes: 64 << 10,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(75),
        request_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(10),
        max_connections: 1000,
        max_connections_per_address: 1000,
        memory_bytes: 64 << 20,
        requests_per_minute: 0,
        writes_per_minute: 0,
        internal: vec!["127.0.0.0/8".parse().expect("net")],
        shutdown_grace: Duration::from_secs(10),
    }
}

struct Server {
    addr: SocketAddr,
    trigger: Trigger,
    task: JoinHandle<std::io::Result<()>>,
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

impl Server {
    async fn start(name: &'static str, http: HttpSettings) -> Self {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let gate = (Arc::clone(&entered), Arc::clone(&release));
        let router = Router::new()
            .route("/ok", any(|| async { "ok" }))
            .route("/body", any(|body: Bytes| async move { body.len().to_string() }))
            .route(
                "/peer",
                any(|axum::Extension(Peer(p)): axum::Extension<Peer>| async move { p.ip().to_string() }),
            )
            .route("/id", any(|headers: http::HeaderMap| async move { request_id::of(&headers).to_owned() }))
            .route(
                "/panic",
                any(|| async {
                    if true {
                        panic!("on purpose")
                    }
                }),
            )
            .route("/never", any(|| async { std::future::pending::<()>().await }))
            .route(
                "/gate",
                any(move || async move {
                    gate.0.notify_one();
                    gate.1.notified().await;
                    "let through"
                }),
            )
            .route("/large", any(|| async { vec![b'x'; 32 << 20] }))
            .merge(metrics::routes(name, |_| {}));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let addr = listener.local_addr().expect("address");
        let (trigger, shutdown) = Shutdown::new();
        let task = tokio::spawn(async move { serve(name, listener, router, &http, shutdown).await });
        Self { addr, trigger, task, entered, release }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.expect("connect")
    }

    /// Sends the bytes on a connection of their own and reads to its end.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(bytes).await;
        read_to_end(&mut stream).await
    }

    async fn get(&self, path: &str) -> String {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await
    }

    async fn stopped(self) {
        self.trigger.fire();
        timeout(PATIENCE, self.task).await.expect("drained").expect("no panic").expect("no error");
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server hangs");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until the text has come.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains(text) {
        let n =
            timeout(PATIENCE, stream.read(&mut chunk)).await.expect("the server hangs").expect("readable");
        assert_ne!(n, 0, "closed after {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..n]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.and_then(|c| c.parse().ok()).unwrap_or_else(|| panic!("no answer but {answer:?}"))
}

#[tokio::test]
async fn any_head_is_answered() {
    let server = Server::start("heads", limits()).await;
    let line = "GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let many = (0..5000).map(|i| format!("X-{i}: y\r\n")).collect::<String>();
    let table: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("plain", format!("{line}\r\n").into(), &[200]),
        ("101 headers", format!("{line}{}\r\n", &many[..many.find("X-99").expect("99")]).into(), &[431]),
        ("a flood of headers", format!("{line}{many}\r\n").into(), &[431]),
        ("one header of 200 KB", format!("{line}X: {}\r\n\r\n", "y".repeat(200_000)).into(), &[431]),
        ("3 MB without an end", format!("{line}X: {}", "y".repeat(3_000_000)).into(), &[431]),
        (
            "a query of 60 KB",
            format!("GET /ok?{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "q".repeat(60_000)).into(),
            &[200],
        ),
        (
            "a query of 64 KiB",
            format!("GET /ok?{} HTTP/1.1\r\nHost: x\r\n\r\n", "q".repeat(65_536)).into(),
            &[414, 431],
        ),
        ("bytes", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
        ("bytes in the path", b"GET /\xff\xfe HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), &[400, 404]),
        ("no such path", b"GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), &[404]),
        ("no such version", b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400]),
        ("a length that is none", b"POST /body HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_vec(), &[400]),
        (
            "two lengths",
            b"POST /body HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_vec(),
            &[400],
        ),
    ];
    let (mut too_large, mut malformed) = (0, 0);
    for (name, bytes, want) in table {
        let answer = server.exchange(&bytes).await;
        let status = status(&answer);
        assert!(want.contains(&status), "{name}: {answer}");
        match status {
            400 => malformed += 1,
            414 | 431 => too_large += 1,
            _ => {}
        }
    }
    // No handler knows of them.
    let metrics = server.get("/metrics").await;
    for (reason, count) in [("too_large", too_large), ("malformed", malformed)] {
        let line = format!(r#"tfx_http_unreadable_total{{service="heads",reason="{reason}"}} {count}"#);
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_declared_or_not() {
    let server = Server::start("bodies", HttpSettings { max_body_bytes: 10_000, ..limits() }).await;
    let post = |head: &str, body: &str| {
        format!("POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n{body}")
    };
    let body = "b".repeat(10_001);
    let fits = server.exchange(post("Content-Length: 10000", &body[1..]).as_bytes()).await;
    assert!(fits.ends_with("\r\n\r\n10000"), "{fits}");
    let huge = "b".repeat(3_000_000);
    for (name, request) in [
        ("declared", post("Content-Length: 10001", &body)),
        ("declared, never sent", post("Content-Length: 99999999999", "")),
        ("declared, sent", post("Content-Length: 3000000", &huge)),
        ("chunked", post("Transfer-Encoding: chunked", &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))),
        (
            "chunked and large",
            post("Transfer-Encoding: chunked", &format!("{:x}\r\n{huge}\r\n0\r\n\r\n", huge.len())),
        ),
    ] {
        let answer = server.exchange(request.as_bytes()).await;
        assert_eq!(status(&answer), 413, "{name}");
        assert!(
            answer.contains("application/problem+json") && answer.contains("HTTP_MAX_BODY_BYTES"),
            "{name}: {answer}"
        );
    }
    server.stopped().await;
}

#[tokio::test]
async fn who_is_slow_is_cut_off() {
    let quick = Duration::from_millis(150);
    let server =
        Server::start("slow", HttpSettings { header_timeout: quick, request_timeout: quick, ..limits() })
            .await;
    let mut loris = server.connect().await;
    loris.write_all(b"GET /ok HTTP/1.1\r\nHost: x\r\nX-").await.expect("write");
    assert_eq!(read_to_end(&mut loris).await, "", "a head that does not end is cut off without an answer");

    let mut silent = server.connect().await;
    assert_eq!(read_to_end(&mut silent).await, "");

    let slow_body = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123";
    assert_eq!(status(&server.exchange(slow_body).await), 408);
    assert_eq!(status(&server.get("/never").await), 504);
    assert_eq!(status(&server.get("/ok").await), 200);
    server.stopped().await;
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_lives() {
    let server = Server::start("panics", limits()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
    let answer = read_until(&mut stream, "}").await;
    assert_eq!(status(&answer), 500);
    assert!(answer.contains("problem+json") && !answer.contains("on purpose"), "{answer}");
    stream
        .write_all(b"GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .expect("same connection");
    assert_eq!(status(&read_to_end(&mut stream).await), 200);
    let metrics = server.get("/metrics").await;
    assert!(metrics.contains(r#"tfx_panics_total{service="panics"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"route="other",status="5xx"} 1"#), "{metrics}");
    server.stopped().await;
}

#[tokio::test]
async fn shutdown_answers_what_is_in_flight_and_closes_what_is_idle() {
    let server = Server::start("drain", limits()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
    read_until(&mut idle, "\r\n\r\nok").await;
    let mut fresh = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
    timeout(PATIENCE, server.entered.notified()).await.expect("in flight");

    server.trigger.fire();
    assert_eq!(read_to_end(&mut idle).await, "", "the idle connection is closed");
    assert_eq!(read_to_end(&mut fresh).await, "", "the unused connection is closed");
    assert!(!server.task.is_finished());
    server.release.notify_one();
    let answer = read_to_end(&mut busy).await;
    assert_eq!(status(&answer), 200);
    assert!(
        answer.contains("let through") && answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    assert!(TcpStream::connect(server.addr).await.is_err(), "nobody listens");
    server.stopped().await;
}

#[tokio::test]
async fn the_drain_ends_with_its_grace_period() {
    let server =
        Server::start("grace", HttpSettings { shutdown_grace: Duration::from_millis(50), ..limits() }).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
    timeout(PATIENCE, server.entered.notified()).await.expect("in flight");
    server.stopped().await;
    assert_eq!(read_to_end(&mut stuck).await, "");
}

#[tokio::test]
async fn every_answer_carries_a_request_id_and_every_request_its_peer() {
    let server = Server::start("ids", limits()).await;
    let ask =
        |id: &str| format!("GET /id HTTP/1.1\r\nHost: x\r\nX-Request-Id: {id}\r\nConnection: close\r\n\r\n");
    let answer = server.exchange(ask("abc-1").as_bytes()).await;
    assert!(answer.contains("x-request-id: abc-1\r\n") && answer.ends_with("abc-1"), "{answer}");
    let answer = server.exchange(ask(&"x".repeat(65)).as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("head");
    assert_eq!(body.len(), 16, "{answer}");
    assert!(head.contains(&format!("x-request-id: {body}")), "{answer}");
    for path in ["/nowhere", "/panic"] {
        assert!(server.get(path).await.contains("x-request-id: "), "{path}");
    }
    assert!(server.get("/peer").await.ends_with("127.0.0.1"));
    server.stopped().await;
}

/// A request on a connection that is kept.
async fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
    read_until(stream, "\r\n\r\nok").await;
}

#[tokio::test]
async fn an_idle_connection_has_a_time_of_its_own() {
    let quick = Duration::from_millis(200);
    let server = Server::start("idle", HttpSettings { header_timeout: quick, ..limits() }).await;
    let mut kept = server.connect().await;
    ask(&mut kept).await;
    tokio::time::sleep(quick * 4).await;
    ask(&mut kept).await;
    // A head that has begun on it is a head like any other.
    kept.write_all(b"GET /ok HT").await.expect("write");
    assert_eq!(read_to_end(&mut kept).await, "", "it is cut off");
    server.stopped().await;

    let server = Server::start("idle-2", HttpSettings { keep_alive: quick, ..limits() }).await;
    let mut idle = server.connect().await;
    ask(&mut idle).await;
    assert_eq!(read_to_end(&mut idle).await, "", "idle for too long");
    let mut new = server.connect().await;
    tokio::time::sleep(quick * 4).await;
    ask(&mut new).await;
    server.stopped().await;
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let quick = Duration::from_millis(200);
    let server = Server::start("unread", HttpSettings { write_timeout: quick, ..limits() }).await;
    let mut greedy = server.connect().await;
    greedy.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
    let cut = async || server.get("/metrics").await.contains(r#"reason="unread"} 1"#);
    let limit = tokio::time::Instant::now() + PATIENCE;
    while !cut().await {
        assert!(tokio::time::Instant::now() < limit, "it is not cut off");
        tokio::time::sleep(quick / 4).await;
    }
    // Who reads, however slowly he began, gets all of it.
    let answer = server.get("/large").await;
    assert!(answer.len() > 32 << 20);
    server.stopped().await;
}

#[tokio::test]
async fn who_sends_no_more_still_gets_the_answer() {
    let server = Server::start("half", limits()).await;
    let mut half = server.connect().await;
    half.write_all(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
    half.shutdown().await.expect("half closed");
    timeout(PATIENCE, server.entered.notified()).await.expect("in flight");
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.release.notify_one();
    let answer = read_to_end(&mut half).await;
    assert!(status(&answer) == 200 && answer.ends_with("let through"), "{answer}");

    let mut post = server.connect().await;
    let body = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    post.write_all(body).await.expect("write");
    post.shutdown().await.expect("half closed");
    assert!(read_to_end(&mut post).await.ends_with("3"));

    let mut short = server.connect().await;
    short.write_all(&body[..body.len() - 1]).await.expect("write");
    short.shutdown().await.expect("half closed");
    assert_ne!(read_to_end(&mut short).await.lines().next(), Some("HTTP/1.1 200 OK"), "half a body is none");
    server.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_no_more_at_once_gets_the_answer_whenever_that_is_noticed() {
    use std::io::{Read as _, Write as _};
    let server = Server::start("half_at_once", limits()).await;
    let addr = server.addr;
    let asked = tokio::task::spawn_blocking(move || {
        let get = &b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"[..];
        let post = &b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"[..];
        let mut unanswered = [0, 0];
        for n in 0..2_000 {
            let mut half = std::net::TcpStream::connect(addr).expect("connect");
            half.write_all([get, post][n % 2]).expect("write");
            half.shutdown(std::net::Shutdown::Write).expect("half closed");
            let mut answer = Vec::new();
            half.read_to_end(&mut answer).expect("read");
            unanswered[n % 2] += usize::from(!answer.starts_with(b"HTTP/1.1 200 OK"));
        }
        unanswered
    });
    assert_eq!(asked.await.expect("asked"), [0, 0], "GET and POST without an answer");
    server.stopped().await;
}

#[tokio::test]
async fn when_there_is_no_room_the_oldest_idle_one_goes_and_nobody_who_waits() {
    let server = Server::start("room", HttpSettings { max_connections: 20, ..limits() }).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("write");
    timeout(PATIENCE, server.entered.notified()).await.expect("in flight");
    let mut idle = Vec::new();
    for _ in 0..19 {
        let mut one = server.connect().await;
        ask(&mut one).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
        idle.push(one);
    }
    // Two hundred more come, and each is served.
    for _ in 0..200 {
        let mut one = server.connect().await;
        ask(&mut one).await;
        idle.push(one);
    }
    assert_eq!(read_to_end(&mut idle[0]).await, "", "the oldest is closed");
    let last = idle.last_mut().expect("one");
    ask(last).await;
    server.release.notify_one();
    assert!(read_until(&mut busy, "let through").await.starts_with("HTTP/1.1 200"));
    server.stopped().await;
}

#[tokio::test]
async fn large_bodies_share_a_memory_and_small_ones_need_none() {
    let http = HttpSettings { memory_bytes: 1 << 20, request_timeout: Duration::from_secs(60), ..limits() };
    let server = Server::start("memory", http).await;
    let head = "POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n";
    let begun = format!("{head}{}", "b".repeat(300_000));
    let mut stuck = Vec::new();
    for _ in 0..10 {
        let mut one = server.connect().await;
        one.write_all(begun.as_bytes()).await.expect("write");
        stuck.push(one);
    }
    // Those for whom nothing was left are told so.
    let mut refused = 0;
    for one in &mut stuck {
        let mut first = [0; 12];
        if timeout(Duration::from_millis(500), one.read_exact(&mut first)).await.is_ok() {
            assert_eq!(&first, b"HTTP/1.1 503");
            refused += 1;
        }
    }
    assert!((6..=8).contains(&refused), "{refused} of 10 were refused");
    let small = "POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8000\r\n\r\n";
    for _ in 0..20 {
        let answer = server.exchange(format!("{small}{}", "b".repeat(8000)).as_bytes()).await;
        assert!(answer.ends_with("8000"), "{answer}");
    }
    drop(stuck);
    // All of it is given back.
    let whole = format!("{head}{}", "b".repeat(1_000_000));
    let limit = tokio::time::Instant::now() + PATIENCE;
    while !server.exchange(whole.as_bytes()).await.ends_with("1000000") {
        assert!(tokio::time::Instant::now() < limit, "the memory is not given back");
    }
    server.stopped().await;
}

#[tokio::test]
async fn large_heads_share_the_memory_too() {
    let http = HttpSettings { memory_bytes: 100_000, ..limits() };
    let server = Server::start("large-heads", http).await;
    let begun = format!("GET /ok HTTP/1.1\r\nHost: x\r\nX: {}", "y".repeat(50_000));
    let mut stuck = Vec::new();
    for _ in 0..10 {
        let mut one = server.connect().await;
        let _ = one.write_all(begun.as_bytes()).await;
        stuck.push(one);
    }
    let mut closed = 0;
    for one in &mut stuck {
        let mut first = [0; 12];
        closed += usize::from(timeout(Duration::from_millis(300), one.read(&mut first)).await.is_ok());
    }
    assert!((7..=9).contains(&closed), "{closed} of 10 were closed");
    assert_eq!(status(&server.get("/ok").await), 200);
    server.stopped().await;
}
