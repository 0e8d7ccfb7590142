//! What tokens, users and sessions have in common over REST: lists in pages, versions, `If-Match`.

use crate::{
    app::App,
    failure::Failure,
    input::Query,
    reply::{json, paged, tagged},
};
use axum::response::Response;
use http::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use tfx_ports::accounts::AccountKind;

/// A page of accounts, each as it is shown.
pub(crate) async fn listed<T: DeserializeOwned, U: Serialize>(
    app: &App,
    kind: AccountKind,
    mut query: Query,
    shown: impl Fn(T) -> U,
) -> Result<Response, Failure> {
    let page = query.page();
    query.finish()?;
    let found = app.stores.accounts.list(kind, &page).await?;
    Ok(paged(found.map(|account| account.read().map(&shown)).readable(), tfx_api::Labels::new()))
}

/// 412 unless it is at the version that was asked for, if one was.
pub(crate) fn at_version(wanted: Option<u64>, version: u64) -> Result<(), Failure> {
    match wanted {
        Some(wanted) if wanted != version => Err(Failure::version_mismatch(version)),
        _ => Ok(()),
    }
}

/// One account with its version as `ETag`.
pub(crate) fn shown(value: &impl Serialize, version: u64) -> Response {
    tagged(json(StatusCode::OK, value), version)
}
