//! Turns at a host: how many at once, who gets none, and from when the time of a request counts.

use crate::{
    LONG, SHORT,
    dns::Dns,
    get, outbound,
    server::{Server, head},
    told,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tfx_outbound::{Apart, Request};
use tokio::{io::AsyncWriteExt as _, time::sleep};

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
    assert!(sent.is_err_and(|e| e.failure.is_ours()));
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
async fn the_time_of_a_request_without_an_answer_begins_with_its_turn() {
    let server = Server::new(|mut stream| async move {
        head(&mut stream).await;
        sleep(LONG).await;
    })
    .await;
    let dns = Dns::new(&[]).await;
    let (outbound, apart) = (Arc::new(outbound(true, dns.at)), Arc::new(Apart::start("test").unwrap()));
    let url = format!("http://{}/", server.at);
    let began = Instant::now();
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (outbound, apart, request) = (Arc::clone(&outbound), Arc::clone(&apart), get(&url, SHORT));
            tokio::spawn(async move { apart.send(&outbound, request).await.unwrap().unwrap_err() })
        })
        .collect();
    for sent in asked {
        let unanswered = sent.await.unwrap();
        assert_eq!(unanswered.failure.name(), "timed_out");
        assert!((SHORT..SHORT * 2).contains(&unanswered.latency), "{:?}", unanswered.latency);
    }
    // Two at a time: the last had waited three times as long.
    assert!(began.elapsed() >= SHORT * 4);
}
