//! `/c/{slug}`: a click over HTTP.

use crate::{
    answer,
    traced::TracedClick,
    traffic::{Decided, Traffic},
};
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use ipnet::IpNet;
use std::{borrow::Cow, path::Path, sync::Arc};
use tfx_domain::{
    event::{Event, Outcome},
    id::VisitorId,
    query::decode,
    slug::Slug,
};
use tfx_events::{PublishError, Published};
use tfx_ports::clock;
use tfx_service::{LogClick, Peer, ProblemResponse, client_ip};
use tfx_visitor::{ACCEPT_CH, COOKIE, Facts, Request};

/// What the click routes share.
#[derive(Clone)]
pub(crate) struct Clicks {
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) trusted: Arc<[IpNet]>,
    /// Where it is kept who was seen.
    pub(crate) visitors_file: Arc<Path>,
}

/// How long a browser keeps its visitor id: a year.
const COOKIE_AGE_S: u32 = 31_536_000;

/// `/c/{slug}` and, if it is allowed, `/{slug}`; each with a slash behind it too. What no slug can be is nobody's click:
/// browsers ask for `favicon.ico`, scanners for `.env`, and neither is a person who followed a link.
pub(crate) async fn click(
    State(clicks): State<Clicks>,
    Extension(Peer(peer)): Extension<Peer>,
    parts: Parts,
) -> Response {
    let began = clicks.traffic.traces.is_on().then(clock::precise);
    let Some(slug) = slug_of(parts.uri.path()) else { return answer::nothing_here() };
    if !matches!(parts.method, Method::GET | Method::HEAD | Method::POST) {
        return not_allowed();
    }
    let Clicks { traffic, trusted, .. } = &clicks;
    let ip = client_ip(peer.ip(), &parts.headers, trusted);
    let header = |name: &str| parts.headers.get(name).map(HeaderValue::as_bytes);
    let request = Request {
        head: parts.method == Method::HEAD,
        query: parts.uri.query().unwrap_or_default(),
        header: &header,
        ip,
    };
    let Some(known) = traffic.known() else {
        traffic.counted.refused();
        return unknown().into_response();
    };
    if known.snapshot.is_unavailable(&slug) {
        traffic.counted.refused();
        return unavailable().into_response();
    }
    let facts = facts_of(&parts.headers);
    let visitor = traffic.visitor(&facts, &request, &known, traffic.geo.lookup(ip)).await;
    let flight = traffic.memory.begin();
    let Decided { event, mut response, consumed } = traffic.click(&known, &slug, &visitor, clock::now());
    // A browser that has no cookie yet gets one; it names whom he was taken for.
    if visitor.counts() && facts.cookie.is_none() {
        set_cookie(&mut response, visitor.id);
    }
    // What its user agent does not say, a browser says with its next click.
    response.headers_mut().insert("accept-ch", HeaderValue::from_static(ACCEPT_CH));
    if known.snapshot.campaign(&slug).is_none() && !traffic.strangers.take(ip) {
        return response;
    }
    let id = event.click_id;
    let traced = TracedClick::of(&traffic.traces, &event, began);
    let waiting = Waiting { traffic, outcome: Some(event.outcome) };
    let published = traffic.producer.publish(&Event::Click(Box::new(event))).await;
    if let Some(traced) = traced {
        traced.recorded(why_not(&published));
    }
    let mut response = match published {
        // A drop is counted by the producer, and the visitor does not suffer from it.
        Ok(Published::Dropped) => {
            waiting.not_recorded();
            response
        }
        Ok(_) => response,
        // It may still be recorded, so it is not taken back: a click too many in a cap is better than one too few.
        Err(error @ PublishError::Timeout(_)) => not_recorded(&error),
        Err(error) => {
            waiting.not_recorded();
            if let Some(consumed) = consumed {
                traffic.memory.take_back(consumed);
            }
            traffic.counted.refused();
            not_recorded(&error)
        }
    };
    drop(flight);
    LogClick::put(id, &mut response);
    response
}

/// Why it is not recorded; none: it is.
fn why_not(published: &Result<Published, PublishError>) -> Option<String> {
    match published {
        Ok(Published::Dropped) => Some("the journal did not take it".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// What the headers of a request say.
pub(crate) fn facts_of(headers: &HeaderMap) -> Facts<'_> {
    Facts::of(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// Nothing can be decided yet.
pub(crate) fn unknown() -> ProblemResponse {
    ProblemResponse::unavailable("the configuration is not known yet; try again")
}

/// The campaign is there, and what is needed of it cannot be read.
pub(crate) fn unavailable() -> ProblemResponse {
    ProblemResponse::unavailable(
        "this program cannot read the campaign or its source (see /readyz); try again",
    )
}

fn not_recorded(error: &PublishError) -> Response {
    ProblemResponse::unavailable("the click could not be recorded; try again")
        .logged(error.to_string())
        .into_response()
}

/// A click that waits for its record. If the visitor goes away meanwhile, it is recorded all the same, and counted.
struct Waiting<'t> {
    traffic: &'t Traffic,
    outcome: Option<Outcome>,
}

impl Waiting<'_> {
    fn not_recorded(mut self) {
        self.outcome = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome {
            self.traffic.counted.recorded(outcome);
        }
    }
}

/// The second page of `double_meta`. It records nothing: the click is recorded already.
pub(crate) async fn second_page(State(clicks): State<Clicks>, uri: http::Uri) -> Response {
    match clicks.traffic.identity.load_full() {
        Some(identity) => answer::second_page(uri.query().unwrap_or_default(), &identity),
        None => unknown().into_response(),
    }
}

/// The slug as it is written there; none if it can be none.
fn slug_of(path: &str) -> Option<Cow<'_, str>> {
    let rest = path.strip_prefix("/c/").or_else(|| path.strip_prefix('/')).unwrap_or(path);
    let text = decode(rest.strip_suffix('/').unwrap_or(rest).as_bytes(), false);
    text.parse::<Slug>().is_ok().then_some(text)
}

fn set_cookie(response: &mut Response, id: VisitorId) {
    let text = format!("{COOKIE}={id}; Path=/; Max-Age={COOKIE_AGE_S}; HttpOnly; SameSite=Lax");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

fn not_allowed() -> Response {
    let problem = ProblemResponse::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "a tracking link takes GET, HEAD and POST",
    );
    let mut response = problem.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_slug_or_nothing() {
        let longest = "s".repeat(64);
        for (path, want) in [
            ("/c/summer", "summer"),
            ("/c/summer/", "summer"),
            ("/c/SUMMER-1_x", "SUMMER-1_x"),
            ("/c/s%75mmer", "summer"),
            ("/summer", "summer"),
            ("/c/c-1", "c-1"),
            (&format!("/c/{longest}"), &longest),
        ] {
            assert_eq!(slug_of(path).as_deref(), Some(want), "{path}");
        }
        let nothing = [
            "/c/",
            "/c//",
            "/",
            "",
            "/c/a/b",
            "/c/a+b",
            "/c/a%20b",
            "/c/%ff%zz%",
            "/c/%2e%2e%2f",
            "/c/-a",
            "/c/_a",
            "/c/a.b",
            "/c/ä",
            "/c/%00",
            "/c/net_0",
            "/c/postback",
            "/favicon.ico",
            "/robots.txt",
            "/.env",
            "/wp-login.php",
            "/xmlrpc.php",
            "/sitemap.xml",
            "/apple-touch-icon.png",
            "/.well-known/",
            "/ads.txt",
            "/api",
            "/metrics",
            "/summer,",
            "/summer)",
        ];
        for path in nothing {
            assert_eq!(slug_of(path), None, "{path}");
        }
        assert_eq!(slug_of(&format!("/c/{longest}s")), None);
    }
}
