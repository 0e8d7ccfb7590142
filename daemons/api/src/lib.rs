//! api-service: REST over configuration, reports and operations. `docs/api.md` lists the endpoints.
//!
//! Handlers read the request (`input`), ask the ports, and answer JSON or a problem document. What is right or
//! wrong about an entity, what a report's figures are and what a postback means is decided in `tfx-domain`.

mod access;
mod accounts;
mod alerts;
mod apart;
mod app;
mod browsers;
mod compressed;
mod conditions;
mod entities;
mod erasure;
mod events;
mod explain;
mod failure;
mod geo;
mod given_up;
mod health;
mod idempotency;
mod imports;
mod in_use;
mod ingestion;
mod input;
mod kept;
mod labels;
mod links;
mod logins;
mod openapi;
mod outside;
mod parked;
mod peers;
mod postback_lint;
mod postback_test;
mod publish;
mod rates;
mod reconciliation;
mod reply;
mod report;
mod retention;
mod sealing;
mod services;
mod sets;
mod signed_postback;
mod source_postbacks;
mod timeline;
mod tokens;
mod traced;
mod unique_fields;

pub use openapi::DOCUMENT as DESCRIPTION;

use crate::{
    access::Access, alerts::Alerts, app::App, entities::Followed, erasure::Erasing, idempotency::UnderWay,
    logins::Logins, outside::Outside, peers::Peers, retention::Pruning,
};
use anyhow::Context as _;
use std::{sync::Arc, time::Duration};
use tfx_outbound::Apart;
use tfx_ports::{accounts::Accounts, clock};
use tfx_service::Shutdown;
use tfx_settings::{Settings, vars::Program};
use tfx_wiring::{DataDir, Stores};
use tokio::{net::TcpListener, sync::Mutex};
use tracing::Instrument as _;

/// The service's name in logs and metrics.
const NAME: &str = "api";

/// Serves until the shutdown.
///
/// # Errors
/// The tokens of the data folder cannot be read, a setting cannot be used, or the listener is broken.
pub async fn run(
    settings: Arc<Settings>,
    data_dir: Arc<DataDir>,
    stores: Stores,
    listener: TcpListener,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let (admin_token, _) = data_dir.admin_token()?;
    let internal_token = data_dir.internal_token(&settings)?;
    // Where a log feeds it, the analytics store deletes by age itself.
    let by_age = settings.engines.events.is_none();
    let (retention, days) = (Arc::clone(&stores.retention), settings.analytics_ttl_days);
    let pruning = Arc::new(Pruning::new(retention, days, by_age, shutdown.clone()));
    let following = tokio::spawn(Arc::clone(&pruning).follow().in_current_span());
    let apart = Arc::new(Apart::start("outside").context("the threads of mail and alerts")?);
    let traces = tfx_wiring::traces(&settings, "api-service").context("traces")?;
    let app = Arc::new(App {
        access: Access::new(&admin_token, &settings.http),
        logins: settings.logins.clone().map(|logins| {
            let outside = || Outside::new(&apart, &settings, MAILS_AT_ONCE);
            Logins::new(logins, outside(), outside())
        }),
        peers: Peers::new(&settings, &internal_token)?,
        alerts: Alerts::new(&settings, &apart),
        pruning,
        erasing: Erasing::default(),
        stores,
        settings: Arc::clone(&settings),
        writes: Mutex::new(Followed::new(&settings.addresses.public_hosts)),
        imports: imports::Audited::default(),
        under_way: UnderWay::default(),
        traces: traces.clone(),
    });
    let _telling = tfx_service::tell_settings(
        NAME,
        Program::Api,
        Arc::clone(&settings),
        Arc::clone(&app.stores.accounts),
        Arc::clone(&app.stores.keys),
    );
    let stopping = shutdown.clone();
    let mut looking =
        tokio::spawn(alerts::look::follow(Arc::clone(&app), shutdown.clone()).in_current_span());
    let mut delivering =
        tokio::spawn(alerts::deliver::follow(Arc::clone(&app), shutdown.clone()).in_current_span());
    let forgetting = tokio::spawn(forget_old(Arc::clone(&app.stores.accounts)).in_current_span());
    let keeping = tokio::spawn(kept::follow(Arc::clone(&app)).in_current_span());
    let sealing = tokio::spawn(sealing::what_is_clear(Arc::clone(&app)).in_current_span());
    let router = app::router(&app, &internal_token)?;
    let served =
        tfx_service::serve_roomier(NAME, listener, router, &settings.http, &sets::ROOMIER, shutdown).await;
    // It ends with the shutdown, between two steps.
    // Without a shutdown it is the listener that is broken.
    if stopping.is_fired() {
        let _ = tokio::join!(&mut looking, &mut delivering);
    }
    looking.abort();
    delivering.abort();
    following.abort();
    forgetting.abort();
    keeping.abort();
    sealing.abort();
    tfx_service::traces::end(traces, stopping.flush_within(&settings.http)).await;
    Ok(served?)
}

/// Requests to Resend at the same time.
const MAILS_AT_ONCE: usize = 4;

/// How often accounts are forgotten whose time is over.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// Forgets codes and sessions whose time is over.
async fn forget_old(accounts: Arc<dyn Accounts>) {
    loop {
        tokio::time::sleep(FORGET_EVERY).await;
        if let Err(e) = accounts.forget(clock::now()).await {
            tracing::warn!(error = %e, "codes and sessions whose time is over were not forgotten; it is tried again");
        }
    }
}
