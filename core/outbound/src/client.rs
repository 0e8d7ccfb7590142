//! The client.

use crate::{
    Failure, Unanswered,
    failure::root_cause,
    resolve::{Guard, Looking, Resolver},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{ACCEPT, AUTHORIZATION, RETRY_AFTER, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, ext::on_informational};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use percent_encoding::percent_decode_str;
use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, Semaphore},
    task::coop,
    time::timeout,
};
use url::{Host, Url};

/// Most bytes of a body that are read: what is longer is not read to its end, its connection is closed.
const READ_BYTES: usize = 64 << 10;
/// How long the rest of an answer is waited for when its status is known.
const BODY_PATIENCE: Duration = Duration::from_secs(1);
/// Most lines in the head of an answer.
const HEADERS: usize = 100;
/// Most bytes of a head.
const HEAD_BYTES: usize = 64 << 10;
/// Most interim answers (1xx) before the answer. One that has something to say says it in a few.
pub(crate) const INTERIM: usize = 16;
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(20);
/// Hosts whose limits are kept before those that nobody uses are forgotten.
const HOSTS: usize = 4_096;

/// How requests are sent.
#[derive(Debug, Clone)]
pub struct OutboundConfig {
    /// Whether networks of one's own are asked too: for laptops and tests.
    pub allow_private: bool,
    /// Most requests to one host and port at the same time.
    pub per_host: usize,
    /// The name servers to ask; none: the system's.
    pub name_servers: Vec<SocketAddr>,
    /// How this product calls itself to others.
    pub user_agent: String,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `HEAD`, `POST`.
    pub method: Method,
    /// Where to, http or https.
    pub url: String,
    /// Beside those that every request has.
    pub headers: HeaderMap,
    /// What is sent; its type stands in `headers`.
    pub body: Bytes,
    /// How long it may wait for its turn, while as many to the same host are under way as may be.
    pub wait: Duration,
    /// From its turn on, for all of it: the look-up, the connection, the answer and its body.
    pub timeout: Duration,
    /// How many bytes of the answer's body are kept.
    pub keep: usize,
}

/// An answer. A redirect is one like others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status, 200 to 999.
    pub status: u16,
    /// `Retry-After` as it came; empty: there was none.
    pub retry_after: String,
    /// Where its body begins, at most as much as was to be kept.
    pub body: Vec<u8>,
    /// From when the request had its turn to the head of the answer.
    pub latency: Duration,
    /// Whether its body ended, or was as long as is read, in the second that it has after its head.
    pub ended: bool,
}

type Sender = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Sends requests to servers of others. To be made once and shared.
pub struct Outbound {
    client: Result<Sender, String>,
    guard: Arc<Guard>,
    per_host: usize,
    user_agent: Option<HeaderValue>,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Outbound {
    /// Whatever the system lacks for it (certificates, name servers) is said by each request.
    pub fn new(config: &OutboundConfig) -> Self {
        let guard = Guard::new(&config.name_servers, config.allow_private);
        let client = tls()
            .map(|tls| {
                let mut tcp = HttpConnector::new_with_resolver(Resolver(Arc::clone(&guard)));
                tcp.enforce_http(false);
                tcp.set_nodelay(true);
                Client::builder(TokioExecutor::new())
                    .http1_max_headers(HEADERS)
                    .http1_max_buf_size(HEAD_BYTES)
                    .pool_timer(TokioTimer::new())
                    .pool_idle_timeout(IDLE)
                    .pool_max_idle_per_host(config.per_host)
                    .build(HttpsConnector::from((tcp, Arc::new(tls))))
            })
            .map_err(|e| format!("{}; on Debian, install ca-certificates", root_cause(&e)));
        let user_agent = HeaderValue::from_str(&config.user_agent).ok();
        Self { client, guard, per_host: config.per_host, user_agent, hosts: Mutex::default() }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// Why there is no answer. A body that does not end in time, or breaks off, is no failure: the status is known.
    pub async fn send(&self, request: Request) -> Result<Answer, Unanswered> {
        let mut began = None;
        let sent = self.ask(request, &mut began).await;
        sent.map_err(|failure| {
            let latency = began.map_or(Duration::ZERO, |turn: Instant| turn.elapsed());
            Unanswered { failure, latency }
        })
    }

    /// `turn` becomes when it had its turn.
    async fn ask(&self, request: Request, turn: &mut Option<Instant>) -> Result<Answer, Failure> {
        let client = self.client.as_ref().map_err(|reason| Failure::Setup { reason: reason.clone() })?;
        let url = self.checked(&request.url)?;
        let Request { keep, wait, timeout: most, .. } = request;
        let host = host_and_port(&url);
        let mut request = self.written(request, url)?;
        let interim = Interim::watch(&mut request);
        let turns = self.turns(&host);
        let held = timeout(wait, turns.acquire_owned()).await;
        // Fails only if it was closed, and nobody does.
        let Ok(Ok(_held)) = held else { return Err(Failure::Busy { host }) };
        let began = *turn.insert(Instant::now());
        let sent = async {
            tokio::select! {
                biased;
                () = interim.too_many.notified() => Err(Failure::Interim { most: INTERIM }),
                sent = client.request(request) => sent.map_err(|e| Failure::of(&e)),
            }
        };
        let looking = Looking::default();
        let response = match timeout(most, looking.during(sent)).await {
            Err(_) => return Err(looking.failure(&self.guard).unwrap_or(Failure::TimedOut)),
            Ok(sent) => sent?,
        };
        let latency = began.elapsed();
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let mut body = Vec::new();
        // What was read when the time is over is what there is: the status is known, and others wait for the turn.
        let patience = most.saturating_sub(latency).min(BODY_PATIENCE);
        let ended = timeout(patience, read(response.into_body(), keep, &mut body)).await.is_ok();
        Ok(Answer { status, retry_after, body, latency, ended })
    }

    /// The request as it is sent. A login in the URL goes into a header, as everywhere.
    fn written(&self, request: Request, mut url: Url) -> Result<http::Request<Full<Bytes>>, Failure> {
        let wrong = |reason: String| Failure::Url { reason };
        let mut headers = request.headers;
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        if let Some(name) = &self.user_agent {
            headers.entry(USER_AGENT).or_insert_with(|| name.clone());
        }
        if let Some(login) = login(&url) {
            headers.entry(AUTHORIZATION).or_insert(login);
        }
        // Neither is part of what is asked; both can be taken off of whatever has a host.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.set_fragment(None);
        let mut written = http::Request::new(Full::new(request.body));
        *written.method_mut() = request.method;
        *written.uri_mut() = Uri::try_from(url.as_str()).map_err(|e| wrong(e.to_string()))?;
        *written.headers_mut() = headers;
        Ok(written)
    }

    /// The URL, if its scheme is one of ours and an address in it may be asked. Names are judged when they are looked up.
    fn checked(&self, url: &str) -> Result<Url, Failure> {
        let wrong = |reason: String| Failure::Url { reason };
        let url = Url::parse(url).map_err(|e| wrong(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("it begins with {}:, not with http: or https:", url.scheme())));
        }
        match url.host() {
            Some(Host::Ipv4(ip)) => self.guard.check(&ip.to_string(), IpAddr::V4(ip))?,
            Some(Host::Ipv6(ip)) => self.guard.check(&ip.to_string(), IpAddr::V6(ip))?,
            Some(Host::Domain(_)) => {}
            None => return Err(wrong("it has no host".to_owned())),
        }
        Ok(url)
    }

    /// The turns of a host.
    fn turns(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = hosts.get(host).and_then(Weak::upgrade) {
            return turns;
        }
        if hosts.len() >= HOSTS {
            hosts.retain(|_, turns| turns.strong_count() > 0);
        }
        let turns = Arc::new(Semaphore::new(self.per_host));
        hosts.insert(host.to_owned(), Arc::downgrade(&turns));
        turns
    }
}

/// The server that a URL is asked of, as one whose requests are counted together.
pub fn server_of(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| host_and_port(&url))
}

fn host_and_port(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0))
}

/// Counts the interim answers of a request.
struct Interim {
    came: AtomicUsize,
    too_many: Notify,
}

impl Interim {
    fn watch(request: &mut http::Request<Full<Bytes>>) -> Arc<Self> {
        let interim = Arc::new(Self { came: AtomicUsize::new(0), too_many: Notify::new() });
        let counts = Arc::clone(&interim);
        on_informational(request, move |_| {
            if counts.came.fetch_add(1, Relaxed) >= INTERIM {
                counts.too_many.notify_one();
                end_turn();
            }
        });
        interim
    }
}

/// Has the task of a connection read no more in this turn, so that who waits for it can give it up: it would read on as long
/// as there is something.
fn end_turn() {
    let mut nobody = Context::from_waker(Waker::noop());
    // Where a turn has no end there is none to be reached.
    for _ in 0..u8::MAX {
        let Poll::Ready(step) = coop::poll_proceed(&mut nobody) else { return };
        step.made_progress();
    }
}

/// Trusts what the system trusts.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// The login that a URL names, as a header.
fn login(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let mut plain = decoded(url.username());
    plain.push(b':');
    plain.extend(decoded(url.password().unwrap_or_default()));
    let mut login = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(plain))).ok()?;
    login.set_sensitive(true);
    Some(login)
}

/// Reads a body to its end, so that its connection can be used again, as far as that is worth it.
async fn read(mut from: Incoming, keep: usize, body: &mut Vec<u8>) {
    let mut read = 0;
    while read < READ_BYTES
        && let Some(Ok(frame)) = from.frame().await
    {
        let Ok(chunk) = frame.into_data() else { continue };
        read += chunk.len();
        let room = keep.saturating_sub(body.len()).min(chunk.len());
        body.extend_from_slice(&chunk[..room]);
    }
}
