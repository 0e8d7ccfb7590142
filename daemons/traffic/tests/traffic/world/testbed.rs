//! What is there before a service starts, and stays when it stops.

use super::{World, everything};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tempfile::TempDir;
use tfx_domain::{
    entity::{CampaignSpec, DestinationSpec, Entity, SourceSpec, Spec, StreamSpec},
    event::{ClickEvent, ConversionEvent, Event, SCHEMA},
    id::{ConversionId, NetworkId},
    money::{Currency, Money},
    postback::ConversionStatus,
};
use tfx_ports::{clock, entropy, sink::Envelope};
use tfx_service::{
    Shutdown,
    testing::{self, Faults},
};
use tfx_settings::{Settings, SettingsSource};
use tfx_wiring::{DataDir, FolderLock, Stores};
use tokio::net::TcpListener;

pub(crate) const TOKEN: &str = "internal-token-of-the-tests";

pub(crate) struct Testbed {
    /// Goes when the testbed goes.
    dir: TempDir,
    pub(crate) stores: Stores,
    pub(crate) faults: Faults,
    data_dir: Arc<DataDir>,
    settings: BTreeMap<String, String>,
}

impl Testbed {
    /// Empty stores; settings over test defaults.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let defaults = [
            ("INTERNAL_TOKEN", TOKEN),
            ("EVENT_BATCH_TIMEOUT_MS", "1"),
            ("EVENT_WRITE_RETRY_BACKOFF_MS", "10"),
            ("EVENT_WRITE_MAX_ATTEMPTS", "2"),
            ("DESTINATION_CAP_CACHE_TTL_MS", "100"),
        ];
        let all = defaults.iter().chain(settings);
        let settings: BTreeMap<_, _> = all.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Self::at(tempfile::tempdir().expect("dir"), settings)
    }

    fn at(dir: TempDir, mut settings: BTreeMap<String, String>) -> Self {
        settings.insert("TFX_DATA_DIR".to_owned(), dir.path().to_str().expect("path").to_owned());
        let data_dir = Arc::new(DataDir::open(dir.path(), FolderLock::Exclusive).expect("data folder"));
        let open = tfx_wiring::embedded(&data_dir).expect("stores");
        let faults = Faults::around(open.config, open.conversions, open.analytics, open.sink);
        let all = Arc::new(faults.clone());
        let stores = Stores {
            config: all.clone(),
            conversions: all.clone(),
            queue: open.queue,
            leases: open.leases,
            health: open.health,
            analytics: all.clone(),
            sink: all,
            ..open
        };
        Self { dir, stores, faults, data_dir, settings }
    }

    /// What a service that is killed with -9 now leaves behind, for another one to start from.
    pub(crate) fn as_if_killed(&self) -> Self {
        loop {
            let dir = tempfile::tempdir().expect("dir");
            // A kill leaves the files of one moment: what changed while it was copied is copied again.
            let before = states(self.path());
            copy(self.path(), dir.path());
            if states(self.path()) == before {
                return Self::at(dir, self.settings.clone());
            }
        }
    }

    /// Another machine on the same stores.
    pub(crate) fn beside(&self) -> Self {
        let mut another = Self::at(tempfile::tempdir().expect("dir"), self.settings.clone());
        (another.stores, another.faults) = (self.stores.clone(), self.faults.clone());
        another
    }

    /// From the next start on.
    pub(crate) fn set(&mut self, setting: &str, value: &str) {
        self.settings.insert(setting.to_owned(), value.to_owned());
    }

    /// The stores as another process sees them.
    pub(crate) fn open_again(&self) -> Stores {
        tfx_wiring::embedded(&self.data_dir).expect("stores")
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A campaign; `more` goes over what it needs at least. So with the others.
    pub(crate) async fn campaign(&self, slug: &str, more: Value) -> Entity<CampaignSpec> {
        self.create(json!({ "slug": slug, "name": slug }), more).await
    }

    pub(crate) async fn stream(
        &self,
        campaign: &Entity<CampaignSpec>,
        slug: &str,
        more: Value,
    ) -> Entity<StreamSpec> {
        self.create(json!({ "campaign": campaign.id, "slug": slug, "name": slug }), more).await
    }

    /// A stream that redirects to one destination.
    pub(crate) async fn stream_to(
        &self,
        campaign: &Entity<CampaignSpec>,
        destination: &Entity<DestinationSpec>,
        more: Value,
    ) -> Entity<StreamSpec> {
        let slug = destination.spec.slug.as_str();
        let basis = json!({ "campaign": campaign.id, "slug": slug, "name": slug,
            "destinations": [{ "destination": destination.id }] });
        self.create(basis, more).await
    }

    pub(crate) async fn source(&self, slug: &str, more: Value) -> Entity<SourceSpec> {
        self.create(json!({ "slug": slug, "name": slug }), more).await
    }

    /// A destination at `https://SLUG.example/`.
    pub(crate) async fn destination(&self, slug: &str, more: Value) -> Entity<DestinationSpec> {
        let url = format!("https://{slug}.example/?c={{click_id}}");
        self.create(json!({ "slug": slug, "name": slug, "url": url }), more).await
    }

    /// A campaign `summer` whose only stream redirects everybody to `offer`.
    pub(crate) async fn summer(&self) -> (Entity<CampaignSpec>, Entity<StreamSpec>, Entity<DestinationSpec>) {
        let campaign = self.campaign("summer", json!({})).await;
        let offer = self.destination("offer", json!({})).await;
        let stream = self.stream_to(&campaign, &offer, json!({})).await;
        (campaign, stream, offer)
    }

    async fn create<S: Spec>(&self, mut basis: Value, more: Value) -> Entity<S> {
        let (Some(basis_fields), Value::Object(more)) = (basis.as_object_mut(), more) else {
            panic!("an entity is an object")
        };
        basis_fields.extend(more);
        testing::create(&*self.faults.config, basis).await
    }

    pub(crate) async fn update<S: Spec>(&self, entity: &mut Entity<S>, change: impl FnOnce(&mut Value)) {
        testing::update(&*self.faults.config, entity, change).await;
    }

    /// Every stored click, newest first.
    pub(crate) async fn events(&self) -> Vec<ClickEvent> {
        self.faults.analytics.clicks(&everything()).await.expect("clicks").items
    }

    /// Events straight into the store.
    pub(crate) async fn deliver(&self, events: &[Event]) {
        let envelope = |e: &Event| {
            let payload = e.to_json().expect("JSON").into();
            Envelope { topic: e.topic(), id: e.id(), key: e.key(), payload }
        };
        let batch: Vec<_> = events.iter().map(envelope).collect();
        assert_eq!(self.faults.sink.deliver(&batch).await.expect("delivered"), []);
    }

    pub(crate) async fn start(self) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let addr = listener.local_addr().expect("address");
        let (trigger, shutdown) = Shutdown::new();
        let settings = Arc::new(read(&self.settings));
        let run =
            tfx_traffic::run(settings, Arc::clone(&self.data_dir), self.stores.clone(), listener, shutdown);
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let world = World {
            addr,
            trigger,
            task: tokio::spawn(run),
            client: client.build().expect("client"),
            looked_at: std::sync::Mutex::default(),
            testbed: self,
        };
        let before = world.testbed.events().await;
        world.seen().extend(before.into_iter().map(|e| e.click_id));
        world
    }
}

/// What there is below a folder, and when it was last written.
fn states(folder: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        // What is gone in between is a change of its own.
        let Ok(state) = entry.metadata() else { continue };
        if state.is_dir() {
            all.extend(states(&entry.path()));
        } else {
            all.insert(entry.path(), (state.len(), state.modified().expect("a time")));
        }
    }
    all
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            std::fs::create_dir(&to).expect("folder");
            copy(&entry.path(), &to);
        } else {
            match std::fs::copy(entry.path(), &to) {
                // A file that takes another's place may be gone by now.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.expect("copied")),
            }
        }
    }
}

fn read(settings: &BTreeMap<String, String>) -> Settings {
    let pairs = settings.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    Settings::read(&SettingsSource::of(pairs)).expect("settings")
}

/// The first version of a sale that this click brought, in US dollars.
pub(crate) fn sale(click: &ClickEvent, revenue: &str) -> ConversionEvent {
    let now = clock::now();
    ConversionEvent {
        schema: SCHEMA,
        conversion_id: ConversionId::generate(now, entropy::random_u128()),
        version: 1,
        reporter_id: NetworkId::generate(now, entropy::random_u128()),
        transaction_id: None,
        click_id: click.click_id,
        click_at: click.at,
        created_at: now,
        updated_at: now,
        conversion_status: ConversionStatus::Sale,
        raw_status: None,
        revenue: Money { amount: revenue.parse().expect("an amount"), currency: Currency::USD },
        cost: None,
        dims: click.dims.clone(),
    }
}
