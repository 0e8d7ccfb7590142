//! A new database on the real MongoDB, dropped at the end.

use mongodb::Client;
use std::{fs, path::Path};
use tfx_mongo::{Mongo, MongoConfig};
use tfx_ports::{clock, entropy};

/// What the engines of this machine are reached by; brought up by `make engines`.
pub(crate) fn engine(name: &str) -> String {
    let file = std::env::var("TFX_ENGINES").unwrap_or_else(|_| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        root.join("target/engines/env").display().to_string()
    });
    named(&file, name)
}

/// A value of a file of `NAME=value` lines.
pub(crate) fn named(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_else(|e| {
        panic!("{file}: {e}: run `make engines` first: it brings up the real engines that this test needs")
    });
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("{file} names no {name}: run `make engines` again")).to_owned()
}

/// A database of its own.
pub(crate) struct Fresh {
    pub(crate) uri: String,
    pub(crate) name: String,
}

impl Fresh {
    pub(crate) fn new() -> Self {
        let name = format!("tfx_test_{}_{:012x}", clock::now().as_second(), entropy::random_u128() >> 80);
        Self { uri: engine("MONGO_URI"), name }
    }

    /// `HOST:PORT` of the server.
    pub(crate) fn host(&self) -> String {
        let rest = self.uri.split_once("://").expect("a scheme").1;
        rest.split(['/', '?']).next().unwrap_or_default().to_owned()
    }

    pub(crate) fn config(&self) -> MongoConfig {
        MongoConfig::new(&self.uri, &self.name)
    }

    /// Another instance of the product on it.
    pub(crate) async fn open(&self) -> Mongo {
        Mongo::new(&self.config()).await.expect("settings")
    }

    /// Past the adapter.
    pub(crate) async fn raw(&self) -> mongodb::Database {
        Client::with_uri_str(&self.uri).await.expect("a client").database(&self.name)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let (uri, name) = (self.uri.clone(), self.name.clone());
        // The test's runtime may be ending; this one waits for the answer.
        let dropping = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let client = Client::with_uri_str(&uri).await.expect("a client");
                client.database(&name).drop().await.expect("drop the database");
            });
        });
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the test's database was not dropped");
        }
    }
}
