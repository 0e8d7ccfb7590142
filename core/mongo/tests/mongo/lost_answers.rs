//! Answers that get lost on the way: the server did what was asked, and the caller must not take it for undone or
//! do it twice. A proxy in front of the real server swallows the answers to writes and breaks the connection.

use crate::{reports::report, support::Fresh};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tfx_domain::{event::PostbackResult, postback::Incoming};
use tfx_mongo::{Mongo, MongoConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Command names as they stand in messages: an element's type, its name, NUL.
const WRITES: [&[u8]; 2] = [b"\x02insert\0", b"\x10commitTransaction\0"];

/// Swallows as many answers to writes as it is told to.
struct Proxy {
    address: SocketAddr,
    swallow: Arc<AtomicI64>,
}

impl Proxy {
    async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let swallow = Arc::new(AtomicI64::new(0));
        let (server, left) = (server.to_owned(), Arc::clone(&swallow));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, left) = (server.clone(), Arc::clone(&left));
                // A connection that ends with an error is what this is about.
                tokio::spawn(async move { drop(pass(client, &server, &left).await) });
            }
        });
        Self { address, swallow }
    }
}

/// Passes messages on until one side ends, or an answer is swallowed.
async fn pass(mut client: TcpStream, server: &str, left: &AtomicI64) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut write = false;
    loop {
        tokio::select! {
            n = client.read(&mut asked) => {
                let message = &asked[..n?];
                if message.is_empty() {
                    return Ok(());
                }
                write = WRITES.iter().any(|name| message.windows(name.len()).any(|w| w == *name));
                server.write_all(message).await?;
            }
            n = server.read(&mut answered) => {
                let message = &answered[..n?];
                if message.is_empty() || (write && left.fetch_sub(1, Ordering::SeqCst) > 0) {
                    return Ok(());
                }
                client.write_all(message).await?;
            }
        }
    }
}

async fn recorded_though_answers_are_lost(fresh: &Fresh, batch: &[Incoming], lost: i64) {
    let proxy = Proxy::before(&fresh.host()).await;
    let mut config =
        MongoConfig::new(format!("mongodb://{}/?directConnection=true", proxy.address), &fresh.name);
    config.give_up_after = Duration::from_secs(20);
    let store = Mongo::new(&config).await.expect("settings").conversions();
    store.record(&[report(999_999)]).await.expect("gets ready");
    proxy.swallow.store(lost, Ordering::SeqCst);
    let answers = store.record(batch).await.expect("found out");
    assert!(proxy.swallow.load(Ordering::SeqCst) <= 0, "as many were lost as should be");
    for (answer, report) in answers.iter().zip(batch) {
        assert_eq!(answer.result, PostbackResult::Recorded, "{lost} lost");
        assert_eq!(answer.conversion.id, report.new_id);
    }
}

/// The driver repeats once by itself; what became of it if that answer is lost too, the adapter finds out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_whose_answer_is_lost_is_recorded_once() {
    let fresh = Fresh::new();
    for lost in 1..=2 {
        let n = u32::try_from(lost).expect("small");
        recorded_though_answers_are_lost(&fresh, &[report(n)], lost).await;
    }
    assert_eq!(
        fresh
            .open()
            .await
            .conversions()
            .unpublished(&tfx_ports::page::PageRequest::first(100))
            .await
            .expect("unpublished")
            .items
            .len(),
        3
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_commit_is_not_answered_is_recorded_once() {
    let fresh = Fresh::new();
    for lost in 1..=4 {
        let n = u32::try_from(lost).expect("small") * 10;
        recorded_though_answers_are_lost(&fresh, &[report(n), report(n + 1), report(n + 2)], lost).await;
    }
    assert_eq!(
        fresh
            .open()
            .await
            .conversions()
            .unpublished(&tfx_ports::page::PageRequest::first(100))
            .await
            .expect("unpublished")
            .items
            .len(),
        13
    );
}
