//! The listener: a task for each connection, limits on headers and time, and the drain at the end.

use crate::{
    Peer, Shutdown,
    handle::{Shared, handle},
    metrics::Registry,
};
use axum::{Router, extract::DefaultBodyLimit};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tfx_settings::HttpSettings;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How long, and how much, is still read from a client that was refused while it was sending. Closing at once
/// would make its system throw the answer away.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 4 << 20;

/// Serves until the shutdown, then drains: requests in flight are answered, idle connections closed, at the latest
/// after the grace period.
///
/// # Errors
/// Never by a client's fault; an accept that fails (too many open files) is logged and tried again.
pub async fn serve(
    name: &'static str,
    listener: TcpListener,
    router: Router,
    http: &HttpSettings,
    shutdown: Shutdown,
) -> io::Result<()> {
    let shared = Arc::new(Shared {
        service: name,
        // The limit is ours, by the setting; axum's own would be 2 MB.
        router: router.layer(DefaultBodyLimit::disable()),
        max_body: http.max_body_bytes,
        timeout: http.request_timeout,
        metrics: Registry::of(name),
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(http.header_timeout)
        // hyper's limit of 100 headers stays: another one would cost an allocation for each request.
        .max_header_size(http.max_header_bytes)
        .max_buf_size(http.max_header_bytes.max(64 << 10));
    let addr = listener.local_addr()?;
    tracing::info!(service = name, %addr, "listening");

    let mut connections = JoinSet::new();
    let mut stop = pin!(shutdown.wait());
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    shared.metrics.connected();
                    connections.spawn(connection(builder.clone(), stream, peer, Arc::clone(&shared), shutdown.clone()));
                }
                Err(e) if of_the_client(&e) => {}
                Err(e) => {
                    tracing::warn!(service = name, error = %e, "cannot accept connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let open = connections.len();
    let drained =
        tokio::time::timeout(http.shutdown_grace, async { while connections.join_next().await.is_some() {} });
    match drained.await {
        Ok(()) => tracing::info!(service = name, open, "drained"),
        Err(_) => {
            tracing::warn!(service = name, cut = connections.len(), "grace period over; connections cut");
        }
    }
    connections.shutdown().await;
    Ok(())
}

/// Errors that belong to the one connection that was about to be accepted.
fn of_the_client(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(
    builder: http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    shutdown: Shutdown,
) {
    // Answers are small: they must not wait for more to send. Without it the connection still works.
    let _ = stream.set_nodelay(true);
    let unread = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let unread = Arc::clone(&unread);
        move |request| {
            let (shared, unread) = (Arc::clone(&shared), Arc::clone(&unread));
            async move { Ok::<_, Infallible>(handle(&shared, Peer(peer), request, &unread).await) }
        }
    });
    // Kept movable, so that the socket can be taken out of it in the end.
    let mut conn = builder.serve_connection(TokioIo::new(stream), service);
    let result = {
        let mut stop = pin!(shutdown.wait());
        tokio::select! {
            biased;
            result = &mut conn => result,
            () = &mut stop => {
                std::pin::Pin::new(&mut conn).graceful_shutdown();
                (&mut conn).await
            }
        }
    };
    let refused = result.is_err_and(|e| e.is_parse());
    if (refused || unread.load(Ordering::Relaxed)) && !shutdown.is_fired() {
        linger(conn.into_parts().io.into_inner()).await;
    }
}

async fn linger(mut stream: TcpStream) {
    let mut waste = vec![0; 16 << 10];
    let mut left = LINGER_BYTES;
    let _ = tokio::time::timeout(LINGER, async {
        while let Ok(n @ 1..) = stream.read(&mut waste).await {
            left = left.saturating_sub(n);
            if left == 0 {
                break;
            }
        }
    })
    .await;
}
