//! How many postbacks one postback-service records durably, each a new conversion, beside how fast bare rows of the same size go into
//! the same table with the same indexes; the 99th percentile at half of that; and what becomes of 1,000 that are the same, sent at once
//! to two instances. On SQLite, and with `engines` as argument on MongoDB, Kafka and ClickHouse, which it starts.
//!
//! `cargo build --release --bins && cargo bench -p tfx-e2e --bench postbacks`; `-- 20000 3 engines` are postbacks of a round, rounds, and
//! the engines too. The bare rate on MongoDB is told by `cargo bench -p tfx-mongo`.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "figures are small")]

use reqwest::{Client, header, redirect};
use rusqlite::Connection;
use serde_json::json;
use std::{
    collections::BTreeMap,
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tfx_api::conversions::ConversionQuery;
use tfx_domain::entity::Kind;
use tfx_e2e::{Engines, Service, Services};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    task::{JoinSet, block_in_place},
    time::{Instant as Turn, sleep, sleep_until},
};

/// As many as networks that postbacks come from at once.
const CONNECTIONS: usize = 32;
/// Clicks that are reported: a postback finds its own remembered, as of a network that reports what has just been clicked.
const CLICKS: usize = 100;
/// Bare rows of a transaction, as many as there are connections.
const BATCH: usize = CONNECTIONS;
const SAME: usize = 1_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut numbers = arguments.iter().filter_map(|a| a.parse().ok());
    let count = numbers.next().unwrap_or(20_000);
    let rounds = numbers.next().unwrap_or(3).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        println!("{count} new conversions a round, {CONNECTIONS} connections, the worst of {rounds} rounds");
        on_sqlite(count, rounds).await;
        if arguments.iter().any(|a| a == "engines") {
            on_the_engines(count, rounds).await;
        }
    });
}

async fn on_sqlite(count: usize, rounds: usize) {
    let mut services = Services::embedded(&[("LOG_LEVEL", "error")]);
    let world = World::start(&mut services).await;
    let mut all = Vec::new();
    for round in 0..rounds {
        let one = world.round(&services, count, round).await;
        let bare = bare_rate(&services, count);
        all.push((one, bare));
    }
    let (worst, bare) =
        all.into_iter().min_by(|a, b| (a.0.rate / a.1).total_cmp(&(b.0.rate / b.1))).expect("a round");
    worst.print("SQLite");
    println!(
        "SQLite, bare rows, {BATCH} in a transaction: {bare:.0} a second; ratio {:.2}",
        worst.rate / bare
    );
}

async fn on_the_engines(count: usize, rounds: usize) {
    let engines = Arc::new(Engines::start());
    let mut services = Services::new(Arc::clone(&engines), &[("LOG_LEVEL", "error")]);
    block_in_place(|| services.said(&["migrate", "up"]));
    let world = World::start(&mut services).await;
    let mut all = Vec::new();
    for round in 0..rounds {
        all.push(world.round(&services, count, round).await);
    }
    let worst = all.into_iter().min_by(|a, b| a.rate.total_cmp(&b.rate)).expect("a round");
    worst.print("MongoDB and Kafka");
    world.the_same(&services, &engines).await;
}

/// What one round came to.
struct Round {
    rate: f64,
    processor_us: f64,
    half: f64,
    p50: Duration,
    p99: Duration,
}

impl Round {
    fn print(&self, store: &str) {
        println!(
            "{store}: {:.0} postbacks a second, {:.0} µs of processor time each; at {:.0} a second p50 {:.2} ms, p99 {:.2} ms",
            self.rate,
            self.processor_us,
            self.half,
            self.p50.as_secs_f64() * 1e3,
            self.p99.as_secs_f64() * 1e3
        );
    }
}

/// A network, and clicks that it may report.
struct World {
    secret: String,
    clicks: Vec<String>,
}

impl World {
    async fn start(services: &mut Services) -> Self {
        services.start_all().await;
        let secret = services.offer().await;
        let api = services.api();
        api.create(Kind::Campaign, &json!({ "slug": "summer", "name": "C" })).await.expect("a campaign");
        let stream = json!({ "campaign": "summer", "slug": "main", "name": "M", "destinations": [{ "destination": "offer" }] });
        api.create(Kind::Stream, &stream).await.expect("a stream");
        let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("a client");
        let link = format!("{}/c/summer", services.url(Service::Traffic));
        let mut clicks = Vec::new();
        while clicks.len() < CLICKS {
            let answer = http
                .get(&link)
                .header(header::USER_AGENT, "Mozilla/5.0 Chrome/138.0")
                .send()
                .await
                .expect("an answer");
            let to = answer.headers().get(header::LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default();
            match to.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")) {
                Some(id) => clicks.push(id.to_owned()),
                None => sleep(Duration::from_millis(50)).await,
            }
        }
        for click in &clicks {
            while api.click(click.parse().expect("an id")).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        }
        let world = Self { secret, clicks };
        // The network is new to postback-service.
        let first = world.path(0, "first");
        let address = address(services);
        while !Wire::open(&address).await.get(&first).await.0 {
            sleep(Duration::from_millis(50)).await;
        }
        world
    }

    fn path(&self, n: usize, tid: &str) -> String {
        let click = &self.clicks[n % self.clicks.len()];
        format!(
            "/postback/adnet?secret={}&click_id={click}&payout=12.50&currency=USD&status=sale&tid={tid}-{n}",
            self.secret
        )
    }

    async fn round(&self, services: &Services, count: usize, round: usize) -> Round {
        let address = address(services);
        let before = services.processor_seconds(Service::Postback);
        let paths: Vec<String> = (0..count).map(|n| self.path(n, &format!("r{round}"))).collect();
        let took = flood(&address, paths).await;
        let processor_us = (services.processor_seconds(Service::Postback) - before) * 1e6 / count as f64;
        let rate = count as f64 / took.as_secs_f64();
        let half = rate / 2.0;
        let paths: Vec<String> = (0..count / 2).map(|n| self.path(n, &format!("h{round}"))).collect();
        let mut waits = paced(&address, paths, half).await;
        waits.sort_unstable();
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
        Round { rate, processor_us, half, p50: at(0.5), p99: at(0.99) }
    }

    /// 1,000 that are the same, to two instances at once.
    async fn the_same(&self, services: &Services, engines: &Arc<Engines>) {
        let mut other = Services::new(Arc::clone(engines), &[("LOG_LEVEL", "error")]);
        other.start(Service::Postback);
        other.until_ready(Service::Postback, |status, _| status == 200).await;
        let path = self.path(0, "the-same");
        let mut sent = JoinSet::new();
        let results = Arc::<std::sync::Mutex<BTreeMap<String, usize>>>::default();
        for n in 0..SAME {
            let (path, results) = (path.clone(), Arc::clone(&results));
            let address = address(if n % 2 == 0 { services } else { &other });
            sent.spawn(async move {
                let (_, body) = Wire::open(&address).await.get(&path).await;
                let result = body
                    .split("\"result\":\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next())
                    .unwrap_or("none");
                *results.lock().expect("no panic").entry(result.to_owned()).or_default() += 1;
            });
        }
        while let Some(done) = sent.join_next().await {
            done.expect("no panic");
        }
        let query = ConversionQuery {
            click: Some(self.clicks[0].parse().expect("an id")),
            limit: Some(1_000),
            ..ConversionQuery::default()
        };
        let there = services.api().conversions(&query).await.expect("conversions");
        let same = there.items.iter().filter(|c| c.transaction_id.as_deref() == Some("the-same-0")).count();
        println!(
            "{SAME} that are the same, at once to two instances: {:?}; conversions: {same}",
            results.lock().expect("no panic")
        );
        assert_eq!(same, 1);
    }
}

fn address(services: &Services) -> String {
    services.url(Service::Postback).trim_start_matches("http://").to_owned()
}

/// As fast as they are answered.
async fn flood(address: &str, paths: Vec<String>) -> Duration {
    let (paths, next) = (Arc::new(paths), Arc::<AtomicUsize>::default());
    let began = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (paths, next, mut connection) =
            (Arc::clone(&paths), Arc::clone(&next), Wire::open(address).await);
        all.spawn(async move {
            while let Some(path) = paths.get(next.fetch_add(1, Relaxed)) {
                assert!(connection.get(path).await.0, "{path}");
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("no panic");
    }
    began.elapsed()
}

/// At so many a second, whether those before are answered or not; how long each took from its turn on.
async fn paced(address: &str, paths: Vec<String>, rate: f64) -> Vec<Duration> {
    let (paths, next) = (Arc::new(paths), Arc::<AtomicUsize>::default());
    let waits = Arc::<std::sync::Mutex<Vec<Duration>>>::default();
    let began = Turn::now();
    let mut all = JoinSet::new();
    for _ in 0..CONNECTIONS * 2 {
        let (paths, next, waits) = (Arc::clone(&paths), Arc::clone(&next), Arc::clone(&waits));
        let mut connection = Wire::open(address).await;
        all.spawn(async move {
            loop {
                let n = next.fetch_add(1, Relaxed);
                let Some(path) = paths.get(n) else { return };
                let turn = began + Duration::from_secs_f64(n as f64 / rate);
                sleep_until(turn).await;
                assert!(connection.get(path).await.0, "{path}");
                waits.lock().expect("no panic").push(turn.elapsed());
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("no panic");
    }
    std::mem::take(&mut *waits.lock().expect("no panic"))
}

/// A connection that is kept.
struct Wire(BufReader<TcpStream>);

impl Wire {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        Self(BufReader::new(stream))
    }

    /// Whether it was answered 200, and with what.
    async fn get(&mut self, path: &str) -> (bool, String) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: postbacks\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.expect("sent");
        let (mut status, mut length, mut line) = (String::new(), 0, String::new());
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).await.expect("an answer") > 0, "hung up");
            if status.is_empty() {
                status = line.clone();
            } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            } else if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.expect("a body");
        (status.contains(" 200 "), String::from_utf8_lossy(&body).into_owned())
    }
}

/// Rows of conversions as they lie there, into a table with the same columns and indexes, each transaction synced to the disk.
fn bare_rate(services: &Services, count: usize) -> f64 {
    let folder = Path::new(services.setting("TFX_DATA_DIR"));
    let there = Connection::open(folder.join("config.db")).expect("the database");
    let of_table =
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'conversions' AND sql IS NOT NULL ORDER BY type DESC";
    let statements: Vec<String> = {
        let mut found = there.prepare(of_table).expect("a statement");
        found.query_map([], |row| row.get(0)).expect("rows").map(|sql| sql.expect("a text")).collect()
    };
    let columns =
        "id, version, network, key, sale_claim, click_id, campaign, status, created_ms, unpublished, body";
    let select = format!("SELECT {columns} FROM conversions ORDER BY created_ms DESC LIMIT {count}");
    let rows: Vec<Vec<rusqlite::types::Value>> = {
        let mut found = there.prepare(&select).expect("a statement");
        let row = |row: &rusqlite::Row<'_>| (0..11).map(|n| row.get(n)).collect();
        found.query_map([], row).expect("rows").map(|row| row.expect("a row")).collect()
    };
    let beside = tempfile::tempdir_in(folder).expect("a folder");
    let mut bare = Connection::open(beside.path().join("bare.db")).expect("a database");
    bare.pragma_update(None, "journal_mode", "WAL").expect("set");
    bare.pragma_update(None, "synchronous", "FULL").expect("set");
    for sql in statements {
        bare.execute_batch(&sql).expect("the same table");
    }
    let insert =
        format!("INSERT INTO conversions ({columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    let began = Instant::now();
    for batch in rows.chunks(BATCH) {
        let transaction = bare.transaction().expect("begun");
        for row in batch {
            transaction
                .prepare_cached(&insert)
                .expect("a statement")
                .execute(rusqlite::params_from_iter(row))
                .expect("inserted");
        }
        transaction.commit().expect("committed");
    }
    let took = began.elapsed();
    let there: i64 =
        bare.query_row("SELECT count(*) FROM conversions", [], |row| row.get(0)).expect("a count");
    assert_eq!(usize::try_from(there), Ok(rows.len()));
    rows.len() as f64 / took.as_secs_f64()
}
