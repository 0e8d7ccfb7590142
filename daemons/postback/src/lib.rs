//! postback-service: what a network reports, recorded once. `docs/postbacks.md` explains it to people.
//!
//! The way of a postback: [`http`](self) reads it into parameters → `auth` → `domain::postback::interpret` →
//! `clicks` finds its click, else it is parked → `ports::conversions` records it (a unique index decides) → the
//! events → the answer; behind it, the event sink → marked as `published`.
//!
//! What sources are told of conversions, and when: `tell`.
//!
//! Where the process may die: before recording, the network has no answer and asks again; after it, until the sink has
//! the state, `republish` finds it unpublished, here or on another machine; a second event has the same id. A parked
//! postback is done only after its outcome is in the log.

mod addresses;
mod answer;
mod auth;
mod clicks;
mod config;
mod exposed;
mod http;
mod import;
mod log;
mod masks;
mod params;
mod parked;
mod published;
mod record;
mod republish;
mod retry;
mod signature;
mod source_postback;
mod take;
mod turns;
mod unmatched;
mod why;

use anyhow::Context as _;
use clicks::Clicks;
use config::{Configuration, Index};
use source_postback::{SourcePostbackSender, Targets};
use std::{sync::Arc, time::Duration};
use take::Postbacks;
use tfx_events::LedgerTeller;
use tfx_outbound::Apart;
use tfx_service::{Shutdown, internal::Inside, serve};
use tfx_settings::{FailurePolicy, Settings, vars::Program};
use tfx_wiring::{DataDir, Stores};
use tokio::{net::TcpListener, time::timeout};
use tracing::Instrument as _;

/// How long marking what was delivered last may take at the end.
const MARKING: Duration = Duration::from_secs(1);
/// The name in logs, metrics and the journal's folder.
const SERVICE: &str = "postback";

/// Serves until the shutdown; then drains requests and flushes events.
///
/// # Errors
/// The journal or the internal token cannot be opened, or the listener breaks.
pub async fn run(
    settings: Arc<Settings>,
    data_dir: Arc<DataDir>,
    stores: Stores,
    listener: TcpListener,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let token = data_dir.internal_token(&settings).context("the internal token")?;
    // The policy is for what is refused. What is answered 200 waits for the disk, whatever the policy for clicks says.
    let policy = FailurePolicy::FailOpen;
    let refused = Arc::<published::RefusedStates>::default();
    let (sink, taken) = published::Confirming::around(Arc::clone(&stores.sink), Arc::clone(&refused));
    let traces = tfx_wiring::traces(&settings, "postback-service").context("traces")?;
    let producer = tfx_wiring::producer(&settings, &data_dir, SERVICE, policy, sink, &traces)
        .context("the event producer")?;
    let ledger = LedgerTeller::start(&producer, "postback-service", Arc::clone(&stores.ledgers));
    let marking = tokio::spawn(published::mark(Arc::clone(&stores.conversions), taken).in_current_span());
    let mut tokens = vec![token.expose().to_owned()];
    // Where api-service shares the folder.
    tokens.extend(std::fs::read_to_string(data_dir.admin_token_file()).map(|t| t.trim().to_owned()).ok());
    let files = Arc::<addresses::AddressFiles>::default();
    let config = Arc::new(Configuration::new(Arc::clone(&stores.config), move |revision, records| {
        let (index, problems) = Index::new(revision, records, &tokens);
        (index.with(&files), problems)
    }));
    config.refresh().await;
    let postbacks = Arc::new(Postbacks {
        config: Arc::clone(&config),
        conversions: Arc::clone(&stores.conversions),
        queue: Arc::clone(&stores.queue),
        turns: turns::Turns::new(),
        clicks: Clicks::new(Arc::clone(&stores.analytics), settings.postback.lookup_timeout),
        producer: Arc::clone(&producer),
        refused,
        settings: settings.postback.clone(),
        public_url: settings.addresses.postback_url.clone(),
        counters: log::Counters::default(),
        batch_timeout: settings.events.batch_timeout,
        to_tell: Arc::default(),
        strangers: tfx_service::Strangers::new(SERVICE),
        traces: traces.clone(),
    });
    let _telling = tfx_service::tell_settings(
        SERVICE,
        Program::Postback,
        Arc::clone(&settings),
        Arc::clone(&stores.accounts),
        Arc::clone(&stores.keys),
    );
    let teller = Arc::new(SourcePostbackSender {
        postbacks: Arc::clone(&postbacks),
        outbound: Arc::new(tfx_wiring::outbound(&settings, settings.tell.per_target)),
        apart: Apart::start("tells").context("the thread of postbacks to sources")?,
        targets: Arc::new(Targets::new(&settings.tell)),
        settings: settings.tell.clone(),
        lease: source_postback::lease(&settings),
        counted: source_postback::Counted::default(),
        began: std::time::Instant::now(),
    });
    let workers = [
        tokio::spawn(Arc::clone(&teller).work(shutdown.clone()).in_current_span()),
        tokio::spawn(Arc::clone(&teller).watch(shutdown.clone()).in_current_span()),
        tokio::spawn({
            let (config, shutdown) = (Arc::clone(&config), shutdown.clone());
            async move { config.follow(shutdown).await }.in_current_span()
        }),
        tokio::spawn(parked::work(Arc::clone(&postbacks), shutdown.clone()).in_current_span()),
        tokio::spawn(
            unmatched::work(Arc::clone(&postbacks), Arc::clone(&stores.leases), shutdown.clone())
                .in_current_span(),
        ),
        tokio::spawn(
            republish::work(Arc::clone(&postbacks), Arc::clone(&stores.sink), shutdown.clone())
                .in_current_span(),
        ),
    ];
    let inside = Inside::new(&settings.http, token.expose());
    let router = http::router(&postbacks, &teller, &stores, settings.http.clone(), &inside);
    let served = serve(SERVICE, listener, router, &settings.http, shutdown.clone()).await;
    for mut worker in workers {
        // A worker ends at its next await, or is stopped there; what it was about to do is done at the next start.
        if timeout(shutdown.flush_within(&settings.http), &mut worker).await.is_err() {
            worker.abort();
        }
    }
    producer.close(shutdown.flush_within(&settings.http)).await;
    ledger.end(shutdown.flush_within(&settings.http)).await;
    tfx_service::traces::end(traces, shutdown.flush_within(&settings.http)).await;
    // The sink is gone with delivery; what is not marked now is published again, and counts once.
    let _ = timeout(shutdown.flush_within(&settings.http).min(MARKING), marking).await;
    served.context("the listener")
}
