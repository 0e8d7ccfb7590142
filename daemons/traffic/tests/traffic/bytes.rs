//! Any bytes get an answer below 500 or a clean end; nothing panics and nothing hangs.

use crate::world::{Testbed, World};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use tfx_service::testing::{PATIENCE, exchange, status_of};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const END: &str = " HTTP/1.1\r\nHost: x\r\nUser-Agent: t/1\r\nConnection: close\r\n\r\n";

/// A campaign `summer` that puts what it is sent into URLs, headers and pages.
async fn open() -> World {
    let testbed = Testbed::new(&[("HTTP_HEADER_TIMEOUT_MS", "500"), ("HTTP_REQUEST_TIMEOUT_MS", "2000")]);
    let campaign = testbed.campaign("summer", json!({})).await;
    let url = "https://offer.example/{_sub1}?k={keyword}&s={_sub2}&p={param:x}&u={user_agent}&r={_referrer}#{_sub3}";
    let offer = testbed.destination("offer", json!({ "url": url })).await;
    let pages = json!({ "kind": "forced", "action": { "type": "js" }, "filters": [{ "field": "sub4", "is": ["js"] }],
        "destinations": [{ "destination": offer.id }] });
    testbed.stream(&campaign, "pages", pages).await;
    testbed
        .stream_to(&campaign, &offer, json!({ "filters": [{ "field": "header:X-Any", "is_not": ["no"] }] }))
        .await;
    testbed.start().await
}

async fn still_well(world: World) {
    assert_eq!(world.get("/c/summer").await.status, 302);
    assert_eq!(world.metric("tfx_panics_total{service=\"traffic\"}").await, 0.0);
    world.stop().await;
}

#[tokio::test]
async fn the_table_of_strange_requests() {
    let world = open().await;
    let get = |target: &[u8]| [b"GET ", target, END.as_bytes()].concat();
    let with = |headers: &[u8]| {
        [b"GET /c/summer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", headers, b"\r\n\r\n"].concat()
    };
    let flood = |n: usize| (0..n).map(|i| format!("X-{i}: y\r\n")).collect::<String>();
    let table: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("plain", get(b"/c/summer"), &[302]),
        ("broken UTF-8, encoded, in the path", get(b"/c/%ff%fe"), &[404]),
        ("broken UTF-8, raw, in the path", get(b"/c/\xff\xfe"), &[404, 400]),
        ("broken percent-encoding in the path", get(b"/c/%zz%"), &[404]),
        ("a line break in the path", get(b"/c/summer%0d%0aX: y"), &[400]),
        ("an encoded line break in the path", get(b"/c/sum%0d%0amer"), &[404]),
        ("NUL in the path", get(b"/c/%00"), &[404]),
        ("dots", get(b"/c/../../etc/passwd"), &[404]),
        ("a long path", get(format!("/c/{}", "s".repeat(60_000)).as_bytes()), &[404]),
        ("broken UTF-8, encoded, in the query", get(b"/c/summer?sub1=%ff%fe&keyword=%c3"), &[302]),
        ("raw bytes in the query", get(b"/c/summer?sub1=\xff\xfe&\x80=\x81"), &[302, 400]),
        ("raw UTF-8 in the query", get("/c/summer?sub1=ü&keyword=é".as_bytes()), &[302]),
        ("broken percent-encoding", get(b"/c/summer?sub1=%&keyword=%zz&%=%1"), &[302]),
        (
            "line breaks in every parameter",
            get(b"/c/summer?sub1=%0d%0aX:y&sub2=%0d%0aX:y&sub3=%0a&x=%0d&keyword=%0a"),
            &[302],
        ),
        ("control characters", get(b"/c/summer?sub1=%00%01%1f%7f&keyword=%08"), &[302]),
        ("a script", get(b"/c/summer?sub4=js&sub1=%3C/script%3E%3Cscript%3E&keyword=%22%27"), &[200]),
        ("2,000 parameters", get(format!("/c/summer?{}", "a=1&".repeat(2000)).as_bytes()), &[302]),
        ("a query of 60 KB", get(format!("/c/summer?sub1={}", "q".repeat(60_000)).as_bytes()), &[302]),
        ("a query of 64 KiB", get(format!("/c/summer?sub1={}", "q".repeat(65_536)).as_bytes()), &[414, 431]),
        ("90 headers", with(flood(90).trim_end().as_bytes()), &[302]),
        ("110 headers", with(flood(110).trim_end().as_bytes()), &[431]),
        ("a flood of headers", with(flood(20_000).trim_end().as_bytes()), &[431]),
        ("a header of 60 KB", with(format!("X-Any: {}", "y".repeat(60_000)).as_bytes()), &[302]),
        ("a header of 200 KB", with(format!("X-Any: {}", "y".repeat(200_000)).as_bytes()), &[431]),
        (
            "bytes in headers",
            with(b"X-Any: \xff\xfe\r\nUser-Agent: \x80\r\nReferer: \xf0\x9f\r\nAccept-Language: \xff"),
            &[302],
        ),
        ("NUL in a header", with(b"X-Any: \0"), &[400]),
        ("a huge cookie", with(format!("Cookie: {}", "a=b; ".repeat(10_000)).as_bytes()), &[302]),
        ("500 cookies of ours", with(format!("Cookie: {}", "tfx_v=1; ".repeat(500)).as_bytes()), &[302]),
        ("a huge user agent", with(format!("User-Agent: {}", "(".repeat(60_000)).as_bytes()), &[302]),
        ("HTTP/1.0", b"GET /c/summer HTTP/1.0\r\n\r\n".to_vec(), &[302]),
        (
            "HTTP/1.1 without Host",
            b"GET /c/summer HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(),
            &[302, 400],
        ),
        ("HTTP/0.9", b"GET /c/summer\r\n\r\n".to_vec(), &[400]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
        ("an absolute target", get(b"http://evil.example/c/summer?x=1"), &[302]),
        ("an absolute target without a path", get(b"http://evil.example"), &[404]),
        ("a target that is a host", get(b"evil.example:443"), &[400, 404]),
        ("CONNECT", [b"CONNECT evil.example:443".as_slice(), END.as_bytes()].concat(), &[400, 404, 405]),
        ("OPTIONS *", [b"OPTIONS *".as_slice(), END.as_bytes()].concat(), &[404, 405]),
        ("an empty target", get(b""), &[400]),
        ("a body on GET", with(b"Content-Length: 5\r\n\r\nhello"), &[302]),
        ("a chunked body on GET", with(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0"), &[302]),
        ("two lengths", with(b"Content-Length: 1\r\nContent-Length: 2"), &[400]),
        ("length and chunks", with(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0"), &[302, 400]),
        ("a body that is too large", with(b"Content-Length: 999999999999"), &[413]),
        ("a length that is none", with(b"Content-Length: -1"), &[400]),
        ("no such chunk", with(b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), &[302, 400]),
        ("an expectation", with(b"Expect: 100-continue"), &[302]),
        ("an upgrade", with(b"Upgrade: websocket\r\nConnection: Upgrade, close"), &[302]),
        ("folded headers", with(b"X-Any: a\r\n b"), &[302, 400]),
        ("a colon alone", with(b": x"), &[400]),
    ];
    for (name, bytes, want) in table {
        let answer = exchange(world.addr, &bytes).await;
        let text = String::from_utf8_lossy(&answer);
        let status = status_of(&answer).unwrap_or_else(|| panic!("{name}: no answer but {text:?}"));
        assert!(want.contains(&status), "{name}: {text}");
        // What was sent breaks no header: only the server's own are there.
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let named = |l: &str| l.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let strange: Vec<_> =
            head.lines().skip(1).map(named).filter(|n| !OURS.contains(&n.as_str())).collect();
        assert_eq!(strange, [""; 0], "{name}: {head}");
        if let Some(location) = head.lines().find_map(|l| l.strip_prefix("location: ")) {
            assert!(
                location.starts_with("https://offer.example/") && location.is_ascii(),
                "{name}: {location}"
            );
        }
    }
    // The beginning of HTTP/2 is hung up on.
    assert_eq!(exchange(world.addr, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, b"");
    still_well(world).await;
}

const OURS: [&str; 13] = [
    "accept-ch",
    "location",
    "cache-control",
    "content-type",
    "content-length",
    "x-content-type-options",
    "set-cookie",
    "x-request-id",
    "date",
    "connection",
    "transfer-encoding",
    "allow",
    "retry-after",
];

#[tokio::test]
async fn one_after_the_other_and_all_at_once_on_one_connection() {
    let world = open().await;
    let one = "GET /c/summer HTTP/1.1\r\nHost: x\r\nUser-Agent: t/1\r\n\r\n";
    let post = "POST /c/summer HTTP/1.1\r\nHost: x\r\nUser-Agent: t/1\r\nContent-Length: 3\r\n\r\nabc";
    for (pipelined, want) in [
        ([one.repeat(9), format!("GET /c/summer{END}")].concat(), 10),
        ([one, post, one, &format!("GET /c/summer{END}")].concat(), 4),
    ] {
        let answer = exchange(world.addr, pipelined.as_bytes()).await;
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(text.matches("HTTP/1.1 302 ").count(), want, "{text}");
    }
    still_well(world).await;
}

#[tokio::test]
async fn who_is_slow_is_cut_off_and_who_goes_away_is_forgotten() {
    let world = open().await;
    let mut slow = Vec::new();
    for beginning in
        ["", "G", "GET /c/summer HTTP/1.1\r\nHost: x\r\nX-", "GET /c/summer HTTP/1.1\r\nHost: x\r\n"]
    {
        let mut stream = TcpStream::connect(world.addr).await.expect("connect");
        stream.write_all(beginning.as_bytes()).await.expect("write");
        slow.push(stream);
    }
    // A body that does not come.
    let mut stream = TcpStream::connect(world.addr).await.expect("connect");
    stream
        .write_all(b"POST /c/summer HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na")
        .await
        .expect("write");
    slow.push(stream);
    for _ in 0..20 {
        let mut stream = TcpStream::connect(world.addr).await.expect("connect");
        stream.write_all(format!("GET /c/summer{END}").as_bytes()).await.expect("write");
        drop(stream);
    }
    for mut stream in slow {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is left open");
        let status = status_of(&rest);
        assert!(
            rest.is_empty() || status.is_some_and(|s| s < 500),
            "{read:?} {}",
            String::from_utf8_lossy(&rest)
        );
    }
    still_well(world).await;
}

#[tokio::test]
async fn an_expectation_is_answered_before_the_body_is_sent() {
    let world = open().await;
    let mut stream = TcpStream::connect(world.addr).await.expect("connect");
    let head = "POST /c/summer HTTP/1.1\r\nHost: x\r\nUser-Agent: t/1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("write");
    let mut answer = vec![0; 4096];
    let n = timeout(PATIENCE, stream.read(&mut answer)).await.expect("it hangs").expect("readable");
    assert!(matches!(status_of(&answer[..n]), Some(100 | 302)), "{}", String::from_utf8_lossy(&answer[..n]));
    drop(stream);
    still_well(world).await;
}

/// Requests that are nearly right, and bytes that are not.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => proptest::sample::select(b" \r\n%&=?#/:;,\"'<>{}\\\0\xff\xc3\x80".as_slice()), 5 => any::<u8>()];
    let noise = proptest::collection::vec(byte, 0..120);
    let target = prop_oneof![
        Just("/c/summer?sub1="),
        Just("/c/summer?sub4=js&keyword="),
        Just("/c/"),
        Just("/_go?to="),
        Just("/"),
        Just("")
    ];
    let method = prop_oneof![4 => Just("GET"), 1 => Just("HEAD"), 1 => Just("POST"), 1 => Just("XXX")];
    let header = proptest::sample::select(
        [
            "X-Any",
            "Cookie",
            "User-Agent",
            "Referer",
            "Accept-Language",
            "Content-Length",
            "X-Forwarded-For",
            "Sec-CH-UA-Model",
            "Expect",
            "",
        ]
        .as_slice(),
    );
    let request = (method, target, noise.clone(), header, noise.clone(), any::<bool>());
    prop_oneof![
        6 => request.prop_map(|(method, target, query, header, value, escaped)| {
            let query = if escaped { query.iter().map(|b| format!("%{b:02x}")).collect::<String>().into_bytes() } else { query };
            let head = format!("{method} {target}");
            [head.as_bytes(), &query, b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", header.as_bytes(), b": ", &value, b"\r\n\r\n"].concat()
        }),
        1 => noise,
    ]
}

#[test]
fn arbitrary_bytes_are_answered_below_500_or_cut_off() {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let world = runtime.block_on(open());
    let mut runner = TestRunner::new(Config { cases: 600, failure_persistence: None, ..Config::default() });
    runner
        .run(&anything(), |bytes| {
            let answer = runtime.block_on(finish(&world, &bytes));
            let shown = String::from_utf8_lossy(&answer);
            let status = status_of(&answer);
            prop_assert!(
                answer.is_empty() || status.is_some_and(|s| (200..500).contains(&s) || s == 508),
                "{shown}"
            );
            for line in shown
                .split("\r\n\r\n")
                .next()
                .unwrap_or_default()
                .split("\r\n")
                .skip(1)
                .filter(|l| !l.is_empty())
            {
                let name = line.split(':').next().unwrap_or_default();
                prop_assert!(OURS.contains(&name), "{shown}");
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    runtime.block_on(still_well(world));
}

/// Sends and shuts its own side, so that what is not a whole request need not wait for the time limit.
async fn finish(world: &World, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(world.addr).await.expect("connect");
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut out = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut out)).await.expect("the server hangs");
    out
}
