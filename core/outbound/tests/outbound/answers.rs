//! Servers that answer too much, too slowly, too early or not at all.

use crate::{
    LONG, SHORT, ask,
    dns::Dns,
    flood, get, outbound,
    server::{Server, head},
    told,
};
use http::Method;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tfx_outbound::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UdpSocket,
    time::sleep,
};

#[tokio::test]
async fn an_answer_has_its_status_and_the_beginning_of_its_body() {
    let body = "x".repeat(3_000);
    let server =
        Server::saying(format!("HTTP/1.1 429 no\r\nretry-after: 17\r\ncontent-length: 3000\r\n\r\n{body}"))
            .await;
    let answer = ask(&server, LONG).await.unwrap();
    assert_eq!(
        (answer.status, answer.retry_after.as_str(), answer.body),
        (429, "17", body.as_bytes()[..1024].to_vec())
    );
}

#[tokio::test]
async fn a_login_in_a_url_goes_into_a_header() {
    for (login, expected) in [
        ("", ""),
        ("user:pass@", "dXNlcjpwYXNz"),
        ("us%40er:p%C3%A4ss@", "dXNAZXI6cMOkc3M="),
        ("user@", "dXNlcjo="),
        (":pass@", "OnBhc3M="),
    ] {
        let (tell, told) = tokio::sync::oneshot::channel();
        let tell = Arc::new(Mutex::new(Some(tell)));
        let server = Server::new(move |mut stream| {
            let tell = Arc::clone(&tell);
            async move {
                let head = head(&mut stream).await;
                tell.lock().unwrap().take().unwrap().send(head).unwrap();
                let _ = stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await;
            }
        })
        .await;
        let dns = Dns::new(&[]).await;
        let url = format!("http://{login}{}/a?b=c#d", server.at);
        outbound(true, dns.at).send(get(&url, LONG)).await.unwrap();
        let head = told.await.unwrap();
        assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: {}\r\n", server.at)), "{head}");
        assert!(
            head.contains("user-agent: TraffoFlex/test\r\n") && head.contains("accept: */*\r\n"),
            "{head}"
        );
        let sent = head.lines().find_map(|line| line.strip_prefix("authorization: Basic "));
        assert_eq!(sent.unwrap_or_default(), expected, "{head}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_its_end() {
    for start in [
        "HTTP/1.1 200 x\r\ncontent-length: 10000000000\r\n\r\n",
        "HTTP/1.1 200 x\r\n\r\n",
        "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n",
        // A bomb: nobody unpacks it.
        "HTTP/1.1 200 x\r\ncontent-encoding: gzip\r\n\r\n",
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let server = Server::new(move |mut stream| {
            let count = Arc::clone(&count);
            async move {
                head(&mut stream).await;
                let _ = stream.write_all(start.as_bytes()).await;
                let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
                flood(&mut stream, &chunk, &count).await;
            }
        })
        .await;
        let answer = ask(&server, LONG).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 1024));
        // What the kernel holds for both sides comes to some megabytes.
        assert!(sent.load(SeqCst) < 32 << 20, "{start:?}: {} bytes were taken", sent.load(SeqCst));
    }
}

#[tokio::test]
async fn a_body_that_stalls_or_breaks_off_leaves_the_status() {
    let stalls = Server::new(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\nabc").await;
        sleep(LONG).await;
    })
    .await;
    let answer = ask(&stalls, SHORT).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"abc".as_slice()));
    let breaks = Server::saying("HTTP/1.1 201 x\r\ncontent-length: 10\r\n\r\nabc").await;
    assert_eq!(told(&ask(&breaks, LONG).await), "201");
}

#[tokio::test]
async fn a_server_that_does_not_answer_takes_no_longer_than_it_may() {
    let drip = |text: &'static [u8]| {
        Server::new(move |mut stream| async move {
            head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 x\r\n").await;
            while stream.write_all(text).await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        })
    };
    let silent = Server::new(|mut stream| async move {
        head(&mut stream).await;
        sleep(LONG).await;
    })
    .await;
    for server in [silent, drip(b"x").await] {
        let began = Instant::now();
        let sent = ask(&server, SHORT).await;
        assert_eq!(told(&sent), "timed_out", "{sent:?}");
        assert!(began.elapsed() < LONG / 2);
    }
}

#[tokio::test]
async fn what_is_not_http_is_said() {
    for (text, expected) in [
        ("", "closed"),
        ("HTTP/1.1 2", "closed"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "bad_answer"),
        ("HTTP/1.1 99 x\r\n\r\n", "bad_answer"),
        ("HTTP/1.1 1000 x\r\n\r\n", "bad_answer"),
        ("HTTP/1.1 200 x\r\ncontent-length: a\r\n\r\n", "bad_answer"),
        ("HTTP/1.1 200 x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "bad_answer"),
        ("HTTP/1.1 200 x\r\nno colon\r\n\r\n", "bad_answer"),
        ("\u{0}\u{1}\u{2}\r\n\r\n", "bad_answer"),
        ("HTTP/1.0 200 old\r\n\r\nbody", "200"),
        ("HTTP/1.1 999 x\r\n\r\n", "999"),
        ("HTTP/1.1 204 x\r\n\r\nbody", "204"),
    ] {
        let server = Server::saying(text).await;
        let sent = ask(&server, LONG).await;
        assert_eq!(told(&sent), expected, "{text:?}: {sent:?}");
    }
}

#[tokio::test]
async fn a_server_may_answer_before_it_has_read_the_request() {
    let server = Server::new(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 503 busy\r\ncontent-length: 0\r\n\r\n").await;
        let mut rest = vec![0; 1 << 20];
        while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
    })
    .await;
    let dns = Dns::new(&[]).await;
    let request = Request {
        method: Method::POST,
        body: vec![b'x'; 8 << 20].into(),
        ..get(&format!("http://{}/", server.at), LONG)
    };
    let sent = outbound(true, dns.at).send(request).await;
    // Which of the two it sees first is up to the network; it is never stuck.
    assert!(matches!(told(&sent).as_str(), "503" | "closed"), "{sent:?}");
}

#[tokio::test]
async fn nobody_listens() {
    let at = Server::saying("").await.at;
    sleep(Duration::from_millis(50)).await;
    let dns = Dns::new(&[]).await;
    let sent = outbound(true, dns.at).send(get(&format!("http://{at}/"), LONG)).await;
    assert!(matches!(told(&sent).as_str(), "connect" | "closed"), "{sent:?}");
}

#[tokio::test]
async fn name_servers_that_do_not_answer_are_no_fault_of_who_is_asked() {
    // One that is there and says nothing, and one that is not there.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for at in [silent.local_addr().unwrap(), nobody] {
        let sent = outbound(true, at).send(get("http://offer.test/", SHORT)).await;
        assert_eq!(told(&sent), "name_servers", "{sent:?}");
        assert!(sent.is_err_and(|e| e.failure.is_ours()));
    }
}

#[tokio::test]
async fn a_resolver_that_can_ask_nobody_is_no_fault_of_who_is_asked() {
    let dns = Dns::new(&[("closed", &[])]).await;
    let outbound = outbound(true, dns.at);
    for _ in 0..3 {
        let sent = outbound.send(get("http://offer.test/", LONG)).await;
        assert_eq!(told(&sent), "name_servers", "{sent:?}");
        assert!(sent.is_err_and(|e| e.failure.is_ours()));
    }
}

/// Nobody else is looked up meanwhile.
#[tokio::test]
async fn a_name_that_alone_cannot_be_found_out_is_the_fault_of_its_own_servers() {
    // Its servers are silent, or what they say cannot be used.
    let dns = Dns::new(&[("dead.test", &[])]).await;
    for name in ["dead.test", "servfail.test"] {
        let outbound = outbound(true, dns.at);
        for _ in 0..2 {
            let sent = outbound.send(get(&format!("http://{name}/"), SHORT * 3)).await;
            assert_eq!(told(&sent), "lookup", "{name}: {sent:?}");
            assert!(sent.is_err_and(|e| !e.failure.is_ours()));
        }
    }
}

/// A network that knows its own names alone says of all others that it cannot find them out.
#[tokio::test]
async fn where_no_name_of_the_world_is_known_those_that_are_decide() {
    let dns = Dns::new(&[("closed", &[]), ("dead.test", &[]), ("well.test", &[&["127.0.0.1"]])]).await;
    let outbound = Arc::new(outbound(true, dns.at));
    let dead = async || outbound.send(get("http://dead.test/", SHORT * 2)).await;
    assert_eq!(told(&dead().await), "name_servers");
    let (sent, _) = tokio::join!(dead(), async {
        sleep(SHORT).await;
        outbound.send(get("http://well.test:9/", LONG)).await
    });
    assert_eq!(told(&sent), "lookup", "{sent:?}");
}

#[tokio::test]
async fn a_name_that_is_not_answered_while_others_are_is_the_fault_of_its_own_servers() {
    let dns = Dns::new(&[("dead.test", &[]), ("well.test", &[&["127.0.0.1"]])]).await;
    let outbound = Arc::new(outbound(true, dns.at));
    let dead = tokio::spawn({
        let outbound = Arc::clone(&outbound);
        async move { outbound.send(get("http://dead.test/", SHORT * 2)).await }
    });
    while dns.asked("dead.test") == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(told(&outbound.send(get("http://nobody.test/", LONG)).await), "no_such_name");
    let sent = dead.await.unwrap();
    assert_eq!(told(&sent), "lookup", "{sent:?}");
    assert!(sent.is_err_and(|e| !e.failure.is_ours()));
}
