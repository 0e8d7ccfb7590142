//! Endpoints that are not for the public: a bearer token, compared in constant time.

use crate::ProblemResponse;
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Lets only requests with this bearer token reach the routes of `router`: 401 without one, 403 with another.
/// The router must have routes.
pub fn guard(router: Router, token: &str) -> Router {
    let token: Arc<str> = token.into();
    router.route_layer(from_fn_with_state(token, check))
}

async fn check(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    match bearer(request.headers()) {
        None => ProblemResponse::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "this needs the internal token: Authorization: Bearer TOKEN (INTERNAL_TOKEN, or TFX_DATA_DIR/internal.token)",
        )
        .into_response(),
        Some(given) if same(given, &token) => next.run(request).await,
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

    #[tokio::test]
    async fn only_the_token_opens() {
        let inner = Router::new().route("/internal/x", get(|| async { "in" }));
        let open = Router::new().route("/healthz", get(|| async { "ok" }));
        let router = guard(inner, "0123456789abcdef").merge(open);
        let table = [
            ("/internal/x", None, 401),
            ("/internal/x", Some("Bearer 0123456789abcdef"), 200),
            ("/internal/x", Some("bearer  0123456789abcdef "), 200),
            ("/internal/x", Some("Bearer 0123456789abcdeF"), 403),
            ("/internal/x", Some("Bearer 0123456789abcde"), 403),
            ("/internal/x", Some("Bearer "), 401),
            ("/internal/x", Some("Basic 0123456789abcdef"), 401),
            ("/internal/x", Some("0123456789abcdef"), 401),
            ("/internal/unknown", None, 404),
            ("/healthz", None, 200),
        ];
        for (path, auth, want) in table {
            let mut request = Request::builder().uri(path);
            if let Some(auth) = auth {
                request = request.header("authorization", auth);
            }
            let response =
                router.clone().oneshot(request.body(Body::empty()).expect("request")).await.expect("answer");
            assert_eq!(response.status().as_u16(), want, "{path} {auth:?}");
        }
    }
}
