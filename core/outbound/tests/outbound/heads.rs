//! Heads without end, in every way: interim answers, lines, bytes.

use crate::{
    LONG, SHORT, ask,
    dns::Dns,
    flood, get, outbound,
    server::{Server, head},
    told,
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tfx_outbound::Apart;
use tokio::{io::AsyncWriteExt as _, task::JoinSet, time::sleep};

/// Interim answers that may come; `core/outbound/src/client.rs`.
const INTERIM: usize = 16;
/// How long floods go on.
const AWHILE: Duration = Duration::from_millis(1_800);

#[tokio::test]
async fn a_few_interim_answers_are_passed_over_and_too_many_end_it() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let goes_on = "HTTP/1.1 100 Continue\r\n\r\n";
    let answer = "HTTP/1.1 204 x\r\n\r\n";
    for (text, expected) in [
        (format!("{early}{answer}"), "204"),
        (format!("{goes_on}{early}{answer}"), "204"),
        (format!("{}{answer}", early.repeat(INTERIM)), "204"),
        (format!("{}{answer}", early.repeat(INTERIM + 1)), "interim_answers"),
        (format!("{}{answer}", "HTTP/1.1 199 x\r\n\r\n".repeat(INTERIM + 1)), "interim_answers"),
        // To change the protocol is no interim answer.
        ("HTTP/1.1 101 x\r\n\r\n".to_owned(), "101"),
        (early.to_owned(), "closed"),
    ] {
        // At once, and byte by byte.
        for pause in [None, Some(Duration::from_micros(10))] {
            let said: Arc<str> = text.as_str().into();
            let server = Server::new(move |mut stream| {
                let text = Arc::clone(&said);
                async move {
                    head(&mut stream).await;
                    let Some(pause) = pause else {
                        let _ = stream.write_all(text.as_bytes()).await;
                        return;
                    };
                    for byte in text.bytes() {
                        let _ = stream.write_all(&[byte]).await;
                        sleep(pause).await;
                    }
                }
            })
            .await;
            let sent = ask(&server, LONG).await;
            assert_eq!(told(&sent), expected, "{pause:?} {text:?}: {sent:?}");
        }
    }
}

#[tokio::test]
async fn a_head_is_bounded_in_bytes_lines_and_time() {
    let line = |bytes: usize| format!("HTTP/1.1 200 x\r\na: {}\r\n\r\n", "y".repeat(bytes));
    let lines = |n: usize| format!("HTTP/1.1 200 x\r\n{}\r\n", "a: y\r\n".repeat(n));
    for (text, expected) in [
        (line(60 << 10), "200"),
        (line(1 << 20), "bad_answer"),
        (line(8 << 20), "bad_answer"),
        (lines(100), "200"),
        (lines(101), "bad_answer"),
        (lines(1 << 20), "bad_answer"),
        (format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(1 << 20)), "bad_answer"),
    ] {
        let sent = ask(&Server::saying(text.as_str()).await, LONG).await;
        assert_eq!(told(&sent), expected, "{} bytes: {sent:?}", text.len());
    }
    let drips = Server::new(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 x\r\na: ").await;
        while stream.write_all(b"y").await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(told(&ask(&drips, SHORT).await), "timed_out");
}

#[tokio::test]
async fn a_flood_of_heads_ends() {
    // 1xx answers without end; lines of a head without end; one line without end.
    for (text, expected) in [
        ("HTTP/1.1 100 Continue\r\n\r\n", "interim_answers"),
        ("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", "interim_answers"),
        ("x: y\r\n", "bad_answer"),
        ("xxxxxxxxxxxxxxxx", "bad_answer"),
    ] {
        let count = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&count);
        let server = Server::new(move |mut stream| {
            let count = Arc::clone(&taken);
            async move {
                head(&mut stream).await;
                if !text.starts_with("HTTP") {
                    let _ = stream.write_all(b"HTTP/1.1 200 x\r\na: ").await;
                }
                flood(&mut stream, text.as_bytes(), &count).await;
            }
        })
        .await;
        let sent = ask(&server, LONG).await;
        assert_eq!(told(&sent), expected, "{text:?}: {sent:?}");
        // What the kernel holds for both sides comes to some megabytes.
        assert!(count.load(SeqCst) < 32 << 20, "{text:?}: {} bytes were taken", count.load(SeqCst));
    }
}

/// Answers of nothing but heads, as many at once as one server may give, keep nobody else waiting and end soon.
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
            let (mut names, mut slowest) = (BTreeSet::new(), Duration::ZERO);
            while began.elapsed() < AWHILE {
                let begin = Instant::now();
                let sent = apart.send(&client, get(&format!("http://{at}/"), LONG)).await;
                names.insert(told(&sent.unwrap()));
                slowest = slowest.max(begin.elapsed());
            }
            (names, slowest)
        });
    }
    let (mut asked, mut slowest) = (0, Duration::ZERO);
    while began.elapsed() < AWHILE {
        let begin = Instant::now();
        let sent = apart.send(&client, get(&format!("http://{}/", good.at), LONG)).await;
        assert_eq!(told(&sent.unwrap()), "204");
        asked += 1;
        slowest = slowest.max(begin.elapsed());
    }
    assert!(asked >= 3 && slowest < Duration::from_millis(1_500), "{asked} answers, {slowest:?} the slowest");
    for (names, slowest) in flooded.join_all().await {
        assert_eq!(names, BTreeSet::from(["interim_answers".to_owned()]));
        assert!(slowest < Duration::from_millis(1_500), "{slowest:?}");
    }
}
