//! A running api-service over the embedded store, and ways to ask it.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use tfx_api::Client;
use tfx_domain::entity::Kind;
use tfx_ports::{
    audit::{AuditEntry, Caller},
    config::Change,
};
use tfx_service::{Shutdown, Trigger};
use tfx_settings::{Settings, SettingsSource};
use tfx_wiring::{DataDir, FolderLock, Stores};
use tokio::{net::TcpListener, task::JoinHandle};

/// A host of ours, as `PUBLIC_HOSTS` has it.
pub(crate) const OWN_HOST: &str = "track.example";

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) internal_token: String,
    pub(crate) stores: Stores,
    pub(crate) api: Client,
    http: reqwest::Client,
    trigger: Trigger,
    running: JoinHandle<anyhow::Result<()>>,
    dir: Option<TempDir>,
    database: Option<Arc<Database>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings over those of the tests.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), settings, |stores| stores).await
    }

    /// On a database of its own of the real MongoDB, with settings.
    pub(crate) async fn on_mongodb(settings: &[(&str, &str)]) -> Self {
        let database = Database::new();
        let own = [("MONGO_URI", database.uri.as_str()), ("MONGO_DATABASE", database.name.as_str())];
        let settings: Vec<_> = settings.iter().copied().chain(own).collect();
        let mut server = Self::with(&settings).await;
        server.database = Some(Arc::new(database));
        server
    }

    /// With other ports than those of the embedded store.
    pub(crate) async fn over(ports: impl FnOnce(Stores) -> Stores) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), &[], ports).await
    }

    /// With settings, and with other ports than those of the embedded store.
    pub(crate) async fn with_over(settings: &[(&str, &str)], ports: impl FnOnce(Stores) -> Stores) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), settings, ports).await
    }

    /// As [`Self::beside`], with settings.
    pub(crate) async fn beside_with(&self, settings: &[(&str, &str)]) -> Self {
        let dir = self.dir.as_ref().expect("a folder");
        let mut settings = settings.to_vec();
        if let Some(database) = &self.database {
            settings.extend([("MONGO_URI", database.uri.as_str()), ("MONGO_DATABASE", &database.name)]);
        }
        let beside = Self::at(dir.path(), &settings, |stores| stores).await;
        Self { database: self.database.clone(), ..beside }
    }

    /// The files of its folder in whose bytes the text stands.
    pub(crate) fn files_with(&self, text: &str) -> Vec<String> {
        let folder = self.dir.as_ref().expect("a folder").path();
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).expect("lists").flatten().filter(|e| e.path().is_file()) {
            let bytes = std::fs::read(entry.path()).expect("read");
            if bytes.windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        found
    }

    /// Another one in the same folder, after this one.
    pub(crate) async fn again(self, settings: &[(&str, &str)]) -> Self {
        Self::in_folder(self.stop().await, settings, |stores| stores).await
    }

    /// Another one beside this one, over the same files, as another process would be.
    pub(crate) async fn beside(&self) -> Self {
        let dir = self.dir.as_ref().expect("a folder");
        Self::at(dir.path(), &[], |stores| stores).await
    }

    async fn in_folder(
        dir: TempDir,
        settings: &[(&str, &str)],
        ports: impl FnOnce(Stores) -> Stores,
    ) -> Self {
        Self::at(dir.path(), settings, ports).await.keeping(dir)
    }

    fn keeping(mut self, dir: TempDir) -> Self {
        self.dir = Some(dir);
        self
    }

    async fn at(dir: &Path, settings: &[(&str, &str)], ports: impl FnOnce(Stores) -> Stores) -> Self {
        let mut source = SettingsSource::of([
            ("TFX_DATA_DIR", dir.to_str().expect("a path")),
            ("PUBLIC_HOSTS", OWN_HOST),
            // Nobody listens on port 1.
            ("TRAFFIC_SERVICE_URL", "http://127.0.0.1:1"),
            ("POSTBACK_SERVICE_URL", "http://127.0.0.1:1"),
        ]);
        for (name, value) in settings {
            source.set(name, *value);
        }
        let settings = Arc::new(Settings::read(&source).expect("settings"));
        let data_dir = Arc::new(DataDir::open(dir, FolderLock::Shared).expect("the data folder"));
        let stores = ports(tfx_wiring::open(&settings, &data_dir).await.expect("stores"));
        let token = data_dir.admin_token().expect("a token").0.expose().to_owned();
        let internal_token = data_dir.internal_token(&settings).expect("a token").expose().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (trigger, shutdown) = Shutdown::new();
        let running =
            tokio::spawn(tfx_api_service::run(settings, data_dir, stores.clone(), listener, shutdown));
        let api = Client::new(&url, Some(&token)).expect("a client");
        let http = reqwest::Client::builder().no_proxy().no_gzip().build().expect("a client");
        Self { url, token, internal_token, stores, api, http, trigger, running, dir: None, database: None }
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request with the token, to a path below the base.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, &format!("/api/v1{path}")).bearer_auth(&self.token)
    }

    /// Status and JSON of an answer.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, Some(&body)).await
    }

    /// Creates what must be creatable.
    pub(crate) async fn create(&self, kind: Kind, body: Value) -> Value {
        match self.api.create(kind, &body).await {
            Ok(created) => created,
            Err(e) => panic!("{kind} {body}: {e}"),
        }
    }

    /// An entity as a version before this one saved it, unchecked.
    pub(crate) async fn saved_before(&self, kind: Kind, slug: &str, patch: &Value) {
        let config = self.stores.config.as_ref();
        let mut record = config.find(kind, "", slug).await.expect("read").expect("there");
        record.version += 1;
        let fields = record.spec.as_object_mut().expect("an object");
        fields.extend(patch.as_object().expect("an object").clone());
        let audit = AuditEntry {
            at: record.updated_at,
            caller: Caller::named("a version before this one"),
            action: "update".to_owned(),
            kind: kind.noun().to_owned(),
            id: record.id.clone(),
            version: record.version,
            changes: json!({}),
        };
        config.apply(vec![Change::update(record, audit)], None).await.expect("saved");
    }

    /// A campaign `summer` with one stream `main` to the destination `offer` of the network `adnet`.
    pub(crate) async fn summer(&self) {
        self.create(Kind::Network, json!({ "slug": "adnet", "name": "Ad network" })).await;
        self.create(Kind::Source, json!({ "slug": "push" })).await;
        let offer = json!({
            "slug": "offer", "url": "https://offer.example/?c={click_id}", "network": "adnet",
            "payout": { "amount": "2.5", "currency": "USD" },
        });
        self.create(Kind::Destination, offer).await;
        self.create(Kind::Campaign, json!({ "slug": "summer", "name": "Summer", "source": "push" })).await;
        let main =
            json!({ "campaign": "summer", "slug": "main", "destinations": [{ "destination": "offer" }] });
        self.create(Kind::Stream, main).await;
    }

    /// Stops one that stood beside another.
    pub(crate) async fn stop_beside(self) {
        self.trigger.fire();
        self.running.await.expect("no panic").expect("a clean end");
    }

    /// Stops and returns when everything is drained.
    pub(crate) async fn stop(self) -> TempDir {
        self.trigger.fire();
        self.running.await.expect("no panic").expect("a clean end");
        self.dir.expect("a folder")
    }
}

/// A database of the real MongoDB, dropped at the end.
struct Database {
    uri: String,
    name: String,
}

impl Database {
    fn new() -> Self {
        let file = std::env::var("TFX_ENGINES").unwrap_or_else(|_| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            root.join("target/engines/env").display().to_string()
        });
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|e| panic!("{file}: {e}: run `make engines` first: this test needs MongoDB"));
        let uri = text.lines().find_map(|line| line.strip_prefix("MONGO_URI=")).expect("MONGO_URI");
        let name = format!("tfx_test_{:012x}", tfx_ports::entropy::random_u128() >> 80);
        Self { uri: uri.to_owned(), name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (uri, name) = (self.uri.clone(), self.name.clone());
        // The test's runtime may be ending; this one waits for the answer.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let client = mongodb::Client::with_uri_str(&uri).await.expect("a client");
                client.database(&name).drop().await.expect("drop the database");
            });
        });
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the test's database was not dropped");
        }
    }
}

/// Status and JSON of an answer, which must be JSON or empty.
pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("a body");
    let value = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    (status, value)
}

/// The paths of an answer's problems.
pub(crate) fn paths(problem: &Value) -> Vec<&str> {
    let problems = problem["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    problems.iter().filter_map(|p| p["path"].as_str()).collect()
}

/// The message of the problem at a path.
pub(crate) fn message<'p>(problem: &'p Value, path: &str) -> &'p str {
    let problems = problem["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    problems.iter().find(|p| p["path"] == path).and_then(|p| p["message"].as_str()).unwrap_or("")
}
