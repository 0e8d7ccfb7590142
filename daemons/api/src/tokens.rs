//! API tokens over REST: made and shown once, listed, revoked. Each act stands in the audit log, in one transaction.

use crate::{
    access::{Identity, forbidden, tokens::made},
    accounts,
    app::App,
    compressed::with_secret,
    failure::Failure,
    idempotency::{self, Begun, Named, Turn, replayed},
    input::{Body, Path, Query, if_match, read},
    reply::json,
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tfx_api::tokens::{ApiToken, MadeToken, NewToken, TokenRow};
use tfx_domain::{
    Timestamp,
    access::{beyond, token_name},
    id::TokenId,
    problem::Problems,
};
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind},
    audit::{AuditEntry, Caller},
    clock,
};

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/tokens", get(list).post(create)).route("/tokens/{ref}/revoke", post(revoke))
}

async fn list(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    let now = clock::now();
    accounts::listed(&app, AccountKind::Token, query, |token: ApiToken| TokenRow::new(token, now)).await
}

async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(identity): Extension<Identity>,
    named: Named,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let before: TokenRow = match idempotency::begin(&app, &identity, named, "tokens", &input).await? {
        Begun::Before(row) => row,
        Begun::Now(turn) => match make(&app, caller, &identity, input, &turn).await {
            Ok(made) => return Ok(with_secret(json(StatusCode::CREATED, &made))),
            Err(failure) => turn.instead(failure).await?,
        },
    };
    Ok(replayed(json(StatusCode::CREATED, &MadeToken { row: before, token: None })))
}

async fn make(
    app: &App,
    caller: Caller,
    identity: &Identity,
    input: Value,
    turn: &Turn,
) -> Result<MadeToken, Failure> {
    let now = clock::now();
    let NewToken { name, mut scopes, expires_at } = read(input)?;
    let mut problems = Problems::default();
    if let Err(must) = token_name(&name) {
        problems.add("name", must);
    }
    problems.require(!scopes.is_empty(), "scopes", "must be one or more");
    if let Some(at) = expires_at.filter(|at| *at <= now) {
        problems.add(
            "expires_at",
            format!("{at} is over: it must be a time to come; without it there is no end"),
        );
    }
    problems.into_result(())?;
    scopes.sort_unstable();
    scopes.dedup();
    let more = beyond(&scopes, &identity.scopes);
    if !more.is_empty() {
        return Err(forbidden(&more));
    }
    outlives(identity, expires_at)?;
    let (id, text) = made(now);
    let token = ApiToken {
        id: id.to_string(),
        name: name.clone(),
        digest: app.access.tokens.digest(&app.stores, &text).await?,
        scopes,
        created_at: now,
        created_by: caller.name.clone(),
        expires_at,
        last_used_at: None,
        last_used_from: String::new(),
        revoked_at: None,
        version: 1,
    };
    let account = Account::new(AccountKind::Token, id.as_str(), &name, &token)?;
    let changes = json!({
        "name": [null, name], "scopes": [null, token.scopes], "expires_at": [null, token.expires_at],
    });
    let line = line(now, caller, "create", id.as_str(), changes);
    let row = TokenRow::new(token, now);
    // Its text is in the first answer alone: nothing keeps it.
    let mut accounts = turn.keep(&row, now)?;
    accounts.push(account);
    app.stores.accounts.save(accounts, Some(line)).await.map_err(|e| match e {
        StoreError::SlugTaken { existing } => Failure::slug_taken(
            format!("the name '{name}' is taken by {existing}; choose another, or revoke that one first"),
            existing,
        ),
        e => e.into(),
    })?;
    Ok(MadeToken { row, token: Some(text) })
}

/// Nobody grants for longer than he has: what a token makes ends with it at the latest. A person is no token: his login
/// ends sooner than what he makes.
fn outlives(identity: &Identity, expires_at: Option<Timestamp>) -> Result<(), Failure> {
    match identity.expires_at.filter(|_| identity.role.is_none()) {
        Some(end) if expires_at.is_none_or(|at| at > end) => {
            let detail = format!(
                "this token ends at {end} and makes none that ends later or never: say an expires_at until then"
            );
            Err(Failure::new(StatusCode::FORBIDDEN, "forbidden", detail))
        }
        _ => Ok(()),
    }
}

/// Whoever revokes what is revoked already has what he wants.
async fn revoke(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(reference): Path,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    let wanted = if_match(&headers)?;
    let now = clock::now();
    let shown = |token: ApiToken| {
        let version = token.version;
        accounts::shown(&TokenRow::new(token, now), version)
    };
    loop {
        let account = named(&app, &reference).await?;
        let token: ApiToken = account.read()?;
        accounts::at_version(wanted, token.version)?;
        if token.revoked_at.is_some() {
            return Ok(shown(token));
        }
        let token = ApiToken { revoked_at: Some(now), version: token.version + 1, ..token };
        // The name is free again.
        let account = Account { name: token.id.clone(), ..account.changed(&token)? };
        let changes = json!({ "revoked_at": [null, now] });
        let line = line(now, caller.clone(), "revoke", &token.id, changes);
        match app.stores.accounts.save(vec![account], Some(line)).await {
            Ok(()) => {
                app.access.tokens.forget(&token.id);
                return Ok(shown(token));
            }
            // Its last use was written meanwhile.
            Err(StoreError::VersionMismatch { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// A token by its id or name.
async fn named(app: &App, reference: &str) -> Result<Account, Failure> {
    let accounts = &app.stores.accounts;
    let found = match reference.parse::<TokenId>() {
        Ok(id) => accounts.get(AccountKind::Token, id.as_str()).await?,
        Err(_) => accounts.find(AccountKind::Token, reference).await?,
    };
    let shown: String = reference.chars().take(100).collect();
    found.ok_or_else(|| {
        Failure::not_found(format!("no token has the name or id '{shown}'; GET /tokens lists them"))
    })
}

fn line(now: Timestamp, caller: Caller, action: &str, id: &str, changes: serde_json::Value) -> AuditEntry {
    let (action, kind, id) = (action.to_owned(), "token".to_owned(), id.to_owned());
    AuditEntry { at: now, caller, action, kind, id, version: 0, changes }
}
