//! Addresses, limits and trust. Not here: who may call what ([`crate::Access`]).

use crate::{shown, source::Reader, vars};
use ipnet::IpNet;
use std::time::Duration;

/// Where each service listens and is found.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// `API_SERVICE_ADDR`.
    pub api: String,
    /// `TRAFFIC_SERVICE_ADDR`.
    pub traffic: String,
    /// `POSTBACK_SERVICE_ADDR`.
    pub postback: String,
    /// `API_SERVICE_URL`, without a final slash, as the other URLs.
    pub api_url: String,
    /// `TRAFFIC_SERVICE_URL`.
    pub traffic_url: String,
    /// `POSTBACK_SERVICE_URL`.
    pub postback_url: String,
    /// `PUBLIC_HOSTS`, lower-case.
    pub public_hosts: Vec<String>,
    /// `ADMIN_FRONTEND_ORIGIN`: origins as browsers write them.
    pub browser_origins: Vec<String>,
}

impl Addresses {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        Self {
            api: listen(r, &vars::API_SERVICE_ADDR),
            traffic: listen(r, &vars::TRAFFIC_SERVICE_ADDR),
            postback: listen(r, &vars::POSTBACK_SERVICE_ADDR),
            api_url: service_url(r, &vars::API_SERVICE_URL),
            traffic_url: service_url(r, &vars::TRAFFIC_SERVICE_URL),
            postback_url: service_url(r, &vars::POSTBACK_SERVICE_URL),
            public_hosts: r.list::<String>(&vars::PUBLIC_HOSTS).iter().map(|h| h.to_lowercase()).collect(),
            browser_origins: origins(r),
        }
    }
}

fn listen(r: &mut Reader<'_>, var: &vars::Var) -> String {
    let text = r.text(var).unwrap_or_default();
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, p)| p.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        r.problem(var, format!("is '{}'; allowed is {}", shown(&text), var.unit));
    }
    text
}

pub(crate) fn base_url(r: &mut Reader<'_>, var: &vars::Var) -> String {
    let text = r.text(var).unwrap_or_default();
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if !host.is_some_and(|h| !h.is_empty() && !h.starts_with('/')) {
        let shown = shown(&text);
        r.problem(var, format!("is '{shown}'; allowed is a URL that begins with http:// or https://"));
    }
    text.trim_end_matches('/').to_owned()
}

/// The address of a service. It stands in messages and logs as it is.
pub(crate) fn service_url(r: &mut Reader<'_>, var: &vars::Var) -> String {
    let url = base_url(r, var);
    if holds_login(&url) {
        r.problem(
            var,
            format!(
                "is '{}'; it must hold no login, which would stand wherever the address does: no service asks for one",
                shown(&url)
            ),
        );
    }
    url
}

/// Whether something stands before the host.
pub(crate) fn holds_login(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default().contains('@')
}

/// Origins as a browser sends them: nothing behind host and port, and none that is anybody's (`*`, `null`).
fn origins(r: &mut Reader<'_>) -> Vec<String> {
    let var = &vars::ADMIN_FRONTEND_ORIGIN;
    let all: Vec<String> = r.list(var);
    let is_origin = |text: &str| {
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        host.is_some_and(|host| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':' | b'[' | b']'))
        })
    };
    for wrong in all.iter().filter(|text| !is_origin(text)) {
        let shown = shown(wrong);
        r.problem(var, format!("is '{shown}'; allowed is {}: lower-case, without a path", var.unit));
    }
    all
}

/// Limits and trust on everything that is received.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `TRUSTED_PROXY_CIDRS`.
    pub trusted_proxies: Vec<IpNet>,
    /// `HTTP_MAX_BODY_BYTES`.
    pub max_body_bytes: usize,
    /// `HTTP_MAX_HEADER_BYTES`.
    pub max_header_bytes: usize,
    /// `HTTP_HEADER_TIMEOUT_MS`.
    pub header_timeout: Duration,
    /// `HTTP_KEEP_ALIVE_MS`.
    pub keep_alive: Duration,
    /// `HTTP_REQUEST_TIMEOUT_MS`.
    pub request_timeout: Duration,
    /// `HTTP_WRITE_TIMEOUT_MS`.
    pub write_timeout: Duration,
    /// `HTTP_MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `HTTP_MAX_CONNECTIONS_PER_ADDRESS`.
    pub max_connections_per_address: usize,
    /// `HTTP_MEMORY_BYTES`.
    pub memory_bytes: usize,
    /// `API_RATE_LIMIT_PER_MINUTE`; 0: none.
    pub requests_per_minute: u32,
    /// `API_WRITE_RATE_LIMIT_PER_MINUTE`; 0: none.
    pub writes_per_minute: u32,
    /// `INTERNAL_CIDRS`.
    pub internal: Vec<IpNet>,
    /// `SHUTDOWN_GRACE_MS`.
    pub shutdown_grace: Duration,
}

impl HttpSettings {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        Self {
            trusted_proxies: r.list(&vars::TRUSTED_PROXY_CIDRS),
            max_body_bytes: r.number(&vars::HTTP_MAX_BODY_BYTES, 1024, 104_857_600),
            max_header_bytes: r.number(&vars::HTTP_MAX_HEADER_BYTES, 8192, 1_048_576),
            header_timeout: r.millis(&vars::HTTP_HEADER_TIMEOUT_MS, 100, 600_000),
            keep_alive: r.millis(&vars::HTTP_KEEP_ALIVE_MS, 100, 3_600_000),
            write_timeout: r.millis(&vars::HTTP_WRITE_TIMEOUT_MS, 100, 600_000),
            max_connections: r.number(&vars::HTTP_MAX_CONNECTIONS, 16, 1_000_000),
            max_connections_per_address: r.number(&vars::HTTP_MAX_CONNECTIONS_PER_ADDRESS, 1, 1_000_000),
            memory_bytes: r.number(&vars::HTTP_MEMORY_BYTES, 1_048_576, 1 << 40),
            request_timeout: r.millis(&vars::HTTP_REQUEST_TIMEOUT_MS, 100, 600_000),
            requests_per_minute: r.number(&vars::API_RATE_LIMIT_PER_MINUTE, 0, 10_000_000),
            writes_per_minute: r.number(&vars::API_WRITE_RATE_LIMIT_PER_MINUTE, 0, 10_000_000),
            internal: r.list(&vars::INTERNAL_CIDRS),
            shutdown_grace: r.millis(&vars::SHUTDOWN_GRACE_MS, 0, 600_000),
        }
    }
}
