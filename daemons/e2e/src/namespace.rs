//! Names of one's own on the engines that `make engines` brought up for all tests: a ClickHouse database, topics and a consumer
//! group that nobody else uses.

use reqwest::Client;
use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
};
use tfx_domain::event::Topic;

/// The opcode of MongoDB's messages.
const OP_MSG: u32 = 2013;

/// Names of one's own on the shared engines. Nothing is made yet. What is made in ClickHouse and MongoDB goes with this.
#[derive(Debug)]
pub struct Namespace {
    settings: Vec<(String, String)>,
    /// With user and password.
    clickhouse: String,
    database: String,
    /// Where MongoDB is, if configuration and conversions are there.
    mongo: Option<String>,
}

impl Namespace {
    /// A new one; configuration and conversions are embedded.
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
        Self { settings, clickhouse, database: own, mongo: None }
    }

    /// A new one; configuration and conversions are in MongoDB.
    ///
    /// # Panics
    /// The engines are not up.
    pub fn with_mongo() -> Self {
        let mut own = Self::new();
        let uri = Self::mongo_uri();
        own.mongo = uri.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).map(str::to_owned);
        own.settings.push(("MONGO_URI".to_owned(), uri));
        own.settings.push(("MONGO_DATABASE".to_owned(), own.database.clone()));
        own
    }

    /// The settings that lead there.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The URI of MongoDB.
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
        let dropped = self.mongo.as_ref().is_none_or(|host| drop_of_mongo(host, &self.database).is_ok());
        if (dropping.join().is_err() || !dropped) && !std::thread::panicking() {
            panic!("the test's database was not dropped");
        }
    }
}

/// `{dropDatabase: 1, $db: NAME}`, said without a client: those are for the adapters.
fn drop_of_mongo(host: &str, name: &str) -> io::Result<()> {
    let length = |n: usize| u32::try_from(n).map_err(io::Error::other);
    let mut fields = b"\x10dropDatabase\0\x01\0\0\0\x02$db\0".to_vec();
    fields.extend(length(name.len() + 1)?.to_le_bytes());
    fields.extend(name.as_bytes());
    fields.extend([0, 0]);
    let document = length(fields.len() + 4)?;
    let whole = 16 + 4 + 1 + document;
    let mut message: Vec<u8> = [whole, 1, 0, OP_MSG, 0].into_iter().flat_map(u32::to_le_bytes).collect();
    message.push(0);
    message.extend(document.to_le_bytes());
    message.extend(fields);
    let mut server = TcpStream::connect(host)?;
    server.write_all(&message)?;
    server.read_exact(&mut [0; 4])
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
