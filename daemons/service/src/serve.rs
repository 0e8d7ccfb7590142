//! The listener: a task for each connection, limits on headers and time, and the drain at the end.

use crate::{
    LogThrottle, Peer, Shutdown,
    budget::Budget,
    handle::{Room, Shared, handle},
    line::Stream,
    lines::{Leave, Lines},
    metrics::{Registry, Unreadable},
};
use axum::{Router, body::HttpBody as _, extract::DefaultBodyLimit};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tfx_settings::HttpSettings;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::MissedTickBehavior,
};
use tracing::Instrument as _;

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
    serve_roomier(name, listener, router, http, &[], shutdown).await
}

/// The same, with paths whose requests may take more than others.
///
/// # Errors
/// As [`serve`].
pub async fn serve_roomier(
    name: &'static str,
    listener: TcpListener,
    router: Router,
    http: &HttpSettings,
    roomier: &'static [(&'static str, Room)],
    shutdown: Shutdown,
) -> io::Result<()> {
    let metrics = Registry::of(name);
    let budget = Budget::new(http.memory_bytes);
    let lines = Arc::new(Lines::new(http, Arc::clone(&budget), Arc::clone(&metrics)));
    let shared = Arc::new(Shared {
        // The limit is ours, by the setting; axum's own would be 2 MB.
        router: router.layer(DefaultBodyLimit::disable()),
        room: Room { max_body: http.max_body_bytes, timeout: http.request_timeout },
        roomier,
        budget,
        metrics,
        unreadable: Mutex::default(),
    });
    let mut builder = http1::Builder::new();
    builder
        // The time of heads is watched with all the others, by `Lines`.
        .header_read_timeout(None)
        // hyper's limit of 100 headers stays: another one would cost an allocation for each request.
        .max_header_size(http.max_header_bytes)
        .max_buf_size(http.max_header_bytes.max(64 << 10));
    let addr = listener.local_addr()?;
    tracing::info!(%addr, max_connections = lines.most(), "listening");

    let mut connections = JoinSet::new();
    let mut stop = pin!(shutdown.wait());
    let mut sweep = tokio::time::interval(lines.sweep_every());
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = LogThrottle::default();
    let span = tracing::Span::current();
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            _ = sweep.tick() => lines.sweep(),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    failing.over();
                    shared.metrics.connected();
                    lines.admit(peer.ip(), |line, leave| {
                        let stream = Stream { socket: stream, line };
                        let served = connection(
                            builder.clone(), stream, peer, Arc::clone(&shared), shutdown.clone(), leave,
                        );
                        connections.spawn(served.instrument(span.clone()))
                    });
                }
                Err(e) if of_the_client(&e) => {}
                Err(e) => {
                    if failing.due() {
                        tracing::warn!(error = %e, open = lines.count(), "cannot accept connections");
                    }
                    // Files that idle connections hold are given back.
                    lines.spare();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let open = connections.len();
    let drained = tokio::time::timeout(shutdown.drain_within(http), async {
        while connections.join_next().await.is_some() {}
    });
    match drained.await {
        Ok(()) => tracing::info!(open, "drained"),
        Err(_) => tracing::warn!(cut = connections.len(), "grace period over; connections cut"),
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
    stream: Stream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    shutdown: Shutdown,
    _leave: Leave,
) {
    // Answers are small: they must not wait for more to send. Without it the connection still works.
    let _ = stream.socket.set_nodelay(true);
    let unread = Arc::new(AtomicBool::new(false));
    let line = Arc::clone(&stream.line);
    let service = service_fn({
        let (unread, shared) = (Arc::clone(&unread), Arc::clone(&shared));
        move |request: Request<Incoming>| {
            // Now, not when it is first worked on: the other end may have closed with its head, and that is read first.
            line.begin(!request.body().is_end_stream());
            let (shared, unread, line) = (Arc::clone(&shared), Arc::clone(&unread), Arc::clone(&line));
            async move { Ok::<_, Infallible>(handle(&shared, Peer(peer), request, &unread, &line).await) }
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
    let refused = match result {
        Err(e) if e.is_parse() => {
            shared.unreadable(peer, &e);
            true
        }
        _ => false,
    };
    if (refused || unread.load(Ordering::Relaxed)) && !shutdown.is_fired() {
        linger(conn.into_parts().io.into_inner().socket).await;
    }
}

impl Shared {
    /// Counts a request that could not be read, and says so now and then: it comes to no handler, and leaves no other trace.
    fn unreadable(&self, peer: SocketAddr, error: &hyper::Error) {
        let why = if error.is_parse_too_large() { Unreadable::TooLarge } else { Unreadable::Malformed };
        self.metrics.unreadable(why);
        let mut throttles = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        let due = throttles[why as usize].due();
        drop(throttles);
        match why {
            _ if !due => {}
            Unreadable::TooLarge => tracing::warn!(
                %peer, %error,
                "the head of a request is longer than HTTP_MAX_HEADER_BYTES or has more than 100 headers: answered 431 or 414"
            ),
            Unreadable::Malformed => tracing::info!(%peer, %error, "a request that is no HTTP: answered 400"),
        }
    }
}

async fn linger(mut stream: TcpStream) {
    let mut waste = vec![0; 4 << 10];
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
