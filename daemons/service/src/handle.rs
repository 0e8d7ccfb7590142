//! One request from hyper to the router and back: id, limits, time, panics, counting, the log line.

use crate::{
    LogThrottle, Peer, ProblemResponse,
    budget::{Budget, PIECE, Share},
    line::Line,
    metrics::Registry,
    problem::{self, LogClick, LogDetail, LogPath},
    request_id,
};
use axum::{
    BoxError, Router,
    body::{Body, HttpBody},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Limited;
use hyper::body::{Frame, Incoming, SizeHint};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tower::Service as _;
use tracing::{Level, field::display};

/// What all requests of a service share.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) room: Room,
    /// Paths that have another.
    pub(crate) roomier: &'static [(&'static str, Room)],
    pub(crate) budget: Arc<Budget>,
    pub(crate) metrics: Arc<Registry>,
    /// When each kind of request that could not be read was told last.
    pub(crate) unreadable: Mutex<[LogThrottle; 2]>,
}

/// What a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// The most bytes of its body.
    pub max_body: usize,
    /// The longest time to answer it.
    pub timeout: Duration,
}

impl Shared {
    /// What a request of a path may take: never less than any other.
    fn room(&self, path: &str) -> Room {
        let more = self.roomier.iter().find(|(known, _)| *known == path).map_or(self.room, |(_, room)| *room);
        Room { max_body: more.max_body.max(self.room.max_body), timeout: more.timeout.max(self.room.timeout) }
    }
}

/// What is known of a body while it comes, and afterwards: its memory is in use until the answer is there.
struct Coming {
    line: Arc<Line>,
    read: AtomicBool,
    share: Share,
    no_memory: AtomicBool,
}

/// A body for which there was no memory left; the request is answered 503.
#[derive(Debug, thiserror::Error)]
#[error("too many large bodies are being received at once (HTTP_MEMORY_BYTES)")]
pub struct NoMemory;

/// Answers a request that has begun on its line; sets `unread` if it was answered without its body having been read.
pub(crate) async fn handle(
    shared: &Shared,
    peer: Peer,
    mut request: Request<Incoming>,
    unread: &AtomicBool,
    line: &Arc<Line>,
) -> Response {
    let started = Instant::now();
    let id = request_id::ensure(request.headers_mut());
    let group = Registry::group(request.uri().path());
    let room = shared.room(request.uri().path());
    let logged = tracing::enabled!(Level::ERROR).then(|| (request.method().clone(), request.uri().clone()));
    let has_body = !request.body().is_end_stream();
    let page = has_body.then(|| request.headers().get(header::ORIGIN).cloned()).flatten();
    let coming = has_body.then(|| {
        Arc::new(Coming {
            line: Arc::clone(line),
            read: AtomicBool::new(false),
            share: Share::of(&shared.budget),
            no_memory: AtomicBool::new(false),
        })
    });

    let mut response = if has_body && declared_length(&request).is_some_and(|n| n > room.max_body as u64) {
        too_large(room.max_body, shared)
    } else {
        request.extensions_mut().insert(peer);
        let request = request.map(|body| match &coming {
            Some(coming) => {
                Body::new(Limited::new(Watched { body, coming: Arc::clone(coming) }, room.max_body))
            }
            None => Body::empty(),
        });
        answer(shared, request, room.timeout, coming.as_ref().map(|c| &c.read)).await
    };

    if coming.as_ref().is_some_and(|c| c.no_memory.load(Ordering::Relaxed)) {
        response = ProblemResponse::unavailable(format!("{NoMemory}; try again")).into_response();
    }
    let read_all = coming.is_none_or(|c| c.read.load(Ordering::Relaxed));
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE
        && response.headers().get(header::CONTENT_TYPE) != Some(&PROBLEM)
    {
        response = too_large(room.max_body, shared);
    }
    if let Some(page) = page.filter(|_| response.status() == StatusCode::PAYLOAD_TOO_LARGE) {
        readable_by(page, shared, &mut response).await;
    }
    if !read_all {
        unread.store(true, Ordering::Relaxed);
    }
    response.headers_mut().insert(request_id::HEADER, id.clone());
    let took = started.elapsed();
    shared.metrics.record(group, response.status().as_u16(), took);
    if let Some((method, uri)) = logged {
        log(&id, &method, &uri, &response, took);
    }
    line.answered();
    response
}

/// Lets a page in a browser read an answer that no handler gave: by the headers with which the router answers its origin,
/// whatever it asks for.
async fn readable_by(page: HeaderValue, shared: &Shared, response: &mut Response) {
    let mut request = Request::new(Body::empty());
    request.headers_mut().insert(header::ORIGIN, page);
    let answered = answer(shared, request, shared.room.timeout, None).await;
    let told = answered.headers().iter();
    for (name, value) in
        told.filter(|(name, _)| **name == header::VARY || name.as_str().starts_with("access-control-"))
    {
        response.headers_mut().insert(name.clone(), value.clone());
    }
}

const PROBLEM: HeaderValue = HeaderValue::from_static(problem::MEDIA_TYPE);

/// Runs the handler. The timer is set only if the handler does not answer at once, as most clicks do.
async fn answer(
    shared: &Shared,
    request: Request<Body>,
    within: Duration,
    read: Option<&AtomicBool>,
) -> Response {
    let mut router = shared.router.clone();
    let mut handler = pin!(async move {
        let Ok(response) = router.call(request).await;
        response
    });
    let mut guarded =
        std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(response)) => Poll::Ready(Some(response)),
            Err(_) => Poll::Ready(None),
        });
    let first = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut guarded).poll(cx))).await;
    let outcome = match first {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => tokio::time::timeout(within, guarded).await,
    };
    match outcome {
        Ok(Some(response)) => response,
        Ok(None) => {
            shared.metrics.panicked();
            ProblemResponse::internal("the handler panicked").into_response()
        }
        Err(_) if read.is_some_and(|r| !r.load(Ordering::Relaxed)) => ProblemResponse::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            format!("the request's body did not arrive within {} ms", within.as_millis()),
        )
        .into_response(),
        Err(_) => ProblemResponse::new(
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            format!("no answer within {} ms; try again", within.as_millis()),
        )
        .into_response(),
    }
}

fn declared_length(request: &Request<Incoming>) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize, shared: &Shared) -> Response {
    let setting =
        if limit == shared.room.max_body { "HTTP_MAX_BODY_BYTES" } else { "the most that is read here" };
    let detail = format!("the body is larger than {limit} bytes ({setting})");
    ProblemResponse::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail).into_response()
}

fn log(id: &HeaderValue, method: &Method, uri: &Uri, response: &Response, took: Duration) {
    let status = response.status().as_u16();
    let request_id = id.to_str().unwrap_or("");
    let latency_ms = millis(took);
    // The path without its query: a query may hold secrets and what people typed.
    let hidden = response.extensions().get::<LogPath>();
    let (method, path) = (method.as_str(), hidden.map_or(uri.path(), |p| p.0.as_str()));
    let click_id = response.extensions().get::<LogClick>().map(|click| display(click.id()));
    match response.extensions().get::<LogDetail>() {
        Some(LogDetail(error)) if status >= 500 => {
            tracing::error!(request_id, method, path, status, latency_ms, click_id, error, "request");
        }
        _ if status >= 500 => {
            tracing::error!(request_id, method, path, status, latency_ms, click_id, "request");
        }
        Some(LogDetail(error)) => {
            tracing::info!(request_id, method, path, status, latency_ms, click_id, error, "request");
        }
        None if matches!(path, "/healthz" | "/readyz" | "/metrics") => {
            tracing::debug!(request_id, method, path, status, latency_ms, "request");
        }
        None => tracing::info!(request_id, method, path, status, latency_ms, click_id, "request"),
    }
}

/// Milliseconds with three decimals.
pub(crate) fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

/// A body that tells whether it has been read to its end.
struct Watched {
    body: Incoming,
    coming: Arc<Coming>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || this.body.is_end_stream() {
            this.coming.read.store(true, Ordering::Relaxed);
            this.coming.line.received_all();
        }
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && !this.coming.share.take(data.len() + PIECE)
        {
            this.coming.no_memory.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(NoMemory.into())));
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
