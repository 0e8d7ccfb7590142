//! What a decided click is answered with.

use crate::pages;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tfx_domain::{
    entity::Action,
    routing::{Answered, Click, Resolution},
};
use tfx_ports::entropy;
use tfx_service::{ProblemResponse, internal::same};
use tfx_visitor::{HOP_MARKER, Identity};

/// Where the first page of `double_meta` leads.
pub(crate) const SECOND_PAGE: &str = "/_go";

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Every click counts, so none may be answered from a cache.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// `robots.txt` counts nothing and never changes.
const ROBOTS_FOR: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// The answer, and what is recorded of it.
pub(crate) fn of(click: &Click<'_>, identity: &Identity) -> (Response, Answered) {
    let rng = &mut entropy::generator();
    let mut final_url = String::new();
    let response = match click.decision().taken {
        Resolution::Stream { stream, destination, .. } => {
            if let Some(destination) = destination {
                final_url = click.url(&destination.url, rng);
            }
            act(&stream.stream.spec.action, &final_url, identity)
        }
        Resolution::Trafficback { url } => {
            final_url = counted(&click.url(url, rng), click.visitor().hops);
            redirect(StatusCode::FOUND, &final_url)
        }
        Resolution::NotFound => bare(StatusCode::NOT_FOUND),
        Resolution::Loop => bare(StatusCode::LOOP_DETECTED),
    };
    let status = response.status().as_u16();
    (response, Answered { final_url, status })
}

fn act(action: &Action, url: &str, identity: &Identity) -> Response {
    match action {
        Action::Redirect { code } => {
            redirect(StatusCode::from_u16((*code).into()).unwrap_or(StatusCode::FOUND), url)
        }
        Action::MetaRefresh => body(HTML, pages::meta_refresh(url)),
        Action::DoubleMeta => body(HTML, pages::meta_refresh(&second_page_url(url, identity))),
        Action::Js => body(HTML, pages::script(url)),
        Action::Text { body: text } => body(TEXT, text.clone()),
        Action::Html { body: html } => body(HTML, html.clone()),
        // A hand-over ends in another campaign's stream, so none comes here.
        Action::Campaign { .. } => bare(StatusCode::NOT_FOUND),
        Action::Status { code } => bare(StatusCode::from_u16(*code).unwrap_or(StatusCode::NOT_FOUND)),
    }
}

/// The second page of `double_meta`, for the query that the first one wrote; anything else is 404, so that nobody can
/// use it to send people anywhere.
pub(crate) fn second_page(query: &str, identity: &Identity) -> Response {
    let param = |name: &str| {
        let mut values = query.split('&').filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        // The URL itself, whatever is encoded in it.
        values.next().and_then(|value| percent_decode_str(value).decode_utf8().ok()).unwrap_or_default()
    };
    let url = param("to");
    let sealed = same(&param("seal"), &seal(&url, identity));
    if sealed { body(HTML, pages::no_referrer(&url)) } else { bare(StatusCode::NOT_FOUND) }
}

fn second_page_url(url: &str, identity: &Identity) -> String {
    format!("{SECOND_PAGE}?to={}&seal={}", utf8_percent_encode(url, NON_ALPHANUMERIC), seal(url, identity))
}

fn seal(url: &str, identity: &Identity) -> String {
    format!("{:032x}", identity.seal(url))
}

/// With the marker that tells how often the click went to trafficback.
fn counted(url: &str, hops: u8) -> String {
    let (before, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let join = match before.find('?') {
        None => "?",
        Some(at) if at + 1 == before.len() || before.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{before}{join}{HOP_MARKER}={}{fragment}", hops.saturating_add(1))
}

fn redirect(status: StatusCode, url: &str) -> Response {
    // No macro can put a line break into a URL; should something else, the visitor is not sent there.
    let Ok(location) = HeaderValue::from_str(url) else {
        return ProblemResponse::internal(format!("a URL that is no header: {url:?}")).into_response();
    };
    let mut response = bare(status);
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn body(content_type: HeaderValue, text: String) -> Response {
    let mut response = bare(StatusCode::OK);
    *response.body_mut() = Body::from(text);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What is neither a link of ours nor could be one.
pub(crate) fn nothing_here() -> Response {
    bare(StatusCode::NOT_FOUND)
}

/// What crawlers are told: tracking links are not for them.
pub(crate) async fn robots() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, ROBOTS_FOR)], "User-agent: *\nDisallow: /\n")
}

fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_settings::IpPrivacy;

    #[test]
    fn the_hop_marker_goes_into_the_query_whatever_the_url() {
        let table = [
            ("https://x.example/", "https://x.example/?_tfx_hops=1"),
            ("https://x.example", "https://x.example?_tfx_hops=1"),
            ("https://x.example/?", "https://x.example/?_tfx_hops=1"),
            ("https://x.example/?a=1", "https://x.example/?a=1&_tfx_hops=1"),
            ("https://x.example/?a=1&", "https://x.example/?a=1&_tfx_hops=1"),
            ("https://x.example/#a?b", "https://x.example/?_tfx_hops=1#a?b"),
        ];
        for (url, want) in table {
            assert_eq!(counted(url, 0), want);
        }
        assert!(counted("https://x.example/", 255).ends_with("=255"));
    }

    #[test]
    fn the_second_page_sends_only_where_the_first_one_said() {
        let identity = Identity::new(&[1; 32], IpPrivacy::Full);
        let url = "https://offer.example/?a=b c&d=%26&e=caf%E9#x";
        let first = second_page_url(url, &identity);
        let query = |text: &str| text.split_once('?').expect("a query").1.to_owned();
        assert_eq!(second_page(&query(&first), &identity).status(), StatusCode::OK);
        let forged = [
            first.replace("offer", "evil"),
            first.replace("seal=", "seal=0"),
            "/_go?to=https%3A%2F%2Fevil.example".to_owned(),
            "/_go?".to_owned(),
            second_page_url(url, &Identity::new(&[2; 32], IpPrivacy::Full)),
        ];
        for query_of in forged {
            assert_eq!(
                second_page(&query(&query_of), &identity).status(),
                StatusCode::NOT_FOUND,
                "{query_of}"
            );
        }
    }
}
