//! A postback-service on real sockets over the embedded stores, with faults that can be switched on.

use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, sync::Arc};
use tempfile::TempDir;
use tfx_domain::{
    entity::{DestinationSpec, Entity, NetworkSpec, Spec, TemplateSpec},
    event::{ClickEvent, Event, PostbackLogEvent},
    id::ClickId,
    ledger::{Hour, LedgerKind},
    postback::Conversion,
    report::{Attribution, RawRow, ReportQuery},
};
use tfx_ports::{
    analytics::PostbackQuery,
    clock,
    conversions::ConversionQuery,
    entropy,
    page::PageRequest,
    queue::{JobKind, Queue},
    sink::Envelope,
};
use tfx_service::{
    Shutdown, Trigger,
    testing::{self, Faults, PATIENCE},
};
use tfx_settings::{Settings, SettingsSource};
use tfx_wiring::{DataDir, FolderLock, Stores};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

pub(crate) const SECRET: &str = "adnet-s3cret";
pub(crate) const TOKEN: &str = "internal-token-of-the-tests";

/// What is there before a service starts.
pub(crate) struct Testbed {
    /// Goes when the testbed goes.
    _dir: TempDir,
    pub(crate) stores: Stores,
    pub(crate) faults: Faults,
    /// The queue behind the faults.
    pub(crate) queue: Arc<dyn Queue>,
    data_dir: Arc<DataDir>,
    settings: Arc<Settings>,
}

impl Testbed {
    /// Empty stores; settings over test defaults.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let settings = settings_of(dir.path(), settings);
        let data_dir = Arc::new(DataDir::open(dir.path(), FolderLock::Exclusive).expect("data folder"));
        let open = tfx_wiring::embedded(&data_dir).expect("stores");
        let faults = Faults::around(open.config, open.conversions, open.analytics, Arc::clone(&open.sink));
        let (all, queue) = (Arc::new(faults.clone()), Arc::clone(&open.queue));
        let stores = Stores {
            config: all.clone(),
            conversions: all.clone(),
            analytics: all.clone(),
            sink: all,
            queue: faults.queue(Arc::clone(&queue)),
            ..open
        };
        Self { _dir: dir, stores, faults, queue, data_dir, settings: Arc::new(settings) }
    }

    /// With the network `adnet` (secret [`SECRET`]) and the destination `offer` paying 7 USD.
    pub(crate) async fn usual(
        settings: &[(&str, &str)],
    ) -> (Self, Entity<NetworkSpec>, Entity<DestinationSpec>) {
        let testbed = Self::new(settings);
        let network =
            testbed.network(json!({"slug": "adnet", "name": "Ad network", "postback_secret": SECRET})).await;
        let destination = testbed
            .create::<DestinationSpec>(json!({
                "slug": "offer", "name": "Offer", "url": "https://offer.example/?c={click_id}",
                "payout": {"amount": "7", "currency": "USD"},
            }))
            .await;
        (testbed, network, destination)
    }

    pub(crate) async fn network(&self, spec: Value) -> Entity<NetworkSpec> {
        self.create(spec).await
    }

    pub(crate) async fn template(
        &self,
        network: &Entity<NetworkSpec>,
        mut spec: Value,
    ) -> Entity<TemplateSpec> {
        spec["network"] = json!(network.id);
        self.create(spec).await
    }

    pub(crate) async fn create<S: Spec>(&self, spec: Value) -> Entity<S> {
        testing::create(&*self.stores.config, spec).await
    }

    /// A click at the destination, known to the event store.
    pub(crate) async fn click(&self, destination: &Entity<DestinationSpec>) -> ClickId {
        let id = new_click();
        self.deliver_click(id, destination).await;
        id
    }

    pub(crate) async fn deliver_click(&self, id: ClickId, destination: &Entity<DestinationSpec>) {
        let click: ClickEvent = serde_json::from_value(json!({
            "schema": 1, "click_id": id, "at": id.timestamp(), "visitor_id": "0".repeat(32), "status": 302,
            "config_revision": 1, "destination_id": destination.id, "network_id": destination.spec.network, "country": "DE", "subs": ["s1"],
            "campaign_id": "cmp_0000000000000000001", "stream_id": "str_0000000000000000001",
        }))
        .expect("click");
        let event = Event::Click(Box::new(click));
        let payload = event.to_json().expect("json").into();
        let envelope = Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload };
        assert_eq!(self.stores.sink.deliver(&[envelope]).await.expect("delivered"), []);
    }

    /// As when the machine that had it never comes back.
    pub(crate) fn lose_journal(&self) {
        std::fs::remove_dir_all(self.data_dir.journal("postback")).expect("its folder");
    }

    pub(crate) async fn start(self) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let addr = listener.local_addr().expect("address");
        let (trigger, shutdown) = Shutdown::new();
        let run = tfx_postback::run(
            Arc::clone(&self.settings),
            Arc::clone(&self.data_dir),
            self.stores.clone(),
            listener,
            shutdown,
        );
        World { addr, trigger, task: tokio::spawn(run), client: reqwest::Client::new(), testbed: self }
    }
}

/// A click that may come later.
pub(crate) fn new_click() -> ClickId {
    ClickId::generate(clock::now(), entropy::random_u128())
}

fn settings_of(dir: &Path, more: &[(&str, &str)]) -> Settings {
    let mut source = SettingsSource::of([
        ("TFX_DATA_DIR", dir.to_str().expect("path")),
        ("INTERNAL_TOKEN", TOKEN),
        ("POSTBACK_PARK_RETRY_MS", "20"),
        ("EVENT_BATCH_TIMEOUT_MS", "5"),
        ("EVENT_WRITE_RETRY_BACKOFF_MS", "10"),
    ]);
    for (name, value) in more {
        source.set(name, *value);
    }
    Settings::read(&source).expect("settings")
}

/// A running service.
pub(crate) struct World {
    pub(crate) addr: SocketAddr,
    pub(crate) testbed: Testbed,
    pub(crate) client: reqwest::Client,
    trigger: Trigger,
    task: JoinHandle<anyhow::Result<()>>,
}

impl World {
    /// Stops the service; the testbed stays.
    pub(crate) async fn stop(self) -> Testbed {
        self.trigger.fire();
        timeout(PATIENCE, self.task).await.expect("drained").expect("no panic").expect("no error");
        self.testbed
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A GET: its status and JSON.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(self.url(path))).await
    }

    /// Bytes on a connection of their own, and the status of the answer.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> u16 {
        let answer = testing::exchange(self.addr, bytes).await;
        let none = || panic!("no answer but {:?}", String::from_utf8_lossy(&answer));
        testing::status_of(&answer).unwrap_or_else(none)
    }

    /// How many lines of the log were accepted as far as that is told, and how many of them say what became of a postback.
    pub(crate) async fn accepted(&self) -> (u64, u64) {
        let pages = self.testbed.stores.ledgers.pages(Hour(0), Hour(i64::MAX >> 32)).await.expect("pages");
        let lines = pages.iter().filter(|p| p.kind == LedgerKind::Postbacks).map(|p| &p.ledger);
        lines.fold((0, 0), |(all, results), l| {
            (all + l.accepted.events(), results + l.results.values().chain(l.later.values()).sum::<u64>())
        })
    }

    /// All logged postbacks, as soon as there are `n`.
    pub(crate) async fn logged(&self, n: usize) -> Vec<PostbackLogEvent> {
        let query = PostbackQuery {
            since: None,
            until: None,
            network: None,
            result: None,
            direction: None,
            test: tfx_domain::event::TestTraffic::Include,
            filters: Vec::new(),
            page: PageRequest::first(1000),
        };
        let mut found = Vec::new();
        self.until(&format!("{n} postbacks are logged"), async || {
            found = self.testbed.faults.analytics.postbacks(&query).await.expect("postbacks").items;
            found.len() >= n
        })
        .await;
        assert_eq!(found.len(), n, "{found:#?}");
        found
    }

    /// The report over everything, as one row.
    pub(crate) async fn report(&self) -> RawRow {
        let query = ReportQuery {
            since: tfx_domain::Timestamp::UNIX_EPOCH,
            until: "2200-01-01T00:00:00Z".parse().expect("time"),
            timezone: "UTC".to_owned(),
            dimensions: Vec::new(),
            filters: Vec::new(),
            attribution: Attribution::Click,
            test: tfx_domain::event::TestTraffic::Include,
            max_groups: tfx_domain::report::MAX_GROUPS,
            apart: std::collections::BTreeMap::new(),
        };
        self.testbed.faults.analytics.report(&query).await.expect("report").pop().unwrap_or_default()
    }

    /// How many postbacks wait for their click, and how many were given up and are kept.
    pub(crate) async fn parked(&self) -> (u64, u64) {
        let counts = self.testbed.queue.counts(JobKind::ParkedPostback).await.expect("count");
        (counts.waiting, counts.dead)
    }

    /// How many conversions are recorded.
    pub(crate) async fn conversions(&self) -> usize {
        self.recorded().await.len()
    }

    /// What the conversions bring, the least first.
    pub(crate) async fn revenues(&self) -> Vec<String> {
        let mut all: Vec<_> = self.recorded().await.into_iter().map(|c| c.revenue.amount).collect();
        all.sort_unstable();
        all.iter().map(ToString::to_string).collect()
    }

    async fn recorded(&self) -> Vec<Conversion> {
        let query = ConversionQuery {
            since: None,
            until: None,
            campaign: None,
            network: None,
            status: None,
            click: None,
            test: tfx_domain::event::TestTraffic::Include,
            conditions: tfx_domain::report::Conditions::default(),
            page: PageRequest::first(1000),
        };
        self.testbed.faults.conversions.list(&query).await.expect("list").items
    }

    /// Waits until the condition holds.
    pub(crate) async fn until(&self, what: &str, condition: impl AsyncFnMut() -> bool) {
        testing::until(what, condition).await;
    }
}

/// Status and JSON of an answer.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("answered");
    let status = response.status().as_u16();
    assert_eq!(response.headers().contains_key("retry-after"), status == 503, "Retry-After belongs to 503");
    let text = response.text().await.expect("text");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
