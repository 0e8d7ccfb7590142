//! Who may call: the administrator, by bearer token. Failures are limited per address, so that a scanner fills
//! neither the log nor the processor; whoever has the token is never locked out.

use crate::{app::App, failure::Failure};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};
use subtle::ConstantTimeEq;
use tfx_domain::Timestamp;
use tfx_ports::{audit::Caller, clock};
use tfx_service::{Peer, client_ip, internal::bearer, request_id};
use tfx_settings::Secret;

/// Failures that an address may have in a window before it is answered 429.
const FAILURES: u32 = 20;
/// The window.
const WINDOW_S: i64 = 60;
/// Addresses remembered; when they would be more, all are forgotten.
const ADDRESSES: usize = 10_000;

/// Whose token it is, until there are users.
const ADMIN: &str = "admin token";

/// Knows the token, not in plain text, and the addresses that guessed.
pub(crate) struct Access {
    token: [u8; 32],
    failures: Mutex<HashMap<IpAddr, (Timestamp, u32)>>,
}

impl Access {
    pub(crate) fn new(token: &Secret) -> Self {
        Self { token: hash(token.expose()), failures: Mutex::default() }
    }

    /// Hashes are of one length, and comparing them tells nothing of the token.
    fn is_admin(&self, given: &str) -> bool {
        hash(given).ct_eq(&self.token).into()
    }

    /// Notes a failure; true while the address is within its limit.
    fn failed(&self, from: IpAddr, now: Timestamp) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |since: &Timestamp| now.duration_since(*since).as_secs() < WINDOW_S;
        if failures.len() >= ADDRESSES && !failures.contains_key(&from) {
            failures.retain(|_, (since, _)| fresh(since));
            if failures.len() >= ADDRESSES {
                failures.clear();
            }
        }
        let (since, count) = failures.entry(from).or_insert((now, 0));
        if !fresh(since) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= FAILURES
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Lets only the administrator through.
pub(crate) async fn check(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let given = bearer(request.headers());
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |p| p.0.ip());
    let from = client_ip(peer, request.headers(), &app.settings.http.trusted_proxies);
    if given.is_some_and(|token| app.access.is_admin(token)) {
        let request_id = request_id::of(request.headers()).to_owned();
        let caller = Caller { name: ADMIN.to_owned(), from: from.to_string(), request_id };
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    if !app.access.failed(from, clock::now()) {
        let detail = "too many calls without the right token from this address; try again in a minute";
        let mut response =
            Failure::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(WINDOW_S));
        return response;
    }
    let what =
        if given.is_some() { "this is not the token of this api-service" } else { "this needs a token" };
    let detail = format!(
        "{what}: send Authorization: Bearer TOKEN; the administrator's token is in TFX_DATA_DIR/admin.token of \
         api-service, tfx takes it from TFX_TOKEN or TFX_TOKEN_FILE"
    );
    Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).expect("in range")
    }

    #[test]
    fn an_address_is_limited_for_its_window_and_the_memory_is_bounded() {
        let access = Access::new(&Secret::from("token".to_owned()));
        assert!(access.is_admin("token"));
        assert!(!access.is_admin("Token") && !access.is_admin(""));
        let ip = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..FAILURES).all(|_| access.failed(ip(1), at(0))));
        assert!(!access.failed(ip(1), at(1)));
        assert!(access.failed(ip(2), at(1)), "another address");
        assert!(access.failed(ip(1), at(WINDOW_S)), "the next window");
        for n in 0..30_000 {
            access.failed(ip(n), at(100));
        }
        assert!(access.failures.lock().expect("lock").len() <= ADDRESSES);
    }
}
