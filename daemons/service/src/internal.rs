//! Endpoints that are not for the public: from inside only, and with a bearer token, compared in constant time.

use crate::{Peer, ProblemResponse, client_ip};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::{Extensions, HeaderMap, StatusCode, header};
use ipnet::IpNet;
use std::{net::IpAddr, sync::Arc};
use subtle::ConstantTimeEq;
use tfx_settings::HttpSettings;

/// What proxies add to what they hand on.
const OF_PROXIES: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "cf-connecting-ip",
    "via",
];

/// The code of the answer to requests from outside.
pub const OUTSIDE: &str = "outside";

/// Who is no stranger, and the token that he needs.
#[derive(Debug, Clone)]
pub struct Inside(Arc<Rules>);

struct Rules {
    nets: Vec<IpNet>,
    trusted: Vec<IpNet>,
    token: String,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules")
            .field("nets", &self.nets)
            .field("trusted", &self.trusted)
            .finish_non_exhaustive()
    }
}

impl Inside {
    /// By `INTERNAL_CIDRS` and `TRUSTED_PROXY_CIDRS`.
    pub fn new(http: &HttpSettings, token: &str) -> Self {
        let (nets, trusted) = (http.internal.clone(), http.trusted_proxies.clone());
        Self(Arc::new(Rules { nets, trusted, token: token.to_owned() }))
    }

    /// Whether a request comes from inside. What a proxy hands on comes from its client, and is believed of a trusted
    /// proxy alone: one that nobody named may stand at the edge.
    pub(crate) fn has(&self, extensions: &Extensions, headers: &HeaderMap) -> bool {
        let Some(Peer(peer)) = extensions.get::<Peer>() else { return false };
        let Rules { nets, trusted, .. } = &*self.0;
        let within = |nets: &[IpNet], ip: IpAddr| nets.iter().any(|net| net.contains(&ip));
        let peer = peer.ip().to_canonical();
        if !OF_PROXIES.iter().any(|name| headers.contains_key(*name)) {
            return within(nets, peer);
        }
        let client = client_ip(peer, headers, trusted);
        within(trusted, peer) && !within(trusted, client) && within(nets, client)
    }

    /// Whether a request has the token.
    pub(crate) fn has_token(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|given| same(given, &self.0.token))
    }
}

/// Lets only requests from inside with the bearer token reach the routes of `router`: 401 without one, 403 with
/// another. For everybody else there is nothing. The router must have routes.
pub fn guard(router: Router, inside: &Inside) -> Router {
    router.route_layer(from_fn_with_state(inside.clone(), check))
}

async fn check(State(inside): State<Inside>, request: Request, next: Next) -> Response {
    if !inside.has(request.extensions(), request.headers()) {
        return ProblemResponse::new(StatusCode::NOT_FOUND, OUTSIDE, "there is nothing here").into_response();
    }
    if inside.has_token(request.headers()) {
        return next.run(request).await;
    }
    match bearer(request.headers()) {
        None => ProblemResponse::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "this needs the internal token: Authorization: Bearer TOKEN (INTERNAL_TOKEN, or TFX_DATA_DIR/internal.token)",
        )
        .into_response(),
        Some(_) => {
            ProblemResponse::new(StatusCode::FORBIDDEN, "forbidden", "the token is not the internal one").into_response()
        }
    }
}

/// The bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whether two secrets are the same, in a time that tells nothing but their lengths.
pub fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, routing::get};
    use tower::ServiceExt as _;

    const TOKEN: &str = "0123456789abcdef";

    fn inside() -> Inside {
        let nets = |texts: &[&str]| texts.iter().map(|t| t.parse().expect("net")).collect();
        let (nets, trusted) = (nets(&["127.0.0.0/8", "10.0.0.0/8"]), nets(&["10.0.0.1/32"]));
        Inside(Arc::new(Rules { nets, trusted, token: TOKEN.to_owned() }))
    }

    #[tokio::test]
    async fn only_the_token_opens_and_only_from_inside() {
        let inner = Router::new().route("/internal/x", get(|| async { "in" }));
        let open = Router::new().route("/healthz", get(|| async { "ok" }));
        let router = guard(inner, &inside()).merge(open);
        let table = [
            ("/internal/x", "127.0.0.1", None, 401),
            ("/internal/x", "10.1.2.3", Some("Bearer 0123456789abcdef"), 200),
            ("/internal/x", "127.0.0.1", Some("bearer  0123456789abcdef "), 200),
            ("/internal/x", "127.0.0.1", Some("Bearer 0123456789abcdeF"), 403),
            ("/internal/x", "127.0.0.1", Some("Bearer 0123456789abcde"), 403),
            ("/internal/x", "127.0.0.1", Some("Bearer "), 401),
            ("/internal/x", "127.0.0.1", Some("Basic 0123456789abcdef"), 401),
            ("/internal/x", "127.0.0.1", Some("0123456789abcdef"), 401),
            ("/internal/x", "8.8.8.8", Some("Bearer 0123456789abcdef"), 404),
            ("/internal/x", "8.8.8.8", None, 404),
            ("/internal/unknown", "127.0.0.1", None, 404),
            ("/healthz", "8.8.8.8", None, 200),
        ];
        for (path, peer, auth, want) in table {
            let mut request = Request::builder().uri(path);
            if let Some(auth) = auth {
                request = request.header("authorization", auth);
            }
            let mut request = request.body(Body::empty()).expect("request");
            request.extensions_mut().insert(Peer(format!("{peer}:1").parse().expect("address")));
            let response = router.clone().oneshot(request).await.expect("answer");
            assert_eq!(response.status().as_u16(), want, "{path} {peer} {auth:?}");
        }
    }

    #[test]
    fn what_a_proxy_hands_on_is_its_clients() {
        let table: &[(&str, &[(&'static str, &str)], bool)] = &[
            ("127.0.0.1", &[], true),
            ("::ffff:127.0.0.1", &[], true),
            ("8.8.8.8", &[], false),
            ("127.0.0.1", &[("x-forwarded-for", "8.8.8.8")], false),
            ("127.0.0.1", &[("x-forwarded-for", "127.0.0.1")], false),
            ("127.0.0.1", &[("x-real-ip", "10.9.9.9")], false),
            ("127.0.0.1", &[("via", "1.1 edge")], false),
            ("127.0.0.1", &[("forwarded", "for=10.9.9.9")], false),
            ("10.0.0.1", &[], true),
            ("10.0.0.1", &[("x-forwarded-for", "8.8.8.8")], false),
            ("10.0.0.1", &[("x-forwarded-for", "10.9.9.9, 8.8.8.8")], false),
            ("10.0.0.1", &[("x-forwarded-for", "garbage")], false),
            ("10.0.0.1", &[("x-forwarded-for", "10.0.0.1")], false),
            ("10.0.0.1", &[("x-forwarded-for", "8.8.8.8, 10.9.9.9")], true),
            ("8.8.8.8", &[("x-forwarded-for", "127.0.0.1")], false),
        ];
        for (peer, headers, want) in table {
            let ip: IpAddr = peer.parse().expect("ip");
            let mut extensions = Extensions::new();
            extensions.insert(Peer((ip, 1).into()));
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.append(*name, value.parse().expect("value"));
            }
            assert_eq!(inside().has(&extensions, &map), *want, "{peer} {headers:?}");
        }
        assert!(!inside().has(&Extensions::new(), &HeaderMap::new()), "nobody knows from where");
    }
}
