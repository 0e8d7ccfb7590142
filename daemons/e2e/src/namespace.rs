//! Names of one's own on the engines that `make engines` brought up for all tests: a ClickHouse database, topics and a consumer
//! group that nobody else uses.

use reqwest::Client;
use std::{collections::HashMap, fs, path::PathBuf};
use tfx_domain::event::Topic;

/// Names of one's own on the shared engines; configuration and conversions are embedded. Nothing is made yet. What is
/// made in ClickHouse goes with this.
#[derive(Debug)]
pub struct Namespace {
    settings: Vec<(String, String)>,
    /// With user and password.
    clickhouse: String,
    database: String,
}

impl Namespace {
    /// A new one.
    ///
    /// # Panics
    /// The engines are not up.
    pub fn new() -> Self {
        let engines = engines();
        let engine =
            |name: &str| engines.get(name).unwrap_or_else(|| panic!("no {name} of the engines")).clone();
        let own = tempfile::Builder::new().prefix("tfx_e2e_").rand_bytes(10).tempdir().expect("a name");
        let own = own.path().file_name().and_then(|n| n.to_str()).expect("a name").to_lowercase();
        let whole = engine("CLICKHOUSE_HTTP_URL");
        let clickhouse = whole.split('?').next().unwrap_or_default().to_owned();
        let host = clickhouse.rsplit('@').next().unwrap_or_default();
        let mut settings = vec![
            ("EVENT_BROKERS", engine("EVENT_BROKERS")),
            ("EVENT_TOPIC_REPLICATION", "1".to_owned()), // One broker.
            // Without user and password: those of the other settings count.
            ("CLICKHOUSE_HTTP_URL", format!("http://{host}")),
            ("CLICKHOUSE_USER", engine("CLICKHOUSE_USER")),
            ("CLICKHOUSE_PASSWORD", engine("CLICKHOUSE_PASSWORD")),
            ("CLICKHOUSE_DATABASE", own.clone()),
        ];
        let topics = Topic::ALL.map(|topic| {
            (format!("{}_TOPIC", topic.as_str().to_uppercase()), format!("{own}.{}", topic.as_str()))
        });
        settings.extend(topics.iter().map(|(name, topic)| (name.as_str(), topic.clone())));
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { settings, clickhouse, database: own }
    }

    /// The settings that lead there.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The URI of MongoDB. It is not among the settings.
    ///
    /// # Panics
    /// The engines are not up.
    pub fn mongo_uri() -> String {
        engines().remove("MONGO_URI").expect("the URI of MongoDB")
    }

    /// What ClickHouse says to a statement in the database.
    ///
    /// # Panics
    /// It refuses it.
    pub async fn sql(&self, statement: &str) -> String {
        let url = format!("{}?database={}", self.clickhouse, self.database);
        ask(&url, statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"))
    }

    /// Makes the database.
    ///
    /// # Panics
    /// ClickHouse refuses.
    pub async fn make_database(&self) {
        ask(&self.clickhouse, &format!("CREATE DATABASE {}", self.database)).await.expect("made");
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let (url, sql) = (self.clickhouse.clone(), format!("DROP DATABASE IF EXISTS {}", self.database));
        // The test's runtime may be ending; this one waits for the answer.
        let dropping = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(ask(&url, &sql)).expect("dropped");
        });
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the test's database was not dropped");
        }
    }
}

fn engines() -> HashMap<String, String> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/engines/env"));
    let file = std::env::var_os("TFX_ENGINES").map_or_else(default, PathBuf::from);
    let Ok(text) = fs::read_to_string(&file) else {
        panic!(
            "run `make engines` first: it brings up the real engines that this test needs (no {})",
            file.display()
        );
    };
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn ask(url: &str, statement: &str) -> Result<String, String> {
    let client = Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
    let answer = client.post(url).body(statement.to_owned()).send().await.map_err(|e| e.to_string())?;
    let good = answer.status().is_success();
    let text = answer.text().await.map_err(|e| e.to_string())?;
    if good { Ok(text.trim_end().to_owned()) } else { Err(text) }
}
