//! Users and their sessions: approved, given a role, ended.

use super::line;
use crate::{
    access::{Identity, forbidden},
    accounts,
    app::App,
    failure::Failure,
    input::{Body, Path, Query, if_match, read},
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use std::sync::Arc;
use tfx_api::logins::RoleRequest;
use tfx_domain::{
    Timestamp,
    access::{Role, Session, User, UserState, address, beyond, scopes_of},
    id::UserId,
};
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind},
    audit::Caller,
    clock,
    page::PageRequest,
};

/// Sessions that are looked through at once.
const PAGE: usize = 1_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/users", get(users))
        .route("/users/{ref}/approve", post(approve))
        .route("/users/{ref}/role", post(role))
        .route("/users/{ref}/revoke", post(revoke))
        .route("/sessions", get(sessions))
        .route("/sessions/{id}/revoke", post(revoke_session))
}

async fn users(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    accounts::listed(&app, AccountKind::User, query, |user: User| user).await
}

async fn sessions(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    accounts::listed(&app, AccountKind::Session, query, |session: Session| session).await
}

async fn approve(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(identity): Extension<Identity>,
    Path(reference): Path,
    headers: HeaderMap,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let RoleRequest { role } = read(input)?;
    may_give(&identity, role)?;
    let to = |user| User { role, state: UserState::Approved, ..user };
    change(&app, &caller, &reference, if_match(&headers)?, "approve", to).await
}

async fn role(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(identity): Extension<Identity>,
    Path(reference): Path,
    headers: HeaderMap,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let RoleRequest { role } = read(input)?;
    may_give(&identity, role)?;
    change(&app, &caller, &reference, if_match(&headers)?, "role", |user| User { role, ..user }).await
}

async fn revoke(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(reference): Path,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    let to = |user| User { state: UserState::Revoked, ..user };
    change(&app, &caller, &reference, if_match(&headers)?, "revoke", to).await
}

/// Nobody gives a role that may do what he may not.
fn may_give(identity: &Identity, role: Role) -> Result<(), Failure> {
    let more = beyond(&scopes_of(role), &identity.scopes);
    if more.is_empty() { Ok(()) } else { Err(forbidden(&more)) }
}

/// Changes a user; what changes nothing is no change.
async fn change(
    app: &App,
    caller: &Caller,
    reference: &str,
    wanted: Option<u64>,
    action: &str,
    to: impl Fn(User) -> User,
) -> Result<Response, Failure> {
    let now = clock::now();
    loop {
        let kept = &app.stores.accounts;
        let found = match reference.parse::<UserId>() {
            Ok(id) => kept.get(AccountKind::User, id.as_str()).await?,
            Err(_) => match address(reference) {
                Ok(email) => kept.find(AccountKind::User, &email).await?,
                Err(_) => None,
            },
        };
        let shown: String = reference.chars().take(100).collect();
        let missing =
            || Failure::not_found(format!("no user has the address or id '{shown}'; GET /users lists them"));
        let account = found.ok_or_else(missing)?;
        let before: User = account.read()?;
        accounts::at_version(wanted, before.version)?;
        let after = to(before.clone());
        // Whoever may log in no more, or could not until now, has no session that goes on.
        let is_out = [&before, &after].iter().any(|user| user.state == UserState::Revoked);
        let ended = if is_out { ended(app, &after.id, now).await? } else { Vec::new() };
        if after == before && ended.is_empty() {
            return Ok(accounts::shown(&after, after.version));
        }
        let after = User { version: before.version + 1, ..after };
        let mut changes = json!({ "role": [before.role, after.role], "state": [before.state, after.state] });
        if !ended.is_empty() {
            changes["sessions"] = json!([ended.len(), 0]);
        }
        let line = line(now, caller.clone(), action, "user", &after.id, changes);
        let all = std::iter::once(account.changed(&after)?).chain(ended).collect();
        match app.stores.accounts.save(all, Some(line)).await {
            Ok(()) => {
                app.access.sessions.forget();
                return Ok(accounts::shown(&after, after.version));
            }
            // He logged in meanwhile, or one of his sessions was ended.
            Err(StoreError::VersionMismatch { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// The sessions of a user that go on, as they are when they are ended. Who logs in meanwhile changes the user: what was
/// found before is not saved then.
async fn ended(app: &App, user: &str, now: Timestamp) -> Result<Vec<Account>, Failure> {
    let (mut all, mut page) = (Vec::new(), PageRequest::first(PAGE));
    loop {
        let found = app.stores.accounts.list(AccountKind::Session, &page).await?;
        for account in &found.items {
            let session: Session = account.read()?;
            if session.user == user && session.stands(now) {
                let version = session.version + 1;
                all.push(account.changed(&Session { revoked_at: Some(now), version, ..session })?);
            }
        }
        match found.next {
            Some(next) => page.cursor = Some(next),
            None => return Ok(all),
        }
    }
}

async fn revoke_session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    end(&app, caller, &id, if_match(&headers)?, "revoke").await
}

/// Ends the session that asks.
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    if !caller.token.starts_with("ses_") {
        let detail = "this is no session: it was not begun by a login; tfx token revoke ends an API token";
        return Err(Failure::new(StatusCode::CONFLICT, "no_session", detail));
    }
    let id = caller.token.clone();
    end(&app, caller, &id, None, "logout").await
}

async fn end(
    app: &App,
    caller: Caller,
    id: &str,
    wanted: Option<u64>,
    action: &str,
) -> Result<Response, Failure> {
    let now = clock::now();
    loop {
        let found: Option<Account> = app.stores.accounts.get(AccountKind::Session, id).await?;
        let shown: String = id.chars().take(100).collect();
        let account = found.ok_or_else(|| {
            Failure::not_found(format!("there is no session '{shown}'; GET /sessions lists them"))
        })?;
        let session: Session = account.read()?;
        accounts::at_version(wanted, session.version)?;
        if session.revoked_at.is_some() {
            return Ok(accounts::shown(&session, session.version));
        }
        let session = Session { revoked_at: Some(now), version: session.version + 1, ..session };
        let changes = json!({ "email": [null, session.email], "revoked_at": [null, now] });
        let line = line(now, caller.clone(), action, "session", id, changes);
        match app.stores.accounts.save(vec![account.changed(&session)?], Some(line)).await {
            Ok(()) => {
                app.access.sessions.forget();
                return Ok(accounts::shown(&session, session.version));
            }
            Err(StoreError::VersionMismatch { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
}
