//! traffic-service: a click in, a decision, an event, a redirect out. `docs/routing.md` explains the decision.
//!
//! The way of a click: `click` reads the request → `tfx_visitor` makes it a `Visitor` → `domain::routing::decide` →
//! `tfx_memory` uses up what it uses up → `answer` renders the response → the event goes to the journal → the response
//! goes out. All of it is in memory: `snapshot` holds the configuration, `tfx_memory` what happened before. Neither is
//! ever read from a store on the way.

mod answer;
mod click;
mod erase;
mod explain;
mod health;
mod http;
mod pages;
mod snapshot;
mod stand_in;
mod traced;
mod traffic;

use crate::{
    click::Clicks,
    health::{
        Counted as ProbesCounted, Follower, HealthFile, HealthState, Lanes, Manual, Prober, Probes, PutOffs,
        Watch,
    },
    snapshot::Compiler,
    traffic::{Counted, Traffic},
};
use anyhow::Context as _;
use arc_swap::ArcSwapOption;
use std::{sync::Arc, time::Duration};
use tfx_domain::routing::Globals;
use tfx_events::LedgerTeller;
use tfx_memory::{
    KeptFirst, Memory, Refresher, Restoring, ReturnsReader, UsageFile, keep, keep_visitors, restore,
    save_visitors, sync,
};
use tfx_ports::{LogThrottle, keys::Keys};
use tfx_service::{Shutdown, internal::Inside, serve};
use tfx_settings::{FailurePolicy, Settings, vars::Program};
use tfx_visitor::{GeoReader, Identity, UserAgents};
use tfx_wiring::{DataDir, KeyFrom, Stores, VisitorKey};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::Instrument as _;

/// The name in logs, metrics and the journal's folder.
const SERVICE: &str = "traffic";
/// How long the start waits for the configuration store before it goes on with the last one known.
const CONFIG_WITHIN: Duration = Duration::from_secs(3);
/// How long the start waits for what is known of the health of destinations before it goes on with what was known last.
const HEALTH_WITHIN: Duration = Duration::from_secs(2);
/// Pause before the store is asked for the key of visitors again.
const KEY_RETRY: Duration = Duration::from_secs(1);
/// How often geo databases are looked at.
const GEO_EVERY: Duration = Duration::from_secs(1);

/// Serves until the shutdown; then drains requests and flushes events.
///
/// # Errors
/// The journal, the keys or the user agents' thread cannot be opened, or the listener breaks.
pub async fn run(
    settings: Arc<Settings>,
    data_dir: Arc<DataDir>,
    stores: Stores,
    listener: TcpListener,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let token = data_dir.internal_token(&settings).context("the internal token")?;
    let VisitorKey { key, from } =
        data_dir.visitor_key(&*stores.keys, CONFIG_WITHIN).await.context("the key of visitor hashes")?;
    let identity = Identity::new(&key, settings.traffic.ip_privacy);
    // A key that was made up hashes what is remembered here, and never tells who anybody is.
    let usage = UsageFile::new(data_dir.usage_file());
    let memory = Arc::new(Memory::new(settings.traffic.visitor_memory, usage, identity.seen_key()));
    memory.recall_usage(&data_dir.journal(SERVICE));
    memory.recall_visitors(&data_dir.visitors_file());
    let sink = KeptFirst { memory: Arc::clone(&memory), sink: Arc::clone(&stores.sink) };
    let traces = tfx_wiring::traces(&settings, "traffic-service").context("traces")?;
    let policy = settings.events.policy;
    let producer = tfx_wiring::producer(&settings, &data_dir, SERVICE, policy, Arc::new(sink), &traces)
        .context("the event producer")?;
    let ledger = LedgerTeller::start(&producer, "traffic-service", Arc::clone(&stores.ledgers));
    memory.follow_journal(&producer);
    let compiler = Arc::new(Compiler {
        globals: Globals {
            trafficback_url: settings.traffic.trafficback_url.clone(),
            trafficback_max_hops: settings.traffic.trafficback_max_hops,
            public_hosts: settings.addresses.public_hosts.clone(),
        },
        file: data_dir.snapshot_file(),
        memory: Arc::clone(&memory),
    });
    let live = Arc::new(Arc::clone(&compiler).follow(Arc::clone(&stores.config)));
    if !timeout(CONFIG_WITHIN, live.refresh()).await.unwrap_or(false)
        && let Some(last_known) = compiler.last_known()
    {
        tracing::warn!(revision = last_known.revision, "starting from the last known configuration");
        live.stand_in(last_known);
    }
    tracing::info!(lists = tfx_visitor::lists(), "reads user agents by these lists");
    let geo = Arc::new(GeoReader::open(&settings.traffic.geo, data_dir.path()));
    let traffic = Arc::new(Traffic {
        live: Arc::clone(&live),
        memory: Arc::clone(&memory),
        agents: UserAgents::start().context("the thread of user agents")?,
        geo: Arc::clone(&geo),
        identity: ArcSwapOption::new((from != KeyFrom::Nowhere).then(|| Arc::new(identity))),
        producer: Arc::clone(&producer),
        counted: Counted::default(),
        strangers: tfx_service::Strangers::new(SERVICE),
        traces: traces.clone(),
    });
    let health = Arc::new(HealthState::default());
    let follower = Follower {
        store: Arc::clone(&stores.health),
        memory: Arc::clone(&memory),
        live: Arc::clone(&live),
        producer: Arc::clone(&producer),
        state: Arc::clone(&health),
        file: HealthFile::new(data_dir.health_file()),
    };
    let known = timeout(HEALTH_WITHIN, follower.overlay()).await;
    if let Some(error) =
        known.map_or(Some("no answer in time".to_owned()), |k| k.err().map(|e| e.to_string()))
    {
        match follower.recall() {
            Some(at) => tracing::warn!(error, %at, "starting from the last known health of destinations"),
            None => tracing::warn!(error, "the health of destinations is not known; all count as healthy"),
        }
    }
    let probes = Arc::new(Probes {
        store: Arc::clone(&stores.health),
        // How many of one server are under way, lanes say.
        outbound: Arc::new(tfx_wiring::outbound(&settings, health::AT_ONCE)),
        lanes: Arc::new(Lanes::default()),
        apart: tfx_outbound::Apart::start("probes").context("the thread of probes")?,
        timeout: settings.traffic.probe_timeout,
        counted: ProbesCounted::default(),
        put_off: PutOffs::default(),
    });
    let _telling = tfx_service::tell_settings(
        SERVICE,
        Program::Traffic,
        Arc::clone(&settings),
        Arc::clone(&stores.accounts),
        Arc::clone(&stores.keys),
    );
    let restoring = Restoring::default();
    let mut workers = JoinSet::new();
    workers.spawn({
        let (live, shutdown) = (Arc::clone(&live), shutdown.clone());
        async move { live.follow(shutdown).await }.in_current_span()
    });
    if from != KeyFrom::Store {
        let (traffic, keys) = (Arc::clone(&traffic), Arc::clone(&stores.keys));
        let (data_dir, privacy, stop) = (Arc::clone(&data_dir), settings.traffic.ip_privacy, shutdown.wait());
        let asked = async move {
            tokio::select! {
                key = agreed(&data_dir, &*keys) => {
                    traffic.identity.store(Some(Arc::new(Identity::new(&key, privacy))));
                }
                () = stop => {}
            }
        };
        workers.spawn(asked.in_current_span());
    }
    workers.spawn(follower.run(shutdown.clone()).in_current_span());
    let prober = Prober {
        probes: Arc::clone(&probes),
        live: Arc::clone(&live),
        queue: Arc::clone(&stores.queue),
        alerts: Arc::clone(&stores.alerts),
        interval: settings.traffic.probe_interval,
    };
    workers.spawn(prober.run(shutdown.clone()).in_current_span());
    workers.spawn(Arc::clone(&geo).watch(GEO_EVERY, shutdown.wait()).in_current_span());
    let refresher = Refresher {
        memory: Arc::clone(&memory),
        analytics: Arc::clone(&stores.analytics),
        producer: Arc::clone(&producer),
        every: settings.traffic.cap_cache_ttl,
        batch_timeout: settings.events.batch_timeout,
    };
    workers.spawn(refresher.run(shutdown.wait()).in_current_span());
    let kept = keep(Arc::clone(&memory), settings.traffic.cap_cache_ttl, shutdown.wait());
    workers.spawn(kept.in_current_span());
    let kept = keep_visitors(Arc::clone(&memory), data_dir.visitors_file(), shutdown.wait());
    workers.spawn(kept.in_current_span());
    let returns = ReturnsReader {
        memory: Arc::clone(&memory),
        analytics: Arc::clone(&stores.analytics),
        rates: Arc::clone(&stores.rates),
        every: settings.traffic.cap_cache_ttl,
        window: settings.traffic.roi_window,
    };
    workers.spawn(returns.run(shutdown.wait()).in_current_span());
    let of_now = Arc::clone(&live);
    let restored = restore(
        Arc::clone(&memory),
        Arc::clone(&stores.analytics),
        move || of_now.owned(),
        settings.traffic.visitor_memory,
        restoring.clone(),
        shutdown.wait(),
    );
    workers.spawn(restored.in_current_span());

    let clicks = Clicks {
        traffic,
        trusted: settings.http.trusted_proxies.as_slice().into(),
        visitors_file: data_dir.visitors_file().into(),
    };
    let bare_slugs = settings.traffic.bare_slugs;
    let inside = Inside::new(&settings.http, token.expose());
    let durable = settings.events.policy == FailurePolicy::FailClosed;
    // The newest probe is read now and then only.
    let late_after =
        settings.traffic.probe_interval * 3 + settings.traffic.probe_timeout + health::READ_ALL_EVERY;
    let watch = Watch {
        manual: Manual::new(Arc::clone(&probes), live, late_after),
        probes,
        state: health,
        late_after,
    };
    let analytics = Arc::clone(&stores.analytics);
    let router = http::router(&clicks, bare_slugs, analytics, restoring, &inside, durable, watch);
    let served = serve(SERVICE, listener, router, &settings.http, shutdown.clone()).await;
    // What a worker waits for may not come: it is dropped then.
    let ended = timeout(shutdown.flush_within(&settings.http), async {
        while let Some(ended) = workers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a worker did not end well");
            }
        }
    });
    if ended.await.is_err() {
        tracing::warn!("a worker waits for a store and is stopped");
    }
    producer.close(shutdown.flush_within(&settings.http)).await;
    ledger.end(shutdown.flush_within(&settings.http)).await;
    tfx_service::traces::end(traces, shutdown.flush_within(&settings.http)).await;
    sync(&memory).await;
    save_visitors(&memory, data_dir.visitors_file()).await;
    served.context("the listener")
}

/// The store's key of visitors, as soon as it tells it.
async fn agreed(data_dir: &DataDir, keys: &dyn Keys) -> [u8; 32] {
    let mut complaint = LogThrottle::default();
    loop {
        match data_dir.agreed_visitor_key(keys).await {
            Ok(key) => return key,
            Err(error) if complaint.due() => {
                tracing::warn!(%error, "the key of visitors is not confirmed by the configuration store; trying again");
            }
            Err(_) => {}
        }
        sleep(KEY_RETRY).await;
    }
}
