//! Who may call: the administrator by the token of the data folder, programs by API tokens. Failures are limited per
//! address; whoever has a right token is never locked out. What a route needs is in [`routes`].

mod answers;
#[cfg(test)]
mod every_route;
mod guesses;
mod keyed;
pub(crate) mod money;
mod rates;
pub(crate) mod routes;
mod secrets;
mod sessions;
pub(crate) mod tokens;

use crate::{app::App, compressed::with_secret, failure::Failure, traced::AskedBy};
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
pub(crate) use guesses::Guesses;
use http::{HeaderValue, Method, StatusCode, header};
pub(crate) use keyed::{Keyed, same};
use rates::Rates;
use routes::{Found, Needs};
use sessions::KnownSessions;
use sha2::{Digest, Sha256};
use std::{net::IpAddr, sync::Arc, time::Duration};
use subtle::ConstantTimeEq;
use tfx_domain::{
    Timestamp,
    access::{ADMIN_TOKEN, Role, Scope, beyond, scopes_of},
};
use tfx_ports::StoreError;
use tfx_ports::{audit::Caller, clock};
use tfx_service::{Peer, ProblemResponse, client_ip, internal::bearer, request_id};
use tfx_settings::{HttpSettings, Secret};
use tfx_wiring::Stores;
use tokens::KnownTokens;

/// Failures that an address may have in a window before it is answered 429.
const FAILURES: u32 = 20;
/// The window.
const WINDOW_S: i64 = 60;

/// Who calls, as an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// A user's address, a token's name, or `admin`.
    pub(crate) name: String,
    /// What he is; programs are nothing.
    pub(crate) role: Option<Role>,
    /// The id of the token or session.
    pub(crate) token: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Identity {
    fn admin() -> Self {
        let (name, role) = ("admin".to_owned(), Role::Admin);
        Self { name, role: Some(role), token: String::new(), scopes: scopes_of(role), expires_at: None }
    }

    /// Whose requests are counted together and whose idempotency keys are the same: a token's, or a person's over all of
    /// his sessions.
    pub(crate) fn key(&self) -> &str {
        match self.role {
            Some(_) => &self.name,
            None => &self.token,
        }
    }

    /// Whether he may.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// As he stands in the audit log.
    fn caller(&self, from: IpAddr, request_id: String) -> Caller {
        let name = if self.token.is_empty() { ADMIN_TOKEN.to_owned() } else { self.name.clone() };
        Caller { name, from: from.to_string(), request_id, token: self.token.clone() }
    }
}

/// Knows the token of the data folder, not in plain text, those of the store, and the addresses that guessed.
pub(crate) struct Access {
    admin: [u8; 32],
    pub(crate) tokens: KnownTokens,
    pub(crate) sessions: KnownSessions,
    guesses: Guesses,
    rates: Rates,
}

impl Access {
    pub(crate) fn new(token: &Secret, limits: &HttpSettings) -> Self {
        Self {
            admin: hash(token.expose()),
            tokens: KnownTokens::default(),
            sessions: KnownSessions::default(),
            guesses: Guesses::new(FAILURES, WINDOW_S),
            rates: Rates::new(limits.requests_per_minute, limits.writes_per_minute),
        }
    }

    /// The keyed hash of a secret; `what` keeps hashes of different things apart.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn digest(
        &self,
        stores: &Stores,
        what: &str,
        secret: &str,
    ) -> Result<String, StoreError> {
        self.tokens.keyed(stores, what, secret).await
    }

    /// Hashes are of one length, and comparing them tells nothing of the token.
    fn is_admin(&self, given: &str) -> bool {
        hash(given).ct_eq(&self.admin).into()
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Lets through who shows a token that may do what the route needs. What the table does not know, nobody may.
pub(crate) async fn check(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |p| p.0.ip());
    let from = client_ip(peer, request.headers(), &app.settings.http.trusted_proxies);
    let path = request.extensions().get::<MatchedPath>();
    if let Some(path) = path.map(MatchedPath::as_str).filter(|path| routes::is_open(path)) {
        if let Found::OtherMethods(known) = routes::of(request.method(), path) {
            return other_methods(request.method(), &known);
        }
        let request_id = request_id::of(request.headers()).to_owned();
        request.extensions_mut().insert(Caller { from: from.to_string(), request_id, ..Caller::default() });
        return next.run(request).await;
    }
    let identity = match identified(&app, bearer(request.headers()), from).await {
        Ok(identity) => identity,
        Err(response) => return response,
    };
    let asked_by = AskedBy::of(&identity);
    // Without a path of its own the request goes to what says that there is nothing.
    let path = request.extensions().get::<MatchedPath>().cloned();
    let is_write = path.as_ref().is_some_and(|path| routes::is_write(request.method(), path.as_str()));
    let left = app.access.rates.take(identity.key(), is_write, clock::now());
    let mut response = match (left.exceeded, path) {
        (Some((what, most)), _) => too_often(what, most, left.reset_s),
        (None, Some(path)) => match allowed(&identity, request.method(), path.as_str()) {
            Ok(()) => answered(identity, from, request, next).await,
            Err(refused) => refused,
        },
        (None, None) => answered(identity, from, request, next).await,
    };
    left.tell(response.headers_mut());
    response.extensions_mut().insert(asked_by);
    response
}

/// 429 to who is known and asks too often.
fn too_often(what: &str, most: u32, reset_s: i64) -> Response {
    let detail = format!(
        "this token may make {most} {what} a minute at this api-service, and has; go on in {reset_s} s, or have the limit \
         raised (API_RATE_LIMIT_PER_MINUTE, API_WRITE_RATE_LIMIT_PER_MINUTE)"
    );
    let wait = Duration::from_secs(reset_s.unsigned_abs());
    ProblemResponse::too_many("rate_limited", detail, wait).into_response()
}

/// What the route answers to who may use it.
async fn answered(identity: Identity, from: IpAddr, mut request: Request, next: Next) -> Response {
    let caller = identity.caller(from, request_id::of(request.headers()).to_owned());
    let sees_money = identity.may(Scope::ReadMoney);
    let sees_secrets = identity.may(Scope::ReadSecrets);
    let path = request.extensions().get::<MatchedPath>();
    let with_secrets = sees_secrets && path.is_some_and(|path| routes::tells_secrets(path.as_str()));
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(identity);
    let mut response = next.run(request).await;
    if with_secrets {
        response = with_secret(response);
    }
    if sees_money && sees_secrets {
        return response;
    }
    answers::changed(response, |answer| {
        if !sees_money {
            money::without(answer);
        }
        if !sees_secrets {
            secrets::masked(answer);
        }
    })
    .await
}

async fn identified(app: &App, given: Option<&str>, from: IpAddr) -> Result<Identity, Response> {
    let now = clock::now();
    if let Some(text) = given {
        if app.access.is_admin(text) {
            return Ok(Identity::admin());
        }
        let opened = app.access.tokens.opened(&app.stores, text, from, now).await;
        if let Some(token) = opened.map_err(|e| Failure::from(e).into_response())? {
            let (name, scopes) = (token.name, token.scopes);
            return Ok(Identity { name, role: None, token: token.id, scopes, expires_at: token.expires_at });
        }
        if let Some(logins) = &app.logins {
            let opened = app.access.sessions.opened(&app.stores, &logins.signer, text, now).await;
            if let Some((session, user)) = opened.map_err(|e| Failure::from(e).into_response())? {
                let (name, token, role) = (user.email, session.id, user.role);
                let (scopes, expires_at) = (scopes_of(role), Some(session.expires_at));
                return Ok(Identity { name, role: Some(role), token, scopes, expires_at });
            }
        }
    }
    if let Err(left_s) = app.access.guesses.failed(from, now) {
        let detail =
            format!("too many calls without a right token from this address; try again in {left_s} s");
        return Err(Failure::too_many(&detail, left_s).into_response());
    }
    let what = if given.is_some() {
        "this is no token of this api-service, or one that was revoked or has expired"
    } else {
        "this needs a token"
    };
    let login = if app.logins.is_some() { "people log in by 'tfx login', " } else { "" };
    let detail = format!(
        "{what}: send Authorization: Bearer TOKEN; {login}'tfx token create' makes one, the administrator's is in \
         TFX_DATA_DIR/admin.token of api-service, tfx takes it from TFX_TOKEN or TFX_TOKEN_FILE"
    );
    Err(Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).into_response())
}

/// Whether somebody may use a route.
fn allowed(identity: &Identity, method: &Method, path: &str) -> Result<(), Response> {
    match routes::of(method, path) {
        Found::Needs(Needs::Nothing | Needs::Login) => Ok(()),
        Found::Needs(Needs::Scopes(needed)) => {
            let missing = beyond(needed, &identity.scopes);
            if missing.is_empty() { Ok(()) } else { Err(lacking(&missing)) }
        }
        Found::OtherMethods(known) => Err(other_methods(method, &known)),
        Found::Nothing => {
            tracing::error!(%method, path, "nobody may use this route: it does not say which scope it needs");
            let detail = "nobody may do this: the route does not say which scope it needs";
            Err(Failure::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response())
        }
    }
}

/// 405, naming the methods that there are.
fn other_methods(method: &Method, known: &[&str]) -> Response {
    let mut response = crate::app::wrong_method(method).into_response();
    if let Ok(known) = HeaderValue::try_from(known.join(",")) {
        response.headers_mut().insert(header::ALLOW, known);
    }
    response
}

/// 403, naming what is missing.
fn lacking(missing: &[Scope]) -> Response {
    forbidden(missing).into_response()
}

/// 403, naming what is missing.
pub(crate) fn forbidden(missing: &[Scope]) -> Failure {
    let words: Vec<&str> = missing.iter().map(|scope| scope.as_str()).collect();
    let (words, plural) = (words.join(" and "), if missing.len() > 1 { "s" } else { "" });
    let detail = format!(
        "this needs the scope{plural} {words}, which this token does not have; GET /whoami tells what it has"
    );
    Failure::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_table_does_not_know_nobody_may() {
        let admin = Identity::admin();
        let refused = |method, path| allowed(&admin, &method, path).err().map(|r| r.status().as_u16());
        assert_eq!(refused(Method::GET, "/api/v1/campaigns"), None);
        assert_eq!(refused(Method::HEAD, "/api/v1/campaigns"), None);
        assert_eq!(refused(Method::DELETE, "/api/v1/campaigns"), Some(405));
        assert_eq!(refused(Method::GET, "/api/v1/new"), Some(403));
        let limits =
            tfx_settings::Settings::read(&tfx_settings::SettingsSource::of([("TFX_DATA_DIR", "/tmp")]))
                .expect("settings")
                .http;
        let access = Access::new(&Secret::from("token".to_owned()), &limits);
        assert!(access.is_admin("token") && !access.is_admin("Token"));
    }
}
