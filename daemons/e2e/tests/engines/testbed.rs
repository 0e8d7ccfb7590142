//! What a test stands on: the engines, for as long as it lasts, and services of its own with a campaign to click on.

use serde_json::{Value, json};
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tfx_api::{
    Client,
    explain::{ExplainRequest, Outcome},
};
use tfx_domain::entity::Kind;
use tfx_e2e::{Engine, Engines, Service, Services};
use tokio::{
    sync::{Mutex, MutexGuard},
    task::block_in_place,
    time::sleep,
};

/// What each sale of the campaign pays.
pub(crate) const PAYOUT: &str = "2.5";

/// Whether the long form is asked for.
pub(crate) fn long() -> bool {
    std::env::var("FAULTS").is_ok_and(|form| form == "long")
}

static ENGINES: Mutex<Option<Arc<Engines>>> = Mutex::const_new(None);
static CAMPAIGNS: AtomicU32 = AtomicU32::new(0);
/// How often the topics were begun anew.
static READINGS: AtomicU32 = AtomicU32::new(0);

/// What the consumer groups of this reading of the topics begin with.
fn groups() -> String {
    format!("readers-{}", READINGS.load(Ordering::Relaxed))
}

/// Nobody else uses the engines meanwhile.
pub(crate) struct Turn {
    pub(crate) engines: Arc<Engines>,
    _alone: MutexGuard<'static, Option<Arc<Engines>>>,
}

impl Turn {
    /// Waits for one's turn. All engines run then, whatever the one before did to them.
    pub(crate) async fn take() -> Self {
        let mut alone = ENGINES.lock().await;
        let engines = match &*alone {
            Some(engines) => {
                block_in_place(|| engines.up());
                Arc::clone(engines)
            }
            None => Arc::clone(alone.insert(Arc::new(block_in_place(Engines::start)))),
        };
        Self { engines, _alone: alone }
    }
}

/// Services on the engines, with a campaign.
pub(crate) struct Testbed {
    pub(crate) services: Services,
    pub(crate) campaign: String,
    pub(crate) campaign_id: String,
    pub(crate) network: String,
    pub(crate) secret: String,
    // After the services: they end first.
    turn: Turn,
}

impl Testbed {
    /// With these settings beside the defaults.
    pub(crate) async fn new(settings: &[(&str, &str)]) -> Self {
        let turn = Turn::take().await;
        let groups = groups();
        let own = [
            ("POSTBACK_PARK_RETRY_MS", "500"),
            ("LOG_LEVEL", "warn"),
            ("CLICKHOUSE_CONSUMER_GROUP", groups.as_str()),
        ];
        let mut services = Services::new(Arc::clone(&turn.engines), &[&own, settings].concat());
        block_in_place(|| services.said(&["migrate", "up"]));
        Service::ALL.into_iter().for_each(|service| services.start(service));
        for service in Service::ALL {
            services.until_ready(service, |status, _| status == 200).await;
        }
        let n = CAMPAIGNS.fetch_add(1, Ordering::Relaxed);
        let (network, campaign) = (format!("network-{n}"), format!("campaign-{n}"));
        let api = services.api();
        let made = create(&api, Kind::Network, json!({ "slug": network, "name": "Network" })).await;
        let secret = made["postback_secret"].as_str().expect("a secret").to_owned();
        let mut testbed =
            Self { services, campaign: campaign.clone(), campaign_id: String::new(), network, secret, turn };
        testbed.campaign_id = testbed.add_campaign(&campaign, json!({})).await;
        testbed.until_taken().await;
        testbed
    }

    /// A campaign with one stream to one destination; `terms` stand in the destination.
    pub(crate) async fn add_campaign(&self, slug: &str, terms: Value) -> String {
        let api = self.services.api();
        let url = "https://offer.example/?click={click_id}";
        let mut offer = json!({ "slug": format!("offer-of-{slug}"), "name": "Offer", "url": url,
            "network": self.network, "payout": { "amount": PAYOUT, "currency": "USD" } });
        let terms = terms.as_object().expect("terms").clone();
        offer.as_object_mut().expect("an object").extend(terms);
        create(&api, Kind::Destination, offer).await;
        let nobody = "https://offer.example/nobody?click={click_id}";
        let spec = json!({ "slug": slug, "name": "Campaign", "cost": { "per_click": "0.01" }, "trafficback_url": nobody });
        let id = create(&api, Kind::Campaign, spec).await["id"].as_str().expect("an id").to_owned();
        let spec = json!({ "campaign": slug, "slug": "main", "name": "Main",
            "destinations": [{ "destination": format!("offer-of-{slug}") }] });
        create(&api, Kind::Stream, spec).await;
        let asked = ExplainRequest { slug: slug.to_owned(), ..ExplainRequest::default() };
        until("traffic-service routes the new campaign", async || {
            let answer = api.explain(&asked).await.map_err(|e| e.to_string())?;
            (answer.outcome == Outcome::Routed).then_some(()).ok_or_else(|| format!("{:?}", answer.outcome))
        })
        .await;
        id
    }

    /// Waits until postback-service knows the network.
    async fn until_taken(&self) {
        let url = self.postback_url("");
        until("postback-service knows the network", async || {
            let answer = reqwest::get(&url).await.map_err(|e| e.to_string())?;
            // Known, and it lacks a click.
            (answer.status() == 400).then_some(()).ok_or_else(|| answer.status().to_string())
        })
        .await;
    }

    /// Where the network reports.
    pub(crate) fn postback_url(&self, query: &str) -> String {
        let base = self.services.url(Service::Postback);
        format!("{base}/postback/{}?secret={}&{query}", self.network, self.secret)
    }

    /// The tracking link.
    pub(crate) fn link(&self) -> String {
        format!("{}/c/{}", self.services.url(Service::Traffic), self.campaign)
    }

    pub(crate) fn pause(&self, engine: Engine) {
        block_in_place(|| self.turn.engines.pause(engine));
    }

    pub(crate) fn resume(&self, engine: Engine) {
        block_in_place(|| self.turn.engines.resume(engine));
    }

    pub(crate) fn stop(&self, engine: Engine, at_once: bool) {
        block_in_place(|| self.turn.engines.stop(engine, at_once));
    }

    pub(crate) fn restart(&self, engine: Engine) {
        block_in_place(|| self.turn.engines.restart(engine));
    }

    /// Has ClickHouse read the topics from their beginning, with other consumer groups: what their names begin with.
    pub(crate) async fn read_anew(&mut self) -> String {
        READINGS.fetch_add(1, Ordering::Relaxed);
        let groups = groups();
        self.services.set("CLICKHOUSE_CONSUMER_GROUP", &groups);
        block_in_place(|| self.services.said(&["migrate", "up"]));
        self.services.kill(Service::Api);
        self.services.start(Service::Api);
        self.services.until_ready(Service::Api, |status, _| status == 200).await;
        groups
    }

    /// What ClickHouse says to a statement, as text.
    pub(crate) async fn sql(&self, statement: &str) -> String {
        sql(self.services.setting("CLICKHOUSE_HTTP_URL"), statement).await.expect("an answer")
    }

    /// Waits until ClickHouse has taken everything that is in the topics.
    pub(crate) async fn until_ingested(&self) {
        let api = self.services.api();
        until("ClickHouse takes what is in the topics", async || {
            let lag = api.ingestion_lag().await.map_err(|e| e.to_string())?;
            (lag.messages == 0).then_some(()).ok_or_else(|| format!("{} messages wait", lag.messages))
        })
        .await;
    }
}

impl Deref for Testbed {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}

impl DerefMut for Testbed {
    fn deref_mut(&mut self) -> &mut Services {
        &mut self.services
    }
}

/// Runs a statement in the database of the URL.
pub(crate) async fn sql(url: &str, statement: &str) -> Result<String, String> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.post(url).body(statement.to_owned()).send().await.map_err(|e| e.to_string())?;
    let good = answer.status().is_success();
    let text = answer.text().await.map_err(|e| e.to_string())?;
    if good { Ok(text.trim_end().to_owned()) } else { Err(text) }
}

/// Waits until `look` finds something: longer than a consumer group takes that has to wait for a dead member.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < Duration::from_secs(150), "{what}: not in time: {seen}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn create(api: &Client, kind: Kind, spec: Value) -> Value {
    api.create(kind, &spec).await.unwrap_or_else(|e| panic!("{kind}: {e:?}"))
}
