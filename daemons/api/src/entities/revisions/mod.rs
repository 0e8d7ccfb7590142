//! Revisions of the configuration that were: listed, shown, compared, and put back
//! (`docs/decisions/0068-revisions-are-kept.md`).

mod compare;
mod restore;

use super::write::TRIED_FOR;
use crate::{
    access::{Identity, forbidden},
    alerts,
    app::App,
    failure::Failure,
    input::{Body, Path, Query, read},
    reply::{json, paged},
    sets::{self, CONFIG},
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use compare::References;
use http::StatusCode;
use restore::{Plan, ROLLBACK};
use std::sync::Arc;
use tfx_api::{
    Labels,
    revisions::{RestoreRequest, RevisionChange, RevisionDiff, RevisionRow, RevisionShown, RevisionSum},
    sets::{SetAnswer, SetAt},
};
use tfx_domain::access::{Scope, beyond};
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    clock,
    config::{Beside, Change},
    revisions::{ChangeSum, Revision},
};
use tokio::time::Instant;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/revisions", get(list))
        .route("/revisions/{n}", get(one))
        .route("/revisions/{n}/set", get(set))
        .route("/revisions/{n}/diff", get(diff))
        .route("/revisions/{n}/restore", post(restore))
}

async fn list(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let page = query.page();
    query.finish()?;
    let found = app.stores.config.revisions(&page).await?;
    let sum = |ChangeSum { action, kind, count }| RevisionSum { action, kind, count };
    let row = |Revision { revision, at, by, sums }| RevisionRow {
        revision,
        at,
        by,
        did: sums.into_iter().map(sum).collect(),
    };
    Ok(paged(found.map(row), Labels::new()))
}

async fn one(State(app): State<Arc<App>>, Path(number): Path, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let number = read_number(&number)?;
    let config = app.stores.config.as_ref();
    let (Revision { revision, at, by, .. }, changes) = config.revision(number).await?;
    let called = match changes.is_empty() {
        true => References::of(&[]),
        false => References::of(&config.at_revision(number).await?),
    };
    let changes = changes.into_iter().map(|change| RevisionChange {
        reference: called.name(&change.id),
        action: change.action,
        kind: change.kind,
        id: change.id,
        version: change.version,
    });
    let changes = changes.collect();
    Ok(json(StatusCode::OK, &RevisionShown { revision, at, by, changes }))
}

async fn set(State(app): State<Arc<App>>, Path(number): Path, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let revision = read_number(&number)?;
    let records = app.stores.config.at_revision(revision).await?;
    let set = sets::show::set(&records)?;
    Ok(json(StatusCode::OK, &SetAt { revision, set }))
}

async fn diff(
    State(app): State<Arc<App>>,
    Path(number): Path,
    mut query: Query,
) -> Result<Response, Failure> {
    let to = query.value::<u64>("to");
    query.finish()?;
    let from = read_number(&number)?;
    let config = app.stores.config.as_ref();
    let before = config.at_revision(from).await?;
    let (to, after) = match to {
        Some(to) => (to, config.at_revision(to).await?),
        None => config.load().await?,
    };
    let changes = compare::changes(&before, &after);
    Ok(json(StatusCode::OK, &RevisionDiff { from, to, changes }))
}

async fn restore(
    State(app): State<Arc<App>>,
    (Extension(caller), Extension(identity)): (Extension<Caller>, Extension<Identity>),
    Path(number): Path,
    mut query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    let dry_run = query.flag("dry_run").unwrap_or(false);
    query.finish()?;
    let number = read_number(&number)?;
    let RestoreRequest { revision } = read(input)?;
    let answer = restored(&app, &caller, &identity, number, revision, dry_run).await?;
    Ok(json(StatusCode::OK, &answer))
}

/// Puts a revision back, or says what that would change. What others change meanwhile is looked at again, unless the caller says
/// at which revision it must be.
async fn restored(
    app: &App,
    caller: &Caller,
    identity: &Identity,
    number: u64,
    wanted: Option<u64>,
    dry_run: bool,
) -> Result<SetAnswer, Failure> {
    let config = app.stores.config.as_ref();
    let then = config.at_revision(number).await?;
    let mut followed = app.writes.lock().await;
    let end = Instant::now() + TRIED_FOR;
    loop {
        let (revision, now) = followed.all(config).await?;
        if let Some(wanted) = wanted
            && wanted != revision
        {
            return Err(Failure::revision_moved(wanted, revision));
        }
        let Plan { changes, after, warnings } =
            restore::plan(&then, &now, followed.relations(config).await?, caller)?;
        let told = compare::changes(&now, &after);
        let mut answer = SetAnswer { revision, applied: !dry_run, changes: told, left: Vec::new(), warnings };
        if dry_run {
            return Ok(answer);
        }
        may_write(identity, &changes)?;
        if changes.is_empty() {
            return Ok(answer);
        }
        answer.revision = revision.saturating_add(changes.len() as u64);
        let beside = Beside { accounts: Vec::new(), line: Some(line(caller, revision, number)) };
        match followed.save(config, changes, beside).await {
            Ok(()) => return Ok(answer),
            Err(StoreError::Moved { .. }) if Instant::now() < end => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// The line of the audit log that tells of all changes.
fn line(caller: &Caller, from: u64, to: u64) -> AuditEntry {
    AuditEntry {
        at: clock::now(),
        caller: caller.clone(),
        action: ROLLBACK.to_owned(),
        kind: CONFIG.to_owned(),
        id: CONFIG.to_owned(),
        version: 0,
        changes: serde_json::json!({ "revision": [from, to] }),
    }
}

/// Whoever puts something back may change it.
fn may_write(identity: &Identity, changes: &[Change]) -> Result<(), Failure> {
    let mut needed: Vec<Scope> = changes.iter().map(|change| Scope::write(change.record.kind)).collect();
    needed.sort_unstable();
    needed.dedup();
    let missing = beyond(&needed, &identity.scopes);
    if !missing.is_empty() {
        return Err(forbidden(&missing));
    }
    changes.iter().try_for_each(|Change { record, .. }| alerts::granted(identity, record.kind, &record.spec))
}

/// The number in a path.
fn read_number(text: &str) -> Result<u64, Failure> {
    let why = || format!("'{text}' is no revision: it is a number such as 12; GET /revisions lists them");
    text.parse().map_err(|_| Failure::not_found(why()))
}
