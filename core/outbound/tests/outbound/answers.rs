//! Servers that answer too much, too slowly, too early or not at all.

use crate::{
    LONG,
    dns::Dns,
    get, outbound,
    server::{Server, head},
    told,
};
use http::Method;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tfx_outbound::{Answer, Apart, Failure, Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    task::JoinSet,
    time::sleep,
};

/// A time that is over soon.
const SHORT: Duration = Duration::from_millis(300);

async fn ask(server: &Server, timeout: Duration) -> Result<Answer, Failure> {
    let dns = Dns::new(&[]).await;
    outbound(true, dns.at).send(get(&format!("http://{}/", server.at), timeout)).await
}

/// Writes until nobody reads any more; how much that was.
async fn flood(stream: &mut TcpStream, text: &[u8], sent: &AtomicUsize) {
    while stream.write_all(text).await.is_ok() {
        sent.fetch_add(text.len(), SeqCst);
    }
}

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
async fn a_flood_of_heads_ends() {
    // 1xx answers without end; lines of a head without end; one line without end.
    for (text, expected) in [
        ("HTTP/1.1 100 Continue\r\n\r\n", "timed_out"),
        ("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", "timed_out"),
        ("x: y\r\n", "bad_answer"),
        ("xxxxxxxxxxxxxxxx", "bad_answer"),
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let server = Server::new(move |mut stream| {
            let count = Arc::clone(&count);
            async move {
                head(&mut stream).await;
                if !text.starts_with("HTTP") {
                    let _ = stream.write_all(b"HTTP/1.1 200 x\r\na: ").await;
                }
                flood(&mut stream, text.as_bytes(), &count).await;
            }
        })
        .await;
        let sent = ask(&server, Duration::from_secs(1)).await;
        assert_eq!(told(&sent), expected, "{text:?}: {sent:?}");
    }
}

/// Answers of nothing but heads, as many at once as one server may give, keep nobody else waiting and end in their time.
#[tokio::test(flavor = "multi_thread")]
async fn floods_of_heads_hold_up_nobody_else() {
    let floods = Server::new(|mut stream| async move {
        head(&mut stream).await;
        let text = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
        flood(&mut stream, text.as_bytes(), &AtomicUsize::new(0)).await;
    })
    .await;
    let good = Server::saying("HTTP/1.1 204 x\r\nconnection: close\r\n\r\n").await;
    let dns = Dns::new(&[]).await;
    let client = Arc::new(outbound(true, dns.at));
    let apart = Arc::new(Apart::start("test").unwrap());
    let began = Instant::now();
    let mut flooded = JoinSet::new();
    for at in [floods.at, floods.at] {
        let (client, apart) = (Arc::clone(&client), Arc::clone(&apart));
        flooded.spawn(async move {
            let sent = apart.send(&client, get(&format!("http://{at}/"), Duration::from_secs(2))).await;
            (told(&sent.unwrap()), began.elapsed())
        });
    }
    let (mut asked, mut slowest) = (0, Duration::ZERO);
    while began.elapsed() < Duration::from_millis(1_800) {
        let begin = Instant::now();
        let sent = apart.send(&client, get(&format!("http://{}/", good.at), LONG)).await;
        assert_eq!(told(&sent.unwrap()), "204");
        asked += 1;
        slowest = slowest.max(begin.elapsed());
    }
    assert!(asked >= 3 && slowest < Duration::from_millis(1_500), "{asked} answers, {slowest:?} the slowest");
    for (name, took) in flooded.join_all().await {
        assert_eq!(name, "timed_out");
        // Its wait for a turn and what a processor with neighbours takes are in it.
        assert!(took < Duration::from_secs(4), "{took:?}");
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
async fn a_host_is_not_asked_more_at_once_than_it_may_be() {
    let [now, most] = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let (count, high) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::new(move |mut stream| {
        let (count, high) = (Arc::clone(&count), Arc::clone(&high));
        async move {
            loop {
                if head(&mut stream).await.is_empty() {
                    return;
                }
                high.fetch_max(count.fetch_add(1, SeqCst) + 1, SeqCst);
                sleep(Duration::from_millis(20)).await;
                count.fetch_sub(1, SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let dns = Dns::new(&[]).await;
    let outbound = Arc::new(outbound(true, dns.at));
    let url = format!("http://{}/", server.at);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (outbound, request) = (Arc::clone(&outbound), get(&url, LONG));
            tokio::spawn(async move { outbound.send(request).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(told(&task.await.unwrap()), "200");
    }
    assert_eq!(most.load(SeqCst), 2);
    // Its connections are used again.
    assert!(server.connections() <= 3, "{}", server.connections());
}

#[tokio::test]
async fn who_does_not_get_a_turn_in_time_is_told() {
    let server = Server::new(|mut stream| async move {
        head(&mut stream).await;
        sleep(LONG).await;
    })
    .await;
    let dns = Dns::new(&[]).await;
    let outbound = Arc::new(outbound(true, dns.at));
    let url = format!("http://{}/", server.at);
    let holders: Vec<_> = (0..2)
        .map(|_| {
            let (outbound, request) = (Arc::clone(&outbound), get(&url, LONG));
            tokio::spawn(async move { outbound.send(request).await })
        })
        .collect();
    while server.connections() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    let sent = outbound.send(Request { wait: SHORT, ..get(&url, LONG) }).await;
    assert_eq!(told(&sent), "busy");
    assert!(sent.is_err_and(|e| e.is_ours()));
    holders.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn the_wait_for_a_turn_takes_nothing_off_the_time_of_an_answer() {
    let server = Server::new(|mut stream| async move {
        head(&mut stream).await;
        sleep(SHORT * 2 / 3).await;
        let _ = stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    })
    .await;
    let dns = Dns::new(&[]).await;
    let outbound = Arc::new(outbound(true, dns.at));
    let url = format!("http://{}/", server.at);
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (outbound, request) = (Arc::clone(&outbound), get(&url, SHORT));
            tokio::spawn(async move { outbound.send(request).await })
        })
        .collect();
    for sent in asked {
        assert_eq!(told(&sent.await.unwrap()), "200");
    }
}

#[tokio::test]
async fn name_servers_that_do_not_answer_are_no_fault_of_who_is_asked() {
    // One that is there and says nothing, and one that is not there.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for at in [silent.local_addr().unwrap(), nobody] {
        let sent = outbound(true, at).send(get("http://offer.test/", SHORT)).await;
        assert_eq!(told(&sent), "name_servers", "{sent:?}");
        assert!(sent.is_err_and(|e| e.is_ours()));
    }
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
    assert!(sent.is_err_and(|e| !e.is_ours()));
}
