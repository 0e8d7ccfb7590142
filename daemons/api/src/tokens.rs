//! API tokens over REST: made and shown once, listed, revoked. Each act stands in the audit log, in one transaction.

use crate::{
    access::{Identity, forbidden, tokens::made},
    app::App,
    compressed::with_secret,
    failure::Failure,
    input::{Body, Path, Query, read},
    reply::json,
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;
use tfx_api::{
    Labels, Page,
    tokens::{ApiToken, MadeToken, NewToken, TokenRow},
};
use tfx_domain::{Timestamp, access::beyond, id::TokenId, problem::Problems};
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind},
    audit::{AuditEntry, Caller},
    clock,
};

/// Characters that a name may have.
const NAME: usize = 100;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/tokens", get(list).post(create)).route("/tokens/{ref}/revoke", post(revoke))
}

async fn list(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let page = query.page();
    query.finish()?;
    let now = clock::now();
    let found = app.stores.accounts.list(AccountKind::Token, &page).await?;
    let found =
        found.map(|account| account.read::<ApiToken>().map(|token| TokenRow::new(token, now))).readable();
    let page = Page { items: found.items, next: found.next, left_out: found.left_out, labels: Labels::new() };
    Ok(json(StatusCode::OK, &page))
}

async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(identity): Extension<Identity>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let now = clock::now();
    let NewToken { name, mut scopes, expires_at } = read(input)?;
    let mut problems = Problems::default();
    let fits = !name.trim().is_empty() && name.trim() == name && name.chars().count() <= NAME;
    let fits = fits && !name.chars().any(char::is_control);
    problems.require(fits, "name", "must be 1 to 100 characters without line breaks or blanks around it");
    problems.require(name.parse::<TokenId>().is_err(), "name", "must not look like the id of a token");
    problems.require(!scopes.is_empty(), "scopes", "must be one or more");
    problems.require(expires_at.is_none_or(|at| at > now), "expires_at", "must be in the future");
    problems.into_result(())?;
    scopes.sort_unstable();
    scopes.dedup();
    let more = beyond(&scopes, &identity.scopes);
    if !more.is_empty() {
        return Err(forbidden(&more));
    }
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
    };
    let account = Account::new(AccountKind::Token, id.as_str(), &name, &token)?;
    let changes = json!({
        "name": [null, name], "scopes": [null, token.scopes], "expires_at": [null, token.expires_at],
    });
    let line = line(now, caller, "create", id.as_str(), changes);
    app.stores.accounts.save(vec![account], Some(line)).await.map_err(|e| match e {
        StoreError::SlugTaken { existing } => Failure::slug_taken(
            format!("the name '{name}' is taken by {existing}; choose another, or revoke that one first"),
            existing,
        ),
        e => e.into(),
    })?;
    let made = MadeToken { row: TokenRow::new(token, now), token: text };
    Ok(with_secret(json(StatusCode::CREATED, &made)))
}

/// Whoever revokes what is revoked already has what he wants.
async fn revoke(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(reference): Path,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    let now = clock::now();
    loop {
        let account = named(&app, &reference).await?;
        let token: ApiToken = account.read()?;
        if token.revoked_at.is_some() {
            return Ok(json(StatusCode::OK, &TokenRow::new(token, now)));
        }
        let token = ApiToken { revoked_at: Some(now), ..token };
        // The name is free again.
        let account = Account { name: token.id.clone(), ..account.changed(&token)? };
        let changes = json!({ "revoked_at": [null, now] });
        let line = line(now, caller.clone(), "revoke", &token.id, changes);
        match app.stores.accounts.save(vec![account], Some(line)).await {
            Ok(()) => {
                app.access.tokens.forget(&token.id);
                return Ok(json(StatusCode::OK, &TokenRow::new(token, now)));
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
