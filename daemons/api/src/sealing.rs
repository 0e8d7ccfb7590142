//! How the secrets of the configuration lie in its store, and sealing them anew. What was saved before there was a key is sealed
//! by itself.

use crate::{
    app::App,
    failure::Failure,
    input::{Body, Query, read},
    reply::json,
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use std::{sync::Arc, time::Duration};
use tfx_api::secrets::{ResealAnswer, ResealRequest, SecretsStatus};
use tfx_ports::{StoreError, audit::Caller, sealing::Reseal};
use tfx_service::LogThrottle;

/// Who seals what lies there in the clear.
const LEASE: &str = "seal";
const LEASE_FOR: Duration = Duration::from_secs(60);
/// How often it is tried while the store is away.
const AGAIN: Duration = Duration::from_secs(10);
/// Whose doing it is in the audit log.
const BY_ITSELF: &str = "SECRETS_KEY";

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/secrets", get(status)).route("/secrets/reseal", post(reseal))
}

async fn status(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let found = app.stores.sealing.status().await?;
    let status = SecretsStatus {
        keys: found.keys,
        sealed: found.sealed,
        clear: found.clear,
        unreadable: found.unreadable,
    };
    Ok(json(StatusCode::OK, &status))
}

async fn reseal(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let ResealRequest {} = read(input)?;
    let sealed = app.stores.sealing.reseal(Reseal::All, &caller).await?;
    Ok(json(StatusCode::OK, &ResealAnswer { sealed }))
}

/// Seals once what lies there in the clear, by one api-service.
pub(crate) async fn what_is_clear(app: Arc<App>) {
    let mut complaint = LogThrottle::default();
    loop {
        match seal_clear(&app).await {
            Ok(Some(0)) => return,
            Ok(Some(entities)) => {
                tracing::info!(
                    entities,
                    "secrets that lay in the configuration store in the clear are sealed now"
                );
                return;
            }
            // Another one does it.
            Ok(None) => {}
            Err(error) if error.is_retryable() => {}
            // A person may mend it meanwhile.
            Err(error) => {
                if complaint.due() {
                    tracing::error!(%error, "secrets stay in the configuration store in the clear; it is tried again");
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// How many entities were sealed; none while another process does it.
async fn seal_clear(app: &App) -> Result<Option<u64>, StoreError> {
    let status = app.stores.sealing.status().await?;
    if status.keys.is_empty() && status.clear > 0 {
        tracing::warn!(
            secrets = status.clear,
            "secrets of networks, sources and alerts lie in the configuration store in the clear: give api-service and \
             postback-service a key, SECRETS_KEY or SECRETS_KEY_FILE"
        );
    }
    if status.keys.is_empty() || status.clear == 0 {
        return Ok(Some(0));
    }
    let Some(lease) = app.stores.leases.take(LEASE, LEASE_FOR).await? else { return Ok(None) };
    let sealed = app.stores.sealing.reseal(Reseal::Clear, &Caller::named(BY_ITSELF)).await;
    // It ends by itself too.
    let _ = app.stores.leases.release(&lease).await;
    sealed.map(Some)
}
