//! A set of 10,000 entities: planned into an empty installation, applied, planned again where nothing changes, and where every
//! stream does; on SQLite and, with `make engines`, on MongoDB. Each through the API, by a client in the same process.
//!
//! `cargo bench -p tfx-api-service --bench sets -- 10000`: another number makes as many.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use serde_json::{Map, Value, json};
use std::{fs, path::Path, sync::Arc, time::Instant};
use tfx_api::{
    Client,
    sets::{ConfigSet, SetAnswer, SetRequest},
};
use tfx_service::Shutdown;
use tfx_settings::{Settings, SettingsSource};
use tfx_wiring::{DataDir, FolderLock};
use tokio::net::TcpListener;

/// Streams of a campaign.
const STREAMS: usize = 6;

#[tokio::main]
async fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    println!("{:<10} {:<38} {:>9}", "", format!("{count} entities"), "seconds");
    measure("SQLite", None, count).await;
    match mongo_uri() {
        Some(uri) => measure("MongoDB", Some(&uri), count).await,
        None => println!("MongoDB is not there: make engines"),
    }
}

async fn measure(store: &str, engine: Option<&str>, count: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    let database = format!("tfx_bench_{:012x}", tfx_ports::entropy::random_u128() >> 80);
    let api = served(dir.path(), engine, &database).await;
    let set = set(count);
    let mut changed = set.clone();
    for stream in
        changed.campaigns.iter_mut().filter_map(|c| c.get_mut("streams")).filter_map(Value::as_array_mut)
    {
        stream.iter_mut().for_each(|stream| stream["weight"] = 7.into());
    }
    let streams = set.campaigns.len() * STREAMS;
    let steps = [
        ("plan, nothing is there", &set, true, count),
        ("apply, all are made", &set, false, count),
        ("plan, nothing changes", &set, true, 0),
        ("plan, every stream changes", &changed, true, streams),
        ("apply, every stream is changed", &changed, false, streams),
    ];
    for (what, set, dry_run, changes) in steps {
        let request = SetRequest { set: set.clone(), ..SetRequest::default() };
        let begun = Instant::now();
        let answer: SetAnswer = api.put_config_set(&request, dry_run).await.expect("an answer");
        let took = begun.elapsed();
        assert!(
            answer.changes.len().abs_diff(changes) <= 2 * STREAMS,
            "{what}: {} changes",
            answer.changes.len()
        );
        println!("{store:<10} {what:<38} {:>9.2}", took.as_secs_f64());
    }
    let begun = Instant::now();
    let found = api.config_set().await.expect("a set");
    assert_eq!(found.set.campaigns.len(), set.campaigns.len());
    println!("{store:<10} {:<38} {:>9.2}", "read", begun.elapsed().as_secs_f64());
    if let Some(uri) = engine {
        let client = mongodb::Client::with_uri_str(uri).await.expect("a client");
        client.database(&database).drop().await.expect("dropped");
    }
}

/// Campaigns with six streams each, a tenth as many destinations, ten networks.
fn set(count: usize) -> ConfigSet {
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    // A tenth of a destination for each.
    let campaigns = count * 10 / (10 * (STREAMS + 1) + 1);
    let destinations = (campaigns / 10).max(1);
    let destination = |n: usize| format!("offer-{}", n % destinations);
    let campaign = |n: usize| {
        let streams: Vec<Value> = (0..STREAMS)
            .map(|s| {
                json!({
                    "slug": format!("stream-{s}"), "weight": 30, "bind": "stream",
                    "filters": [{ "field": "country", "is": ["DE", "AT", "CH"] }, { "field": "os", "is_not": ["iOS"] }],
                    "destinations": [{ "destination": destination(n + s) }, { "destination": destination(n + s + 1), "weight": 50 }],
                })
            })
            .collect();
        object(
            json!({ "slug": format!("campaign-{n}"), "name": format!("Campaign {n}"), "source": "push", "streams": streams }),
        )
    };
    let offer = |n: usize| {
        object(json!({
            "slug": format!("offer-{n}"), "network": format!("net-{}", n % 10), "payout": { "amount": "2.5" },
            "url": format!("https://offer.example/{n}?c={{click_id}}"),
        }))
    };
    let network = |n: usize| object(json!({ "slug": format!("net-{n}"), "currency": "EUR" }));
    let all = |count: usize, make: &dyn Fn(usize) -> Map<String, Value>| (0..count).map(make).collect();
    ConfigSet {
        networks: all(10, &network),
        sources: vec![object(json!({ "slug": "push" }))],
        destinations: all(destinations.max(2), &offer),
        campaigns: all(campaigns, &campaign),
        alerts: Vec::new(),
    }
}

/// A running api-service.
async fn served(dir: &Path, engine: Option<&str>, database: &str) -> Client {
    let mut source = SettingsSource::of([
        ("TFX_DATA_DIR", dir.to_str().expect("a path")),
        ("TRAFFIC_SERVICE_URL", "http://127.0.0.1:1"),
        ("POSTBACK_SERVICE_URL", "http://127.0.0.1:1"),
    ]);
    if let Some(uri) = engine {
        source.set("MONGO_URI", uri);
        source.set("MONGO_DATABASE", database);
    }
    let settings = Arc::new(Settings::read(&source).expect("settings"));
    let data_dir = Arc::new(DataDir::open(dir, FolderLock::Shared).expect("the data folder"));
    let stores = tfx_wiring::open(&settings, &data_dir).await.expect("stores");
    let token = data_dir.admin_token().expect("a token").0.expose().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (trigger, shutdown) = Shutdown::new();
    // Until the end of the process.
    std::mem::forget(trigger);
    tokio::spawn(tfx_api_service::run(settings, data_dir, stores, listener, shutdown));
    Client::new(&url, Some(&token)).expect("a client")
}

fn mongo_uri() -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/engines/env");
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("MONGO_URI=")).map(str::to_owned)
}
