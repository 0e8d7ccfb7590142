//! The client.

use crate::{
    Failure,
    failure::root_cause,
    resolve::{Guard, Looking, Resolver},
};
use bytes::Bytes;
use http::{HeaderMap, Method, header::RETRY_AFTER};
use reqwest::{Client, Response, redirect, retry};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, time::timeout};
use url::{Host, Url};

/// Most bytes of a body that are read: what is longer is not read to its end, its connection is closed.
const READ_BYTES: usize = 64 << 10;
/// Most lines in the head of an answer.
const HEADERS: usize = 100;
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
}

/// Sends requests to servers of others. To be made once and shared.
pub struct Outbound {
    client: Result<Client, String>,
    guard: Arc<Guard>,
    per_host: usize,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Outbound {
    /// Whatever the system lacks for it (certificates, name servers) is said by each request.
    pub fn new(config: &OutboundConfig) -> Self {
        let guard = Guard::new(&config.name_servers, config.allow_private);
        let client = Client::builder()
            .dns_resolver(Resolver(Arc::clone(&guard)))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            // What is packed small may be large when it is unpacked.
            .no_gzip()
            .http1_max_headers(HEADERS)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(config.per_host)
            .user_agent(&config.user_agent)
            .build()
            .map_err(|e| format!("{}; on Debian, install ca-certificates", root_cause(&e)));
        Self { client, guard, per_host: config.per_host, hosts: Mutex::default() }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// Why there is no answer. A body that does not end in time, or breaks off, is no failure: the status is known.
    pub async fn send(&self, request: Request) -> Result<Answer, Failure> {
        let client = self.client.as_ref().map_err(|reason| Failure::Setup { reason: reason.clone() })?;
        let url = self.checked(&request.url)?;
        let keep = request.keep;
        let host =
            format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let turns = self.turns(&host);
        let turn = timeout(request.wait, turns.acquire_owned()).await;
        // Fails only if it was closed, and nobody does.
        let Ok(Ok(_turn)) = turn else { return Err(Failure::Busy { host }) };
        let began = Instant::now();
        let until = began + request.timeout;
        let sent = client.request(request.method, url).headers(request.headers).body(request.body).send();
        let looking = Looking::default();
        let response = match timeout(request.timeout, looking.during(sent)).await {
            Err(_) => return Err(looking.failure(&self.guard).unwrap_or(Failure::TimedOut)),
            Ok(sent) => sent.map_err(|e| Failure::of(&e))?,
        };
        let latency = began.elapsed();
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let mut body = Vec::new();
        // What was read when the time is over is what there is.
        let _ =
            timeout(until.saturating_duration_since(Instant::now()), read(response, keep, &mut body)).await;
        Ok(Answer { status, retry_after, body, latency })
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

/// Reads a body to its end, so that its connection can be used again, as far as that is worth it.
async fn read(mut response: Response, keep: usize, body: &mut Vec<u8>) {
    let mut read = 0;
    while read < READ_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read += chunk.len();
        let room = keep.saturating_sub(body.len()).min(chunk.len());
        body.extend_from_slice(&chunk[..room]);
    }
}
